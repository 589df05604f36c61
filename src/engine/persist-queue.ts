/**
 * Which entry of the upload stream is next: a bounded window over the projection, so that memory and restart time do not grow with
 * the backlog.
 *
 * Order is the log's: the window is refilled from the oldest entry that it has not seen. Entries whose time has not come wait
 * aside; when too many do, the others are forgotten here and found again in the index when the first of them is due.
 */
import type { Clock } from '../core/ports.js';
import { SECOND_MS } from '../core/units.js';
import { queueKey, queueVersion, type QueueRecord } from '../../projections/records.js';
import type { Partition } from './partition.js';

export interface PersistTask {
  readonly partition: Partition;
  readonly version: number;
}

const WINDOW_MAX = 1024;
const WAITING_MAX = 16_384;
/** The least time between two searches of the index for entries that were forgotten. */
const FORGOTTEN_DELAY_MS = SECOND_MS;
const QUEUE_END = 'r';

export class PersistQueue {
  readonly #partitions: readonly Partition[];
  readonly #clock: Clock;
  readonly #wake: () => void;
  #ready: PersistTask[] = [];
  #readyAt = 0;
  #waiting: { readonly task: PersistTask; readonly dueMs: number }[] = [];
  /** When the first of those that found no room in `#waiting` is due. */
  #forgottenDueMs = Number.POSITIVE_INFINITY;
  #cancelTimer: (() => void) | undefined;
  #timerDueMs = Number.POSITIVE_INFINITY;
  #stopped = false;
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
    if (this.#readyAt >= WINDOW_MAX) {
      this.#ready = this.#ready.slice(this.#readyAt);
      this.#readyAt = 0;
    }
    if (this.#ready.length - this.#readyAt < WINDOW_MAX) this.#ready.push({ partition, version });
    else this.#unseen.set(partition, version);
  }

  /** The entry is to be tried again at a time of the wall clock. */
  later(task: PersistTask, dueMs: number): void {
    if (this.#waiting.length < WAITING_MAX) this.#waiting.push({ task, dueMs });
    else {
      const notBeforeMs = this.#clock.wallTimeMs() + FORGOTTEN_DELAY_MS;
      this.#forgottenDueMs = Math.min(this.#forgottenDueMs, Math.max(dueMs, notBeforeMs));
    }
    this.#armFor(dueMs);
  }

  /** Looks at the whole projection again: a store came back, or entries were forgotten. */
  rescan(): void {
    this.#ready = [];
    this.#readyAt = 0;
    this.#waiting = [];
    this.#forgottenDueMs = Number.POSITIVE_INFINITY;
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
    this.#stopped = true;
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

  /** Makes sure that the timer goes off when an entry is due. */
  #armFor(dueMs: number): void {
    if (this.#stopped || dueMs >= this.#timerDueMs) return;
    this.#cancelTimer?.();
    this.#timerDueMs = dueMs;
    const delayMs = Math.max(dueMs - this.#clock.wallTimeMs(), 1);
    this.#cancelTimer = this.#clock.schedule(delayMs, () => this.#due());
  }

  #due(): void {
    this.#timerDueMs = Number.POSITIVE_INFINITY;
    const nowMs = this.#clock.wallTimeMs();
    if (this.#forgottenDueMs <= nowMs) {
      this.rescan();
      return;
    }
    let earliestMs = this.#forgottenDueMs;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const entry of waiting) {
      if (entry.dueMs <= nowMs) this.#ready.push(entry.task);
      else {
        this.#waiting.push(entry);
        earliestMs = Math.min(earliestMs, entry.dueMs);
      }
    }
    if (earliestMs < Number.POSITIVE_INFINITY) this.#armFor(earliestMs);
    this.#wake();
  }
}
