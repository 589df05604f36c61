/**
 * Byte ranges: the `Range` header of a read and `x-amz-copy-source-range` of a part copy.
 *
 * S3 serves one range. A header that is not well-formed, counts in other units or names several ranges is ignored and the whole
 * object is served (RFC 9110, section 14.2, permits both). A range that starts behind the last byte is refused with 416.
 */
import type { ByteRange } from '../../core/object-store.js';
import type { ObjectPart } from '../../core/object.js';
import type { RangeRequest } from '../../engine/object-service.js';
import { invalidArgument } from './s3-error.js';

const RANGE = /^bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*$/i;

/** Undefined when the header asks for nothing that S3 serves as a range. */
export function parseRange(header: string | undefined): RangeRequest | undefined {
  if (header === undefined) return undefined;
  const match = RANGE.exec(header);
  if (match === null) return undefined;
  const [, firstText = '', lastText = ''] = match;
  if (firstText === '') return lastText === '' ? undefined : { suffix: toSize(lastText) };
  const first = toSize(firstText);
  if (lastText === '') return { first };
  const last = toSize(lastText);
  return last < first ? undefined : { first, last };
}

/** The bytes of an object of `size` that a range means; undefined when it cannot be satisfied. */
export function resolveRange(range: RangeRequest, size: number): ByteRange | undefined {
  if ('suffix' in range) {
    if (range.suffix === 0 || size === 0) return undefined;
    return { first: Math.max(0, size - range.suffix), last: size - 1 };
  }
  if (range.first >= size) return undefined;
  return { first: range.first, last: Math.min(range.last ?? size - 1, size - 1) };
}

/**
 * The bytes of one part, which reads count from 1 whatever number it was uploaded under; undefined when there is no such
 * part. An object without parts is its own part 1.
 */
export function rangeOfPart(
  object: { readonly size: number; readonly parts?: readonly ObjectPart[] },
  partNumber: number,
): ByteRange | undefined {
  if (object.parts === undefined) return partNumber === 1 ? { first: 0, last: object.size - 1 } : undefined;
  let first = 0;
  for (const [index, part] of object.parts.entries()) {
    if (index + 1 === partNumber) return { first, last: first + part.size - 1 };
    first += part.size;
  }
  return undefined;
}

const COPY_RANGE = /^bytes=(\d+)-(\d+)$/;

/** A part copy's range must name both ends. Throws InvalidArgument. */
export function parseCopyRange(header: string | undefined): RangeRequest | undefined {
  if (header === undefined) return undefined;
  const match = COPY_RANGE.exec(header);
  const first = toSize(match?.[1] ?? '');
  const last = toSize(match?.[2] ?? '');
  if (match === null || last < first)
    throw invalidArgument(
      'The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy',
      'x-amz-copy-source-range',
      header,
    );
  return { first, last };
}

/** Digits beyond what a number holds exactly mean "to the end" all the same. */
function toSize(digits: string): number {
  return Math.min(Number(digits), Number.MAX_SAFE_INTEGER);
}
