/**
 * The bytes of an export (docs/on-disk-format.md, "Exports of the log").
 *
 * | file header   | at | bytes | contents                                  |
 * |---------------|---:|------:|-------------------------------------------|
 * | magic         |  0 |     8 | F5, `HRLOG`, 0D 0A: damaged by text tools |
 * | version       |  8 |     2 | 1                                         |
 * | header bytes  | 10 |     2 | 16                                        |
 * | reserved      | 12 |     4 | 0                                         |
 *
 * | record        | at | bytes | contents                                          |
 * |---------------|---:|------:|---------------------------------------------------|
 * | checksum      |  0 |     8 | xxhash64 of everything from byte 8 to the payload's end |
 * | type          |  8 |     2 | `RECORD_TYPES`                                    |
 * | reserved      | 10 |     2 | 0                                                 |
 * | payload bytes | 12 |     4 |                                                   |
 * | payload       | 16 |       |                                                   |
 * | padding       |    |   0-7 | zeros up to a multiple of 8                       |
 *
 * All numbers are little-endian. A file without an END record was cut short.
 */
import { HeadraceError } from '../../core/errors.js';
import { xxhash64 } from '../../core/hashing.js';
import { KIB, MIB } from '../../core/units.js';
import { RECORD_CODEC } from '../../../projections/record-codec.js';
import type { IndexRecord } from '../../../projections/records.js';

const EXPORT_VERSION = 1;
export const RECORD_TYPES = { DESCRIPTION: 1, FRAME: 2, PAGE: 3, STATE: 4, CHECKPOINT: 5, END: 6 } as const;
export type RecordType = keyof typeof RECORD_TYPES;

/** JSON, the first record. */
export interface ExportDescription {
  readonly headrace: string;
  readonly createdMs: number;
  readonly bucket?: string;
  readonly prefix?: string;
  /** Whether names are hashes; then `bucket` and `prefix` are not told. */
  readonly hashed: boolean;
  /** Whether only some objects were asked for; absent in exports of older versions. */
  readonly selected?: boolean;
  readonly partitions: readonly ExportedPartition[];
}

export interface ExportedPartition {
  readonly partition: number;
  /** The first offset that is exported, and the first that is not. */
  readonly from: number;
  readonly to: number;
  /** Where the log ended when it was exported; absent in exports of older versions, and of the control stream, which goes on to its end. */
  readonly end?: number;
}

/** JSON: the pages before it are the whole state of the partition at this offset. */
export interface ExportedState {
  readonly partition: number;
  /** Everything below is folded in. */
  readonly offset: number;
  readonly records: number;
  /** The small projections, as `encodeSnapshot` has them. */
  readonly snapshot: string;
  /** What the engine's own checkpoint comes to (`state-hash.ts`); absent when the export is a part. */
  readonly hash?: string;
}

/** JSON: what the state of the partition must come to at this offset. */
export interface ExportedCheckpoint {
  readonly partition: number;
  readonly offset: number;
  readonly hash: string;
}

/** JSON, the last record. */
export interface ExportEnd {
  readonly frames: number;
  readonly events: number;
  readonly records: number;
}

export const FILE_HEADER_BYTES = 16;
export const RECORD_HEADER_BYTES = 16;
/** A frame is at most half of it. */
export const PAYLOAD_BYTES_MAX = 32 * MIB;
const MAGIC = Buffer.from([0xf5, 0x48, 0x52, 0x4c, 0x4f, 0x47, 0x0d, 0x0a]);
const ALIGNMENT_BYTES = 8;
const PAGE_HEADER_BYTES = 8;
const ENTRY_HEADER_BYTES = 6;
export const PAGE_BYTES = 256 * KIB;

export function encodeFileHeader(): Buffer {
  const header = Buffer.alloc(FILE_HEADER_BYTES);
  MAGIC.copy(header);
  header.writeUInt16LE(EXPORT_VERSION, 8);
  header.writeUInt16LE(FILE_HEADER_BYTES, 10);
  return header;
}

