/**
 * Conditional headers to the engine's conditions. The engine decides them, atomically with the write; this only reads them.
 *
 * HTTP dates have whole seconds and objects have milliseconds: a date stands for the end of its second, so that an object is not
 * "modified since" the very Last-Modified it was served with. A date that cannot be read is ignored (RFC 9110, section 13.1.3).
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { DeleteConditions, ReadConditions, WriteConditions } from '../../engine/object-service.js';
import { invalidArgument } from './s3-error.js';
import { parseDate } from './timestamps.js';

const ETAG = /\s*(?:W\/)?(?:"([^"]*)"|([^\s",]+))\s*(?:,|$)/gy;

/** ETags of a list, unquoted; `*` stands for any. */
export function parseEtags(header: string): string[] {
  const etags: string[] = [];
  ETAG.lastIndex = 0;
  for (let match = ETAG.exec(header); match !== null; match = ETAG.exec(header)) {
    etags.push(match[1] ?? match[2] ?? '');
    if (ETAG.lastIndex === header.length) break;
  }
  return etags;
}

/** Undefined when the request has none, which is nearly always. */
export function writeConditions(headers: IncomingHttpHeaders): WriteConditions | undefined {
  const ifMatch = headers['if-match'];
  const ifNoneMatch = headers['if-none-match'];
  if (ifMatch === undefined && ifNoneMatch === undefined) return undefined;
  return etagConditions(ifMatch, ifNoneMatch);
}

const DELETE_SIZE = 'x-amz-if-match-size';
const DELETE_TIME = 'x-amz-if-match-last-modified-time';

/** Whether a header states a condition that only deletes have. */
export function isDeleteCondition(name: string): boolean {
  return name === DELETE_SIZE || name === DELETE_TIME;
}

/**
 * Those of DeleteObject; undefined when the request has none. What cannot be read is refused and not ignored: more would be
 * deleted than was asked for. Throws InvalidArgument.
 */
export function deleteConditions(headers: IncomingHttpHeaders): DeleteConditions | undefined {
  const size = headers[DELETE_SIZE];
  const time = headers[DELETE_TIME];
  const conditions = writeConditions(headers);
  if (size === undefined && time === undefined) return conditions;
  return {
    ...conditions,
    ...(size === undefined ? {} : { ifSize: parseSize(String(size), DELETE_SIZE) }),
    ...(time === undefined ? {} : { ifModifiedAtMs: parseTime(String(time), DELETE_TIME) }),
  };
}

/** A number of bytes that `name` states. Throws InvalidArgument. */
export function parseSize(text: string, name: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw invalidArgument('The size of an object is a whole number of bytes.', name, text);
}

/** A time that `name` states. Throws InvalidArgument. */
export function parseTime(text: string, name: string): number {
  const ms = parseDate(text);
  if (ms !== undefined) return ms;
  throw invalidArgument(
    'A time is of the form "Wed, 21 Oct 2015 07:28:00 GMT" or "2015-10-21T07:28:00Z".',
    name,
    text,
  );
}

export function readConditions(headers: IncomingHttpHeaders): ReadConditions | undefined {
  return conditionsOf(
    headers['if-match'],
    headers['if-none-match'],
    headers['if-modified-since'],
    headers['if-unmodified-since'],
  );
}

/** The conditions on the source of a copy. */
export function copySourceConditions(headers: IncomingHttpHeaders): ReadConditions | undefined {
  const text = (name: string): string | undefined => {
    const value = headers[`x-amz-copy-source-${name}`];
    return typeof value === 'string' ? value : undefined;
  };
  return conditionsOf(
    text('if-match'),
    text('if-none-match'),
    text('if-modified-since'),
    text('if-unmodified-since'),
  );
}

function conditionsOf(
  ifMatch: string | undefined,
  ifNoneMatch: string | undefined,
  ifModifiedSince: string | undefined,
  ifUnmodifiedSince: string | undefined,
): ReadConditions | undefined {
  if (
    ifMatch === undefined &&
    ifNoneMatch === undefined &&
    ifModifiedSince === undefined &&
    ifUnmodifiedSince === undefined
  )
    return undefined;
  const ifModifiedSinceMs = endOfSecond(ifModifiedSince);
  const ifUnmodifiedSinceMs = endOfSecond(ifUnmodifiedSince);
  return {
    ...etagConditions(ifMatch, ifNoneMatch),
    ...(ifModifiedSinceMs === undefined ? {} : { ifModifiedSinceMs }),
    ...(ifUnmodifiedSinceMs === undefined ? {} : { ifUnmodifiedSinceMs }),
  };
}

function etagConditions(ifMatch: string | undefined, ifNoneMatch: string | undefined): WriteConditions {
  return {
    ...(ifMatch === undefined ? {} : { ifMatch: parseEtags(ifMatch) }),
    ...(ifNoneMatch === undefined ? {} : { ifNoneMatch: parseEtags(ifNoneMatch) }),
  };
}

function endOfSecond(header: string | undefined): number | undefined {
  const ms = header === undefined ? undefined : parseDate(header);
  return ms === undefined ? undefined : ms + 999;
}
