/** What the claims about an `ObjectStore` work with. */
import { createHash } from 'node:crypto';
import type { Test } from 'tap';
import { type ErrorCode, HeadraceError } from '../../src/core/errors.js';
import type {
  ObjectStore,
  StoreListEntry,
  StoreListRequest,
  StorePutRequest,
} from '../../src/core/object-store.js';

export interface ObjectStoreSubject {
  /** Without buckets, or with those of other subjects, whose names differ. */
  readonly store: ObjectStore;
  /** Lets `work` come to its end: in virtual time where the store lives in it. */
  run<Value>(work: () => Promise<Value>): Promise<Value>;
}

export interface ObjectStoreTraits {
  /** Keys that this very store is known not to take, and why that is its fault. */
  readonly unsupportedKeys?: readonly string[];
  /** Whether `lastModifiedMs` in a listing is ours. */
  readonly listsOurTimes: boolean;
}

/** Makes a test of what is claimed, with a bucket of its own. */
export type Claim = (
  what: string,
  work: (t: Test, store: ObjectStore, bucket: string) => Promise<void>,
) => void;

/** When the objects of these tests were last modified. */
export const MODIFIED_MS = 1_700_000_000_123;

export const md5Hex = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');

export function putRequest(bucket: string, key: string, body: string | Uint8Array): StorePutRequest {
  const bytes = Buffer.from(body);
  return {
    bucket,
    key,
    size: bytes.length,
    bytes,
    open: async function* () {
      yield bytes;
    },
    headers: { system: { 'content-type': 'text/plain' }, user: {} },
    etag: md5Hex(bytes),
    lastModifiedMs: MODIFIED_MS,
  };
}

/** A body in chunks of one buffer that is used again, as the segment store gives it. */
export function streamed(request: StorePutRequest, chunkBytes: number): StorePutRequest {
  const { bytes = new Uint8Array(0), ...rest } = request;
  return {
    ...rest,
    open: async function* () {
      const chunk = Buffer.alloc(chunkBytes);
      for (let at = 0; at < bytes.length; at += chunkBytes) {
        const length = Math.min(chunkBytes, bytes.length - at);
        chunk.fill(0xee);
        chunk.set(bytes.subarray(at, at + length));
        yield chunk.subarray(0, length);
      }
      chunk.fill(0xee);
    },
  };
}

export async function bytesOf(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export async function contentOf(
  store: ObjectStore,
  bucket: string,
  key: string,
): Promise<string | undefined> {
  const result = await store.get(bucket, key);
  return result === undefined ? undefined : (await bytesOf(result.body)).toString();
}

export async function failsWith(
  t: Test,
  codes: readonly ErrorCode[],
  work: () => Promise<unknown>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof HeadraceError)) throw error;
    t.ok(codes.includes(error.code), `${error.code} is one of ${codes.join(', ')}: ${error.message}`);
    return;
  }
  t.fail(`one of ${codes.join(', ')} was expected`);
}

/** All pages, one after the other. */
export async function listAll(
  store: ObjectStore,
  bucket: string,
  request: Partial<StoreListRequest> = {},
): Promise<StoreListEntry[]> {
  const entries: StoreListEntry[] = [];
  let startAfter: string | undefined = request.startAfter ?? '';
  while (startAfter !== undefined) {
    const page = await store.list({
      bucket,
      prefix: '',
      delimiter: '',
      limit: 1000,
      ...request,
      startAfter,
    });
    entries.push(...page.entries);
    if (page.nextStartAfter === startAfter) throw new Error(`the listing stands still at ${startAfter}`);
    startAfter = page.nextStartAfter;
  }
  return entries;
}

export const nameOf = (entry: StoreListEntry): string =>
  entry.kind === 'object' ? entry.key : `${entry.prefix}*`;

/** A body without bytes. */
export async function* streamOf(): AsyncGenerator<Uint8Array> {}
