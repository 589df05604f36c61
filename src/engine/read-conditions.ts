/** What a read asks for: conditions (RFC 9110, section 13, with S3's precedence), ranges and parts. Pure. */
import { HeadraceError } from '../core/errors.js';
import type { ByteRange } from '../core/object-store.js';
import type { ObjectPart, ObjectVersion } from '../core/object.js';
import type { GetObjectRequest, RangeRequest, ReadConditions } from './object-service.js';

/** `PRECONDITION_FAILED`, `NOT_MODIFIED` (with the ETag and time that the answer shows). */
export function checkReadConditions(
  conditions: ReadConditions | undefined,
  object: { readonly etag: string; readonly lastModifiedMs: number },
): void {
  if (conditions === undefined) return;
  const { ifMatch, ifNoneMatch, ifModifiedSinceMs, ifUnmodifiedSinceMs } = conditions;
  const seconds = Math.floor(object.lastModifiedMs / 1000);
  const matches = (etags: readonly string[]): boolean => etags.includes('*') || etags.includes(object.etag);
  if (ifMatch !== undefined) {
    if (!matches(ifMatch)) throw failed('If-Match', object.etag);
  } else if (ifUnmodifiedSinceMs !== undefined && seconds > Math.floor(ifUnmodifiedSinceMs / 1000)) {
    throw failed('If-Unmodified-Since', object.etag);
  }
  const notModified =
    ifNoneMatch === undefined
      ? ifModifiedSinceMs !== undefined && seconds <= Math.floor(ifModifiedSinceMs / 1000)
      : matches(ifNoneMatch);
  if (notModified) {
    throw new HeadraceError('NOT_MODIFIED', 'the object is what the client already has', {
      details: { etag: object.etag, lastModifiedMs: object.lastModifiedMs },
    });
  }
}

/** The bytes that are asked for; undefined for all of them, or for a part that has none. `INVALID_RANGE`. */
export function rangeOf(request: GetObjectRequest, object: ObjectVersion): ByteRange | undefined {
  if (request.partNumber !== undefined) return resolvePart(request.partNumber, object);
  return request.range === undefined ? undefined : resolveRange(request.range, object.size);
}

/** The bytes a range stands for in an object of `size` bytes. `INVALID_RANGE` when there are none. */
function resolveRange(range: RangeRequest, size: number): ByteRange {
  const first = 'suffix' in range ? Math.max(size - range.suffix, 0) : range.first;
  const last = 'suffix' in range ? size - 1 : Math.min(range.last ?? size - 1, size - 1);
  if (first > last || ('suffix' in range && range.suffix === 0)) {
    throw new HeadraceError('INVALID_RANGE', `the range lies outside the object's ${size} bytes`, {
      details: { size },
    });
  }
  return { first, last };
}

/** The bytes of one part; an object that was not uploaded in parts is its own part 1. */
function resolvePart(
  partNumber: number,
  object: { readonly size: number; readonly parts?: readonly ObjectPart[] },
): ByteRange | undefined {
  let first = 0;
  const parts = object.parts ?? [{ number: 1, size: object.size }];
  for (const [at, part] of parts.entries()) {
    if (at === partNumber - 1) return part.size === 0 ? undefined : { first, last: first + part.size - 1 };
    first += part.size;
  }
  throw new HeadraceError(
    'INVALID_RANGE',
    `the object has ${parts.length} parts: there is no part ${partNumber}`,
    {
      details: { size: object.size, partNumber },
    },
  );
}

function failed(condition: string, etag: string): HeadraceError {
  return new HeadraceError('PRECONDITION_FAILED', `the object's ETag is "${etag}"`, {
    details: { condition },
  });
}
