/**
 * The byte layout of a run: an immutable file of entries in ascending order of their keys.
 *
 * File `run-<number, 12 decimal digits>`:
 *
 * | part    | bytes                       | content                                              |
 * |---------|-----------------------------|------------------------------------------------------|
 * | blocks  | `dataBytes` of the footer   | blocks, one after the other                          |
 * | filter  | `filterBytes` of the footer | lines of the Bloom filter (`bloom-filter.ts`)        |
 * | index   | see below                   | where the blocks are and what separates them         |
 * | footer  | 64                          | sizes and checksum                                   |
 *
 * Block: entries, then u64 LE (xxhash64 of the entries) xor (position of the block in the file).
 *
 * | entry field   | size      | content                                                           |
 * |---------------|-----------|-------------------------------------------------------------------|
 * | shared        | varint    | leading bytes that are those of the entry before; 0 in the first  |
 * | suffix length | varint    | bytes of the key behind them                                      |
 * | value tag     | varint    | 0: the key was deleted; n + 1: a value of n bytes                 |
 * | suffix        | as stated |                                                                   |
 * | value         | as stated |                                                                   |
 *
 * Varints are little-endian base 128 with the high bit set in all but the last byte.
 *
 * | index field    | size               | content                                                          |
 * |----------------|--------------------|------------------------------------------------------------------|
 * | block lengths  | u32 LE per block   | with the checksum                                                |
 * | separator ends | u32 LE per block   | where the block's separator ends among the separators            |
 * | separators     | `separatorBytes`   | shortest byte string above the last key before, not above the first key of the block |
 * | last key       | `lastKeyBytes`     | greatest key of the run                                          |
 *
 * | footer field   | offset | size | content                                            |
 * |----------------|--------|------|----------------------------------------------------|
 * | magic          | 0      | 4    | "HRIR"                                             |
 * | version        | 4      | 2    | u16 LE, 1                                          |
 * | reserved       | 6      | 2    | 0                                                  |
 * | number         | 8      | 8    | u64 LE, that of the file's name                    |
 * | entries        | 16     | 8    | u64 LE, deletions included                         |
 * | deletions      | 24     | 8    | u64 LE                                             |
 * | filterBytes    | 32     | 4    | u32 LE                                             |
 * | blocks         | 36     | 4    | u32 LE                                             |
 * | separatorBytes | 40     | 4    | u32 LE                                             |
 * | lastKeyBytes   | 44     | 4    | u32 LE                                             |
 * | dataBytes      | 48     | 8    | u64 LE                                             |
 * | checksum       | 56     | 8    | u64 LE xxhash64 of filter, index and footer before |
 *
 * Magic, version and checksum keep their places, counted from the end, in every version.
 */
import { HeadraceError } from '../../core/errors.js';

export const FOOTER_BYTES = 64;
export const FOOTER_CHECKSUM_AT = 56;
/** Longest key that is stored, in bytes. */
export const INDEX_KEY_BYTES_MAX = 8192;
/** Longest encoded value that is stored, in bytes. */
export const INDEX_VALUE_BYTES_MAX = 64 * 1024 * 1024;

const MAGIC = Buffer.from('HRIR', 'latin1').readUInt32LE(0);
const VERSION = 1;

/** What a manifest says about a run; the file is checked against it. */
export interface RunDescriptor {
  readonly number: number;
  /** Merges that lie behind its entries, at least. Older runs have the same level or a higher one. */
  readonly level: number;
  readonly fileBytes: number;
  /** Bytes of the blocks: where filter, index and footer begin. */
  readonly dataBytes: number;
  /** Deletions included. */
  readonly entries: number;
  readonly deletions: number;
  /** Estimate: entries of older runs that this one makes obsolete. */
  readonly superseded: number;
  /** The checksum in the footer. */
  readonly checksum: bigint;
}

export interface RunFooter {
  readonly number: number;
  readonly entries: number;
  readonly deletions: number;
  readonly filterBytes: number;
  readonly blocks: number;
  readonly separatorBytes: number;
  readonly lastKeyBytes: number;
  readonly dataBytes: number;
}

/** Everything but the checksum. */
export function writeFooter(target: Buffer, at: number, footer: RunFooter): void {
  target.writeUInt32LE(MAGIC, at);
  target.writeUInt16LE(VERSION, at + 4);
  target.writeUInt16LE(0, at + 6);
  target.writeBigUInt64LE(BigInt(footer.number), at + 8);
  target.writeBigUInt64LE(BigInt(footer.entries), at + 16);
  target.writeBigUInt64LE(BigInt(footer.deletions), at + 24);
  target.writeUInt32LE(footer.filterBytes, at + 32);
  target.writeUInt32LE(footer.blocks, at + 36);
  target.writeUInt32LE(footer.separatorBytes, at + 40);
  target.writeUInt32LE(footer.lastKeyBytes, at + 44);
  target.writeBigUInt64LE(BigInt(footer.dataBytes), at + 48);
}

/** Reads a footer whose checksum was found right. `CORRUPT_CHECKPOINT`, `UNSUPPORTED_FORMAT`. */
export function readFooter(source: Buffer, at: number, path: string, position: number): RunFooter {
  if (source.readUInt32LE(at) !== MAGIC) throw corrupt(path, position, 'has no footer of a run');
  const version = source.readUInt16LE(at + 4);
  if (version !== VERSION) throw unsupported(path, version, VERSION);
  return {
    number: Number(source.readBigUInt64LE(at + 8)),
    entries: Number(source.readBigUInt64LE(at + 16)),
    deletions: Number(source.readBigUInt64LE(at + 24)),
    filterBytes: source.readUInt32LE(at + 32),
    blocks: source.readUInt32LE(at + 36),
    separatorBytes: source.readUInt32LE(at + 40),
    lastKeyBytes: source.readUInt32LE(at + 44),
    dataBytes: Number(source.readBigUInt64LE(at + 48)),
  };
}

/** `what` completes the sentence "index file <path>, at byte <position>, …". */
export function corrupt(path: string, position: number, what: string): HeadraceError {
  return new HeadraceError(
    'CORRUPT_CHECKPOINT',
    `index file ${path}, at byte ${position}, ${what}; the index has to be folded again from an older checkpoint and the log`,
    { details: { path, position } },
  );
}

export function unsupported(path: string, version: number, newest: number): HeadraceError {
  return new HeadraceError(
    'UNSUPPORTED_FORMAT',
    `index file ${path} has format version ${version}; this release reads version ${newest}`,
    { details: { path, version } },
  );
}
