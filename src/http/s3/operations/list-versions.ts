/**
 * ListObjectVersions: as a bucket lists where versioning was never switched on. Each object has one version, `null`, which is the
 * latest, and there are no delete markers. Tools empty buckets with it.
 */
import type { ListObjectsResult } from '../../../engine/object-service.js';
import { answer } from '../answer.js';
import type { Exchange } from '../exchange.js';
import { behindMarker, checkVersionMarker, parseLimit, wantsUrlEncoding } from '../parameters.js';
import { element, encodeUrl, escapeXml, xmlDocument } from '../xml-writer.js';
import { listedEntries } from './listed-entries.js';
import { ownerElement } from './owner.js';

const NOTHING: ListObjectsResult = { entries: [], truncated: false };

export function listObjectVersions(exchange: Exchange): void {
  const { bucket, query } = exchange.target;
  const { objects, options, access } = exchange.context;
  const url = wantsUrlEncoding(query);
  const encode = url ? encodeUrl : escapeXml;
  const named = (name: string, text: string): string => `<${name}>${encode(text)}</${name}>`;
  const prefix = query.get('prefix') ?? '';
  const delimiter = query.get('delimiter') ?? '';
  const marker = query.get('key-marker') ?? '';
  const maxKeys = parseLimit(query, 'max-keys');
  const versionMarker = checkVersionMarker(query);
  // Behind the only version of a key the next key follows, so that the marker's version changes nothing.
  const startAfter = behindMarker(marker, { prefix, delimiter });
  const page =
    maxKeys === 0
      ? objects.headBucket(bucket).then(() => NOTHING)
      : objects.listObjects({ bucket, prefix, delimiter, startAfter, maxKeys });
  answer(exchange, page, (result) => {
    const last = result.truncated ? result.entries.at(-1) : undefined;
    const content =
      element('Name', bucket) +
      named('Prefix', prefix) +
      named('KeyMarker', marker) +
      element('VersionIdMarker', versionMarker) +
      (delimiter === '' ? '' : named('Delimiter', delimiter)) +
      element('MaxKeys', maxKeys) +
      (url ? element('EncodingType', 'url') : '') +
      element('IsTruncated', result.truncated) +
      (last === undefined ? '' : named('NextKeyMarker', last.kind === 'prefix' ? last.prefix : last.key)) +
      (last?.kind === 'object' ? element('NextVersionIdMarker', 'null') : '') +
      listedEntries(
        result.entries,
        'versions',
        encode,
        ownerElement('Owner', options, access.ownerOf(bucket)),
      );
    exchange.replyXml(200, xmlDocument('ListVersionsResult', content));
  });
}
