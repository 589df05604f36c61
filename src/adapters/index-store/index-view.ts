/**
 * A kept checkpoint as it was, with changes over it that stay in memory. For verification: refold the log's suffix over it and
 * compare.
 *
 * The runs it reads stay on the disk until it is closed, whatever the live index does.
 */
import { HeadraceError } from '../../core/errors.js';
import type { IndexCheckpoint, IndexStore } from '../../core/index-store.js';
import type { Layers } from './layers.js';
import { DELETED } from './memtable.js';
import type { RunFiles } from './run-files.js';

export class IndexView<Value> implements IndexStore<Value> {
  readonly checkpoints: readonly IndexCheckpoint[];
  readonly #layers: Layers<Value>;
  readonly #files: RunFiles;
  #isClosed = false;

  /** Takes over one use of each run of `layers`. */
  constructor(checkpoint: IndexCheckpoint, layers: Layers<Value>, files: RunFiles) {
    this.checkpoints = [checkpoint];
    this.#layers = layers;
    this.#files = files;
  }

  get(key: string): Value | undefined {
    return this.#open().get(key);
  }

  set(key: string, value: Value): void {
    this.#open().set(key, value);
  }

  delete(key: string): void {
    this.#open().set(key, DELETED);
  }

  scan(from: string, to: string): IterableIterator<readonly [key: string, value: Value]> {
    return this.#open().scan(from, to);
  }

  get changes(): number {
    return this.#layers.changes;
  }

  async checkpoint(): Promise<void> {
    throw new HeadraceError('NOT_SUPPORTED', 'a view of an index checkpoint cannot be made durable');
  }

  async openAt(): Promise<IndexStore<Value>> {
    throw new HeadraceError(
      'NOT_SUPPORTED',
      'a view of an index checkpoint has no views of its own; ask the index',
    );
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const run of this.#layers.runs) this.#files.release(run);
    await this.#files.settled();
  }

  #open(): Layers<Value> {
    if (this.#isClosed) throw new HeadraceError('CLOSED', 'the view of the index checkpoint was closed');
    return this.#layers;
  }
}
