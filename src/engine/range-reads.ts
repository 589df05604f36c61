/**
 * Ranges of objects that only the UFS holds: whole blocks are fetched, several in one request, kept in memory for a while and
 * shared.
 *
 * What is fetched: the blocks that the range touches, and, for a reader that goes on where it ended, some behind them. A reader
 * gets a block's bytes as they come. A long range is fetched in runs, the next one when half of the one before is read. When
 * all memory is in use a range is passed through as it is. Nothing of this is on disk: an object gets there as a whole
 * (`fill-flights.ts`).
 */
import { HeadraceError, isErrorCode } from '../core/errors.js';
import type { ByteRange, StoredObject, StoreGetResult } from '../core/object-store.js';
import { objectKey } from '../../projections/records.js';
import type { EngineCore } from './engine-core.js';
import { BLOCK_BYTES, FillBlocks, type FillBlock } from './fill-blocks.js';
import { AHEAD_BYTES_MAX, ReadAhead } from './read-ahead.js';
import { changedMeanwhile, discard, sameOrNone } from './stored-objects.js';
import type { Fill, UfsKnowledge } from './ufs-knowledge.js';

/** Blocks of one request. */
const RUN_BLOCKS_MAX = AHEAD_BYTES_MAX / BLOCK_BYTES;

export interface RangeTarget {
  readonly bucket: string;
  readonly key: string;
}

/** A range of one version. */
interface RangeRead extends RangeTarget {
  readonly stored: StoredObject;
  readonly range: ByteRange;
  /** The last block that may be fetched: with those ahead. */
  readonly lastBlock: number;
}

export class RangeReads {
  readonly #core: EngineCore;
  readonly #ufs: UfsKnowledge;
  readonly #blocks: FillBlocks;
  readonly #ahead = new ReadAhead();
  /** First reads of objects that nothing is known of, by index key. */
  readonly #opening = new Map<string, { fill: Fill; asked: Promise<StoredObject | undefined> }>();
  /** Requests to the UFS, for metrics. */
  fetches = 0;

  constructor(core: EngineCore, ufs: UfsKnowledge) {
    this.#core = core;
    this.#ufs = ufs;
    this.#blocks = new FillBlocks(core.options.rangeCacheBytes);
  }

  get bytes(): number {
    return this.#blocks.bytes;
  }

