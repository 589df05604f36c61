/**
 * One flush: waits until everything in its scope that was dirty when it began has reached the UFS.
 *
 * The upload stream is scanned once, a page per turn of the event loop; from then on events alone count down. An entry below
 * the scan's cursor was counted, so its leaving is counted too; one above it that leaves is never seen by the scan. A version
 * that is overwritten meanwhile hands its obligation to its successor, because the UFS has not seen it; memory is bounded by
 * counting anew, with a later barrier, when too many did. Nothing is polled.
 */
import type { Clock } from '../core/ports.js';
import { queueKey, queueVersion, type QueueRecord } from '../../projections/records.js';
import type { FlushBlocked, FlushProgress, FlushResult } from './admin-service.js';
import { isInScope, type FlushScope } from './flush-scope.js';
import type { Partition } from './partition.js';
import type { PersistChange } from './persist-changes.js';

/** Entries that are looked at in one turn. */
const PAGE = 1024;
const QUEUE_END = 'r';
/** Obligations that were handed on, over all partitions, before everything is counted anew. */
const SUCCESSORS_MAX = 100_000;
/** With so many that the UFS refused there is nothing to wait for. */
const BLOCKED_MAX = 1000;
/** Those of them that are named. */
const BLOCKED_NAMED_MAX = 20;
/** Entries that are brought forward at a time. */
const EXPEDITED_MAX = 256;

export interface FlushParts {
  readonly clock: Clock;
  readonly scope: FlushScope;
  readonly barriers: ReadonlyMap<Partition, number>;
  /** Has an entry uploaded next, whatever its turn and its next attempt; false when it takes no more now. */
  readonly expedite: (partition: Partition, version: number) => boolean;
  readonly settled: (outcome: FlushResult['outcome']) => void;
}

/** One partition's part of the count. */
interface Share {
  readonly partition: Partition;
  barrier: number;
  /** Entries below were counted. */
  cursor: number;
  readonly successors: Set<number>;
  /** Everything in scope below has been brought forward. */
  expediteFrom: number;
  /** The oldest entry in scope is not below. */
  oldestFrom: number;
}

interface Entry {
  readonly version: number;
  readonly record: QueueRecord;
}

export class Flush {
  readonly #parts: FlushParts;
  readonly #shares: Share[];
  readonly #byPartition = new Map<Partition, Share>();
  readonly #blocked = new Map<string, FlushBlocked>();
  readonly #startedMs: number;
  #objects = 0;
  #bytes = 0;
  #persistedObjects = 0;
  #persistedBytes = 0;
  #expedited = new Set<string>();
  #scanning = false;
  #settled = false;

