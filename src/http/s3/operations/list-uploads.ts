/** ListMultipartUploads and ListParts. */
import type { ListPartsResult, ListUploadsResult, UploadPeople } from '../../../engine/upload-requests.js';
import { PART_NUMBER_MAX } from '../../../core/object.js';
import { answer } from '../answer.js';
import { CHECKSUM_ELEMENTS } from '../checksum-headers.js';
import type { Exchange } from '../exchange.js';
import { refuseCustomerKey } from '../encryption-headers.js';
import { behindMarker, parseLimit, parseNumber, required, wantsUrlEncoding } from '../parameters.js';
import { formatXmlDate } from '../timestamps.js';
import { element, encodeUrl, escapeXml, optionalElement, xmlDocument } from '../xml-writer.js';
import { ownerElement } from './owner.js';

const STANDARD = '<StorageClass>STANDARD</StorageClass>';

export function listUploads(exchange: Exchange): void {
  const { bucket, query } = exchange.target;
  const encode = wantsUrlEncoding(query) ? encodeUrl : escapeXml;
  const prefix = query.get('prefix') ?? '';
  const delimiter = query.get('delimiter') ?? '';
  const keyMarker = query.get('key-marker') ?? '';
  // Without a key it has no meaning, and S3 ignores it.
  const uploadIdMarker = keyMarker === '' ? '' : (query.get('upload-id-marker') ?? '');
  const maxUploads = parseLimit(query, 'max-uploads');
  const { objects } = exchange.context;
  const page =
    maxUploads === 0
      ? objects
          .headBucket(bucket)
          .then((): ListUploadsResult => ({ uploads: [], prefixes: [], truncated: false }))
      : objects.listUploads({
          bucket,
          prefix,
          delimiter,
          keyMarker: behindMarker(keyMarker, { prefix, delimiter }),
          uploadIdMarker,
          maxUploads,
        });
  answer(exchange, page, (result) => {
    const content =
      element('Bucket', bucket) +
      `<KeyMarker>${encode(keyMarker)}</KeyMarker>` +
      element('UploadIdMarker', uploadIdMarker) +
      nextMarkers(result, encode) +
      `<Prefix>${encode(prefix)}</Prefix>` +
      (delimiter === '' ? '' : `<Delimiter>${encode(delimiter)}</Delimiter>`) +
      (encode === encodeUrl ? element('EncodingType', 'url') : '') +
      element('MaxUploads', maxUploads) +
      element('IsTruncated', result.truncated) +
      uploadElements(exchange, result, encode);
    exchange.replyXml(200, xmlDocument('ListMultipartUploadsResult', content));
  });
}

/** The next page begins behind the last upload or the last common prefix, whichever comes later. */
function nextMarkers(result: ListUploadsResult, encode: (name: string) => string): string {
  const upload = result.uploads.at(-1);
  const prefix = result.prefixes.at(-1);
  if (!result.truncated || (upload === undefined && prefix === undefined)) return '';
  const afterPrefix =
    upload === undefined ||
    (prefix !== undefined && Buffer.compare(Buffer.from(prefix), Buffer.from(upload.key)) > 0);
  const key = afterPrefix ? (prefix ?? '') : upload.key;
  const id = afterPrefix ? '' : upload.uploadId;
  return `<NextKeyMarker>${encode(key)}</NextKeyMarker>${element('NextUploadIdMarker', id)}`;
}

/** Of an upload that began before there were users, or before it was noted who began it, the owner of the bucket is said. */
function ownersOf({ context: { options, access }, target }: Exchange, people: UploadPeople): string {
  const bucketOwner = access.ownerOf(target.bucket);
  return (
    ownerElement('Initiator', options, people.initiator ?? bucketOwner) +
    ownerElement('Owner', options, people.owner ?? bucketOwner)
  );
}

function uploadElements(
  exchange: Exchange,
  result: ListUploadsResult,
  encode: (name: string) => string,
): string {
  let content = '';
  for (const upload of result.uploads)
    content +=
      `<Upload><Key>${encode(upload.key)}</Key>${element('UploadId', upload.uploadId)}` +
      `${ownersOf(exchange, upload)}${STANDARD}${element('Initiated', formatXmlDate(upload.openedMs))}</Upload>`;
  for (const prefix of result.prefixes)
    content += `<CommonPrefixes><Prefix>${encode(prefix)}</Prefix></CommonPrefixes>`;
  return content;
}

export function listParts(exchange: Exchange): void {
  const { bucket, key, query } = exchange.target;
  const encode = wantsUrlEncoding(query) ? encodeUrl : escapeXml;
  const uploadId = required(query, 'uploadId');
  refuseCustomerKey(exchange.headers);
  const marker = parseNumber(query, 'part-number-marker', 0, 2_147_483_647) ?? 0;
  const maxParts = parseLimit(query, 'max-parts');
  const partNumberMarker = Math.min(marker, PART_NUMBER_MAX);
  const request = { bucket, key, uploadId, partNumberMarker, maxParts };
  const { objects } = exchange.context;
  answer(exchange, objects.listParts(request), (result) => {
    const last = result.parts.at(-1)?.number ?? (result.truncated ? marker : 0);
    const content =
      element('Bucket', bucket) +
      `<Key>${encode(key)}</Key>` +
      element('UploadId', uploadId) +
      ownersOf(exchange, result.people) +
      STANDARD +
      element('PartNumberMarker', marker) +
      element('NextPartNumberMarker', last) +
      element('MaxParts', maxParts) +
      element('IsTruncated', result.truncated) +
      optionalElement('ChecksumAlgorithm', result.checksumAlgorithm) +
      optionalElement('ChecksumType', result.checksumType) +
      partElements(result);
    exchange.replyXml(200, xmlDocument('ListPartsResult', content));
  });
}

function partElements(result: ListPartsResult): string {
  let content = '';
  for (const { number, size, etag, lastModifiedMs, checksum } of result.parts)
    content +=
      `<Part>${element('PartNumber', number)}${element('LastModified', formatXmlDate(lastModifiedMs))}` +
      `${element('ETag', `"${etag}"`)}${element('Size', size)}` +
      `${checksum === undefined ? '' : element(CHECKSUM_ELEMENTS[checksum.algorithm], checksum.value)}</Part>`;
  return content;
}
