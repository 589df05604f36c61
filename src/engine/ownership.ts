/**
 * That one process at a time owns a store whose log others can reach: its lease is taken before the log is opened, kept while it
 * is open, and given up behind it. While one worker owns all partitions of a store, the lease of one stands for them all.
 *
 * Fencing alone makes the newer of two processes win, so that two that are restarted by their supervisors would take the log from
 * each other for ever. With a lease the newcomer finds that the owner is alive, and is refused without harm.
 *
 * | the lease is                                                 | the newcomer                                        |
 * |--------------------------------------------------------------|-----------------------------------------------------|
 * | nobody's, released, or an earlier process's of this worker   | has it at once                                      |
 * | another worker's, which has stopped renewing                 | has it after a time to live                         |
 * | another worker's, which renews                               | is refused with `LOG_FENCED` when its wait is over  |
 *
 * Invariants: the log is opened under a valid lease; whoever finds a lease lost tells so once, and does not take it back.
 * Writes need no lease to be safe: the log's epoch fences them. Reads do (`read-lease.ts`): half a time to live after its last
 * renewal began the lease counts for nothing until the next.
 */
import { assert } from '../core/assert.js';
import type { ClusterView, Coordinator, Lease } from '../core/coordinator.js';
import { HeadraceError } from '../core/errors.js';
import type { Logger } from '../core/logger.js';
import { formatDuration } from '../core/quantities.js';
import type { Cancel, Clock } from '../core/ports.js';

export interface OwnershipOptions {
  readonly coordinator: Coordinator;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The coordinator's: how long a lease outlives its last renewal. */
  readonly ttlMs: number;
  /** Where this worker is, for others to name it in their messages. */
  readonly address: string;
  readonly partition: number;
  /** Another worker has the lease that was held here. Called once. */
  readonly onLost: (error: HeadraceError) => void;
}

/** Renewals and attempts in a time to live. */
const RENEWALS_PER_TTL = 10;
/** A newcomer judges by what it has seen for a whole time to live; the rest is for the calls themselves. */
const WAIT_TTLS = 2;

export class Ownership {
  readonly #options: OwnershipOptions;
  #lease: Lease | undefined;
  #cancel: Cancel = () => undefined;
  #renewing: Promise<void> = Promise.resolve();
  /** Whether the coordinator answered the last renewal. */
  #answers = true;
  #ended = false;
  #released: Promise<void> | undefined;

  private constructor(options: OwnershipOptions) {
    this.#options = options;
  }

  /**
   * The lease is held on return, and renewed from then on. Waits for at most two times to live for an owner that may be dead.
   * `LOG_FENCED` with who it is when the owner is alive; `IO_FAILED` when the coordinator does not answer.
   */
  static async acquire(options: OwnershipOptions): Promise<Ownership> {
    const ownership = new Ownership(options);
    try {
      await options.coordinator.register(options.address);
      await ownership.#acquire();
      ownership.#renewLater();
      return ownership;
    } catch (error) {
      await ownership.release();
      throw error;
    }
  }

  /** The one that is held; not valid any more once it was lost or released. */
  get lease(): Lease {
    assert(this.#lease !== undefined, 'the lease was acquired');
    return this.#lease;
  }

  /**
   * For the next owner to begin at once; what cannot be told to anybody expires. Ends what is under way, and closes the
   * coordinator.
   */
  release(): Promise<void> {
    this.#released ??= this.#release();
    return this.#released;
  }

  async #release(): Promise<void> {
    const { coordinator, logger } = this.#options;
    this.#ended = true;
    this.#cancel();
    // A coordinator that did not answer is not waited for again.
    if (this.#answers) {
      await this.#renewing;
      await coordinator.leave().catch((error: unknown) => {
        logger.warn({ error }, 'the lease of the log could not be given up: it expires by itself');
      });
    }
    coordinator.close();
    await this.#renewing;
  }

  async #acquire(): Promise<void> {
    const { coordinator, clock, logger, ttlMs, partition } = this.#options;
    const startedMs = clock.monotonicTimeMs();
    for (let attempt = 1; ; attempt++) {
      this.#lease = await coordinator.acquire(partition);
      if (this.#lease !== undefined) return;
      const waitedMs = clock.monotonicTimeMs() - startedMs;
      if (waitedMs >= WAIT_TTLS * ttlMs) throw await this.#refused();
      if (attempt === 1)
        logger.warn(
          { waitMs: WAIT_TTLS * ttlMs },
          'another process has had the log until lately: waiting to see whether it is alive',
        );
      await clock.sleep(ttlMs / RENEWALS_PER_TTL);
    }
  }

  async #refused(): Promise<HeadraceError> {
    const { coordinator, ttlMs, partition } = this.#options;
    const owner = ownerOf(await coordinator.observe(), partition);
    return new HeadraceError(
      'LOG_FENCED',
      `the log is owned by another Headrace that is alive${owner}: stop that one first. ` +
        `It may be started here when that one has stopped or been silent for ${formatDuration(ttlMs)}`,
    );
  }

  /** A renewal that took so long that it came to nothing is followed by the next at once. */
  #renewLater(): void {
    const { clock, ttlMs } = this.#options;
    if (this.#ended) return;
    const isLate = this.#answers && !this.lease.isValid;
    this.#cancel = clock.schedule(isLate ? 0 : ttlMs / RENEWALS_PER_TTL, () => {
      this.#renewing = this.#renew().finally(() => this.#renewLater());
    });
  }

  /** Never rejects. A coordinator that is away is asked again: nobody else can have claimed anything there meanwhile. */
  async #renew(): Promise<void> {
    const { coordinator, logger, onLost, partition } = this.#options;
    try {
      const lost = await coordinator.renew();
      this.#answers = true;
      if (lost.length === 0 || this.#ended) return;
      this.#ended = true;
      const owner = ownerOf(await coordinator.observe().catch(() => undefined), partition);
      onLost(new HeadraceError('LOG_FENCED', `another Headrace has taken the log over${owner}`));
    } catch (error) {
      this.#answers = false;
      if (!this.#ended)
        logger.warn(
          { error },
          this.lease.isValid
            ? 'the lease of the log could not be renewed; it is tried again'
            : 'the lease of the log could not be renewed in time: no reads are answered until it is',
        );
    }
  }
}

/** Who it is, for a message; empty when nobody knows. */
function ownerOf(view: ClusterView | undefined, partition: number): string {
  const owner = view?.leases.find((lease) => lease.partition === partition)?.owner;
  if (owner === undefined) return '';
  const worker = view?.workers.find(({ workerId }) => workerId === owner);
  return worker === undefined ? ` (worker ${owner})` : ` (on ${worker.address}, worker ${owner})`;
}
