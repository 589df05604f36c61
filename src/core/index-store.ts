/**
 * The port to an ordered store of small records with checkpoints: the durable form of the projections.
 *
 * Keys are byte strings: one JavaScript character (0 to 255) per byte, compared byte by byte, which V8 does with
 * memcmp on one-byte strings (`src/core/key.ts` makes them). Changes live in memory and are read at once; a checkpoint makes
 * them durable together with the log offset they stand at, so that a restart replays only what came after.
 */
export interface IndexStore<Value> {
  /** The newest value, or undefined. May read one cached block from disk, synchronously. */
  get(key: string): Value | undefined;
  set(key: string, value: Value): void;
  delete(key: string): void;
  /**
   * Entries with `from ≤ key < to`, ascending. The iterator is valid until the next turn of the event loop or the
   * next change, whichever comes first: take a bounded page, then scan again from behind the last key.
   */
  scan(from: string, to: string): IterableIterator<readonly [key: string, value: Value]>;
  /** Changes since the last checkpoint began; the owner decides by it when to take one. */
  readonly changes: number;
  /**
   * Makes all changes made before the call durable, together with `offset` and `meta`, atomically. Changes made meanwhile
   * belong to the next one. One at a time. Runs in slices so that the event loop stays free.
   */
  checkpoint(offset: number, meta: Uint8Array): Promise<void>;
  /** The checkpoints that are kept, oldest first: at most the two newest. */
  readonly checkpoints: readonly IndexCheckpoint[];
  /** A read-only view of a kept checkpoint over which changes can be made in memory only. For verification. */
  openAt(checkpoint: IndexCheckpoint): Promise<IndexStore<Value>>;
  close(): Promise<void>;
}

export interface IndexCheckpoint {
  /** Everything below this log offset is folded in. */
  readonly offset: number;
  readonly meta: Uint8Array;
}

export interface IndexCodec<Value> {
  /** The bytes are valid until the next call. */
  encode(value: Value): Uint8Array;
  /** What it returns must not refer to `bytes`, whose memory is used again. */
  decode(key: string, bytes: Uint8Array): Value;
}
