/**
 * Which entry of the upload stream is next: a bounded window over the projection, so that memory and restart time do not grow with
 * the backlog.
 *
 * Order is the log's: the window is refilled from the oldest entry that it has not seen. Entries whose time has not come, or
 * whose store does not answer, wait aside; when too many do, they are forgotten here and found again in the index.
 */
import type { Clock } from '../core/ports.js';
import { queueKey, queueVersion, type QueueRecord } from '../../projections/records.js';
import type { Partition } from './partition.js';

export interface PersistTask {
  readonly partition: Partition;
  readonly version: number;
}

const WINDOW_MAX = 1024;
const WAITING_MAX = 16_384;
const QUEUE_END = 'r';

export class PersistQueue {
  readonly #partitions: readonly Partition[];
  readonly #clock: Clock;
  readonly #wake: () => void;
  #ready: PersistTask[] = [];
  #readyAt = 0;
  #waiting: { readonly task: PersistTask; readonly dueMs: number }[] = [];
  #cancelTimer: (() => void) | undefined;
  /** Per partition, the version from which the index holds entries that the window has not seen; undefined when none. */
  readonly #unseen = new Map<Partition, number | undefined>();

  /** `wake` is called when there may be something to take. */
  constructor(partitions: readonly Partition[], clock: Clock, wake: () => void) {
    this.#partitions = partitions;
    this.#clock = clock;
    this.#wake = wake;
    for (const partition of partitions) this.#unseen.set(partition, 0);
  }

  /** A new entry was logged. */
  added(partition: Partition, version: number): void {
    if (this.#unseen.get(partition) !== undefined) return;
    if (this.#ready.length - this.#readyAt < WINDOW_MAX) this.#ready.push({ partition, version });
    else this.#unseen.set(partition, version);
  }

  /** The entry is to be tried again at a time of the wall clock. */
  later(task: PersistTask, dueMs: number): void {
    if (this.#waiting.length >= WAITING_MAX) {
      this.rescan();
      return;
    }
    this.#waiting.push({ task, dueMs });
    this.#arm();
  }

  /** Looks at the whole projection again: a store came back, or entries were forgotten. */
  rescan(): void {
    this.#ready = [];
    this.#readyAt = 0;
    this.#waiting = [];
    for (const partition of this.#partitions) this.#unseen.set(partition, 0);
    this.#wake();
  }

  /** The next entry that is due, with its record; `skip` names those in progress. */
  take(skip: (task: PersistTask) => boolean): { task: PersistTask; record: QueueRecord } | undefined {
    for (;;) {
      if (this.#readyAt >= this.#ready.length && !this.#refill()) return undefined;
      const task = this.#ready[this.#readyAt++];
      if (task === undefined || skip(task)) continue;
      const record = task.partition.index.get(queueKey(task.version));
      if (record?.kind !== 'queued' || record.quarantined) continue;
      if (record.nextAttemptAtMs <= this.#clock.wallTimeMs()) return { task, record };
      this.later(task, record.nextAttemptAtMs);
    }
  }

  stop(): void {
    this.#cancelTimer?.();
  }

  /** False when the index holds nothing that was not seen. */
  #refill(): boolean {
    this.#ready = [];
    this.#readyAt = 0;
    for (const partition of this.#partitions) {
      const from = this.#unseen.get(partition);
      if (from === undefined) continue;
      let next: number | undefined;
      for (const [key] of partition.index.scan(queueKey(from), QUEUE_END)) {
        if (this.#ready.length >= WINDOW_MAX) {
          next = queueVersion(key);
          break;
        }
        this.#ready.push({ partition, version: queueVersion(key) });
      }
      this.#unseen.set(partition, next);
    }
    return this.#ready.length > 0;
  }

  #arm(): void {
    this.#cancelTimer?.();
    let earliestMs = Number.POSITIVE_INFINITY;
    for (const { dueMs } of this.#waiting) earliestMs = Math.min(earliestMs, dueMs);
    if (earliestMs === Number.POSITIVE_INFINITY) return;
    const delayMs = Math.max(earliestMs - this.#clock.wallTimeMs(), 1);
    this.#cancelTimer = this.#clock.schedule(delayMs, () => this.#due());
  }

  #due(): void {
    const nowMs = this.#clock.wallTimeMs();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const entry of waiting) {
      if (entry.dueMs <= nowMs) this.#ready.push(entry.task);
      else this.#waiting.push(entry);
    }
    this.#arm();
    this.#wake();
  }
}
