/**
 * What conditions a change of an object may be bound to, decided on what is current: the version that the cache holds, or that of
 * the UFS where the cache holds nothing. Pure. Source: S3 user guide, "Conditional writes" and "Conditional deletes".
 */
import { HeadraceError } from '../core/errors.js';
import { SECOND_MS } from '../core/units.js';
import type { IndexRecord } from '../../projections/records.js';
import type { DeleteConditions, WriteConditions } from './object-service.js';

/** What conditions ask about a version. */
export interface ObjectIdentity {
  readonly etag: string;
  readonly size: number;
  readonly lastModifiedMs: number;
}

export function currentIdentity(
  current: IndexRecord | undefined,
  ufsObject: ObjectIdentity | undefined,
): ObjectIdentity | undefined {
  if (current?.kind === 'object') return current;
  return current?.kind === 'deleting' ? undefined : ufsObject;
}

export function currentEtag(
  current: IndexRecord | undefined,
  ufsEtag: string | undefined,
): string | undefined {
  if (current?.kind === 'object') return current.etag;
  return current?.kind === 'deleting' ? undefined : ufsEtag;
}

/** `etag` is undefined when there is no object. `PRECONDITION_FAILED`, or `NO_SUCH_KEY` for `If-Match` on no object. */
export function checkConditions(
  conditions: WriteConditions | undefined,
  etag: string | undefined,
  key: string,
): void {
  if (conditions === undefined) return;
  const { ifMatch, ifNoneMatch } = conditions;
  if (ifMatch !== undefined) {
    if (etag === undefined) throw new HeadraceError('NO_SUCH_KEY', `there is no object "${key}" to match`);
    if (!ifMatch.includes('*') && !ifMatch.includes(etag))
      throw failed(`the object's ETag is "${etag}"`, 'If-Match');
  }
  if (ifNoneMatch !== undefined && etag !== undefined) {
    if (ifNoneMatch.includes('*') || ifNoneMatch.includes(etag))
      throw failed(`the object exists with ETag "${etag}"`, 'If-None-Match');
  }
}

/** As `checkConditions`; size and time are only asked of an object that is there. */
export function checkDeleteConditions(
  conditions: DeleteConditions | undefined,
  current: ObjectIdentity | undefined,
  key: string,
): void {
  if (conditions === undefined) return;
  checkConditions(conditions, current?.etag, key);
  if (current === undefined) return;
  const { ifSize, ifModifiedAtMs } = conditions;
  if (ifSize !== undefined && ifSize !== current.size)
    throw failed(`the object has ${current.size} bytes`, 'x-amz-if-match-size');
  if (ifModifiedAtMs !== undefined && seconds(ifModifiedAtMs) !== seconds(current.lastModifiedMs))
    throw failed('the object was modified at another time', 'x-amz-if-match-last-modified-time');
}

/** Clients are told times to the second. */
function seconds(ms: number): number {
  return Math.floor(ms / SECOND_MS);
}

function failed(message: string, condition: string): HeadraceError {
  return new HeadraceError('PRECONDITION_FAILED', message, { details: { condition } });
}