  constructor(parts: FlushParts) {
    this.#parts = parts;
    this.#startedMs = parts.clock.monotonicTimeMs();
    this.#shares = [...parts.barriers].map(([partition, barrier]) => ({
      partition,
      barrier,
      cursor: 0,
      successors: new Set<number>(),
      expediteFrom: 0,
      oldestFrom: 0,
    }));
    for (const share of this.#shares) this.#byPartition.set(share.partition, share);
  }

  /** Counts what is there. `changed` must be called for every change from before this on. */
  start(): void {
    this.#scanning = true;
    this.#scan();
  }

  settle(outcome: FlushResult['outcome']): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#parts.settled(outcome);
  }

  changed(change: PersistChange): void {
    if (this.#settled || !isInScope(this.#parts.scope, change.bucket, change.key)) return;
    const share = this.#byPartition.get(change.partition);
    const { version } = change;
    if (share === undefined || version === undefined) return;
    const succeeded = share.successors.has(version);
    if (version >= share.barrier && !succeeded) return;
    const counted = succeeded || version < share.cursor;
    if (change.left) this.#left(share, change, version, counted);
    else if (counted) this.#lookAgain(share.partition, version);
    this.#expedite();
    this.#endWhenDone();
  }

  #left(share: Share, change: PersistChange, version: number, counted: boolean): void {
    share.successors.delete(version);
    const id = idOf(share.partition, version);
    this.#blocked.delete(id);
    this.#expedited.delete(id);
    if (counted) {
      this.#objects -= 1;
      this.#bytes -= change.size;
    }
    if (change.added === undefined) {
      this.#persistedObjects += change.persisted ? 1 : 0;
      this.#persistedBytes += change.persisted ? change.size : 0;
      return;
    }
    share.successors.add(change.added);
    this.#objects += 1;
    this.#bytes += change.addedSize;
    if (share.successors.size > SUCCESSORS_MAX) this.#countAnew();
  }

  /** An attempt failed, or an operator decided something: whether the entry is blocked is in its record. */
  #lookAgain(partition: Partition, version: number): void {
    const id = idOf(partition, version);
    const record = partition.index.get(queueKey(version));
    this.#expedited.delete(id);
    if (record?.kind === 'queued' && record.quarantined) this.#block(partition, { version, record });
    else this.#blocked.delete(id);
  }

  #block(partition: Partition, { version, record }: Entry): void {
    const { bucket, key, cause, message } = record;
    this.#blocked.set(idOf(partition, version), { bucket, key, version, cause, message });
    if (this.#blocked.size >= BLOCKED_MAX) this.settle('BLOCKED');
  }

  #countAnew(): void {
    this.#objects = 0;
    this.#bytes = 0;
    this.#blocked.clear();
    for (const share of this.#shares) {
      share.successors.clear();
      share.barrier = Math.max(share.barrier, share.partition.appliedOffset);
      share.cursor = 0;
    }
    if (this.#scanning) return;
    this.#scanning = true;
    this.#parts.clock.nextTurn(() => this.#scan());
  }

  /** One page; the rest in later turns. */
  #scan(): void {
    if (this.#settled) return;
    const share = this.#shares.find(({ cursor, barrier }) => cursor < barrier);
    if (share === undefined) {
      this.#scanning = false;
      this.#endWhenDone();
      return;
    }
    const page = pageOf(share, share.cursor, PAGE);
    for (const entry of page.entries) {
      if (!this.#isMine(entry.record)) continue;
      this.#objects += 1;
      this.#bytes += entry.record.size;
      if (entry.record.quarantined) this.#block(share.partition, entry);
    }
    share.cursor = page.next;
    this.#expedite();
    this.#parts.clock.nextTurn(() => this.#scan());
  }

  #isMine(record: QueueRecord): boolean {
    return isInScope(this.#parts.scope, record.bucket, record.key);
  }

  #endWhenDone(): void {
    if (this.#scanning || this.#settled || this.#objects > this.#blocked.size) return;
    this.settle(this.#blocked.size === 0 ? 'PERSISTED' : 'BLOCKED');
  }

  /** Brings the next entries in scope forward, the oldest first, a bounded number at a time. */
  #expedite(): void {
    let looked = 0;
    for (const share of this.#shares) {
      while (this.#expedited.size < EXPEDITED_MAX && looked < PAGE && share.expediteFrom < share.cursor) {
        const { entries, next } = pageOf(share, share.expediteFrom, EXPEDITED_MAX, share.cursor);
        looked += EXPEDITED_MAX;
        share.expediteFrom = next;
        for (const { version, record } of entries) {
          if (!this.#isMine(record) || record.quarantined) continue;
          if (!this.#parts.expedite(share.partition, version)) {
            share.expediteFrom = version;
            return;
          }
          this.#expedited.add(idOf(share.partition, version));
        }
      }
    }
  }

  progress(): FlushProgress {
    const oldest = this.#oldest();
    return {
      objects: this.#objects,
      bytes: this.#bytes,
      persistedObjects: this.#persistedObjects,
      persistedBytes: this.#persistedBytes,
      blockedObjects: this.#blocked.size,
      counting: this.#scanning,
      elapsedMs: Math.round(this.#parts.clock.monotonicTimeMs() - this.#startedMs),
      ...(oldest === undefined ? {} : { oldest: describe(oldest) }),
    };
  }

  result(outcome: FlushResult['outcome']): FlushResult {
    const blocked = [...this.#blocked.values()].slice(0, BLOCKED_NAMED_MAX);
    return { ...this.progress(), outcome, blocked };
  }

  /** The oldest entry in scope that is not blocked. What was passed over once never comes back, so this is cheap. */
  #oldest(): Entry | undefined {
    let oldest: Entry | undefined;
    for (const share of this.#shares) {
      const found = this.#oldestOf(share);
      if (found !== undefined && (oldest === undefined || found.record.sinceMs < oldest.record.sinceMs))
        oldest = found;
    }
    return oldest;
  }

  #oldestOf(share: Share): Entry | undefined {
    const { entries, next } = pageOf(share, share.oldestFrom, PAGE);
    const mine = entries.filter(({ record }) => this.#isMine(record));
    share.oldestFrom = mine[0]?.version ?? next;
    const waiting = mine.find(({ record }) => !record.quarantined);
    if (waiting !== undefined) return waiting;
    const [successor] = share.successors;
    const record = successor === undefined ? undefined : share.partition.index.get(queueKey(successor));
    return successor !== undefined && record?.kind === 'queued' ? { version: successor, record } : undefined;
  }
}

function describe({ record }: Entry): FlushProgress['oldest'] {
  const { bucket, key, sinceMs, attempt, cause, message, nextAttemptAtMs } = record;
  return {
    bucket,
    key,
    sinceMs,
    attempt,
    ...(cause === '' ? {} : { cause, message, nextAttemptAtMs }),
  };
}

/** Entries from a version on, below the barrier, and where the next page starts. */
function pageOf(
  { partition, barrier }: Share,
  from: number,
  limit: number,
  to = barrier,
): { entries: Entry[]; next: number } {
  const entries: Entry[] = [];
  if (from >= to) return { entries, next: to };
  for (const [key, record] of partition.index.scan(queueKey(from), QUEUE_END)) {
    const version = queueVersion(key);
    if (version >= to) break;
    if (record.kind === 'queued') entries.push({ version, record });
    if (entries.length >= limit) return { entries, next: version + 1 };
  }
  return { entries, next: to };
}

function idOf(partition: Partition, version: number): string {
  return `${partition.number}:${version}`;
}
