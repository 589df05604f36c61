/**
 * `IndexStore` as a log-structured merge tree on a disk.
 *
 * Changes are held in a memtable. A checkpoint freezes it, writes it as a sorted run, and names all runs in a manifest, which
 * is what makes the checkpoint. Merges join runs in the background; their result is named by the next manifest.
 *
 * Invariants:
 * - A manifest gets its name only after every run it names is durable, with its name.
 * - The two newest manifests are kept, and each run that one of them names.
 * - A number of a run or a checkpoint is never used again.
 * - A checkpoint that failed after its manifest may have got its name stays possible, with all its runs, until a newer one is
 *   durable; its changes are in memory and become part of that one.
 *
 * Source of the idea: O'Neil et al., "The Log-Structured Merge-Tree" (1996). Layouts: `run-format.ts`, `manifest.ts`.
 */
import { assert } from '../../core/assert.js';
import { HeadraceError } from '../../core/errors.js';
import type { IndexCheckpoint, IndexCodec, IndexStore } from '../../core/index-store.js';
import type { Logger } from '../../core/logger.js';
import type { Clock, Disk } from '../../core/ports.js';
import type { BlockCache } from './block-cache.js';
import { IndexView } from './index-view.js';
import { Layers } from './layers.js';
import {
  type Manifest,
  META_BYTES_MAX,
  prepareManifest,
  publishManifest,
  removeManifest,
} from './manifest.js';
import { DELETED } from './memtable.js';
import { chooseMerge, type MergeChoice } from './merge-policy.js';
import type { IndexStoreOptions } from './options.js';
import type { Run } from './run.js';
import { RunBuilder } from './run-builder.js';
import type { RunFiles } from './run-files.js';

/** What the store is made of; `openIndexStore` puts it together. */
export interface LsmIndexStoreParts<Value> {
  readonly disk: Disk;
  readonly directory: string;
  readonly codec: IndexCodec<Value>;
  readonly options: IndexStoreOptions;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly cache: BlockCache;
  readonly files: RunFiles;
  /** The kept checkpoints, oldest first; their runs are pinned. */
  readonly manifests: readonly Manifest[];
  /** The runs of the newest, acquired, newest first. */
  readonly runs: readonly Run[];
  /** Above every number that was used. */
  readonly nextCheckpointNumber: number;
}

export interface IndexStoreStatistics {
  /** Bytes of all runs written since the start, by checkpoints and by merges. */
  readonly checkpointBytes: number;
  readonly mergeBytes: number;
  /** Runs that a lookup may have to ask, and the entries in them, obsolete ones included. */
  readonly runs: number;
  readonly entries: number;
  readonly fileBytes: number;
}

const CHECKPOINTS_KEPT = 2;

export class LsmIndexStore<Value> implements IndexStore<Value> {
  readonly #parts: LsmIndexStoreParts<Value>;
  readonly #layers: Layers<Value>;
  readonly #builder: RunBuilder<Value>;
  /** Oldest first. */
  #kept: Manifest[];
  /** Checkpoints that failed so late that they may be on the disk. */
  #uncertain: Manifest[] = [];
  #nextNumber: number;
  #checkpointing: Promise<void> | undefined;
  #merging: Promise<void> | undefined;
  readonly #stop = new AbortController();
  #closing: Promise<void> | undefined;

  constructor(parts: LsmIndexStoreParts<Value>) {
    this.#parts = parts;
    this.#layers = new Layers(parts.codec, parts.cache, parts.runs);
    this.#builder = new RunBuilder(parts.files, parts.clock, parts.options);
    this.#kept = [...parts.manifests];
    this.#nextNumber = parts.nextCheckpointNumber;
    this.#startMerge();
  }

  get(key: string): Value | undefined {
    this.#assertOpen();
    return this.#layers.get(key);
  }

  set(key: string, value: Value): void {
    this.#assertOpen();
    this.#layers.set(key, value);
  }

  delete(key: string): void {
    this.#assertOpen();
    this.#layers.set(key, DELETED);
  }

  scan(from: string, to: string): IterableIterator<readonly [key: string, value: Value]> {
    this.#assertOpen();
    return this.#layers.scan(from, to);
  }

  get changes(): number {
    return this.#layers.changes;
  }

  get checkpoints(): readonly IndexCheckpoint[] {
    return this.#kept;
  }

  get statistics(): IndexStoreStatistics {
    const descriptors = this.#layers.runs.map((run) => run.descriptor);
    return {
      checkpointBytes: this.#builder.checkpointBytes,
      mergeBytes: this.#builder.mergeBytes,
      runs: descriptors.length,
      entries: descriptors.reduce((sum, run) => sum + run.entries, 0),
      fileBytes: descriptors.reduce((sum, run) => sum + run.fileBytes, 0),
    };
  }

