/**
 * One page of a listing, in the order of the keys' UTF-8 bytes, from ListObjectsV2.
 *
 * Each page starts by key (`StartAfter`), not by the store's token: so a page can be asked for again after a restart. What a
 * store returns although it lies before that key is dropped.
 */
import type { ListObjectsV2CommandOutput } from '@aws-sdk/client-s3';
import { HeadraceError } from '../../../core/errors.js';
import { byteLength, toByteString } from '../../../core/key.js';
import type { StoreListEntry, StoreListPage } from '../../../core/object-store.js';
import { KEY_BYTES_MAX } from '../../../core/object.js';
import { greatestKeyBelow, startAfterEntry } from '../../../core/store-listing.js';
import { storeEtagOf } from './s3-metadata.js';
import type { S3Connection } from './s3-session.js';

/** Entries that S3 gives at most. */
const PAGE_ENTRIES_MAX = 1000;
/** Pages in a row without an entry that counts, after which a store is taken to be broken. */
const EMPTY_PAGES_MAX = 1000;
/** The end of a start that skips a common prefix (`greatestKeyBelow`). */
const GREATEST_CHARACTERS = /\u{10ffff}+[\u007f\u07ff\uffff]?$/u;

/** Names as the store has them; `base` is the mapped prefix that is cut from keys. */
export interface S3ListRequest {
  readonly Bucket: string;
  readonly base: string;
  readonly prefix: string;
  readonly startAfter: string;
  readonly delimiter: string;
  readonly limit: number;
}

export async function listPage(
  { sdk, client }: S3Connection,
  request: S3ListRequest,
  signal: AbortSignal | undefined,
): Promise<StoreListPage> {
  if (request.limit <= 0) return { entries: [], nextStartAfter: undefined };
  let ContinuationToken: string | undefined;
  for (let page = 0; page < EMPTY_PAGES_MAX; page++) {
    const answer = await client.send(
      new sdk.ListObjectsV2Command({
        Bucket: request.Bucket,
        Prefix: request.base + request.prefix || undefined,
        Delimiter: request.delimiter || undefined,
        ...(ContinuationToken === undefined ? { StartAfter: startAfterOf(request) } : { ContinuationToken }),
        MaxKeys: Math.min(request.limit, PAGE_ENTRIES_MAX),
        // Keys may have characters that XML cannot carry.
        EncodingType: 'url',
      }),
      { abortSignal: signal },
    );
    const entries = entriesOf(answer, request);
    const last = entries.at(-1);
    if (answer.IsTruncated !== true) return { entries, nextStartAfter: undefined };
    if (last !== undefined) return { entries, nextStartAfter: startAfterEntry(last) };
    ContinuationToken = answer.NextContinuationToken;
  }
  throw new HeadraceError(
    'UFS_REJECTED',
    `the listing of s3://${request.Bucket}/${request.base + request.prefix} has ${EMPTY_PAGES_MAX} empty pages in a row`,
  );
}

/** With a mapped prefix in front, a start that was filled up to a key's length would be too long: it is filled again. */
function startAfterOf({ base, startAfter }: S3ListRequest): string | undefined {
  if (startAfter === '') return undefined;
  const start = base + startAfter;
  if (byteLength(start) <= KEY_BYTES_MAX) return start;
  const unfilled = start.replace(GREATEST_CHARACTERS, '');
  return unfilled === start ? start : greatestKeyBelow(unfilled);
}

function entriesOf(answer: ListObjectsV2CommandOutput, request: S3ListRequest): StoreListEntry[] {
  const decode = answer.EncodingType === 'url' ? decodeUrl : (text: string): string => text;
  const found: { readonly order: string; readonly entry: StoreListEntry }[] = [];
  const after = toByteString(request.startAfter);
  for (const { Key, Size = 0, ETag, LastModified } of answer.Contents ?? []) {
    const key = decode(Key ?? '').slice(request.base.length);
    const order = toByteString(key);
    if (key === '' || order <= after) continue;
    const entry = {
      kind: 'object',
      key,
      size: Size,
      etag: storeEtagOf({ ETag }),
      lastModifiedMs: LastModified?.getTime() ?? 0,
    } as const;
    found.push({ order, entry });
  }
  for (const { Prefix } of answer.CommonPrefixes ?? []) {
    const prefix = decode(Prefix ?? '').slice(request.base.length);
    if (toByteString(greatestKeyBelow(prefix)) <= after) continue;
    found.push({ order: toByteString(prefix), entry: { kind: 'prefix', prefix } });
  }
  return found.sort((a, b) => (a.order < b.order ? -1 : 1)).map(({ entry }) => entry);
}

/** Amazon's form has `+` for a space; others have `%20`; both write a plus as `%2B`. */
function decodeUrl(text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '));
}
