/** GetObjectAttributes: what HeadObject and ListParts say of an object, as one document. */
import { PART_NUMBER_MAX } from '../../../core/object.js';
import type { ObjectChecksum, ObjectVersion } from '../../../core/object.js';
import { answer } from '../answer.js';
import { CHECKSUM_ELEMENTS } from '../checksum-headers.js';
import type { Exchange } from '../exchange.js';
import { checkReadHeaders } from '../encryption-headers.js';
import { checkVersion, parseNumber } from '../parameters.js';
import { invalidArgument } from '../s3-error.js';
import { formatHttpDate } from '../timestamps.js';
import { element, xmlDocument } from '../xml-writer.js';

const HEADER = 'x-amz-object-attributes';
const ATTRIBUTES: ReadonlySet<string> = new Set([
  'ETag',
  'Checksum',
  'ObjectParts',
  'StorageClass',
  'ObjectSize',
]);
const PARTS_MAX = 1000;

interface Page {
  readonly maxParts: number;
  readonly after: number;
}

export function getObjectAttributes(exchange: Exchange): void {
  const { bucket, key, query } = exchange.target;
  checkVersion(query);
  checkReadHeaders(exchange.headers);
  const wanted = parseAttributes(exchange.headers[HEADER]);
  const page: Page = {
    maxParts: Math.min(PARTS_MAX, numberOf(exchange, 'x-amz-max-parts') ?? PARTS_MAX),
    after: numberOf(exchange, 'x-amz-part-number-marker') ?? 0,
  };
  answer(exchange, exchange.context.objects.headObject({ bucket, key }), (object) => {
    const headers = exchange.startHeaders();
    headers.push('Last-Modified', formatHttpDate(object.lastModifiedMs));
    const content =
      (wanted.has('ETag') ? element('ETag', object.etag) : '') +
      (wanted.has('Checksum') ? checksumElement(object.checksum) : '') +
      (wanted.has('ObjectParts') ? partsElement(object, page) : '') +
      (wanted.has('StorageClass') ? element('StorageClass', 'STANDARD') : '') +
      (wanted.has('ObjectSize') ? element('ObjectSize', object.size) : '');
    exchange.replyXml(200, xmlDocument('GetObjectAttributesResponse', content), headers);
  });
}

function parseAttributes(header: string | string[] | undefined): ReadonlySet<string> {
  const text = String(header ?? '');
  const wanted = new Set(text.split(',').map((name) => name.trim()));
  for (const name of wanted)
    if (!ATTRIBUTES.has(name)) throw invalidArgument('Invalid attribute name specified.', HEADER, text);
  return wanted;
}

function numberOf(exchange: Exchange, name: string): number | undefined {
  const value = exchange.headers[name];
  return value === undefined
    ? undefined
    : parseNumber(new Map([[name, String(value)]]), name, 0, PART_NUMBER_MAX);
}

function checksumElement(checksum: ObjectChecksum | undefined): string {
  if (checksum === undefined) return '';
  const value = element(CHECKSUM_ELEMENTS[checksum.algorithm], checksum.value);
  return `<Checksum>${value}${element('ChecksumType', checksum.type)}</Checksum>`;
}

function partsElement({ parts }: ObjectVersion, { maxParts, after }: Page): string {
  if (parts === undefined) return '';
  const rest = parts.filter(({ number }) => number > after);
  const page = rest.slice(0, maxParts);
  let content =
    element('PartsCount', parts.length) +
    element('PartNumberMarker', after) +
    element('NextPartNumberMarker', page.at(-1)?.number ?? 0) +
    element('MaxParts', maxParts) +
    element('IsTruncated', rest.length > page.length);
  for (const { number, size, checksum } of page) {
    const sum = checksum === undefined ? '' : element(CHECKSUM_ELEMENTS[checksum.algorithm], checksum.value);
    content += `<Part>${element('PartNumber', number)}${element('Size', size)}${sum}</Part>`;
  }
  return `<ObjectParts>${content}</ObjectParts>`;
}
