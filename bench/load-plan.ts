/** What a load generator is told to do and what it answers: the messages between the bench and its child process. */
import { createHash } from 'node:crypto';
import type { RequestSigning } from './request-template.js';

export interface LoadPlan {
  readonly port: number;
  readonly method: 'PUT' | 'GET' | 'DELETE';
  readonly targets: LoadTargets;
  /** Size of the body that is sent, or that is expected back. */
  readonly bodyBytes: number;
  /** Requests in flight: one connection each, the next request when the answer to the last is complete. */
  readonly concurrency: number;
  /**
   * How often a connection sends, unless the answer to its last request takes longer; connections take turns. At once after the answer
   * without.
   */
  readonly intervalMs?: number;
  /** Stops when either is reached; at least one is given. */
  readonly durationMs?: number;
  readonly operationsMax?: number;
  /** Every how many responses the ETag of a PUT or the body of a GET is compared; 0 for never. */
  readonly verifyEvery: number;
  /** The body of every request; without it, number n has body n mod `BODY_VARIANTS`. */
  readonly variant?: number;
  /** Signs the requests of numbered targets, with `unsigned-payload` or `presigned` when bodies are larger than 64 KiB; they carry no signature without it. */
  readonly signing?: RequestSigning;
  /**
   * Makes the requests before the first is sent, as somebody else does who hands out presigned URLs: what a signature costs the
   * generator then changes nothing in the pace at which it asks. For GETs of numbered targets with a `count`.
   */
  readonly madeBeforehand?: boolean;
  /** Whether to return the ETag of each response, by its number. */
  readonly collectEtags?: boolean;
}

export type LoadTargets =
  /** `/prefix<8 hex digits>`; the digits scatter, so that keys do not arrive in order. Wraps around after `count`. */
  | { readonly kind: 'numbered'; readonly prefix: string; readonly first: number; readonly count?: number }
  /** These request targets, each once. */
  | { readonly kind: 'listed'; readonly targets: readonly string[] }
  /** This request target, again and again; the answer may be of any size. */
  | { readonly kind: 'repeated'; readonly target: string };

export interface LoadResult {
  readonly operations: number;
  readonly bytes: number;
  readonly elapsedMs: number;
  readonly generatorCpuMs: number;
  readonly latencyCounts: Uint32Array;
  readonly verified: number;
  readonly etags: readonly string[];
}

/** Requests that are made beforehand, which are all kept. */
export const MADE_BEFOREHAND_MAX = 10_000;

export type LoadReply =
  | { readonly kind: 'ready' }
  | { readonly kind: 'done'; readonly result: LoadResult }
  | { readonly kind: 'failed'; readonly message: string };

/** Different bodies in use. */
export const BODY_VARIANTS = 4;
/** A body is one block repeated, so that a body of any size can be made and compared without holding it. */
export const BLOCK_BYTES_MAX = 1024 * 1024;

/** The block of which a body consists. Bytes that do not compress and differ between variants. */
export function bodyBlock(variant: number, bodyBytes: number): Buffer {
  const block = Buffer.alloc(Math.min(bodyBytes, BLOCK_BYTES_MAX));
  let state = variant + 1;
  for (let i = 0; i < block.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    block[i] = state >>> 24;
  }
  return block;
}

/** The MD5 of a body of `bodyBytes` made of `block`, in hex. */
export function bodyMd5(block: Buffer, bodyBytes: number): string {
  const hash = createHash('md5');
  for (let left = bodyBytes; left > 0; left -= block.length)
    hash.update(left >= block.length ? block : block.subarray(0, left));
  return hash.digest('hex');
}

/** Eight hex digits that are different for each number below 2^32 and in no order. */
export function scatteredName(number: number): string {
  return (Math.imul(number, 0x9e3779b1) >>> 0).toString(16).padStart(8, '0');
}