  /**
   * What the object is like. Where that is not known, the blocks of the range are asked for at once instead of asking for it
   * first: one round trip. Undefined when there is none. `UFS_*`.
   */
  async describe(
    target: RangeTarget,
    range: { first: number; last?: number },
  ): Promise<StoredObject | undefined> {
    const { bucket, key } = target;
    const known = this.#core.known.object(bucket, key);
    if (known !== undefined) return known.object;
    const indexKey = objectKey(bucket, key);
    const opening = this.#opening.get(indexKey);
    // Whatever is changed here spoils the answer for those who ask later.
    if (opening !== undefined && !opening.fill.stale) return opening.asked;
    const begun = this.#ufs.beginFill(bucket, key);
    const asked = this.#open(target, range);
    if (begun === undefined) return asked;
    const entry = { fill: begun.fill, asked };
    this.#opening.set(indexKey, entry);
    try {
      return await asked;
    } finally {
      begun.end();
      if (this.#opening.get(indexKey) === entry) this.#opening.delete(indexKey);
    }
  }

  /**
   * The bytes of a range, and how many of the version were read by ranges lately. The iterator rejects with `SLOW_DOWN`
   * (`changedInUfs`) when the UFS has another version by now.
   */
  read(
    target: RangeTarget,
    stored: StoredObject,
    range: ByteRange,
  ): { readonly stream: AsyncIterableIterator<Uint8Array>; readonly readBytes: number } {
    const { bucket, key } = target;
    const { aheadBytes, readBytes } = this.#ahead.note(this.#idOf(target, stored), range);
    const lastByte = Math.min(range.last + aheadBytes, stored.size - 1);
    const read: RangeRead = { bucket, key, stored, range, lastBlock: blockOf(lastByte) };
    return { stream: this.#stream(read), readBytes };
  }

  /** The whole of it is being cached: its blocks are of no more use. */
  forget(target: RangeTarget, stored: StoredObject): void {
    this.#ahead.forget(this.#idOf(target, stored));
  }

  async #open(
    target: RangeTarget,
    { first, last }: { first: number; last?: number },
  ): Promise<StoredObject | undefined> {
    const firstBlock = blockOf(first);
    const lastBlock = Math.min(blockOf(last ?? Number.MAX_SAFE_INTEGER), firstBlock + RUN_BLOCKS_MAX - 1);
    const range = { first: firstBlock * BLOCK_BYTES, last: (lastBlock + 1) * BLOCK_BYTES - 1 };
    let result: StoreGetResult | undefined;
    try {
      this.fetches += 1;
      result = await this.#ufs.get(target.bucket, target.key, range);
    } catch (error) {
      // There is no such range, perhaps: the size tells.
      if (isErrorCode(error, 'UFS_REJECTED')) return this.#ufs.headForRead(target.bucket, target.key);
      throw error;
    }
    if (result === undefined) return undefined;
    const { object } = result;
    const blocks = this.#allocate(target, object, firstBlock, lastBlock);
    const size = blocks.reduce((sum, block) => sum + block.bytes.length, 0);
    const comes = Math.min(range.last, object.size - 1) - range.first + 1;
    // Without memory for all of it the reader asks again, for what it gets.
    if (size === comes) this.#fill(target, blocks, Promise.resolve(result));
    else {
      this.#fail(blocks, new HeadraceError('SLOW_DOWN', 'there is no memory for a block'));
      await discard(result.body);
    }
    return object;
  }

  async *#stream(read: RangeRead): AsyncGenerator<Uint8Array, undefined, undefined> {
    const { first, last } = read.range;
    let position = first;
    while (position <= last) {
      const number = blockOf(position);
      const block =
        this.#blocks.find(this.#blockId(read, read.stored, number)) ?? this.#startRun(read, number);
      if (block === undefined) return yield* this.#passThrough(read, position);
      block.users += 1;
      try {
        this.#stayAhead(read, number);
        const start = number * BLOCK_BYTES;
        const end = Math.min(last + 1 - start, block.bytes.length);
        while (position < start + end && block.failure === undefined) {
          if (block.filled > position - start) {
            const bytes = block.bytes.subarray(position - start, Math.min(block.filled, end));
            position += bytes.length;
            yield bytes;
          } else await block.changed();
        }
      } finally {
        block.users -= 1;
      }
      if (block.failure === undefined) continue;
      if (isErrorCode(block.failure, 'SLOW_DOWN') && block.failure.details['changedInUfs'] === true)
        throw block.failure;
      // Whatever was wrong with the shared fetch: once more, for this reader alone.
      return yield* this.#passThrough(read, position);
    }
    return undefined;
  }

  /** Begins the run behind the present one when half of it is read. */
  #stayAhead(read: RangeRead, number: number): void {
    const until = Math.min(number + RUN_BLOCKS_MAX / 2, read.lastBlock);
    for (let next = number + 1; next <= until; next++) {
      if (this.#blocks.has(this.#blockId(read, read.stored, next))) continue;
      this.#startRun(read, next);
      return;
    }
  }

