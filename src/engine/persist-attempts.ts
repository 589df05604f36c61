/**
 * Attempts that are under way: one per version, in the way that suits it, and what follows from their end.
 *
 * Invariants: an attempt holds its object's lock until its event is durable, the one that says PERSISTED or the one that says when the
 * next attempt is due; where neither can be logged it is tried again all the same. After a stop nothing more is logged: whether what
 * was cut off reached the UFS is found out by doing it again.
 */
import { objectKey, type QueueRecord } from '../../projections/records.js';
import { decidePersistFailed } from './decide.js';
import type { EngineCore } from './engine-core.js';
import type { UfsLocation } from './mount-table.js';
import { failureOf, type PersistFailure } from './persist-failure.js';
import type { PersistObject } from './persist-object.js';
import type { PersistPace, PersistOutcome } from './persist-pace.js';
import type { PersistTask } from './persist-queue.js';
import type { PersistSmall, SmallUploadOwner } from './persist-small.js';
import type { StoreHealth } from './store-health.js';

const RETRY_DOUBLINGS_MAX = 40;

export interface PersistAttemptsParts {
  readonly core: EngineCore;
  readonly pace: PersistPace;
  readonly health: StoreHealth;
  readonly small: PersistSmall;
  readonly object: PersistObject;
  /** The entry is to be tried again at a time of the wall clock. */
  readonly later: (task: PersistTask, dueMs: number) => void;
  /** There is room for one more. */
  readonly ended: () => void;
}

export class PersistAttempts {
  readonly #parts: PersistAttemptsParts;
  /** When each attempt that is under way began, in wall time; by partition number and version. */
  readonly #busy = new Map<string, number>();
  #stopped = false;
  #idle: (() => void)[] = [];

  constructor(parts: PersistAttemptsParts) {
    this.#parts = parts;
  }

  get count(): number {
    return this.#busy.size;
  }

  /** In wall time; undefined when none is under way. */
  sinceMs(partition: number, version: number): number | undefined {
    return this.#busy.get(`${partition}:${version}`);
  }

  start(): void {
    this.#stopped = false;
  }

  /** What is under way goes on; its failures are not logged. */
  stop(): void {
    this.#stopped = true;
  }

  /** Resolves when none is under way. */
  idle(): Promise<void> {
    if (this.#busy.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  begin(task: PersistTask, record: QueueRecord): void {
    const { core, pace, small } = this.#parts;
    const located = core.mounts.locate(record.bucket, record.key);
    this.#busy.set(idOf(task), core.clock.wallTimeMs());
    const attempt = new Attempt(this, task, record, located, pace.begin(located.store));
    if (!small.begin(task, record, located, attempt)) void this.take(attempt);
  }

  /** The way that suits every object. */
  async take(attempt: Attempt): Promise<void> {
    const { bucket, key } = attempt.record;
    const unlock = await this.#parts.core.locks.acquire(objectKey(bucket, key));
    let failure: unknown;
    try {
      await this.#parts.object.persist(bucket, key, attempt.task.version);
      attempt.persisted();
    } catch (error) {
      failure = error;
      await attempt.failed(error);
    } finally {
      this.#parts.core.late.unlock(unlock, failure);
    }
  }

  end(task: PersistTask): void {
    this.#busy.delete(idOf(task));
    this.#parts.ended();
    if (this.#busy.size === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  async log({ task, record, located }: Attempt, failure: PersistFailure): Promise<void> {
    if (this.#stopped) return;
    const { core, health, later } = this.#parts;
    const { bucket, key } = record;
    const { partition, version } = task;
    const { cause, message, permanent } = failure;
    const attempt = record.attempt + 1;
    if (failure.suspectsStore) health.failed(located.store);
    const delayMs = this.#delayAfter(record.attempt);
    core.logger.warn(
      { bucket, key, version, attempt, cause, message, delayMs, permanent },
      'a persist failed',
    );
    try {
      await partition.submit((view) =>
        decidePersistFailed(view, {
          bucket,
          key,
          version,
          attempt,
          cause,
          message,
          delayMs,
          quarantined: permanent,
        }),
      );
      if (!permanent) later(task, core.clock.wallTimeMs() + delayMs);
    } catch (error) {
      later(task, core.clock.wallTimeMs() + delayMs);
      core.logger.error({ bucket, key, version, error }, 'a failed persist could not be logged');
    }
  }

  #delayAfter(failures: number): number {
    const { persistRetryInitialMs, persistRetryMaxMs } = this.#parts.core.options;
    return Math.min(persistRetryInitialMs * 2 ** Math.min(failures, RETRY_DOUBLINGS_MAX), persistRetryMaxMs);
  }
}

class Attempt implements SmallUploadOwner {
  readonly task: PersistTask;
  readonly record: QueueRecord;
  readonly located: UfsLocation;
  readonly #attempts: PersistAttempts;
  readonly #paced: (outcome: PersistOutcome, retryAfterMs?: number) => void;

  constructor(
    attempts: PersistAttempts,
    task: PersistTask,
    record: QueueRecord,
    located: UfsLocation,
    paced: (outcome: PersistOutcome, retryAfterMs?: number) => void,
  ) {
    this.#attempts = attempts;
    this.task = task;
    this.record = record;
    this.located = located;
    this.#paced = paced;
  }

  persisted(): void {
    this.#paced('ok');
    this.#attempts.end(this.task);
  }

  async failed(error: unknown): Promise<void> {
    const failure = failureOf(error, this.record.attempt + 1);
    this.#paced(failure.outcome, failure.retryAfterMs);
    await this.#attempts.log(this, failure);
    this.#attempts.end(this.task);
  }

  declined(): void {
    void this.#attempts.take(this);
  }
}

function idOf(task: Pick<PersistTask, 'partition' | 'version'>): string {
  return `${task.partition.number}:${task.version}`;
}
