/**
 * Barriers: callers that wait until what they name is in the UFS. A flush waits for a scope, a receipt for one version.
 *
 * Both are woken by the events of the log, never by looking at the queue again, and what they wait for is brought forward. Their
 * number is limited, each has a deadline or a client that may leave, and a stop of the engine ends them all.
 */
import { HeadraceError } from '../core/errors.js';
import type { Clock } from '../core/ports.js';
import { SECOND_MS } from '../core/units.js';
import { queueKey } from '../../projections/records.js';
import type { FlushProgress, FlushResult } from './admin-service.js';
import { Flush } from './flush.js';
import { barriersOf, parseFlushScope } from './flush-scope.js';
import type { Partition } from './partition.js';
import { PersistChanges, type PersistChange } from './persist-changes.js';

/** Flushes that may wait at the same time. */
export const FLUSHES_MAX = 16;
/** Receipts that may be waited for at the same time. */
const WATCHES_MAX = 10_000;
const RETRY_AFTER_MS = 5 * SECOND_MS;
const PROGRESS_INTERVAL_MS = 500;
/** Outcomes that a watch keeps before it is told for which version it waits. */
const WATCHED_OUTCOMES_MAX = 64;

export interface FlushRequest {
  /** `/`, `/<bucket>` or `/<bucket>/<prefix>`. */
  readonly path: string;
  /** The path is one key, not a prefix. */
  readonly exact?: boolean;
  /** Only what stands in the log up to here, `<partition>:<offset>`. */
  readonly upToOffset?: string;
  /** Undefined waits for as long as it takes. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: FlushProgress) => void;
}

/** What became of a version that somebody waits for. */
export type VersionOutcome = 'PERSISTED' | 'SUPERSEDED' | 'QUARANTINED' | 'TIMEOUT' | 'STOPPED';

export interface PersistBarriersParts {
  readonly partitions: readonly Partition[];
  readonly clock: Clock;
  readonly expedite: (partition: Partition, version: number) => boolean;
}

export class PersistBarriers {
  readonly #parts: PersistBarriersParts;
  readonly #changes: PersistChanges;
  readonly #flushes = new Set<Flush>();
  readonly #watches = new Map<string, Set<VersionWatch>>();
  #watchCount = 0;
  #stopWatching: (() => void) | undefined;
  #stopped = false;

  constructor(parts: PersistBarriersParts) {
    this.#parts = parts;
    this.#changes = new PersistChanges(parts.partitions);
  }

  get flushes(): number {
    return this.#flushes.size;
  }

  get watches(): number {
    return this.#watchCount;
  }

