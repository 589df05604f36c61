/**
 * `Coordinator` in memory, for simulated worlds: workers that share one `SimCoordination` agree through it, with delays and faults.
 *
 * | fault | effect on what is kept          | what the caller hears  |
 * |-------|---------------------------------|------------------------|
 * | lost  | none                            | `IO_FAILED` after a TTL |
 * | done  | at once                         | `IO_FAILED` after a TTL |
 * | late  | after the caller was told       | `IO_FAILED` after a TTL |
 *
 * A change decides on what is kept at the moment when it takes effect, as a transaction that conflicts and is tried again does.
 * One that comes late takes effect only if nothing that it depends on was changed since it began.
 */
import {
  checkAddress,
  checkWorkerId,
  type ClusterView,
  type Coordinator,
  type Lease,
} from '../src/core/coordinator.js';
import { HeadraceError } from '../src/core/errors.js';
import { HeldLeases, RenewalWatch } from '../src/core/held-leases.js';
import type { Clock } from '../src/core/ports.js';
import type { Scheduler } from './scheduler.js';
import type { SimRandom } from './sim-random.js';

export const COORDINATION_FAULTS = ['lost', 'done', 'late'] as const;
export type CoordinationFaults = Readonly<Partial<Record<(typeof COORDINATION_FAULTS)[number], number>>>;

const LATENCY_MS = { min: 0.3, max: 3 };

interface WorkerEntry {
  readonly processId: number;
  readonly renewals: number;
  readonly address: string;
}

interface LeaseEntry {
  readonly epoch: number;
  readonly renewals: number;
  readonly processId: number;
  readonly owner: string | undefined;
}

interface Kept {
  readonly workers: Map<string, WorkerEntry>;
  readonly leases: Map<number, LeaseEntry>;
}

/** What all workers share, and what survives each of them. */
export class SimCoordination {
  readonly scheduler: Scheduler;
  readonly #random: SimRandom;
  readonly #kept: Kept = { workers: new Map(), leases: new Map() };
  #changes = 0;
  #faults: CoordinationFaults = {};
  #processes = 0;

  constructor(scheduler: Scheduler, random: SimRandom) {
    this.scheduler = scheduler;
    this.#random = random;
  }

  /** Shares of calls that fail. `{}` heals. */
  setFaults(faults: CoordinationFaults): void {
    this.#faults = faults;
  }

  nextProcess(): number {
    return ++this.#processes;
  }