  /** Fetches blocks from `number` on, up to one that is there; the first of them, or undefined without memory. */
  #startRun(read: RangeRead, number: number): FillBlock | undefined {
    const blocks = this.#allocate(
      read,
      read.stored,
      number,
      Math.min(number + RUN_BLOCKS_MAX - 1, read.lastBlock),
    );
    const size = blocks.reduce((sum, block) => sum + block.bytes.length, 0);
    if (size === 0) return undefined;
    const first = number * BLOCK_BYTES;
    this.fetches += 1;
    this.#fill(read, blocks, this.#fetch(read, { first, last: first + size - 1 }));
    return blocks[0];
  }

  async #fetch(read: RangeRead, range: ByteRange): Promise<StoreGetResult> {
    const { bucket, key, stored } = read;
    const result = await sameOrNone(() => this.#ufs.get(bucket, key, range), stored);
    if (result !== undefined) return result;
    this.#core.known.forget(bucket, key);
    throw changedMeanwhile(key);
  }

  /** New blocks, without a gap, as many as are missing and as there is memory for. */
  #allocate(target: RangeTarget, stored: StoredObject, from: number, to: number): FillBlock[] {
    const blocks: FillBlock[] = [];
    for (let number = from; number <= to; number++) {
      const size = Math.min(BLOCK_BYTES, stored.size - number * BLOCK_BYTES);
      const id = this.#blockId(target, stored, number);
      const block = size <= 0 || this.#blocks.has(id) ? undefined : this.#blocks.allocate(id, size);
      if (block === undefined) break;
      block.users += 1;
      blocks.push(block);
    }
    return blocks;
  }

  /** Fills the blocks as the body comes. */
  #fill(target: RangeTarget, blocks: readonly FillBlock[], asked: Promise<StoreGetResult>): void {
    fillBlocks(blocks, asked)
      .catch((error: unknown) => {
        const failure = error instanceof Error ? error : new Error(String(error));
        this.#core.logger.debug({ ...target, error: failure }, 'blocks of an object could not be fetched');
        return failure;
      })
      .then((failure) => {
        for (const block of blocks) block.users -= 1;
        if (failure !== undefined) this.#failUnfilled(blocks, failure);
      })
      .catch(() => undefined);
  }

  #fail(blocks: readonly FillBlock[], error: Error): void {
    for (const block of blocks) block.users -= 1;
    this.#failUnfilled(blocks, error);
  }

  #failUnfilled(blocks: readonly FillBlock[], error: Error): void {
    for (const block of blocks) if (!block.isWhole) this.#blocks.fail(block, error);
  }

  async *#passThrough(read: RangeRead, first: number): AsyncGenerator<Uint8Array, undefined, undefined> {
    this.fetches += 1;
    const { last } = read.range;
    const { body } = await this.#fetch(read, { first, last });
    let missing = last - first + 1;
    for await (const bytes of body) {
      missing -= bytes.length;
      if (missing < 0) break;
      yield bytes;
    }
    if (missing !== 0) throw brokeOff();
    return undefined;
  }

  #idOf({ bucket, key }: RangeTarget, stored: StoredObject): string {
    return `${objectKey(bucket, key)}\0${stored.storeEtag}`;
  }

  #blockId(target: RangeTarget, stored: StoredObject, number: number): string {
    return `${this.#idOf(target, stored)}\0${number}`;
  }
}

/** Resolves when all are filled. */
async function fillBlocks(blocks: readonly FillBlock[], asked: Promise<StoreGetResult>): Promise<undefined> {
  const { body } = await asked;
  let at = 0;
  for await (const bytes of body) {
    let offset = 0;
    while (offset < bytes.length) {
      const block = blocks[at];
      if (block === undefined) throw brokeOff();
      const piece = bytes.subarray(offset, offset + block.bytes.length - block.filled);
      block.bytes.set(piece, block.filled);
      block.filled += piece.length;
      offset += piece.length;
      if (block.isWhole) at += 1;
      block.wake();
    }
  }
  if (at < blocks.length) throw brokeOff();
  return undefined;
}

function blockOf(position: number): number {
  return Math.floor(position / BLOCK_BYTES);
}

function brokeOff(): HeadraceError {
  return new HeadraceError(
    'UFS_UNAVAILABLE',
    'the UFS did not send the bytes of the range that was asked for',
  );
}
