/**
 * Checkpoints of one partition in FoundationDB: the state of a consumer at an offset, in pieces, so that another worker can go
 * on from it without reading the whole log.
 *
 * A checkpoint is written under a generation of its own, a few pieces per transaction, and counts once the pointer names it.
 * Whatever breaks off before leaves the old one in place; what is left of it is cleared by the next.
 *
 * | Pointer at | bytes | contents                                                        |
 * |-----------:|------:|-----------------------------------------------------------------|
 * |          0 |     4 | format version, 1                                               |
 * |          4 |     8 | generation                                                      |
 * |         12 |     8 | offset: everything below it is in the state                     |
 * |         20 |     8 | bytes of the state                                              |
 * |         28 |     8 | xxhash64 of the state                                           |
 * |         36 |     8 | xxhash64 of the 36 bytes before                                 |
 *
 * | step                                              | a crash behind it leaves                                              |
 * |---------------------------------------------------|-----------------------------------------------------------------------|
 * | 1. a generation is drawn, all others but the one that counts are cleared | the old checkpoint                             |
 * | 2. pieces are written, each transaction conflicting with the epoch       | the old one, and pieces that step 1 of the next clears |
 * | 3. the pointer is set, in one transaction with the clearing of the old pieces | the new one                               |
 *
 * Invariants: only the owner of the newest epoch writes; offsets of pointers never go back; a reader sees one whole checkpoint
 * or, when a newer one replaced it meanwhile, reads again. All numbers are little-endian.
 */
import { HeadraceError } from '../../src/core/errors.js';
import { createXxhash64, xxhash64 } from '../../src/core/hashing.js';
import type { DatabaseTransaction } from '../../src/core/key-value-database.js';
import type { Random } from '../../src/core/ports.js';
import { MIB } from '../../src/core/units.js';
import type { CheckpointBytes, CheckpointStore, LoadedCheckpoint } from '../log-store.js';
import { readPage } from './read-frames.js';
import { CHUNK_BYTES_MAX, decodeClaim, type PartitionKeys } from './schema.js';
import { transact, type Transacting } from './transact.js';

/** Largest state: whoever loads it holds it in memory. */
export const CHECKPOINT_BYTES_MAX = 512 * MIB;
const FORMAT_VERSION = 1;
const POINTER_BYTES = 44;
const CHECKED_BYTES = 36;
/** Below the megabyte that a transaction should stay below (FoundationDB documentation, "Known limitations"). */
const PIECES_PER_TRANSACTION = 10;
/** Pieces of one read: at most 9 MB. */
const PIECES_PER_READ = 100;
/** How often a reader begins again because a newer checkpoint replaced the one that it read. */
const READ_ATTEMPTS_MAX = 20;
const GENERATION_BYTES = 6;

export interface FdbCheckpointsOptions extends Transacting {
  readonly random: Random;
  readonly keys: PartitionKeys;
  readonly partition: number;
  /** With which the partition was taken over. */
  readonly epoch: number;
}

interface Pointer {
  readonly generation: number;
  readonly offset: number;
  readonly stateBytes: number;
  readonly checksum: bigint;
}

export class FdbCheckpoints implements CheckpointStore {
  readonly #options: FdbCheckpointsOptions;
  #saving: Promise<void> = Promise.resolve();

  constructor(options: FdbCheckpointsOptions) {
    this.#options = options;
  }

  /**
   * The checkpoint counts and is durable on return. One after the other. `LOG_FENCED` when another owner took the partition over,
   * `INVALID_ARGUMENT` for a state that is too large or an offset below the one that counts, `IO_FAILED`.
   */
  save(offset: number, state: CheckpointBytes, signal?: AbortSignal): Promise<void> {
    const saved = this.#saving.then(() => this.#save(offset, state, signal));
    this.#saving = saved.catch(() => undefined);
    return saved;
  }

