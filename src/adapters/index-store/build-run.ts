/**
 * The two ways a run comes to be: from a memtable, and from older runs. Both work in slices (`pacer.ts`).
 */
import type { IndexCodec } from '../../core/index-store.js';
import { KeyHash } from './bloom-filter.js';
import { DELETED, type Memtable } from './memtable.js';
import { MergeHeap } from './merge-heap.js';
import type { Pacer } from './pacer.js';
import type { Run } from './run.js';
import { RunStream } from './run-stream.js';
import type { RunWriter } from './run-writer.js';

/** One key in so many is looked for in the older runs' filters, to estimate what the new run makes obsolete. */
const SAMPLE_EVERY = 32;

/**
 * Writes all changes in the order of their keys, but no deletion of a key that no run has. Returns the estimated number of entries
 * in `olderRuns` that the new ones make obsolete. The memtable must not change meanwhile.
 */
export async function writeMemtable<Value>(
  memtable: Memtable<Value>,
  codec: IndexCodec<Value>,
  olderRuns: readonly Run[],
  writer: RunWriter,
  pacer: Pacer,
): Promise<number> {
  const hash = new KeyHash();
  const entries = memtable.from('');
  let superseded = 0;
  let count = 0;
  for (let next = entries.next(); next.done !== true; next = entries.next()) {
    const [key, value] = next.value;
    hash.of(key);
    if (value === DELETED) {
      if (olderRuns.some((run) => run.mayContain(hash))) {
        superseded++;
        writer.add(key, hash, undefined, 0, 0);
      }
    } else {
      if (++count % SAMPLE_EVERY === 0 && olderRuns.some((run) => run.mayContain(hash)))
        superseded += SAMPLE_EVERY;
      const bytes = codec.encode(key, value);
      writer.add(key, hash, bytes, 0, bytes.length);
    }
    if (writer.isFull) await writer.drain();
    if (pacer.isDue()) await pacer.rest();
  }
  return superseded;
}

/**
 * Writes the newest entry of each key. `runs` are newest first. With `dropDeletions` a deletion is not written: nothing older
 * may be left outside of `runs`. `CORRUPT_CHECKPOINT`, `IO_FAILED`, `DISK_FULL`, and the pacer's abort reason.
 */
export async function mergeRuns(
  runs: readonly Run[],
  dropDeletions: boolean,
  readBytes: number,
  writer: RunWriter,
  pacer: Pacer,
): Promise<void> {
  const hash = new KeyHash();
  const streams = runs.map((run, age) => new RunStream(run, age, readBytes));
  for (const stream of streams) await stream.fill();
  const heap = new MergeHeap(streams);
  let lastKey: string | undefined;
  for (let top = heap.top; top !== undefined; top = heap.top) {
    if (top.key !== lastKey) {
      lastKey = top.key;
      const { bytes, valueStart, valueEnd, isDeleted } = top.cursor;
      if (!isDeleted) writer.add(top.key, hash.of(top.key), bytes, valueStart, valueEnd);
      else if (!dropDeletions) writer.add(top.key, hash.of(top.key), undefined, 0, 0);
      if (writer.isFull) await writer.drain();
    }
    if (top.advance() || (await top.fill())) heap.sink();
    else heap.pop();
    if (pacer.isDue()) await pacer.rest();
  }
}
