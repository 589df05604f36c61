/**
 * Which entry of the upload stream is next: bounded windows over the projection, so that memory and restart time do not grow
 * with the backlog.
 *
 * Entries wait in lanes, one per under-store and priority, each in the order of the log. The highest priority goes first,
 * stores take turns, and a store that takes nothing now holds up no other. What has waited longer than the age limit gets every
 * second place whatever its priority, so that nothing starves. Entries whose time has not come wait aside; when too many do,
 * the others are forgotten here and found again in the index when the first of them is due.
 *
 * Invariant: an entry that is due is in a lane, ahead of the search (`#unsearched`), or behind its lane's `unseen`.
 */
import type { ObjectStore } from '../core/object-store.js';
import type { Clock } from '../core/ports.js';
import { SECOND_MS } from '../core/units.js';
import { queueKey, queueVersion, type QueueRecord } from '../../projections/records.js';
import { PersistLane } from './persist-lane.js';
import type { Partition } from './partition.js';

export interface PersistTask {
  readonly partition: Partition;
  readonly version: number;
  readonly bucket: string;
  readonly key: string;
  /** When it was committed. */
  readonly sinceMs: number;
}

/** Where an entry belongs. */
export interface LaneName {
  readonly store: ObjectStore;
  readonly priority: number;
}

export interface PersistQueueParts {
  readonly partitions: readonly Partition[];
  readonly clock: Clock;
  /** Called when there may be something to take. */
  readonly wake: () => void;
  readonly laneOf: (bucket: string, key: string) => LaneName;
  /** Whether every entry belongs to one lane: then nothing is asked for each. */
  readonly isSingle: () => boolean;
  /** An entry older than this overtakes higher priorities. */
  readonly ageLimitMs: number;
}

export interface PersistChoice {
  /** Whether a store takes something now. */
  readonly mayStart: (store: ObjectStore) => boolean;
  readonly isBusy: (task: PersistTask) => boolean;
}

const WAITING_MAX = 16_384;
const EXPEDITED_MAX = 1024;
/** Entries of the index that are looked at in one turn. */
const LOOKS_MAX = 4096;
/** The least time between two searches of the index for entries that were forgotten. */
const FORGOTTEN_DELAY_MS = SECOND_MS;
const QUEUE_END = 'r';

export class PersistQueue {
  readonly #parts: PersistQueueParts;
  #lanes: PersistLane[] = [];
  #single: PersistLane | undefined;
  #expedited: PersistTask[] = [];
  #waiting: { readonly task: PersistTask; readonly dueMs: number }[] = [];
  /** When the first of those that found no room in `#waiting` is due. */
  #forgottenDueMs = Number.POSITIVE_INFINITY;
  #cancelTimer: (() => void) | undefined;
  #timerDueMs = Number.POSITIVE_INFINITY;
  #stopped = false;
  #agedLast = false;
  /** Entries taken so far: the time by which lanes take turns. */
  #takes = 0;
  #looksLeft = LOOKS_MAX;
  /** Per partition, the version from which nobody has looked to which lanes entries belong; absent when all are seen. */
  readonly #unsearched = new Map<Partition, number>();

  constructor(parts: PersistQueueParts) {
    this.#parts = parts;
    this.#searchAll();
  }

