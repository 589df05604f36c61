/**
 * `Coordinator` in FoundationDB: a record per worker and per lease, each changed by a transaction that conflicts on what it read.
 *
 * What is written is decided anew by each attempt, and every record names the process that wrote it, so that an attempt of
 * unknown outcome which took effect is recognised, or merely moves a counter twice. A call that came too late may take effect
 * behind its caller's back; its lease is then known to nobody and expires.
 */
import { assert } from '../../src/core/assert.js';
import {
  checkAddress,
  checkWorkerId,
  WORKERS_MAX,
  type ClusterView,
  type Coordinator,
  type Lease,
} from '../../src/core/coordinator.js';
import { HeadraceError } from '../../src/core/errors.js';
import { HeldLeases, RenewalWatch } from '../../src/core/held-leases.js';
import type { DatabaseTransaction, KeyValue, KeyValueDatabase } from '../../src/core/key-value-database.js';
import type { Clock, Random } from '../../src/core/ports.js';
import {
  decodeLease,
  decodeWorker,
  encodeLease,
  encodeWorker,
  PROCESS_ID_BYTES,
  type CoordinatorKeys,
  type LeaseRecord,
} from './coordinator-schema.js';
import { transact } from './transact.js';

export interface FdbCoordinatorOptions {
  readonly database: KeyValueDatabase;
  readonly clock: Clock;
  readonly random: Random;
  readonly keys: CoordinatorKeys;
  /** Letters, digits, dots, hyphens and underscores; one process at a time has it. */
  readonly workerId: string;
  readonly ttlMs: number;
}

const PAGE_KEYS = 1000;

export class FdbCoordinator implements Coordinator {
  readonly workerId: string;
  readonly #options: FdbCoordinatorOptions;
  readonly #processId: Buffer;
  readonly #held: HeldLeases;
  readonly #watch = new RenewalWatch();
  readonly #stop = new AbortController();
  #address: string | undefined;

  /** `INVALID_ARGUMENT` for a worker id that is not allowed. */
  constructor(options: FdbCoordinatorOptions) {
    checkWorkerId(options.workerId);
    this.workerId = options.workerId;
    this.#options = options;
    this.#processId = Buffer.from(options.random.bytes(PROCESS_ID_BYTES));
    this.#held = new HeldLeases(options.clock, options.ttlMs);
  }

  async register(address: string): Promise<void> {
    checkAddress(address);
    const { keys } = this.#options;
    await this.#transact(async (transaction) => {
      transaction.set(
        keys.worker(this.workerId),
        encodeWorker({ processId: this.#processId, renewals: 0, address }),
      );
    });
    this.#address = address;
  }

