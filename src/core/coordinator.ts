/**
 * The port to what workers of a cluster agree on: who is there, and who owns which partition. Adapters:
 * `log/fdb/coordinator.ts`, and `simulations/sim-coordinator.ts` for simulated worlds. One coordinator belongs to one worker
 * process.
 *
 * Nobody compares clocks. A record has a counter that its writer moves with each renewal; others judge it by how long, on their own
 * monotonic clock, they have seen it stand still.
 *
 * | time since the last renewal began | the owner                                  | everybody else                                   |
 * |-----------------------------------|--------------------------------------------|--------------------------------------------------|
 * | up to half a TTL                  | `isValid`: serves                          | waits                                            |
 * | from half a TTL on                | serves nothing from memory until it renews | waits                                            |
 * | a TTL after a claimer saw it last | may find that it is not the owner any more | may claim: commits the next epoch if none is newer |
 *
 * Invariants: epochs of a partition only rise, and with each change of hands; one process commits each epoch; while clocks run
 * at less than twice each other's pace no lease is valid after another worker has claimed its partition. Writes need no such
 * assumption: the log is fenced by the epoch.
 *
 * Source of the idea: C. Gray, D. Cheriton, "Leases", SOSP 1989; without synchronised clocks as in DynamoDB's lock client.
 */
import { HeadraceError } from './errors.js';

export interface Coordinator {
  readonly workerId: string;
  /** Makes this worker known, or replaces what an earlier process of it left. */
  register(address: string): Promise<void>;
  /**
   * Moves the counters of this worker and of every lease that it holds, together. To be called about each tenth of a TTL or
   * each second. Resolves with the partitions that turned out to be lost.
   */
  renew(): Promise<readonly number[]>;
  /** Everybody and every lease, as of one moment. */
  observe(): Promise<ClusterView>;
  /**
   * The lease of a partition: the one that is held, or at once when nobody has it, when an earlier process of this worker had
   * it (the lock of a data directory allows one process of a worker at a time) and when it was released; undefined while
   * another worker may have it. To be called again and again: it is claimed once its counter has stood still for a TTL of this
   * process's time.
   */
  acquire(partition: number): Promise<Lease | undefined>;
  /** Gives a lease up, for another worker to take at once. Nothing happens when it was lost. */
  release(partition: number): Promise<void>;
  /** The next epoch of a lease that is held, for when what the last one wrote is not known. `LOG_FENCED` when it was lost. */
  bump(partition: number): Promise<Lease>;
  /** Gives up every lease, and the membership. */
  leave(): Promise<void>;
  /** Ends what is under way, which rejects with `CLOSED`. */
  close(): void;
}

/** All reject with `IO_FAILED` when what they are kept in does not answer within a TTL: then it may have happened or not. */
export interface Lease {
  readonly partition: number;
  /** What the log is opened with: nobody has written with a higher one. */
  readonly epoch: number;
  /** Whether the owner may answer from memory now. To be asked after the state was read. */
  readonly isValid: boolean;
}

export interface ClusterView {
  readonly workers: readonly WorkerView[];
  readonly leases: readonly LeaseView[];
}

export interface WorkerView {
  readonly workerId: string;
  readonly address: string;
  /** Whether its counter has moved within a TTL, or this process has looked at it for less than one. */
  readonly isLive: boolean;
}

export interface LeaseView {
  readonly partition: number;
  readonly epoch: number;
  /** Undefined when it was released. */
  readonly owner: string | undefined;
}

/** Most workers of one store. */
export const WORKERS_MAX = 1000;
export const ADDRESS_BYTES_MAX = 1024;
const WORKER_ID_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** `INVALID_ARGUMENT`. */
export function checkWorkerId(workerId: string): void {
  if (WORKER_ID_PATTERN.test(workerId)) return;
  throw new HeadraceError(
    'INVALID_ARGUMENT',
    `the worker id ${JSON.stringify(workerId.slice(0, 200))} is not allowed: use at most 128 letters, digits, dots, hyphens and underscores`,
  );
}

/** `INVALID_ARGUMENT`. */
export function checkAddress(address: string): void {
  if (address !== '' && Buffer.byteLength(address) <= ADDRESS_BYTES_MAX) return;
  throw new HeadraceError(
    'INVALID_ARGUMENT',
    `an address of ${Buffer.byteLength(address)} bytes is not allowed: from 1 to ${ADDRESS_BYTES_MAX} are`,
  );
}
