/**
 * One immutable run, opened: its filter, its block index, and its file (`run-format.ts`).
 *
 * In memory are only the filter (10 bits per entry), the separators of the blocks and 20 bytes per block besides: about 2.5
 * bytes for each entry of 150 bytes. Data blocks are read when they are asked for.
 */
import type { Disk, DiskFile } from '../../core/ports.js';
import { BloomFilter, type KeyHash } from './bloom-filter.js';
import { CHECKSUM_BYTES, blockChecksum, checksumOfAll } from './checksum.js';
import { Separators } from './separators.js';
import { corrupt, FOOTER_BYTES, FOOTER_CHECKSUM_AT, readFooter, type RunDescriptor } from './run-format.js';

/** A block that is in no slot of the block cache. */
export const NO_SLOT = -1;

export class Run {
  readonly descriptor: RunDescriptor;
  readonly lastKey: string;
  readonly blocks: number;
  /** The slots of the block cache that hold the blocks; the cache's own book-keeping. */
  readonly slots: Int32Array;
  readonly #file: DiskFile;
  readonly #filter: BloomFilter;
  /** Where each block begins, and where the last ends. */
  readonly #positions: Float64Array;
  readonly #separators: Separators;

  /**
   * `filter` and `index` (which ends with the footer) as they are in the file. `CORRUPT_CHECKPOINT` when they are not what
   * the descriptor says, `UNSUPPORTED_FORMAT` for a version of another release.
   */
  constructor(file: DiskFile, descriptor: RunDescriptor, filter: Uint8Array, index: Buffer) {
    const fail = (what: string): Error => corrupt(file.path, descriptor.dataBytes, what);
    const footerAt = index.length - FOOTER_BYTES;
    const checksumAt = footerAt + FOOTER_CHECKSUM_AT;
    const checksum = checksumOfAll(filter, index.subarray(0, checksumAt));
    if (checksum !== index.readBigUInt64LE(checksumAt)) throw fail('does not match its checksum');
    if (checksum !== descriptor.checksum) throw fail('is not the run that the manifest names');
    const footer = readFooter(index, footerAt, file.path, descriptor.fileBytes - FOOTER_BYTES);
    const { blocks, separatorBytes, lastKeyBytes } = footer;
    if (
      footer.number !== descriptor.number ||
      footer.entries !== descriptor.entries ||
      footer.dataBytes !== descriptor.dataBytes ||
      footer.filterBytes !== filter.length ||
      !BloomFilter.isSize(filter.length) ||
      blocks * 8 + separatorBytes + lastKeyBytes !== footerAt
    )
      throw fail('has a footer that does not fit the file');
    this.#file = file;
    this.descriptor = descriptor;
    this.blocks = blocks;
    this.slots = new Int32Array(blocks).fill(NO_SLOT);
    this.#filter = new BloomFilter(filter);
    this.#positions = new Float64Array(blocks + 1);
    const separatorEnds = new Uint32Array(blocks);
    for (let block = 0; block < blocks; block++) {
      const length = index.readUInt32LE(block * 4);
      this.#positions[block + 1] = this.#positions[block]! + length;
      separatorEnds[block] = index.readUInt32LE((blocks + block) * 4);
    }
    if (this.#positions[blocks] !== footer.dataBytes) throw fail('has an index that does not fit its blocks');
    this.#separators = new Separators(index.subarray(blocks * 8, blocks * 8 + separatorBytes), separatorEnds);
    this.lastKey = index.toString('latin1', footerAt - lastKeyBytes, footerAt);
  }

  /** Reads what is needed of the file: filter, index and footer, in one read. `CORRUPT_CHECKPOINT`, `IO_FAILED`. */
  static async open(disk: Disk, path: string, descriptor: RunDescriptor): Promise<Run> {
    const { fileBytes, dataBytes } = descriptor;
    const sizeBytes = await disk.sizeOf(path);
    if (sizeBytes !== fileBytes)
      throw corrupt(
        path,
        0,
        sizeBytes === undefined ? 'is missing' : `is ${sizeBytes} bytes long, not ${fileBytes}`,
      );
    const file = await disk.open(path, { readOnly: true });
    try {
      const tail = Buffer.allocUnsafeSlow(fileBytes - dataBytes);
      if ((await file.read(dataBytes, tail)) < tail.length) throw corrupt(path, dataBytes, 'ends too early');
      const filterBytes = tail.readUInt32LE(tail.length - FOOTER_BYTES + 32);
      if (filterBytes > tail.length - FOOTER_BYTES)
        throw corrupt(path, dataBytes, 'has a footer that does not fit the file');
      return new Run(file, descriptor, tail.subarray(0, filterBytes), tail.subarray(filterBytes));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  get path(): string {
    return this.#file.path;
  }

  /** False only when the run has no entry of the key, not even a deletion. */
  mayContain(hash: KeyHash): boolean {
    return this.#filter.mayContain(hash);
  }

  /** With the checksum. */
  blockLength(block: number): number {
    return this.#positions[block + 1]! - this.#positions[block]!;
  }

  /** Where the entries of the block end in what `readBlock` filled. */
  entriesEnd(block: number): number {
    return this.blockLength(block) - CHECKSUM_BYTES;
  }

  /** The last block whose separator is `key` or below: the only one that can hold `key`. */
  blockOf(key: string): number {
    return this.#separators.blockOf(key);
  }

  /** Reads a block, at once, to the start of `target`, and checks it. `CORRUPT_CHECKPOINT`, `IO_FAILED`. */
  readBlock(block: number, target: Buffer): void {
    const position = this.#positions[block]!;
    const bytes = target.subarray(0, this.blockLength(block));
    if (this.#file.readSync(position, bytes) < bytes.length)
      throw corrupt(this.path, position, 'ends too early');
    this.checkBlock(block, bytes);
  }

  /** `CORRUPT_CHECKPOINT` unless `bytes` are the block with its right checksum. */
  checkBlock(block: number, bytes: Buffer): void {
    const position = this.#positions[block]!;
    const end = bytes.length - CHECKSUM_BYTES;
    if (end < 0 || blockChecksum(bytes.subarray(0, end), position) !== bytes.readBigUInt64LE(end))
      throw corrupt(this.path, position, 'has a block that does not match its checksum');
  }

  /** Reads several whole blocks, at once, to the start of `target`, unchecked. `CORRUPT_CHECKPOINT`, `IO_FAILED`. */
  readBlocksSync(first: number, end: number, target: Buffer): void {
    const position = this.#positions[first]!;
    const bytes = target.subarray(0, this.#positions[end]! - position);
    const count = this.#file.readSync(position, bytes);
    if (count < bytes.length) throw corrupt(this.path, position + count, 'ends too early');
  }

  /** Reads several whole blocks to the start of `target`, unchecked. `CORRUPT_CHECKPOINT`, `IO_FAILED`. */
  async readBlocks(first: number, end: number, target: Buffer): Promise<void> {
    const position = this.#positions[first]!;
    const bytes = target.subarray(0, this.#positions[end]! - position);
    const count = await this.#file.read(position, bytes);
    if (count < bytes.length) throw corrupt(this.path, position + count, 'ends too early');
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