  /**
   * Resolves when everything in scope that was dirty at the call is in the UFS, when nothing is left but what the UFS refused
   * for good (`BLOCKED`), or when time is up. `INVALID_ARGUMENT`, `SLOW_DOWN` when too many wait, `CLOSED` when the signal
   * aborts or the engine stops.
   */
  flush(request: FlushRequest): Promise<FlushResult> {
    return new Promise((resolve, reject) => this.#flush(request, resolve, reject));
  }

  #flush(
    request: FlushRequest,
    resolve: (result: FlushResult) => void,
    reject: (error: unknown) => void,
  ): void {
    const { partitions, clock, expedite } = this.#parts;
    const { path, exact = false, upToOffset, timeoutMs, signal, onProgress } = request;
    const scope = parseFlushScope(path, exact);
    const barriers = barriersOf(partitions, upToOffset);
    this.#refuseWhenStopped();
    if (this.#flushes.size >= FLUSHES_MAX) {
      throw new HeadraceError('SLOW_DOWN', `${FLUSHES_MAX} flushes are waiting already: try again later`, {
        details: { retryAfterMs: RETRY_AFTER_MS },
      });
    }
    signal?.throwIfAborted();
    const cancels: (() => void)[] = [];
    const flush = new Flush({
      clock,
      scope,
      barriers,
      expedite,
      settled: (outcome) => {
        this.#flushes.delete(flush);
        for (const cancel of cancels) cancel();
        if (outcome === 'CANCELLED') reject(new HeadraceError('CLOSED', `the flush of ${path} was given up`));
        else resolve(flush.result(outcome));
      },
    });
    this.#flushes.add(flush);
    cancels.push(this.#changes.listen((change) => flush.changed(change)));
    if (timeoutMs !== undefined) cancels.push(clock.schedule(timeoutMs, () => flush.settle('TIMEOUT')));
    if (signal !== undefined) {
      const abort = (): void => flush.settle('CANCELLED');
      signal.addEventListener('abort', abort, { once: true });
      cancels.push(() => signal.removeEventListener('abort', abort));
    }
    if (onProgress !== undefined) cancels.push(this.#tell(flush, onProgress));
    flush.start();
  }

  /** Tells of the progress from time to time, until it is cancelled. */
  #tell(flush: Flush, onProgress: (progress: FlushProgress) => void): () => void {
    const { clock } = this.#parts;
    let cancel = clock.schedule(PROGRESS_INTERVAL_MS, tell);
    function tell(): void {
      cancel = clock.schedule(PROGRESS_INTERVAL_MS, tell);
      onProgress(flush.progress());
    }
    return () => cancel();
  }

  /**
   * Begins to note what becomes of a key's versions: to be called before the write whose version is waited for, so that nothing
   * is missed. `end` must be called. `SLOW_DOWN` when too many wait.
   */
  watch(partition: Partition, bucket: string, key: string): VersionWatch {
    this.#refuseWhenStopped();
    if (this.#watchCount >= WATCHES_MAX) {
      throw new HeadraceError(
        'SLOW_DOWN',
        `${WATCHES_MAX} writes are waiting to be persisted already: try again later`,
        { details: { retryAfterMs: RETRY_AFTER_MS } },
      );
    }
    this.#stopWatching ??= this.#changes.listen((change) => {
      const watches = this.#watches.get(watchedName(change.bucket, change.key));
      if (watches !== undefined) for (const watch of watches) watch.changed(change);
    });
    const name = watchedName(bucket, key);
    const watches = this.#watches.get(name) ?? new Set();
    this.#watches.set(name, watches);
    const { clock, expedite } = this.#parts;
    const watch = new VersionWatch({ partition, clock, expedite, ended: () => this.#ended(name, watch) });
    watches.add(watch);
    this.#watchCount += 1;
    return watch;
  }

  #ended(name: string, watch: VersionWatch): void {
    const watches = this.#watches.get(name);
    if (watches?.delete(watch) !== true) return;
    this.#watchCount -= 1;
    if (watches.size === 0) this.#watches.delete(name);
    if (this.#watchCount > 0) return;
    this.#stopWatching?.();
    this.#stopWatching = undefined;
  }

  #refuseWhenStopped(): void {
    if (this.#stopped) throw new HeadraceError('CLOSED', 'the server is stopping');
  }

  /** Ends all that wait. */
  stop(): void {
    this.#stopped = true;
    for (const flush of this.#flushes) flush.settle('CANCELLED');
    for (const watches of this.#watches.values()) for (const watch of watches) watch.stop();
  }
}

interface WatchParts {
  readonly partition: Partition;
  readonly clock: Clock;
  readonly expedite: (partition: Partition, version: number) => boolean;
  readonly ended: () => void;
}

/** What becomes of one key's versions, and in the end of one of them. */
export class VersionWatch {
  readonly #parts: WatchParts;
  readonly #outcomes = new Map<number, VersionOutcome | { readonly successor: number }>();
  #version: number | undefined;
  #settle: ((outcome: VersionOutcome) => void) | undefined;
  /** Versions up to this one may have left the stream without a trace in `#outcomes`. */
  #forgottenUpTo = -1;
  #stopped = false;

  constructor(parts: WatchParts) {
    this.#parts = parts;
  }

  /** Whether a version is on its way to the UFS, or was since the watch began. */
  knows(version: number): boolean {
    return (
      version <= this.#forgottenUpTo ||
      this.#outcomes.has(version) ||
      this.#parts.partition.index.get(queueKey(version)) !== undefined
    );
  }

  /** Resolves with what became of a version that was committed since the watch began. Once. */
  wait(version: number, timeoutMs: number): Promise<VersionOutcome> {
    const { clock, expedite, partition } = this.#parts;
    if (this.#stopped) return Promise.resolve('STOPPED');
    return new Promise((resolve) => {
      const cancel = clock.schedule(timeoutMs, () => this.#settle?.('TIMEOUT'));
      this.#settle = (outcome) => {
        this.#settle = undefined;
        cancel();
        this.end();
        resolve(outcome);
      };
      if (this.#isQuarantined(version)) this.#outcomes.set(version, 'QUARANTINED');
      this.#follow(version);
      if (this.#settle !== undefined && this.#version !== undefined) expedite(partition, this.#version);
    });
  }

  end(): void {
    this.#parts.ended();
  }

  stop(): void {
    this.#stopped = true;
    this.#settle?.('STOPPED');
  }

  changed(change: PersistChange): void {
    const { version } = change;
    if (version === undefined || change.partition !== this.#parts.partition) return;
    if (change.left) this.#note(version, outcomeOf(change));
    else if (this.#isQuarantined(version)) this.#note(version, 'QUARANTINED');
  }

  #note(version: number, outcome: VersionOutcome | { readonly successor: number }): void {
    this.#outcomes.set(version, outcome);
    const [first] = this.#outcomes.keys();
    if (this.#outcomes.size > WATCHED_OUTCOMES_MAX && first !== undefined) {
      this.#outcomes.delete(first);
      this.#forgottenUpTo = Math.max(this.#forgottenUpTo, first);
    }
    if (this.#version === version) this.#follow(version);
  }

  /** Settles with the version's outcome, or waits for it; new tags make a new version of the same bytes. */
  #follow(from: number): void {
    let version = from;
    for (;;) {
      this.#version = version;
      const outcome = this.#outcomes.get(version) ?? this.#forgotten(version);
      if (typeof outcome === 'object') version = outcome.successor;
      else {
        if (outcome !== undefined) this.#settle?.(outcome);
        return;
      }
    }
  }

  /** So many versions came after it that nobody knows whether it got to the UFS: not surely. */
  #forgotten(version: number): VersionOutcome | undefined {
    const isQueued = this.#parts.partition.index.get(queueKey(version)) !== undefined;
    return version <= this.#forgottenUpTo && !isQueued ? 'SUPERSEDED' : undefined;
  }

  #isQuarantined(version: number): boolean {
    const record = this.#parts.partition.index.get(queueKey(version));
    return record?.kind === 'queued' && record.quarantined;
  }
}

function outcomeOf(change: PersistChange): VersionOutcome | { readonly successor: number } {
  if (change.persisted) return 'PERSISTED';
  return change.sameBytes && change.added !== undefined ? { successor: change.added } : 'SUPERSEDED';
}

function watchedName(bucket: string, key: string): string {
  return `${bucket}/${key}`;
}