  async offset(): Promise<number | undefined> {
    return (await this.#readPointer())?.offset;
  }

  /** The newest that counts; undefined when there was none. By anybody. `CORRUPT_CHECKPOINT`, `IO_FAILED`. */
  async load(): Promise<LoadedCheckpoint | undefined> {
    for (let attempt = 0; attempt < READ_ATTEMPTS_MAX; attempt++) {
      const pointer = await this.#readPointer();
      if (pointer === undefined) return undefined;
      const state = await this.#readPieces(pointer);
      if (state.length === pointer.stateBytes && checksumOf(state) === pointer.checksum)
        return { offset: pointer.offset, state };
      const newer = await this.#readPointer();
      if (newer?.generation === pointer.generation) break;
    }
    throw new HeadraceError(
      'CORRUPT_CHECKPOINT',
      `the checkpoint of partition ${this.#options.partition} in FoundationDB is not whole: fold the log from its beginning`,
    );
  }

  async #save(offset: number, state: CheckpointBytes, signal: AbortSignal | undefined): Promise<void> {
    const { keys, random } = this.#options;
    // Drawn, so that a piece of an attempt that was given up, which may still be on its way, is never taken for one of this.
    const generation = Buffer.from(random.bytes(GENERATION_BYTES)).readUIntBE(0, GENERATION_BYTES);
    await this.#transact(signal, async (transaction) => {
      const pointer = await pointerOf(transaction, keys);
      this.#refuseOlder(pointer, offset);
      clearAllBut(transaction, keys, pointer?.generation);
    });
    const { stateBytes, checksum } = await this.#writePieces(generation, state, signal);
    await this.#transact(signal, async (transaction) => {
      const found = await pointerOf(transaction, keys);
      // An attempt whose outcome was unknown took effect.
      if (found?.generation === generation) return;
      this.#refuseOlder(found, offset);
      transaction.set(keys.checkpoint, encodePointer({ generation, offset, stateBytes, checksum }));
      clearAllBut(transaction, keys, generation);
    });
  }

  async #writePieces(
    generation: number,
    state: CheckpointBytes,
    signal: AbortSignal | undefined,
  ): Promise<Pick<Pointer, 'stateBytes' | 'checksum'>> {
    const { keys } = this.#options;
    const hash = createXxhash64();
    let stateBytes = 0;
    let number = 0;
    const write = async (pieces: readonly Buffer[]): Promise<void> => {
      const first = number;
      number += pieces.length;
      await this.#transact(signal, async (transaction) => {
        for (const [at, piece] of pieces.entries())
          transaction.set(keys.checkpointChunk(generation, first + at), piece);
      });
    };
    let group: Buffer[] = [];
    for await (const piece of inPieces(state)) {
      stateBytes += piece.length;
      if (stateBytes > CHECKPOINT_BYTES_MAX)
        throw new HeadraceError(
          'INVALID_ARGUMENT',
          `a checkpoint in FoundationDB is longer than the ${CHECKPOINT_BYTES_MAX} bytes that are allowed`,
        );
      hash.update(piece);
      group.push(piece);
      if (group.length < PIECES_PER_TRANSACTION) continue;
      await write(group);
      group = [];
    }
    if (group.length > 0) await write(group);
    return { stateBytes, checksum: hash.digest() };
  }

  #refuseOlder(pointer: Pointer | undefined, offset: number): void {
    if (pointer === undefined || pointer.offset <= offset) return;
    throw new HeadraceError(
      'INVALID_ARGUMENT',
      `a checkpoint at offset ${offset} of partition ${this.#options.partition} is older than the one at ${pointer.offset}`,
    );
  }

  /** Conflicts with whoever takes the partition over. */
  #transact(
    signal: AbortSignal | undefined,
    body: (transaction: DatabaseTransaction) => Promise<void>,
  ): Promise<void> {
    const { keys, epoch, partition, signal: stop } = this.#options;
    const signals = [signal, stop].filter((one) => one !== undefined);
    return transact({ ...this.#options, signal: AbortSignal.any(signals) }, async (transaction) => {
      const newest = await transaction.get(keys.epoch);
      if (newest === undefined || decodeClaim(newest).epoch !== epoch)
        throw new HeadraceError('LOG_FENCED', `another owner has taken partition ${partition} over`);
      await body(transaction);
    });
  }

  async #readPointer(): Promise<Pointer | undefined> {
    const { keys } = this.#options;
    const value = await transact(this.#options, (transaction) => transaction.peek(keys.checkpoint));
    return value === undefined ? undefined : decodePointer(value);
  }

  /** What is there of them, in order: a newer checkpoint may be clearing them. */
  async #readPieces({ generation, stateBytes }: Pointer): Promise<Buffer> {
    const { keys } = this.#options;
    const pieces: Buffer[] = [];
    const end = keys.checkpointChunk(generation + 1, 0);
    for (;;) {
      const begin = keys.checkpointChunk(generation, pieces.length);
      const page = await readPage(this.#options, { begin, end, limit: PIECES_PER_READ });
      for (const { key, value } of page) {
        if (!key.equals(keys.checkpointChunk(generation, pieces.length))) return Buffer.concat(pieces);
        pieces.push(value);
      }
      if (page.length === 0 || pieces.length * CHUNK_BYTES_MAX > stateBytes + CHUNK_BYTES_MAX)
        return Buffer.concat(pieces);
    }
  }
}

