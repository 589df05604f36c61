/**
 * `IndexStore` in memory, for simulated worlds.
 *
 * Invariants: what survives a crash is what `SimIndexStorage` holds: whole checkpoints only, the two newest. Values that were
 * checkpointed went through the codec, so what it forgets is forgotten here as on a disk. A checkpoint takes two turns of
 * the clock: it is durable after the first and acknowledged after the second, so a crash between them leaves one that nobody
 * was told of. Nothing happens once the clock of its process has stopped.
 */
import sortedBtree from 'sorted-btree';
import { assert } from '../src/core/assert.js';
import { HeadraceError } from '../src/core/errors.js';
import type { IndexCheckpoint, IndexCodec, IndexStore } from '../src/core/index-store.js';
import type { Clock } from '../src/core/ports.js';

const CHECKPOINTS_KEPT = 2;

type Tree<Value> = sortedBtree.default<string, Value>;

interface StoredCheckpoint extends IndexCheckpoint {
  readonly entries: Tree<Uint8Array>;
}

/** What survives a crash of the process. */
export class SimIndexStorage {
  /** Oldest first. */
  checkpoints: readonly StoredCheckpoint[] = [];
  #failure: HeadraceError | undefined;

  /** The next checkpoint fails with `error` and leaves nothing behind. */
  failNext(error: HeadraceError): void {
    this.#failure = error;
  }

  /** Makes a checkpoint durable. */
  keep(checkpoint: StoredCheckpoint): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
    this.checkpoints = [...this.checkpoints, checkpoint].slice(-CHECKPOINTS_KEPT);
  }
}

/** Opens what `storage` holds, as a process that has just started. */
export async function openSimIndexStore<Value>(setup: {
  readonly storage: SimIndexStorage;
  readonly codec: IndexCodec<Value>;
  readonly clock: Clock;
}): Promise<{ store: SimIndexStore<Value>; checkpoint: IndexCheckpoint | undefined }> {
  const { storage, codec, clock } = setup;
  await nextTurn(clock);
  const checkpoint = storage.checkpoints.at(-1);
  return { store: new SimIndexStore(storage, codec, clock, checkpoint), checkpoint };
}

/** A value as it was set, or the bytes of one that was checkpointed. */
type Entry<Value> = { readonly value: Value } | { readonly bytes: Uint8Array };

export class SimIndexStore<Value> implements IndexStore<Value> {
  readonly #storage: SimIndexStorage | undefined;
  readonly #codec: IndexCodec<Value>;
  readonly #clock: Clock;
  readonly #base: StoredCheckpoint | undefined;
  readonly #entries: Tree<Entry<Value>>;
  /** Keys changed since the last checkpoint began. */
  #changed = new Set<string>();
  #changes = 0;
  /** Goes up with each change, so that a scan can see that it is no longer valid. */
  #generation = 0;
  #checkpointing: Promise<void> | undefined;
  #isClosed = false;

  /** Without `storage` it is a view of `base`, which cannot be made durable. */
  constructor(
    storage: SimIndexStorage | undefined,
    codec: IndexCodec<Value>,
    clock: Clock,
    base: StoredCheckpoint | undefined,
  ) {
    this.#storage = storage;
    this.#codec = codec;
    this.#clock = clock;
    this.#base = base;
    this.#entries = base === undefined ? newTree() : base.entries.mapValues((bytes) => ({ bytes }));
  }

  get(key: string): Value | undefined {
    this.#assertOpen();
    const entry = this.#entries.get(key);
    return entry === undefined ? undefined : this.#valueOf(key, entry);
  }

  set(key: string, value: Value): void {
    assert(value !== undefined, 'undefined cannot be stored in the index: it means that there is nothing');
    this.#change(key);
    this.#entries.set(key, { value });
  }

  delete(key: string): void {
    this.#change(key);
    this.#entries.delete(key);
  }

  scan(from: string, to: string): IterableIterator<readonly [key: string, value: Value]> {
    this.#assertOpen();
    return this.#scan(from, to);
  }

  get changes(): number {
    return this.#changes;
  }

  get checkpoints(): readonly IndexCheckpoint[] {
    if (this.#storage !== undefined) return this.#storage.checkpoints;
    return this.#base === undefined ? [] : [this.#base];
  }

  async checkpoint(offset: number, meta: Uint8Array): Promise<void> {
    this.#assertOpen();
    const storage = this.#storage;
    if (storage === undefined)
      throw new HeadraceError('NOT_SUPPORTED', 'a view of an index checkpoint cannot be made durable');
    assert(this.#checkpointing === undefined, 'a checkpoint of the index is already under way');
    this.#checkpointing = this.#takeCheckpoint(storage, offset, meta.slice());
    try {
      await this.#checkpointing;
    } finally {
      this.#checkpointing = undefined;
    }
  }

  async openAt(checkpoint: IndexCheckpoint): Promise<IndexStore<Value>> {
    this.#assertOpen();
    const base = this.#storage?.checkpoints.findLast((kept) => kept.offset === checkpoint.offset);
    await nextTurn(this.#clock);
    if (base === undefined)
      throw new HeadraceError(
        'INVALID_ARGUMENT',
        `the index checkpoint at log offset ${checkpoint.offset} is not kept`,
      );
    return new SimIndexStore(undefined, this.#codec, this.#clock, base);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#checkpointing?.catch(() => undefined);
  }

  async #takeCheckpoint(storage: SimIndexStorage, offset: number, meta: Uint8Array): Promise<void> {
    const [frozen, changed, changes] = [this.#entries.clone(), this.#changed, this.#changes];
    this.#changed = new Set();
    this.#changes = 0;
    this.#generation++;
    await nextTurn(this.#clock);
    const entries: Tree<Uint8Array> = storage.checkpoints.at(-1)?.entries.clone() ?? newTree();
    try {
      for (const key of changed) {
        const entry = frozen.get(key);
        if (entry === undefined) entries.delete(key);
        else entries.set(key, this.#bytesOf(entry));
      }
      storage.keep({ offset, meta, entries });
    } catch (error) {
      for (const key of changed) this.#changed.add(key);
      this.#changes += changes;
      throw error;
    }
    for (const key of changed) {
      const bytes = entries.get(key);
      if (bytes !== undefined && this.#entries.get(key) === frozen.get(key))
        this.#entries.set(key, { bytes });
    }
    this.#generation++;
    await nextTurn(this.#clock);
  }

  *#scan(from: string, to: string): IterableIterator<readonly [key: string, value: Value]> {
    const generation = this.#generation;
    for (const [key, entry] of this.#entries.entries(from, [])) {
      if (key >= to) return;
      yield [key, this.#valueOf(key, entry)];
      assert(
        generation === this.#generation,
        'the index was changed during a scan: take a page, then scan again',
      );
    }
  }

  #change(key: string): void {
    this.#assertOpen();
    this.#changed.add(key);
    this.#changes++;
    this.#generation++;
  }

  #valueOf(key: string, entry: Entry<Value>): Value {
    return 'bytes' in entry ? this.#codec.decode(key, entry.bytes.slice()) : entry.value;
  }

  #bytesOf(entry: Entry<Value>): Uint8Array {
    return 'bytes' in entry ? entry.bytes : this.#codec.encode(entry.value).slice();
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new HeadraceError('CLOSED', 'the index was closed');
  }
}

function newTree<Value>(): Tree<Value> {
  return new sortedBtree.default<string, Value>(undefined, (a, b) => (a < b ? -1 : a > b ? 1 : 0));
}

function nextTurn(clock: Clock): Promise<void> {
  return new Promise((resolve) => clock.nextTurn(resolve));
}
