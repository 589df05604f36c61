/** What the `ObjectService` in memory decides: the order of keys, bodies, conditions. */
import { createHash } from 'node:crypto';
import { HeadraceError } from '../../src/core/errors.js';
import { toByteString } from '../../src/core/key.js';
import type { ObjectVersion } from '../../src/core/object.js';
import type {
  Body,
  DeleteConditions,
  ReadConditions,
  WriteConditions,
} from '../../src/engine/object-service.js';

export interface StoredObject {
  readonly version: ObjectVersion;
  readonly bytes: Buffer;
}

/** Order of the keys' UTF-8 bytes. */
export function compare(a: string, b: string): number {
  const [left, right] = [toByteString(a), toByteString(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}

/** The whole body. Rejects with what the stream threw, `INCOMPLETE_BODY` or `BAD_DIGEST`. */
export async function readBody(body: Body, md5: Uint8Array | undefined): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  if (body.kind === 'chunks') chunks.push(...body.chunks);
  else for await (const chunk of body.stream) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  if (body.size !== undefined && bytes.length !== body.size)
    throw new HeadraceError('INCOMPLETE_BODY', `${bytes.length} bytes came of ${body.size}`);
  if (md5 !== undefined && !createHash('md5').update(bytes).digest().equals(md5))
    throw new HeadraceError('BAD_DIGEST', 'the MD5 is another one');
  return bytes;
}

export function checkWrite(conditions: WriteConditions | undefined, current: StoredObject | undefined): void {
  const fits = (etags: readonly string[]): boolean =>
    current !== undefined && (etags.includes('*') || etags.includes(current.version.etag));
  if (conditions?.ifMatch !== undefined && current === undefined)
    throw new HeadraceError('NO_SUCH_KEY', 'If-Match needs an object');
  if (conditions?.ifMatch !== undefined && !fits(conditions.ifMatch)) throw failed('If-Match');
  if (conditions?.ifNoneMatch !== undefined && fits(conditions.ifNoneMatch)) throw failed('If-None-Match');
}

export function checkDelete(
  conditions: DeleteConditions | undefined,
  current: StoredObject | undefined,
): void {
  checkWrite(conditions, current);
  if (current === undefined) return;
  const { size, lastModifiedMs } = current.version;
  const { ifSize = size, ifModifiedAtMs = lastModifiedMs } = conditions ?? {};
  if (ifSize !== size) throw failed('x-amz-if-match-size');
  if (Math.floor(ifModifiedAtMs / 1000) !== Math.floor(lastModifiedMs / 1000))
    throw failed('x-amz-if-match-last-modified-time');
}

/** S3's precedence: an If-Match that holds overrules If-Unmodified-Since, If-None-Match overrules If-Modified-Since. */
export function checkRead(conditions: ReadConditions | undefined, version: ObjectVersion): void {
  if (conditions === undefined) return;
  const { ifMatch, ifNoneMatch, ifModifiedSinceMs, ifUnmodifiedSinceMs } = conditions;
  const { etag, lastModifiedMs } = version;
  const fits = (etags: readonly string[]): boolean => etags.includes('*') || etags.includes(etag);
  if (ifMatch === undefined) {
    if (ifUnmodifiedSinceMs !== undefined && lastModifiedMs > ifUnmodifiedSinceMs)
      throw failed('If-Unmodified-Since');
  } else if (!fits(ifMatch)) throw failed('If-Match');
  const same =
    ifNoneMatch === undefined
      ? ifModifiedSinceMs !== undefined && lastModifiedMs <= ifModifiedSinceMs
      : fits(ifNoneMatch);
  if (same) throw new HeadraceError('NOT_MODIFIED', 'it is the same', { details: { etag, lastModifiedMs } });
}

function failed(condition: string): HeadraceError {
  return new HeadraceError('PRECONDITION_FAILED', `${condition} does not hold`, { details: { condition } });
}
