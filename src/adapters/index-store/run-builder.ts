/**
 * Makes new runs, durable and opened: from a memtable, and from older runs. Both work in slices (`pacer.ts`).
 *
 * A file that does not become a run is removed again; if that fails it is a leftover, which the next start removes.
 */
import type { Clock } from '../../core/ports.js';
import { KeyHash } from './bloom-filter.js';
import type { Memtable } from './memtable.js';
import { MergeHeap } from './merge-heap.js';
import { entriesExpected, type MergeChoice, supersededAfter } from './merge-policy.js';
import type { IndexStoreOptions } from './options.js';
import { Pacer } from './pacer.js';
import type { Run } from './run.js';
import type { RunFiles } from './run-files.js';
import { RunStream } from './run-stream.js';
import { RunWriter } from './run-writer.js';

/** One key in so many is looked for in the older runs' filters, to estimate what the new run makes obsolete. */
const SAMPLE_EVERY = 32;

export class RunBuilder<Value> {
  readonly #files: RunFiles;
  readonly #clock: Clock;
  readonly #options: IndexStoreOptions;
  readonly #hash = { memtable: new KeyHash(), merge: new KeyHash() };
  #checkpointBytes = 0;
  #mergeBytes = 0;

  constructor(files: RunFiles, clock: Clock, options: IndexStoreOptions) {
    this.#files = files;
    this.#clock = clock;
    this.#options = options;
  }

  /** Bytes of the runs made from memtables. */
  get checkpointBytes(): number {
    return this.#checkpointBytes;
  }

  /** Bytes of the runs made from runs. */
  get mergeBytes(): number {
    return this.#mergeBytes;
  }

  /**
   * Writes all changes in the order of their keys, but no deletion of a key that no run has; undefined when nothing is left to
   * write. The memtable is packed and must not change meanwhile. `DISK_FULL`, `IO_FAILED`.
   */
  async fromMemtable(memtable: Memtable<Value>, olderRuns: readonly Run[]): Promise<Run | undefined> {
    if (memtable.size === 0) return undefined;
    const run = await this.#build(memtable.size, async (writer, number) => {
      const superseded = await this.#writeMemtable(memtable, olderRuns, writer);
      return writer.entries === 0 ? undefined : await writer.finish(number, 0, superseded);
    });
    this.#checkpointBytes += run?.descriptor.fileBytes ?? 0;
    return run;
  }

  /**
   * Writes the newest entry of each key of `inputs`, which are the chosen runs, newest first; undefined when only deletions were
   * left. `CORRUPT_CHECKPOINT`, `DISK_FULL`, `IO_FAILED`, and the reason of `signal` once it is aborted.
   */
  async fromRuns(inputs: readonly Run[], choice: MergeChoice, signal: AbortSignal): Promise<Run | undefined> {
    const { sliceMs, mergeRestMs } = this.#options;
    const { level, withOldest, isUrgent } = choice;
    const descriptors = inputs.map((run) => run.descriptor);
    const pacer = new Pacer(this.#clock, sliceMs, isUrgent ? 0 : mergeRestMs, signal);
    const run = await this.#build(entriesExpected(descriptors, withOldest), async (writer, number) => {
      await this.#mergeRuns(inputs, withOldest, writer, pacer);
      const dropped = descriptors.reduce((sum, input) => sum + input.entries, -writer.entries);
      const superseded = supersededAfter(descriptors, dropped, withOldest);
      return writer.entries === 0 ? undefined : await writer.finish(number, level, superseded);
    });
    this.#mergeBytes += run?.descriptor.fileBytes ?? 0;
    return run;
  }

  async #build(
    entries: number,
    write: (writer: RunWriter, number: number) => Promise<Run | undefined>,
  ): Promise<Run | undefined> {
    const { number, file } = await this.#files.create();
    let run: Run | undefined;
    try {
      run = await write(new RunWriter(file, entries, this.#options), number);
    } finally {
      if (run === undefined) await this.#files.discard(file);
    }
    if (run !== undefined) this.#files.adopt(run);
    return run;
  }

  /** Returns the estimated number of entries in `olderRuns` that the new ones make obsolete. */
  async #writeMemtable(
    memtable: Memtable<Value>,
    olderRuns: readonly Run[],
    writer: RunWriter,
  ): Promise<number> {
    const pacer = new Pacer(this.#clock, this.#options.sliceMs, 0);
    const hash = this.#hash.memtable;
    const heap = new MergeHeap(memtable.cursors('', 0));
    let superseded = 0;
    let count = 0;
    for (let top = heap.top; top !== undefined; top = heap.top) {
      const { key, table, entry } = top;
      hash.of(key);
      if (table.isDeleted(entry)) {
        if (mayContain(olderRuns, hash)) {
          superseded++;
          writer.add(key, hash, undefined, 0, 0);
        }
      } else {
        if (++count % SAMPLE_EVERY === 0 && mayContain(olderRuns, hash)) superseded += SAMPLE_EVERY;
        writer.add(key, hash, table.valueBytes(entry), table.valueStart(entry), table.valueEnd(entry));
      }
      if (top.advance()) heap.sink();
      else heap.pop();
      if (writer.isFull) await writer.drain();
      if (pacer.isDue()) await pacer.rest();
    }
    return superseded;
  }

  /** With `dropDeletions` a deletion is not written: nothing older may be left outside of `inputs`. */
  async #mergeRuns(
    inputs: readonly Run[],
    dropDeletions: boolean,
    writer: RunWriter,
    pacer: Pacer,
  ): Promise<void> {
    const hash = this.#hash.merge;
    const streams = inputs.map((run, age) => new RunStream(run, age, this.#options.readBytes));
    for (const stream of streams) await stream.fill();
    const heap = new MergeHeap(streams);
    let lastKey: string | undefined;
    for (let top = heap.top; top !== undefined; top = heap.top) {
      const { key } = top;
      if (key !== lastKey) {
        lastKey = key;
        const { bytes, valueStart, valueEnd, isDeleted } = top.cursor;
        if (!isDeleted) writer.add(key, hash.of(key), bytes, valueStart, valueEnd);
        else if (!dropDeletions) writer.add(key, hash.of(key), undefined, 0, 0);
        if (writer.isFull) await writer.drain();
      }
      if (top.advance() || (await top.fill())) heap.sink();
      else heap.pop();
      if (pacer.isDue()) await pacer.rest();
    }
  }
}

function mayContain(runs: readonly Run[], hash: KeyHash): boolean {
  return runs.some((run) => run.mayContain(hash));
}
