/**
 * Writes a run: entries in ascending order go into blocks, blocks in large pieces to the file.
 *
 * Nothing of a run is used before `finish` has resolved; what a crash leaves is a file that no manifest names.
 */
import { assert } from '../../core/assert.js';
import { takeMemory } from '../../core/memory.js';
import type { DiskFile } from '../../core/ports.js';
import { BloomFilter, type KeyHash } from './bloom-filter.js';
import { CHECKSUM_BYTES, blockChecksum, checksumOfAll } from './checksum.js';
import type { IndexStoreOptions } from './options.js';
import { Run } from './run.js';
import {
  FOOTER_BYTES,
  FOOTER_CHECKSUM_AT,
  INDEX_KEY_BYTES_MAX,
  INDEX_VALUE_BYTES_MAX,
  writeFooter,
} from './run-format.js';

/** Written bytes are synced at least this often, so that no sync delays those of the log for long. */
const SYNC_BYTES = 8 * 1024 * 1024;
/** Three varints of at most 5 bytes, for lengths below 2^35. */
const ENTRY_HEADER_BYTES_MAX = 15;

export class RunWriter {
  readonly #file: DiskFile;
  readonly #options: IndexStoreOptions;
  readonly #filter: BloomFilter;
  /** Complete blocks, then the open one from `#blockStart` on. */
  #buffer: Buffer;
  #blockStart = 0;
  #at = 0;
  #lastKey = '';
  #entries = 0;
  #deletions = 0;
  #writtenBytes = 0;
  #unsyncedBytes = 0;
  readonly #blockLengths: number[] = [];
  readonly #separatorEnds: number[] = [];
  #separators = Buffer.allocUnsafe(4096);
  #separatorBytes = 0;

  /** `entriesExpected` sizes the filter; more than that make it weaker, not wrong. */
  constructor(file: DiskFile, entriesExpected: number, options: IndexStoreOptions) {
    this.#file = file;
    this.#options = options;
    this.#filter = BloomFilter.forEntries(entriesExpected, options.filterBitsPerKey);
    this.#buffer = takeMemory(options.writeBytes + 2 * options.blockBytes);
  }

  get entries(): number {
    return this.#entries;
  }

  get deletions(): number {
    return this.#deletions;
  }

  /** Whether `drain` has to be called before more is added. */
  get isFull(): boolean {
    return this.#blockStart >= this.#options.writeBytes;
  }

