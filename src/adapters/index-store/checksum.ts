/**
 * The checksums of the index's files: xxhash64.
 */
import { createXxhash64, xxhash64 } from '../../core/hashing.js';

/** The hash keeps memory for its largest input, so large inputs go through it in pieces. */
const PIECE_BYTES = 64 * 1024;

export const CHECKSUM_BYTES = 8;

/** Checksum of a block's entries, which ties them to the position of the block in its file. */
export function blockChecksum(entries: Uint8Array, position: number): bigint {
  return xxhash64(entries) ^ BigInt(position);
}

/** Checksum of the pieces as if they were one. */
export function checksumOfAll(...pieces: Uint8Array[]): bigint {
  const hash = createXxhash64();
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; at += PIECE_BYTES) hash.update(piece.subarray(at, at + PIECE_BYTES));
  }
  return hash.digest();
}