async function pointerOf(
  transaction: DatabaseTransaction,
  keys: PartitionKeys,
): Promise<Pointer | undefined> {
  const value = await transaction.get(keys.checkpoint);
  return value === undefined ? undefined : decodePointer(value);
}

function clearAllBut(
  transaction: DatabaseTransaction,
  keys: PartitionKeys,
  generation: number | undefined,
): void {
  const { chunksBegin, chunksEnd } = keys;
  if (generation === undefined) return transaction.clearRange(chunksBegin, chunksEnd);
  transaction.clearRange(chunksBegin, keys.checkpointChunk(generation, 0));
  transaction.clearRange(keys.checkpointChunk(generation + 1, 0), chunksEnd);
}

/** The same bytes in pieces of `CHUNK_BYTES_MAX`, all but the last. */
async function* inPieces(state: CheckpointBytes): AsyncGenerator<Buffer, void, undefined> {
  let waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  for await (const bytes of state) {
    waiting.push(bytes);
    waitingBytes += bytes.length;
    if (waitingBytes < CHUNK_BYTES_MAX) continue;
    const all = Buffer.concat(waiting);
    let at = 0;
    for (; at + CHUNK_BYTES_MAX <= all.length; at += CHUNK_BYTES_MAX)
      yield all.subarray(at, at + CHUNK_BYTES_MAX);
    waiting = [all.subarray(at)];
    waitingBytes = all.length - at;
  }
  if (waitingBytes > 0) yield Buffer.concat(waiting);
}

/** By pieces, because the hash keeps memory of the largest one. */
function checksumOf(state: Buffer): bigint {
  const hash = createXxhash64();
  for (let at = 0; at < state.length; at += CHUNK_BYTES_MAX)
    hash.update(state.subarray(at, at + CHUNK_BYTES_MAX));
  return hash.digest();
}

function encodePointer({ generation, offset, stateBytes, checksum }: Pointer): Buffer {
  const bytes = Buffer.alloc(POINTER_BYTES);
  bytes.writeUInt32LE(FORMAT_VERSION, 0);
  bytes.writeBigUInt64LE(BigInt(generation), 4);
  bytes.writeBigUInt64LE(BigInt(offset), 12);
  bytes.writeBigUInt64LE(BigInt(stateBytes), 20);
  bytes.writeBigUInt64LE(checksum, 28);
  bytes.writeBigUInt64LE(xxhash64(bytes.subarray(0, CHECKED_BYTES)), CHECKED_BYTES);
  return bytes;
}

/** `UNSUPPORTED_FORMAT`, `CORRUPT_CHECKPOINT`. */
function decodePointer(bytes: Buffer): Pointer {
  const version = bytes.length >= 4 ? bytes.readUInt32LE(0) : 0;
  if (version > FORMAT_VERSION)
    throw new HeadraceError(
      'UNSUPPORTED_FORMAT',
      `a checkpoint in FoundationDB has format ${version}, and this version reads up to ${FORMAT_VERSION}`,
    );
  const isWhole =
    bytes.length === POINTER_BYTES &&
    xxhash64(bytes.subarray(0, CHECKED_BYTES)) === bytes.readBigUInt64LE(CHECKED_BYTES);
  if (!isWhole)
    throw new HeadraceError(
      'CORRUPT_CHECKPOINT',
      'the pointer to a checkpoint in FoundationDB is damaged: fold the log from its beginning',
    );
  return {
    generation: Number(bytes.readBigUInt64LE(4)),
    offset: Number(bytes.readBigUInt64LE(12)),
    stateBytes: Number(bytes.readBigUInt64LE(20)),
    checksum: bytes.readBigUInt64LE(28),
  };
}