  /** Calls back with what `change` made of what is kept; never, for a call that fails. */
  call<Result>(change: (kept: Kept) => Result, answer: (result: Result) => void, ttlMs: number): void {
    const fault = COORDINATION_FAULTS.find((name) => this.#random.unit() < (this.#faults[name] ?? 0));
    const changes = this.#changes;
    const apply = (): Result => {
      const result = change(this.#kept);
      this.#changes++;
      return result;
    };
    if (fault === 'lost') return;
    if (fault === 'late') {
      this.scheduler.schedule(ttlMs * (1 + this.#random.unit()), () => {
        if (this.#changes === changes) apply();
      });
      return;
    }
    this.scheduler.schedule(this.#latencyMs(), () => {
      const result = apply();
      if (fault === undefined) this.scheduler.schedule(this.#latencyMs(), () => answer(result));
    });
  }

  #latencyMs(): number {
    return LATENCY_MS.min + this.#random.unit() * (LATENCY_MS.max - LATENCY_MS.min);
  }
}

export interface SimCoordinatorOptions {
  readonly coordination: SimCoordination;
  /** Of the process: once it is stopped, nothing here settles any more. */
  readonly clock: Clock;
  readonly workerId: string;
  readonly ttlMs: number;
}

export class SimCoordinator implements Coordinator {
  readonly workerId: string;
  readonly #options: SimCoordinatorOptions;
  readonly #processId: number;
  readonly #held: HeldLeases;
  readonly #watch = new RenewalWatch();
  readonly #waiting = new Set<(error: HeadraceError) => void>();
  #address: string | undefined;
  #closed = false;

  constructor(options: SimCoordinatorOptions) {
    checkWorkerId(options.workerId);
    this.workerId = options.workerId;
    this.#options = options;
    this.#processId = options.coordination.nextProcess();
    this.#held = new HeldLeases(options.clock, options.ttlMs);
  }

  async register(address: string): Promise<void> {
    checkAddress(address);
    await this.#call(({ workers }) => {
      workers.set(this.workerId, { processId: this.#processId, renewals: 0, address });
    });
    this.#address = address;
  }

  async renew(): Promise<readonly number[]> {
    const startedMs = this.#nowMs();
    const held = this.#held.all();
    const lost = await this.#call(({ workers, leases }) => {
      const worker = workers.get(this.workerId);
      if (worker?.processId === this.#processId)
        workers.set(this.workerId, { ...worker, renewals: worker.renewals + 1 });
      else if (worker === undefined && this.#address !== undefined)
        workers.set(this.workerId, { processId: this.#processId, renewals: 1, address: this.#address });
      return held.filter((lease) => {
        const entry = leases.get(lease.partition);
        if (entry === undefined || !this.#isOwn(entry) || entry.epoch !== lease.epoch) return true;
        leases.set(lease.partition, { ...entry, renewals: entry.renewals + 1 });
        return false;
      });
    });
    for (const lease of lost) this.#held.lose(lease);
    for (const lease of held) if (!lost.includes(lease)) lease.renewed(startedMs);
    return lost.map(({ partition }) => partition);
  }

  async observe(): Promise<ClusterView> {
    const startedMs = this.#nowMs();
    const { workers, leases } = await this.#call((kept) => ({
      workers: [...kept.workers].sort(([a], [b]) => (a < b ? -1 : 1)),
      leases: [...kept.leases].sort(([a], [b]) => a - b),
    }));
    const endedMs = this.#nowMs();
    return {
      workers: workers.map(([workerId, { processId, renewals, address }]) => {
        const mark = `${processId} ${renewals}`;
        const stoodMs = this.#watch.note(`worker ${workerId}`, mark, startedMs, endedMs);
        return { workerId, address, isLive: stoodMs < this.#options.ttlMs };
      }),
      leases: leases.map(([partition, { epoch, owner }]) => ({ partition, epoch, owner })),
    };
  }

  async acquire(partition: number): Promise<Lease | undefined> {
    const held = this.#held.get(partition);
    if (held?.isValid === true) return held;
    const startedMs = this.#nowMs();
    const epoch = await this.#call(({ leases }) => {
      const entry = leases.get(partition);
      if (entry !== undefined && this.#isOwn(entry)) {
        leases.set(partition, { ...entry, renewals: entry.renewals + 1 });
        return entry.epoch;
      }
      if (entry !== undefined && !this.#mayTake(partition, entry)) return undefined;
      const next = (entry?.epoch ?? 0) + 1;
      leases.set(partition, this.#own(next));
      return next;
    });
    if (epoch !== undefined) this.#watch.forget(`lease ${partition}`);
    return this.#held.settle(partition, epoch, startedMs);
  }

  async release(partition: number): Promise<void> {
    const lease = this.#held.get(partition);
    if (lease === undefined) return;
    this.#held.lose(lease);
    await this.#call((kept) => this.#release(kept, partition));
  }

  async bump(partition: number): Promise<Lease> {
    const lease = this.#held.get(partition);
    if (lease === undefined) throw this.#fenced(partition);
    const startedMs = this.#nowMs();
    const epoch = await this.#call(({ leases }) => {
      const entry = leases.get(partition);
      if (entry === undefined || !this.#isOwn(entry)) return undefined;
      if (entry.epoch > lease.epoch) return entry.epoch;
      leases.set(partition, this.#own(lease.epoch + 1));
      return lease.epoch + 1;
    });
    if (epoch !== undefined) return this.#held.take(partition, epoch, startedMs);
    this.#held.lose(lease);
    throw this.#fenced(partition);
  }

  async leave(): Promise<void> {
    const held = this.#held.all();
    for (const lease of held) this.#held.lose(lease);
    await this.#call((kept) => {
      for (const { partition } of held) this.#release(kept, partition);
      if (kept.workers.get(this.workerId)?.processId === this.#processId) kept.workers.delete(this.workerId);
    });
    this.#address = undefined;
  }

  close(): void {
    this.#closed = true;
    for (const lease of this.#held.all()) this.#held.lose(lease);
    for (const reject of this.#waiting) reject(closed());
    this.#waiting.clear();
  }

  #release({ leases }: Kept, partition: number): void {
    const entry = leases.get(partition);
    if (entry !== undefined && this.#isOwn(entry)) leases.set(partition, { ...entry, owner: undefined });
  }

  #isOwn({ owner, processId }: LeaseEntry): boolean {
    return owner === this.workerId && processId === this.#processId;
  }

  #mayTake(partition: number, { epoch, renewals, owner }: LeaseEntry): boolean {
    if (owner === undefined || owner === this.workerId) return true;
    const nowMs = this.#nowMs();
    return (
      this.#watch.note(`lease ${partition}`, `${epoch} ${renewals}`, nowMs, nowMs) >= this.#options.ttlMs
    );
  }

  #own(epoch: number): LeaseEntry {
    return { epoch, renewals: 0, processId: this.#processId, owner: this.workerId };
  }

  #nowMs(): number {
    return this.#options.clock.monotonicTimeMs();
  }

  #call<Result>(change: (kept: Kept) => Result): Promise<Result> {
    if (this.#closed) return Promise.reject(closed());
    const { coordination, clock, ttlMs } = this.#options;
    return new Promise((resolve, reject) => {
      const end = (): void => {
        cancel();
        this.#waiting.delete(fail);
      };
      const fail = (error: HeadraceError): void => {
        end();
        reject(error);
      };
      this.#waiting.add(fail);
      const cancel = clock.schedule(ttlMs, () =>
        fail(new HeadraceError('IO_FAILED', `simulated: no answer within ${ttlMs} ms`)),
      );
      // Through the process's own clock, so that a process that was killed hears nothing.
      const answer = (result: Result): void => {
        clock.schedule(0, () => {
          if (!this.#waiting.has(fail)) return;
          end();
          resolve(result);
        });
      };
      coordination.call(change, answer, ttlMs);
    });
  }

  #fenced(partition: number): HeadraceError {
    return new HeadraceError(
      'LOG_FENCED',
      `${this.workerId} does not have the lease of partition ${partition}`,
    );
  }
}

function closed(): HeadraceError {
  return new HeadraceError('CLOSED', 'the coordinator is closed');
}