  /** A new entry was logged. */
  added(task: PersistTask): void {
    if (!this.#unsearched.has(task.partition)) this.#laneFor(task.bucket, task.key).add(task);
  }

  /** The entry is to be tried again at a time of the wall clock. */
  later(task: PersistTask, dueMs: number): void {
    if (this.#waiting.length < WAITING_MAX) this.#waiting.push({ task, dueMs });
    else {
      const notBeforeMs = this.#parts.clock.wallTimeMs() + FORGOTTEN_DELAY_MS;
      this.#forgottenDueMs = Math.min(this.#forgottenDueMs, Math.max(dueMs, notBeforeMs));
    }
    this.#armFor(dueMs);
  }

  /** Puts an entry in front of all others, whatever its next attempt; false when too many are there. */
  expedite(partition: Partition, version: number): boolean {
    if (this.#expedited.length >= EXPEDITED_MAX) return false;
    const record = partition.index.get(queueKey(version));
    if (record?.kind !== 'queued' || record.quarantined) return true;
    this.#expedited.push(taskOf(partition, version, record));
    this.#parts.wake();
    return true;
  }

  /** Looks at the whole projection again: what decides about lanes has changed, or entries were forgotten. */
  rescan(): void {
    this.#lanes = [];
    this.#single = undefined;
    this.#waiting = [];
    this.#forgottenDueMs = Number.POSITIVE_INFINITY;
    this.#searchAll();
    this.#parts.wake();
  }

  /** To be called once per turn, before entries are taken. */
  prepare(): void {
    this.#looksLeft = LOOKS_MAX;
    this.#search();
  }

  /** The next entry that is due, with its record. `wake` is called later when the search has to go on. */
  take({ mayStart, isBusy }: PersistChoice): { task: PersistTask; record: QueueRecord } | undefined {
    const nowMs = this.#parts.clock.wallTimeMs();
    const expedited = this.#takeExpedited(mayStart, isBusy);
    if (expedited !== undefined) return expedited;
    for (;;) {
      const lane = this.#choose(mayStart, nowMs);
      const task = lane?.shift();
      if (lane === undefined || task === undefined) return undefined;
      if (isBusy(task)) continue;
      const record = task.partition.index.get(queueKey(task.version));
      if (record?.kind !== 'queued' || record.quarantined) continue;
      if (record.nextAttemptAtMs <= nowMs) {
        lane.servedAt = ++this.#takes;
        return { task, record };
      }
      this.later(task, record.nextAttemptAtMs);
    }
  }

  /** Whether there is something that is due, or that nobody has looked at yet. */
  get mayHaveMore(): boolean {
    if (this.#expedited.length > 0 || this.#unsearched.size > 0) return true;
    return this.#single === undefined
      ? this.#lanes.some((lane) => lane.mayHaveMore)
      : this.#single.mayHaveMore;
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelTimer?.();
  }

  #takeExpedited(
    mayStart: PersistChoice['mayStart'],
    isBusy: PersistChoice['isBusy'],
  ): { task: PersistTask; record: QueueRecord } | undefined {
    const held: PersistTask[] = [];
    let found: { task: PersistTask; record: QueueRecord } | undefined;
    while (found === undefined) {
      const task = this.#expedited.shift();
      if (task === undefined) break;
      if (isBusy(task)) continue;
      const record = task.partition.index.get(queueKey(task.version));
      if (record?.kind !== 'queued' || record.quarantined) continue;
      if (mayStart(this.#laneFor(task.bucket, task.key).store)) found = { task, record };
      else held.push(task);
    }
    if (held.length > 0) this.#expedited.unshift(...held);
    return found;
  }

  /** The lane whose turn it is, among those that have something and whose store takes it. */
  #choose(mayStart: PersistChoice['mayStart'], nowMs: number): PersistLane | undefined {
    if (this.#single !== undefined) {
      const lane = this.#single;
      return mayStart(lane.store) && this.#fill(lane) ? lane : undefined;
    }
    let first: PersistLane | undefined;
    let aged: PersistLane | undefined;
    for (const lane of this.#lanes) {
      if (!mayStart(lane.store) || !this.#fill(lane)) continue;
      if (first === undefined || goesBefore(lane, first)) first = lane;
      const sinceMs = lane.headSinceMs;
      if (
        nowMs - sinceMs > this.#parts.ageLimitMs &&
        sinceMs < (aged?.headSinceMs ?? Number.POSITIVE_INFINITY)
      )
        aged = lane;
    }
    this.#agedLast = !this.#agedLast && aged !== undefined && aged !== first;
    return this.#agedLast ? aged : first;
  }

  /** False when the lane has nothing, or nothing was found yet. */
  #fill(lane: PersistLane): boolean {
    if (lane.hasTasks) return true;
    const isSingle = this.#single === lane;
    for (const { partition, from } of lane.unseenParts()) {
      const end = this.#unsearched.get(partition);
      const to = end === undefined ? QUEUE_END : queueKey(end);
      let next: number | undefined;
      for (const [key, record] of partition.index.scan(queueKey(from), to)) {
        const version = queueVersion(key);
        if (lane.isFull || this.#looksLeft-- <= 0) {
          next = version;
          break;
        }
        if (record.kind !== 'queued' || record.quarantined) continue;
        if (isSingle || this.#laneFor(record.bucket, record.key) === lane)
          lane.push(taskOf(partition, version, record));
      }
      lane.saw(partition, next);
      if (next === undefined) continue;
      if (!lane.isFull) this.#parts.wake();
      break;
    }
    return lane.hasTasks;
  }

  /** Looks at a few more entries of a backlog, and files each in its lane. */
  #search(): void {
    for (const [partition, from] of this.#unsearched) {
      if (this.#parts.isSingle()) {
        // One lane: it reads the backlog itself, as far as it has room.
        this.#unsearched.delete(partition);
        this.#laneFor('', '').missed(partition, from);
        continue;
      }
      let next: number | undefined;
      for (const [key, record] of partition.index.scan(queueKey(from), QUEUE_END)) {
        const version = queueVersion(key);
        if (this.#looksLeft-- <= 0) {
          next = version;
          break;
        }
        if (record.kind !== 'queued' || record.quarantined) continue;
        this.#laneFor(record.bucket, record.key).add(taskOf(partition, version, record));
      }
      if (next === undefined) this.#unsearched.delete(partition);
      else {
        this.#unsearched.set(partition, next);
        this.#parts.wake();
        return;
      }
    }
  }

  #searchAll(): void {
    for (const partition of this.#parts.partitions) this.#unsearched.set(partition, 0);
  }

  #laneFor(bucket: string, key: string): PersistLane {
    if (this.#single !== undefined) return this.#single;
    const { store, priority } = this.#parts.laneOf(bucket, key);
    let lane = this.#lanes.find((of) => of.store === store && of.priority === priority);
    if (lane === undefined) {
      lane = new PersistLane(store, priority);
      this.#lanes.push(lane);
      if (this.#parts.isSingle()) this.#single = lane;
    }
    return lane;
  }

  /** Makes sure that the timer goes off when an entry is due. */
  #armFor(dueMs: number): void {
    if (this.#stopped || dueMs >= this.#timerDueMs) return;
    this.#cancelTimer?.();
    this.#timerDueMs = dueMs;
    const delayMs = Math.max(dueMs - this.#parts.clock.wallTimeMs(), 1);
    this.#cancelTimer = this.#parts.clock.schedule(delayMs, () => this.#due());
  }

  #due(): void {
    this.#timerDueMs = Number.POSITIVE_INFINITY;
    const nowMs = this.#parts.clock.wallTimeMs();
    if (this.#forgottenDueMs <= nowMs) {
      this.rescan();
      return;
    }
    let earliestMs = this.#forgottenDueMs;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const entry of waiting) {
      if (entry.dueMs <= nowMs) this.#laneFor(entry.task.bucket, entry.task.key).due(entry.task);
      else {
        this.#waiting.push(entry);
        earliestMs = Math.min(earliestMs, entry.dueMs);
      }
    }
    if (earliestMs < Number.POSITIVE_INFINITY) this.#armFor(earliestMs);
    this.#parts.wake();
  }
}

function taskOf(partition: Partition, version: number, record: QueueRecord): PersistTask {
  const { bucket, key, sinceMs } = record;
  return { partition, version, bucket, key, sinceMs };
}

function goesBefore(a: PersistLane, b: PersistLane): boolean {
  return a.priority === b.priority ? a.servedAt < b.servedAt : a.priority > b.priority;
}