/** `INVALID_ARGUMENT` for a file that is no export, `UNSUPPORTED_FORMAT` for a newer one. */
export function checkFileHeader(header: Uint8Array): void {
  const bytes = Buffer.from(header.buffer, header.byteOffset, header.length);
  if (bytes.length < FILE_HEADER_BYTES || !bytes.subarray(0, MAGIC.length).equals(MAGIC))
    throw new HeadraceError(
      'INVALID_ARGUMENT',
      'the file is not an export of a log: make one with `headrace log export -o FILE`',
    );
  const version = bytes.readUInt16LE(8);
  if (version !== EXPORT_VERSION || bytes.readUInt16LE(10) !== FILE_HEADER_BYTES)
    throw new HeadraceError(
      'UNSUPPORTED_FORMAT',
      `the export has format version ${version}; this Headrace reads version ${EXPORT_VERSION}: use the one that wrote it`,
    );
}

export function encodeRecord(type: RecordType, payload: Uint8Array): Buffer {
  const record = Buffer.alloc(recordBytes(payload.length));
  record.writeUInt16LE(RECORD_TYPES[type], 8);
  record.writeUInt32LE(payload.length, 12);
  record.set(payload, RECORD_HEADER_BYTES);
  record.writeBigUInt64LE(xxhash64(record.subarray(8, RECORD_HEADER_BYTES + payload.length)), 0);
  return record;
}

export function encodeJsonRecord(
  type: Exclude<RecordType, 'FRAME' | 'PAGE'>,
  value: ExportDescription | ExportedState | ExportedCheckpoint | ExportEnd,
): Buffer {
  return encodeRecord(type, Buffer.from(JSON.stringify(value)));
}

/** What a record with such a payload takes, padding included. */
export function recordBytes(payloadBytes: number): number {
  const bytes = RECORD_HEADER_BYTES + payloadBytes;
  return Math.ceil(bytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
}

/**
 * Some records of a state.
 *
 * | field     | bytes | contents                                        |
 * |-----------|------:|-------------------------------------------------|
 * | partition |     4 |                                                 |
 * | count     |     4 | entries that follow                             |
 * | each:     |     2 | key bytes                                       |
 * |           |     4 | value bytes                                     |
 * |           |       | key, as in `projections/records.ts`             |
 * |           |       | value, as in `projections/record-codec.ts`      |
 */
export class StatePage {
  readonly #parts: Buffer[] = [];
  #bytes = PAGE_HEADER_BYTES;

  get isFull(): boolean {
    return this.#bytes >= PAGE_BYTES;
  }

  add(key: string, record: IndexRecord): void {
    const value = RECORD_CODEC.encode(record);
    const entry = Buffer.allocUnsafe(ENTRY_HEADER_BYTES + key.length + value.length);
    entry.writeUInt16LE(key.length, 0);
    entry.writeUInt32LE(value.length, 2);
    entry.write(key, ENTRY_HEADER_BYTES, 'latin1');
    entry.set(value, ENTRY_HEADER_BYTES + key.length);
    this.#parts.push(entry);
    this.#bytes += entry.length;
  }

  /** The record, and the page is empty again; undefined when it was. */
  take(partition: number): Buffer | undefined {
    if (this.#parts.length === 0) return undefined;
    const header = Buffer.alloc(PAGE_HEADER_BYTES);
    header.writeUInt32LE(partition, 0);
    header.writeUInt32LE(this.#parts.length, 4);
    const page = encodeRecord('PAGE', Buffer.concat([header, ...this.#parts]));
    this.#parts.length = 0;
    this.#bytes = PAGE_HEADER_BYTES;
    return page;
  }
}

/** `CORRUPT_FRAME` for bytes that are no page. */
export function decodePage(payload: Buffer): {
  partition: number;
  entries: [key: string, record: IndexRecord][];
} {
  try {
    const entries: [string, IndexRecord][] = [];
    const count = payload.readUInt32LE(4);
    let at = PAGE_HEADER_BYTES;
    for (let i = 0; i < count; i++) {
      const valueAt = at + ENTRY_HEADER_BYTES + payload.readUInt16LE(at);
      const end = valueAt + payload.readUInt32LE(at + 2);
      if (end > payload.length) throw new RangeError(`entry ${i} ends behind its page`);
      const key = payload.toString('latin1', at + ENTRY_HEADER_BYTES, valueAt);
      entries.push([key, RECORD_CODEC.decode(key, payload.subarray(valueAt, end))]);
      at = end;
    }
    return { partition: payload.readUInt32LE(0), entries };
  } catch (cause) {
    if (cause instanceof HeadraceError) throw cause;
    throw new HeadraceError('CORRUPT_FRAME', 'a page of the export cannot be read', { cause });
  }
}
