/**
 * The byte layout of segment files: names, headers, alignment. The tables are in `docs/on-disk-format.md`.
 *
 * Invariants: a header says where it stands (segment and position), so that a copy of it inside a payload is not taken
 * for one; numbers are little endian; what is not used is zero.
 */
import { assert } from '../../core/assert.js';
import { HeadraceError } from '../../core/errors.js';
import { xxhash64 } from '../../core/hashing.js';
import { KIB, MIB } from '../../core/units.js';
import { SMALL_BODY_BYTES_MAX } from '../object-service.js';

const FORMAT_VERSION = 1;
/** A payload is verified in pieces of this size. */
export const CHUNK_BYTES = 256 * KIB;
export const CHECKSUM_BYTES = 8;
/** Batches start at multiples of this, so that no later write touches a page that holds acknowledged bytes. */
export const BLOCK_BYTES = 4 * KIB;
/** Files that are extended in advance have a multiple of this size. */
export const PREALLOCATION_UNIT_BYTES = MIB;
export const STORE_ID_BYTES = 16;
export const SEGMENT_HEADER_BYTES = 64;
/** Fixed part of an extent's header; the owner follows. */
export const EXTENT_HEADER_BYTES = 48;
export const OWNER_BYTES_MAX = 2 * KIB;
/** Where the payload of a segment with one large extent starts. */
export const LARGE_PAYLOAD_POSITION = BLOCK_BYTES;
/** Largest extent of a small body, with its header. */
export const SMALL_EXTENT_BYTES_MAX = SMALL_BODY_BYTES_MAX + EXTENT_HEADER_BYTES + OWNER_BYTES_MAX;
/** The largest id that ten digits can name. */
export const SEGMENT_ID_MAX = 9_999_999_999;

/** Headers, payloads and tables start at multiples of this. */
export const EXTENT_ALIGNMENT_BYTES = 8;
export const EXTENT_MAGIC_BYTES = Buffer.from('HREX', 'latin1');
export const EXTENT_MAGIC_OFFSET = 8;
const EXTENT_MAGIC = EXTENT_MAGIC_BYTES.readUInt32LE(0);
const SEGMENT_MAGIC = Buffer.from('HRSG', 'latin1').readUInt32LE(0);
const scratch = new DataView(new ArrayBuffer(8));
const NAME = /^(\d{10})\.seg$/;

export function segmentName(id: number): string {
  assert(id <= SEGMENT_ID_MAX, `segment id ${id} does not fit into ten digits`);
  return `${String(id).padStart(10, '0')}.seg`;
}