  async renew(): Promise<readonly number[]> {
    const { keys, clock } = this.#options;
    const startedMs = clock.monotonicTimeMs();
    const held = this.#held.all();
    const lost = await this.#transact(async (transaction) => {
      await this.#renewWorker(transaction);
      const records = await Promise.all(held.map(({ partition }) => transaction.get(keys.lease(partition))));
      return held.filter((lease, at) => {
        const value = records[at];
        const record = value === undefined ? undefined : decodeLease(value);
        if (record === undefined || !this.#isOwn(record) || record.epoch !== lease.epoch) return true;
        transaction.set(
          keys.lease(lease.partition),
          encodeLease({ ...record, renewals: record.renewals + 1 }),
        );
        return false;
      });
    });
    for (const lease of lost) this.#held.lose(lease);
    for (const lease of held) if (!lost.includes(lease)) lease.renewed(startedMs);
    return lost.map(({ partition }) => partition);
  }

  async observe(): Promise<ClusterView> {
    const { keys, clock, ttlMs } = this.#options;
    const startedMs = clock.monotonicTimeMs();
    const [workers, leases] = await this.#transact(async (transaction) => [
      await readAll(transaction, keys.workersBegin, keys.workersEnd, WORKERS_MAX),
      await readAll(transaction, keys.leasesBegin, keys.leasesEnd, 0x1_0000),
    ]);
    const endedMs = clock.monotonicTimeMs();
    const view: ClusterView = {
      workers: workers.map(({ key, value }) => {
        const workerId = keys.workerIdOf(key);
        const { processId, renewals, address } = decodeWorker(value);
        const mark = `${processId.toString('hex')} ${renewals}`;
        const stoodMs = this.#watch.note(nameOfWorker(workerId), mark, startedMs, endedMs);
        return { workerId, address, isLive: stoodMs < ttlMs };
      }),
      leases: leases.map(({ key, value }) => {
        const { epoch, owner } = decodeLease(value);
        return { partition: keys.partitionOf(key), epoch, owner };
      }),
    };
    const names = view.workers.map(({ workerId }) => nameOfWorker(workerId));
    this.#watch.retain(new Set([...names, ...view.leases.map(({ partition }) => nameOfLease(partition))]));
    return view;
  }

  async acquire(partition: number): Promise<Lease | undefined> {
    const held = this.#held.get(partition);
    if (held?.isValid === true) return held;
    const { keys, clock } = this.#options;
    const startedMs = clock.monotonicTimeMs();
    const epoch = await this.#transact(async (transaction) => {
      const value = await transaction.get(keys.lease(partition));
      const record = value === undefined ? undefined : decodeLease(value);
      // An attempt of this call that had no answer, or a release that was given up. That one may still be under way: it
      // conflicts with what is written here.
      if (record !== undefined && this.#isOwn(record)) {
        transaction.set(keys.lease(partition), encodeLease({ ...record, renewals: record.renewals + 1 }));
        return record.epoch;
      }
      if (record !== undefined && !this.#mayTake(partition, record)) return undefined;
      const next = (record?.epoch ?? 0) + 1;
      transaction.set(keys.lease(partition), this.#encodeOwn(next));
      return next;
    });
    if (epoch !== undefined) this.#watch.forget(nameOfLease(partition));
    return this.#held.settle(partition, epoch, startedMs);
  }

  async release(partition: number): Promise<void> {
    const lease = this.#held.get(partition);
    if (lease === undefined) return;
    // Before anybody else can have it.
    this.#held.lose(lease);
    await this.#transact((transaction) => this.#release(transaction, partition));
  }

  async bump(partition: number): Promise<Lease> {
    const lease = this.#held.get(partition);
    if (lease === undefined) throw this.#fenced(partition);
    const { keys, clock } = this.#options;
    const startedMs = clock.monotonicTimeMs();
    const epoch = await this.#transact(async (transaction) => {
      const value = await transaction.get(keys.lease(partition));
      const record = value === undefined ? undefined : decodeLease(value);
      if (record === undefined || !this.#isOwn(record)) return undefined;
      if (record.epoch > lease.epoch) return record.epoch;
      transaction.set(keys.lease(partition), this.#encodeOwn(lease.epoch + 1));
      return lease.epoch + 1;
    });
    if (epoch !== undefined) return this.#held.take(partition, epoch, startedMs);
    this.#held.lose(lease);
    throw this.#fenced(partition);
  }

  async leave(): Promise<void> {
    const { keys } = this.#options;
    const held = this.#held.all();
    for (const lease of held) this.#held.lose(lease);
    await this.#transact(async (transaction) => {
      for (const { partition } of held) await this.#release(transaction, partition);
      const key = keys.worker(this.workerId);
      const value = await transaction.get(key);
      if (value !== undefined && decodeWorker(value).processId.equals(this.#processId))
        transaction.clear(key);
    });
    this.#address = undefined;
  }

  close(): void {
    for (const lease of this.#held.all()) this.#held.lose(lease);
    this.#stop.abort(new HeadraceError('CLOSED', 'the coordinator is closed'));
  }

  /** Not for one whose place a newer process of the same worker has taken. */
  async #renewWorker(transaction: DatabaseTransaction): Promise<void> {
    const key = this.#options.keys.worker(this.workerId);
    if (this.#address === undefined) return;
    const value = await transaction.get(key);
    const record = value === undefined ? undefined : decodeWorker(value);
    if (record !== undefined && !record.processId.equals(this.#processId)) return;
    const renewals = (record?.renewals ?? 0) + 1;
    transaction.set(key, encodeWorker({ processId: this.#processId, renewals, address: this.#address }));
  }

  async #release(transaction: DatabaseTransaction, partition: number): Promise<void> {
    const key = this.#options.keys.lease(partition);
    const value = await transaction.get(key);
    const record = value === undefined ? undefined : decodeLease(value);
    if (record !== undefined && this.#isOwn(record))
      transaction.set(key, encodeLease({ ...record, owner: undefined }));
  }

  #isOwn({ owner, processId }: LeaseRecord): boolean {
    return owner === this.workerId && processId.equals(this.#processId);
  }

  /** What was read just now, by this attempt, decides: a renewal that comes in between conflicts with the claim. */
  #mayTake(partition: number, { epoch, renewals, owner }: LeaseRecord): boolean {
    if (owner === undefined || owner === this.workerId) return true;
    const { clock, ttlMs } = this.#options;
    const nowMs = clock.monotonicTimeMs();
    // The read is over: what it saw was true before now, so the wait begins now at the earliest, and it may only have ended before.
    return this.#watch.note(nameOfLease(partition), `${epoch} ${renewals}`, nowMs, nowMs) >= ttlMs;
  }

  #encodeOwn(epoch: number): Buffer {
    return encodeLease({ epoch, renewals: 0, processId: this.#processId, owner: this.workerId });
  }

  /** Gives up after a TTL: what takes longer is of no use to anybody. */
  async #transact<Result>(body: (transaction: DatabaseTransaction) => Promise<Result>): Promise<Result> {
    const { database, clock, ttlMs } = this.#options;
    this.#stop.signal.throwIfAborted();
    const deadline = new AbortController();
    const cancel = clock.schedule(ttlMs, () =>
      deadline.abort(
        new HeadraceError('IO_FAILED', `FoundationDB did not answer the coordinator within ${ttlMs} ms`),
      ),
    );
    const stop = (): void => deadline.abort(this.#stop.signal.reason);
    this.#stop.signal.addEventListener('abort', stop, { once: true });
    try {
      return await transact({ database, clock, signal: deadline.signal }, body);
    } finally {
      cancel();
      this.#stop.signal.removeEventListener('abort', stop);
    }
  }

  #fenced(partition: number): HeadraceError {
    return new HeadraceError(
      'LOG_FENCED',
      `${this.workerId} does not have the lease of partition ${partition}`,
    );
  }
}

async function readAll(
  transaction: DatabaseTransaction,
  begin: Buffer,
  end: Buffer,
  limit: number,
): Promise<KeyValue[]> {
  const all: KeyValue[] = [];
  let from = begin;
  for (;;) {
    const page = await transaction.range({ begin: from, end, limit: PAGE_KEYS });
    const last = page.at(-1);
    if (last === undefined) return all;
    all.push(...page);
    assert(all.length <= limit, `there are more than ${limit} records of one kind`);
    from = Buffer.concat([last.key, Buffer.alloc(1)]);
  }
}

function nameOfWorker(workerId: string): string {
  return `worker ${workerId}`;
}

function nameOfLease(partition: number): string {
  return `lease ${partition}`;
}
