/**
 * The hashes of the engine: MD5, because an S3 ETag is one, and xxhash64, which guards every stored byte.
 *
 * For many small bodies see `md5-lanes.ts`, which computes the same MD5 for several at once.
 */
import crypto from 'node:crypto';
import loadXxhash from 'xxhash-wasm';
import { md5OfBytes } from './md5-lanes.js';

const xxhash = await loadXxhash();

/** xxhash64 with seed 0. */
export function xxhash64(bytes: Uint8Array): bigint {
  return xxhash.h64Raw(bytes);
}

/** A hash that is computed as bytes arrive. `digest` ends it. */
export interface StreamHash<Digest> {
  update(bytes: Uint8Array): void;
  digest(): Digest;
}

/** xxhash64 with seed 0 of bytes that come in pieces. The module's memory grows to the largest piece and stays so. */
export function createXxhash64(): StreamHash<bigint> {
  const hash = xxhash.create64();
  return {
    update: (bytes) => void hash.update(bytes),
    digest: () => hash.digest(),
  };
}

/** MD5 of `chunks`, one behind the other; 16 bytes. */
export function md5(chunks: readonly Uint8Array[]): Uint8Array {
  const [first] = chunks;
  if (first !== undefined && chunks.length === 1) return md5OfBytes(first);
  const hash = createMd5();
  for (const chunk of chunks) hash.update(chunk);
  return hash.digest();
}

/** MD5 of bytes that come in pieces; 16 bytes. */
export function createMd5(): StreamHash<Uint8Array> {
  const hash = crypto.createHash('md5');
  return {
    update: (bytes) => void hash.update(bytes),
    digest: () => hash.digest(),
  };
}

/** Lower-case hexadecimal digits of a digest, as in an ETag. */
export function hexOf(digest: Uint8Array): string {
  const bytes =
    digest instanceof Buffer ? digest : Buffer.from(digest.buffer, digest.byteOffset, digest.length);
  return bytes.toString('hex');
}
