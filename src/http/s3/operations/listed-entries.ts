/** A page of a bucket in the documents that list it. */
import type { ListEntry } from '../../../engine/object-service.js';
import { formatXmlDate } from '../timestamps.js';
import { escapeXml } from '../xml-writer.js';

/** Element of an object, and what stands in it behind the key. */
const OBJECT = { name: 'Contents', version: '' };
const VERSION = { name: 'Version', version: '<VersionId>null</VersionId><IsLatest>true</IsLatest>' };

/** All objects before all common prefixes, as S3 has them. `owner` is an element, or empty. */
export function listedEntries(
  all: readonly ListEntry[],
  kind: 'objects' | 'versions',
  encode: (name: string) => string,
  owner: string,
): string {
  const { name, version } = kind === 'objects' ? OBJECT : VERSION;
  let objects = '';
  let prefixes = '';
  for (const entry of all) {
    if (entry.kind === 'prefix')
      prefixes += `<CommonPrefixes><Prefix>${encode(entry.prefix)}</Prefix></CommonPrefixes>`;
    else
      objects +=
        `<${name}><Key>${encode(entry.key)}</Key>${version}` +
        `<LastModified>${formatXmlDate(entry.lastModifiedMs)}</LastModified>` +
        `<ETag>&quot;${escapeXml(entry.etag)}&quot;</ETag><Size>${entry.size}</Size>${owner}` +
        `<StorageClass>STANDARD</StorageClass></${name}>`;
  }
  return objects + prefixes;
}
