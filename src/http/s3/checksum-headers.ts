/**
 * The `x-amz-checksum-*` headers: what a client says a body's checksum is or will be, and what an answer says it was.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { CHECKSUM_ALGORITHMS, isChecksumValue } from '../../core/checksum.js';
import type { ChecksumAlgorithm, ObjectChecksum } from '../../core/object.js';
import { invalidArgument, notImplemented, S3Error } from './s3-error.js';

const PREFIX = 'x-amz-checksum-';

const HEADER_NAMES: Readonly<Record<ChecksumAlgorithm, string>> = {
  CRC32: 'x-amz-checksum-crc32',
  CRC32C: 'x-amz-checksum-crc32c',
  CRC64NVME: 'x-amz-checksum-crc64nvme',
  SHA1: 'x-amz-checksum-sha1',
  SHA256: 'x-amz-checksum-sha256',
};

/** Element names of the same in XML. */
export const CHECKSUM_ELEMENTS: Readonly<Record<ChecksumAlgorithm, string>> = {
  CRC32: 'ChecksumCRC32',
  CRC32C: 'ChecksumCRC32C',
  CRC64NVME: 'ChecksumCRC64NVME',
  SHA1: 'ChecksumSHA1',
  SHA256: 'ChecksumSHA256',
};

const ALGORITHM_OF_SUFFIX: ReadonlyMap<string, ChecksumAlgorithm> = new Map(
  CHECKSUM_ALGORITHMS.map((algorithm) => [algorithm.toLowerCase(), algorithm]),
);

/** Names with the prefix that state no checksum. */
const PARAMETERS = new Set(['algorithm', 'type', 'mode']);

export type ChecksumPlan =
  | { readonly kind: 'header'; readonly algorithm: ChecksumAlgorithm; readonly expected: string }
  | { readonly kind: 'trailer'; readonly algorithm: ChecksumAlgorithm };

/** What a request with a body says about its checksum. Throws InvalidRequest, InvalidArgument, NotImplemented. */
export function planChecksum(headers: IncomingHttpHeaders): ChecksumPlan | undefined {
  const announced = headers['x-amz-sdk-checksum-algorithm'];
  const stated = statedChecksum(headers);
  const trailer = headers['x-amz-trailer'];
  if (stated !== undefined) {
    checkValue(stated.algorithm, stated.value);
    checkAnnouncement(announced, stated.algorithm);
    return { kind: 'header', algorithm: stated.algorithm, expected: stated.value };
  }
  if (typeof trailer === 'string') {
    const algorithm = algorithmOfTrailer(trailer);
    checkAnnouncement(announced, algorithm);
    return { kind: 'trailer', algorithm };
  }
  if (announced !== undefined)
    throw new S3Error(
      'InvalidRequest',
      'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.',
    );
  return undefined;
}

/** The checksum of a whole multipart object that a CompleteMultipartUpload states, not yet checked. */
export function statedChecksum(
  headers: IncomingHttpHeaders,
): { algorithm: ChecksumAlgorithm; value: string } | undefined {
  let found: { algorithm: ChecksumAlgorithm; value: string } | undefined;
  for (const name in headers) {
    if (!name.startsWith(PREFIX)) continue;
    const suffix = name.slice(PREFIX.length);
    if (PARAMETERS.has(suffix)) continue;
    const algorithm = ALGORITHM_OF_SUFFIX.get(suffix);
    // S3 has more of them; one that is not checked must not pass as if it had been.
    if (algorithm === undefined) throw notImplemented(`The header ${name}`);
    if (found !== undefined)
      throw new S3Error(
        'InvalidRequest',
        'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
      );
    found = { algorithm, value: String(headers[name]) };
  }
  return found;
}

function checkValue(algorithm: ChecksumAlgorithm, value: string): void {
  if (!isChecksumValue(algorithm, value))
    throw new S3Error('InvalidRequest', `Value for ${HEADER_NAMES[algorithm]} header is invalid.`);
}

function checkAnnouncement(announced: string | string[] | undefined, algorithm: ChecksumAlgorithm): void {
  if (announced !== undefined && String(announced).toUpperCase() !== algorithm)
    throw new S3Error('InvalidRequest', 'Value for x-amz-sdk-checksum-algorithm header is invalid.');
}

function algorithmOfTrailer(trailer: string): ChecksumAlgorithm {
  const name = trailer.trim().toLowerCase();
  const algorithm = name.startsWith(PREFIX) ? ALGORITHM_OF_SUFFIX.get(name.slice(PREFIX.length)) : undefined;
  if (algorithm !== undefined) return algorithm;
  if (name.startsWith(PREFIX)) throw notImplemented(`The trailing header ${name}`);
  throw new S3Error('InvalidRequest', 'The value specified in the x-amz-trailer header is not supported');
}

/** The checksum a trailer ended with. Throws MalformedTrailerError, InvalidRequest. */
export function trailingChecksum(
  algorithm: ChecksumAlgorithm,
  trailers: ReadonlyMap<string, string>,
): string {
  const value = trailers.get(HEADER_NAMES[algorithm]);
  if (value === undefined)
    throw new S3Error(
      'MalformedTrailerError',
      `The trailing header ${HEADER_NAMES[algorithm]} that was announced is missing.`,
    );
  checkValue(algorithm, value);
  return value;
}

/** Adds an object's checksum to the flat list of an answer's headers. */
export function addChecksumHeaders(into: string[], checksum: ObjectChecksum | undefined): void {
  if (checksum === undefined) return;
  into.push(HEADER_NAMES[checksum.algorithm], checksum.value, 'x-amz-checksum-type', checksum.type);
}

/** A value of `x-amz-checksum-algorithm`. Throws InvalidRequest. */
export function parseAlgorithm(text: string): ChecksumAlgorithm {
  const upper = text.toUpperCase();
  const algorithm = CHECKSUM_ALGORITHMS.find((known) => known === upper);
  if (algorithm !== undefined) return algorithm;
  throw new S3Error(
    'InvalidRequest',
    'Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]',
  );
}

/** A value of `x-amz-checksum-type`. Throws InvalidArgument. */
export function parseChecksumType(text: string): ObjectChecksum['type'] {
  if (text === 'FULL_OBJECT' || text === 'COMPOSITE') return text;
  throw invalidArgument('Value for x-amz-checksum-type header is invalid.', 'x-amz-checksum-type', text);
}
