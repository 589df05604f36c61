/** CompleteMultipartUpload: makes the parts one object. */
import { isChecksumValue } from '../../../core/checksum.js';
import { OBJECT_BYTES_MAX, PART_NUMBER_MAX } from '../../../core/object.js';
import type { ObjectChecksum } from '../../../core/object.js';
import type { CompleteUploadRequest } from '../../../engine/upload-requests.js';
import { ackElement, ackRequest, addAck, statusOfWrite } from '../acknowledgement.js';
import { addOffset, answerSlowly } from '../answer.js';
import { CHECKSUM_ELEMENTS, parseChecksumType, statedChecksum } from '../checksum-headers.js';
import { writeConditions } from '../conditions.js';
import type { Exchange } from '../exchange.js';
import { refuseCustomerKey } from '../encryption-headers.js';
import { required } from '../parameters.js';
import { receiveXml } from '../receive-body.js';
import { invalidArgument, S3Error } from '../s3-error.js';
import { childText } from '../xml-reader.js';
import type { XmlElement } from '../xml-reader.js';
import { element, xmlDocument } from '../xml-writer.js';

export function completeUpload(exchange: Exchange): void {
  const { bucket, key, query } = exchange.target;
  const uploadId = required(query, 'uploadId');
  const conditions = writeConditions(exchange.headers);
  refuseCustomerKey(exchange.headers);
  const ack = ackRequest(exchange);
  const checksum = checksumOf(exchange);
  const size = sizeOf(exchange);
  receiveXml(exchange, { checksumOfBody: false }, (root) => {
    const parts = parseParts(root);
    const request = { bucket, key, uploadId, parts, conditions, checksum, size, ack };
    answerSlowly(exchange, exchange.context.objects.completeUpload(request), (receipt) => {
      const headers = exchange.startHeaders();
      addOffset(headers, receipt);
      addAck(headers, receipt.ack);
      const content =
        element(
          'Location',
          `${exchange.scheme}://${exchange.headers.host ?? 'localhost'}${exchange.target.rawPath}`,
        ) +
        element('Bucket', bucket) +
        element('Key', key) +
        element('ETag', `"${receipt.etag}"`) +
        checksumElements(receipt.checksum) +
        ackElement(receipt.ack);
      const document = xmlDocument('CompleteMultipartUploadResult', content);
      return { document, headers, status: statusOfWrite(receipt) };
    });
  });
}

function checksumElements(checksum: ObjectChecksum | undefined): string {
  if (checksum === undefined) return '';
  return (
    element(CHECKSUM_ELEMENTS[checksum.algorithm], checksum.value) + element('ChecksumType', checksum.type)
  );
}

/** What the client says the whole object's checksum is. */
function checksumOf(exchange: Exchange): ObjectChecksum | undefined {
  const stated = statedChecksum(exchange.headers);
  if (stated === undefined) return undefined;
  const typeText = exchange.headers['x-amz-checksum-type'];
  const { algorithm, value } = stated;
  const composite = /^(.*)-\d{1,5}$/.exec(value);
  const fallback = composite === null ? 'FULL_OBJECT' : 'COMPOSITE';
  if (!isChecksumValue(algorithm, composite?.[1] ?? value))
    throw new S3Error(
      'InvalidRequest',
      `Value for x-amz-checksum-${algorithm.toLowerCase()} header is invalid.`,
    );
  return { algorithm, value, type: typeText === undefined ? fallback : parseChecksumType(String(typeText)) };
}

function sizeOf(exchange: Exchange): number | undefined {
  const text = exchange.headers['x-amz-mp-object-size'];
  if (text === undefined) return undefined;
  const size = typeof text === 'string' && /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!(size <= OBJECT_BYTES_MAX))
    throw invalidArgument(
      'Value for x-amz-mp-object-size header is invalid.',
      'x-amz-mp-object-size',
      String(text),
    );
  return size;
}

function parseParts(root: XmlElement): CompleteUploadRequest['parts'] {
  const parts = root.children.filter(({ name }) => name === 'Part');
  if (root.name !== 'CompleteMultipartUpload' || parts.length === 0 || parts.length > PART_NUMBER_MAX)
    throw new S3Error(
      'MalformedXML',
      `The XML you provided was not well-formed or did not validate against our published schema: a CompleteMultipartUpload has 1 to ${PART_NUMBER_MAX} Part elements, not ${parts.length}.`,
    );
  const named: CompleteUploadRequest['parts'][number][] = [];
  for (const part of parts.map(parsePart)) {
    // Who sent a part twice may name both; the last one counts.
    if (named.at(-1)?.number === part.number) named.pop();
    named.push(part);
  }
  return named;
}

function parsePart(part: XmlElement): CompleteUploadRequest['parts'][number] {
  const numberText = childText(part, 'PartNumber')?.trim() ?? '';
  const etag = childText(part, 'ETag')?.trim().replaceAll('"', '') ?? '';
  const number = /^\d{1,5}$/.test(numberText) ? Number(numberText) : 0;
  if (number < 1 || number > PART_NUMBER_MAX || etag === '')
    throw new S3Error(
      'MalformedXML',
      `Each Part needs an ETag and a PartNumber from 1 to ${PART_NUMBER_MAX}, not "${numberText}".`,
    );
  for (const name of Object.values(CHECKSUM_ELEMENTS)) {
    const checksum = childText(part, name)?.trim();
    if (checksum !== undefined && checksum !== '') return { number, etag, checksum };
  }
  return { number, etag };
}