  /**
   * See `IndexStore.checkpoint`. After a rejection (`DISK_FULL`, `IO_FAILED`, `CLOSED`) all changes are still here and the next
   * checkpoint takes them; a restart finds the checkpoint before, or, if only the last step failed, this one.
   */
  async checkpoint(offset: number, meta: Uint8Array): Promise<void> {
    this.#assertOpen();
    assert(this.#checkpointing === undefined, 'a checkpoint of the index is already under way');
    assert(Number.isSafeInteger(offset) && offset >= 0, `${offset} is not a log offset`);
    assert(meta.length <= META_BYTES_MAX, `${meta.length} bytes of meta are more than a checkpoint can hold`);
    this.#checkpointing = this.#takeCheckpoint(offset, meta.slice());
    try {
      await this.#checkpointing;
    } finally {
      this.#checkpointing = undefined;
    }
    this.#startMerge();
  }

  /** `INVALID_ARGUMENT` when the checkpoint is no longer kept. The view must be closed: until then its files stay. */
  async openAt(checkpoint: IndexCheckpoint): Promise<IndexStore<Value>> {
    this.#assertOpen();
    const manifest = this.#kept.findLast((kept) => kept.offset === checkpoint.offset);
    if (manifest === undefined)
      throw new HeadraceError(
        'INVALID_ARGUMENT',
        `the index checkpoint at log offset ${checkpoint.offset} is not kept; those at ${this.#kept.map((kept) => kept.offset).join(', ')} are`,
      );
    const { codec, cache, files } = this.#parts;
    return new IndexView(manifest, new Layers(codec, cache, await files.acquireAll(manifest.runs)), files);
  }

  /** Resolves when no merge is under way or due, and all obsolete files are gone. */
  async settled(): Promise<void> {
    while (this.#merging !== undefined) await this.#merging;
    await this.#parts.files.settled();
  }

  /** Waits for a checkpoint under way, breaks off a merge. Changes since the last checkpoint are not kept. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#stop.abort(new HeadraceError('CLOSED', 'the index was closed'));
    await this.#checkpointing?.catch(() => undefined);
    await this.#merging;
    await this.#parts.files.close();
  }

  async #takeCheckpoint(offset: number, meta: Uint8Array): Promise<void> {
    const { disk, directory, files } = this.#parts;
    const number = this.#nextNumber++;
    const frozen = this.#layers.freeze();
    let run: Run | undefined;
    let manifest: Manifest | undefined;
    let mayExist = false;
    try {
      run = await this.#builder.fromMemtable(frozen, this.#layers.runs);
      const runs = [...(run === undefined ? [] : [run]), ...this.#layers.runs].map((one) => one.descriptor);
      manifest = { number, offset, meta, runs };
      files.pin(runs);
      await prepareManifest(disk, directory, manifest);
      // The names of the runs must be durable before a manifest can be found that needs them.
      await disk.syncDirectory(directory);
      mayExist = true;
      await publishManifest(disk, directory, number);
    } catch (error) {
      this.#layers.thaw();
      if (manifest !== undefined && mayExist) this.#uncertain.push(manifest);
      else if (manifest !== undefined) await this.#dropManifest(manifest);
      if (run !== undefined) files.release(run);
      throw error;
    }
    if (run !== undefined) this.#layers.runs = [run, ...this.#layers.runs];
    this.#layers.dropFrozen();
    this.#kept = [...this.#kept, manifest];
    await this.#dropObsolete();
  }

  /** A newer checkpoint is durable: the oldest and those that were uncertain can go, manifests before runs. */
  async #dropObsolete(): Promise<void> {
    const obsolete = [...this.#uncertain, ...this.#kept.slice(0, -CHECKPOINTS_KEPT)];
    this.#uncertain = [];
    this.#kept = this.#kept.slice(-CHECKPOINTS_KEPT);
    for (const manifest of obsolete) await this.#dropManifest(manifest);
  }

  async #dropManifest(manifest: Manifest): Promise<void> {
    const { disk, directory, files, logger } = this.#parts;
    try {
      await removeManifest(disk, directory, manifest.number);
    } catch (error) {
      const { number } = manifest;
      logger.warn(
        { number, error },
        'an obsolete index manifest could not be removed; the next start will do it',
      );
    }
    files.unpin(manifest.runs);
  }

  /** Begins a merge when one is due and none is under way. */
  #startMerge(): void {
    if (this.#merging !== undefined || this.#stop.signal.aborted) return;
    const choice = chooseMerge(
      this.#layers.runs.map((run) => run.descriptor),
      this.#parts.options,
    );
    if (choice === undefined) return;
    const { logger } = this.#parts;
    this.#merging = this.#merge(choice).then(
      () => {
        this.#merging = undefined;
        this.#startMerge();
      },
      (error: unknown) => {
        this.#merging = undefined;
        // The index works without the merge, only slower. It is tried again after the next checkpoint.
        if (!this.#stop.signal.aborted) logger.error({ error }, 'a merge of index runs failed');
      },
    );
  }

  async #merge(choice: MergeChoice): Promise<void> {
    const inputs = this.#layers.runs.slice(choice.first, choice.end);
    const output = await this.#builder.fromRuns(inputs, choice, this.#stop.signal);
    // Checkpoints may have put newer runs in front meanwhile; the inputs still lie next to each other.
    const runs = [...this.#layers.runs];
    runs.splice(runs.indexOf(inputs[0]!), inputs.length, ...(output === undefined ? [] : [output]));
    this.#layers.runs = runs;
    for (const run of inputs) this.#parts.files.release(run);
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new HeadraceError('CLOSED', 'the index was closed');
  }
}