/** The id in a file's name, or undefined when it is not the name of a segment. */
export function segmentIdOf(name: string): number | undefined {
  const digits = NAME.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** `position`, or the next multiple of `unit` (a power of two) behind it. */
export function alignUp(position: number, unit: number): number {
  return Math.ceil(position / unit) * unit;
}

function chunkCount(size: number): number {
  return Math.ceil(size / CHUNK_BYTES);
}

/** Bytes of the table of chunk checksums behind a payload; none when the payload is a single chunk. */
export function tableBytes(size: number): number {
  return size <= CHUNK_BYTES ? 0 : chunkCount(size) * CHECKSUM_BYTES;
}

/** Where the table of an extent starts. */
export function tablePosition(payloadPosition: number, size: number): number {
  return alignUp(payloadPosition + size, EXTENT_ALIGNMENT_BYTES);
}

/** Where an extent ends: the position of the next header in the same batch. */
export function extentEnd(payloadPosition: number, size: number): number {
  return tablePosition(payloadPosition, size) + tableBytes(size);
}

export interface SegmentHeader {
  readonly version: number;
  readonly storeId: Uint8Array;
  readonly segment: number;
}

/** Writes the header of a segment to the start of `target`. */
export function encodeSegmentHeader(target: Buffer, storeId: Uint8Array, segment: number): void {
  target.fill(0, 0, SEGMENT_HEADER_BYTES);
  target.writeUInt32LE(SEGMENT_MAGIC, 8);
  target.writeUInt16LE(FORMAT_VERSION, 12);
  target.set(storeId, 16);
  target.writeUIntLE(segment, 32, 6);
  target.writeBigUInt64LE(xxhash64(target.subarray(8, SEGMENT_HEADER_BYTES)), 0);
}

/** The header at the start of `block`, or undefined when it is damaged or was never written. */
export function decodeSegmentHeader(block: Buffer): SegmentHeader | undefined {
  if (block.length < SEGMENT_HEADER_BYTES || block.readUInt32LE(8) !== SEGMENT_MAGIC) return undefined;
  if (block.readBigUInt64LE(0) !== xxhash64(block.subarray(8, SEGMENT_HEADER_BYTES))) return undefined;
  return {
    version: block.readUInt16LE(12),
    storeId: Uint8Array.from(block.subarray(16, 16 + STORE_ID_BYTES)),
    segment: block.readUIntLE(32, 6),
  };
}

/** `UNSUPPORTED_FORMAT` for a newer format, `DATA_DIRECTORY_UNUSABLE` for the segment of another store. */
export function checkSegmentHeader(header: SegmentHeader, storeId: Uint8Array, path: string): void {
  if (header.version > FORMAT_VERSION) {
    throw new HeadraceError(
      'UNSUPPORTED_FORMAT',
      `${path} has format ${header.version}; this version reads formats up to ${FORMAT_VERSION}`,
    );
  }
  if (Buffer.compare(header.storeId, storeId) !== 0) {
    const [found, expected] = [header.storeId, storeId].map((id) => Buffer.from(id).toString('hex'));
    throw new HeadraceError(
      'DATA_DIRECTORY_UNUSABLE',
      `${path} belongs to store ${found}; this is store ${expected}`,
    );
  }
}

/** Bytes in front of the payload of a small body. */
export function extentHeaderBytes(ownerBytes: number): number {
  return alignUp(EXTENT_HEADER_BYTES + ownerBytes, EXTENT_ALIGNMENT_BYTES);
}

export interface ExtentHeader {
  /** From the start of the header to the payload. */
  readonly headerBytes: number;
  readonly owner: string;
  readonly size: number;
  readonly checksum: bigint;
}

/** Writes what is known before the place is: everything but segment, position and the header's checksum. */
export function encodeExtentHeader(target: Buffer, at: number, header: ExtentHeader): void {
  const { headerBytes, owner } = header;
  // Byte by byte: a call costs more than these few.
  for (let i = at; i < at + headerBytes; i++) target[i] = 0;
  target.writeUInt32LE(EXTENT_MAGIC, at + 8);
  target.writeUInt16LE(headerBytes, at + 12);
  target.writeUInt16LE(owner.length, at + 14);
  target.writeUIntLE(header.size, at + 32, 6);
  writeUint64(target, header.checksum, at + 40);
  target.write(owner, at + EXTENT_HEADER_BYTES, 'latin1');
}

/** Completes the header at `at` in `target` once its payload has a place. */
export function placeExtentHeader(
  target: Buffer,
  at: number,
  segment: number,
  payloadPosition: number,
): void {
  target.writeUIntLE(segment, at + 16, 6);
  target.writeUIntLE(payloadPosition, at + 24, 6);
  const end = at + EXTENT_HEADER_BYTES + target.readUInt16LE(at + 14);
  writeUint64(target, xxhash64(target.subarray(at + 8, end)), at);
}

/** As `writeBigUInt64LE`, without the bigints that it takes the value apart with. */
function writeUint64(target: Buffer, value: bigint, at: number): void {
  scratch.setBigUint64(0, value, true);
  target.writeUInt32LE(scratch.getUint32(0, true), at);
  target.writeUInt32LE(scratch.getUint32(4, true), at + 4);
}

/** The header at `at` in `bytes` when it is intact and stands at its place in its segment; otherwise undefined. */
export function decodeExtentHeader(
  bytes: Buffer,
  at: number,
  segment: number,
  position: number,
): ExtentHeader | undefined {
  if (at + EXTENT_HEADER_BYTES > bytes.length || bytes.readUInt32LE(at + 8) !== EXTENT_MAGIC)
    return undefined;
  const headerBytes = bytes.readUInt16LE(at + 12);
  const ownerEnd = EXTENT_HEADER_BYTES + bytes.readUInt16LE(at + 14);
  if (ownerEnd > headerBytes || at + ownerEnd > bytes.length) return undefined;
  if (bytes.readBigUInt64LE(at) !== xxhash64(bytes.subarray(at + 8, at + ownerEnd))) return undefined;
  if (bytes.readUIntLE(at + 16, 6) !== segment) return undefined;
  if (bytes.readUIntLE(at + 24, 6) !== position + headerBytes) return undefined;
  return {
    headerBytes,
    owner: bytes.toString('latin1', at + EXTENT_HEADER_BYTES, at + ownerEnd),
    size: bytes.readUIntLE(at + 32, 6),
    checksum: bytes.readBigUInt64LE(at + 40),
  };
}