  /**
   * Adds the entry of a key above all those before: the value in `source[start, end)`, or a deletion when `source` is undefined.
   * `hash` is that of the key. The bytes are copied.
   */
  add(key: string, hash: KeyHash, source: Buffer | undefined, start: number, end: number): void {
    const valueBytes = source === undefined ? 0 : end - start;
    // The messages are made only when they are needed: this runs for every entry.
    if (key.length > INDEX_KEY_BYTES_MAX)
      assert(false, `an index key has ${key.length} bytes, more than ${INDEX_KEY_BYTES_MAX}`);
    if (valueBytes > INDEX_VALUE_BYTES_MAX)
      assert(false, `an index value has ${valueBytes} bytes, more than allowed`);
    assert(hash.units <= 0xff, 'an index key has characters above 255: it is not a byte string');
    const shared = this.#sharedWithLast(key);
    const sizeMax = ENTRY_HEADER_BYTES_MAX + key.length + valueBytes + CHECKSUM_BYTES;
    const blockBytes = this.#at - this.#blockStart;
    if (blockBytes > 0 && blockBytes + sizeMax - shared > this.#options.blockBytes) this.#closeBlock();
    if (this.#at + sizeMax > this.#buffer.length) this.#grow(this.#at + sizeMax);
    const isFirst = this.#at === this.#blockStart;
    if (isFirst) this.#addSeparator(key, this.#entries === 0 ? 0 : shared + 1);
    this.#write(key, isFirst ? 0 : shared, source, start, end);
    this.#filter.add(hash);
    this.#lastKey = key;
    this.#entries++;
    if (source === undefined) this.#deletions++;
  }

  /** Writes the complete blocks. */
  async drain(): Promise<void> {
    if (this.#blockStart === 0) return;
    await this.#append(this.#buffer.subarray(0, this.#blockStart));
    this.#buffer.copyWithin(0, this.#blockStart, this.#at);
    this.#at -= this.#blockStart;
    this.#blockStart = 0;
  }

  /** Writes the rest; the contents are durable when it resolves, the file's name is not yet. */
  async finish(number: number, level: number, superseded: number): Promise<Run> {
    if (this.#at > this.#blockStart) this.#closeBlock();
    await this.drain();
    const dataBytes = this.#writtenBytes;
    const filter = this.#filter.bytes;
    const index = this.#encodeIndex(number);
    const checksumAt = index.length - FOOTER_BYTES + FOOTER_CHECKSUM_AT;
    const checksum = checksumOfAll(filter, index.subarray(0, checksumAt));
    index.writeBigUInt64LE(checksum, checksumAt);
    await this.#append(filter);
    await this.#append(index);
    await this.#file.sync();
    const descriptor = {
      number,
      level,
      fileBytes: this.#writtenBytes,
      dataBytes,
      entries: this.#entries,
      deletions: this.#deletions,
      superseded,
      checksum,
    };
    return new Run(this.#file, descriptor, filter, index);
  }

  /** Leading characters of `key` that the key before has too. Asserts the order. */
  #sharedWithLast(key: string): number {
    const last = this.#lastKey;
    const length = Math.min(last.length, key.length);
    let shared = 0;
    while (shared < length && last.charCodeAt(shared) === key.charCodeAt(shared)) shared++;
    const isAbove =
      shared < length ? key.charCodeAt(shared) > last.charCodeAt(shared) : key.length > last.length;
    assert(isAbove || this.#entries === 0, 'entries of a run must be added in ascending order');
    return shared;
  }

  #write(key: string, shared: number, source: Buffer | undefined, start: number, end: number): void {
    const buffer = this.#buffer;
    this.#varint(shared);
    this.#varint(key.length - shared);
    this.#varint(source === undefined ? 0 : end - start + 1);
    let at = this.#at;
    for (let i = shared; i < key.length; i++) buffer[at++] = key.charCodeAt(i);
    if (source !== undefined) {
      source.copy(buffer, at, start, end);
      at += end - start;
    }
    this.#at = at;
  }

  #varint(value: number): void {
    // Whole numbers below 2^32, as the limits of keys and values are.
    let rest = value;
    for (; rest >= 0x80; rest >>>= 7) this.#buffer[this.#at++] = (rest & 0x7f) | 0x80;
    this.#buffer[this.#at++] = rest;
  }

  #closeBlock(): void {
    const position = this.#writtenBytes + this.#blockStart;
    const checksum = blockChecksum(this.#buffer.subarray(this.#blockStart, this.#at), position);
    this.#at = this.#buffer.writeBigUInt64LE(checksum, this.#at);
    this.#blockLengths.push(this.#at - this.#blockStart);
    this.#blockStart = this.#at;
  }

  #addSeparator(key: string, length: number): void {
    if (this.#separatorBytes + length > this.#separators.length) {
      const larger = Buffer.allocUnsafe((this.#separatorBytes + length) * 2);
      this.#separators.copy(larger, 0, 0, this.#separatorBytes);
      this.#separators = larger;
    }
    for (let i = 0; i < length; i++) this.#separators[this.#separatorBytes++] = key.charCodeAt(i);
    this.#separatorEnds.push(this.#separatorBytes);
  }

  #grow(length: number): void {
    const larger = takeMemory(length * 2);
    this.#buffer.copy(larger, 0, 0, this.#at);
    this.#buffer = larger;
  }

  /** Index and footer, without the checksum. */
  #encodeIndex(number: number): Buffer {
    const blocks = this.#blockLengths.length;
    const footerAt = blocks * 8 + this.#separatorBytes + this.#lastKey.length;
    const index = Buffer.alloc(footerAt + FOOTER_BYTES);
    for (let block = 0; block < blocks; block++) {
      index.writeUInt32LE(this.#blockLengths[block]!, block * 4);
      index.writeUInt32LE(this.#separatorEnds[block]!, (blocks + block) * 4);
    }
    this.#separators.copy(index, blocks * 8, 0, this.#separatorBytes);
    index.write(this.#lastKey, footerAt - this.#lastKey.length, 'latin1');
    writeFooter(index, footerAt, {
      number,
      entries: this.#entries,
      deletions: this.#deletions,
      filterBytes: this.#filter.bytes.length,
      blocks,
      separatorBytes: this.#separatorBytes,
      lastKeyBytes: this.#lastKey.length,
      dataBytes: this.#writtenBytes,
    });
    return index;
  }

  /** Appends to the file: complete blocks in one write, a large filter in several. */
  async #append(bytes: Uint8Array): Promise<void> {
    const pieceBytes = 2 * this.#options.writeBytes;
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      const piece = bytes.subarray(at, at + pieceBytes);
      await this.#file.write(this.#writtenBytes, piece);
      this.#writtenBytes += piece.length;
      this.#unsyncedBytes += piece.length;
      if (this.#unsyncedBytes >= SYNC_BYTES) {
        await this.#file.sync();
        this.#unsyncedBytes = 0;
      }
    }
  }
}
