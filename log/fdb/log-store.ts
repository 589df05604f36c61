/**
 * The log in FoundationDB (docs/foundationdb.md): for stores that one machine is not enough for.
 *
 * Keys are in `schema.ts`. Several stores may share a cluster, each below its own prefix. Whoever opens a partition owns it: the
 * one before is fenced with its next append.
 */
import { assert } from '../../src/core/assert.js';
import { HeadraceError } from '../../src/core/errors.js';
import type { KeyValueDatabase } from '../../src/core/key-value-database.js';
import type { LogMetrics } from '../../src/core/metrics.js';
import type { Clock, Random } from '../../src/core/ports.js';
import { KIB, MIB, SECOND_MS } from '../../src/core/units.js';
import { GROUP_COMMIT_LIMITS, type GroupCommitLimits } from '../group-commit.js';
import type { LogStore, PartitionLog } from '../log-store.js';
import { FdbCheckpoints } from './checkpoints.js';
import { FdbPartitionLog } from './partition-log.js';
import { decodeIdentity, encodeIdentity, metaKey, PartitionKeys, type StoreIdentity } from './schema.js';
import { transact } from './transact.js';

export interface FdbLogOptions {
  /** In front of every key. */
  readonly prefix: Buffer;
  /** How long an append is tried before it ends as `LOG_UNKNOWN_OUTCOME`. */
  readonly appendDeadlineMs: number;
  /** History that a trim leaves. */
  readonly retentionMs: number;
}

export const FDB_LOG_DEFAULTS: FdbLogOptions = {
  prefix: Buffer.from('headrace/'),
  appendDeadlineMs: 10 * SECOND_MS,
  retentionMs: 0,
};

/** A transaction may have 10 MB, and is best below one; a frame of several appends stays far below that. */
const LIMITS: GroupCommitLimits = {
  ...GROUP_COMMIT_LIMITS,
  batchBytes: 200 * KIB,
  frameBytesMax: 8 * MIB,
};
const PARTITION_MAX = 9999;

export interface FdbLogComponents {
  readonly database: KeyValueDatabase;
  readonly clock: Clock;
  readonly random: Random;
  /** The store that this process belongs to: another one below the same prefix is refused. Absent: any. */
  readonly storeId?: bigint | undefined;
  readonly metrics?: LogMetrics | undefined;
  readonly options?: Partial<FdbLogOptions>;
}

export class FdbLogStore implements LogStore {
  readonly #components: FdbLogComponents;
  readonly #options: FdbLogOptions;
  readonly #partitions = new Map<number, Promise<FdbPartitionLog>>();
  /** Epochs with which partitions were taken over here, so that a recovery takes back none that was lost meanwhile. */
  readonly #heldEpochs = new Map<number, number>();
  #identity: Promise<StoreIdentity> | undefined;
  readonly #stop = new AbortController();

  constructor(components: FdbLogComponents) {
    this.#components = components;
    this.#options = { ...FDB_LOG_DEFAULTS, ...components.options };
  }

  /**
   * Also rejects with `LOG_FENCED` for a partition that this store has had and another owner has taken since, and with
   * `DATA_DIRECTORY_UNUSABLE` when the prefix holds another store. Waits while FoundationDB is away.
   */
  async openPartition(partition: number): Promise<PartitionLog> {
    assert(
      Number.isInteger(partition) && partition >= 0 && partition <= PARTITION_MAX,
      `${partition} is not a partition: expected 0 to ${PARTITION_MAX}`,
    );
    this.#stop.signal.throwIfAborted();
    await this.#closeForReopening(partition);
    const { storeId, incarnation } = await this.identity();
    this.#stop.signal.throwIfAborted();
    assert(!this.#partitions.has(partition), `partition ${partition} is being opened twice`);
    const { database, clock, random, metrics } = this.#components;
    const { prefix, appendDeadlineMs, retentionMs } = this.#options;
    const opening = FdbPartitionLog.open({
      database,
      clock,
      random,
      metrics,
      appendDeadlineMs,
      retentionMs,
      signal: this.#stop.signal,
      limits: LIMITS,
      heldEpoch: this.#heldEpochs.get(partition),
      onTaken: (epoch) => this.#heldEpochs.set(partition, epoch),
      keys: new PartitionKeys(prefix, incarnation, partition),
      owner: { partition, storeId },
    });
    this.#partitions.set(partition, opening);
    try {
      return await opening;
    } catch (error) {
      this.#partitions.delete(partition);
      throw error;
    }
  }

  /** Where checkpoints of a partition are kept that this store has open. */
  async checkpointsOf(log: PartitionLog): Promise<FdbCheckpoints> {
    const { database, clock, random } = this.#components;
    const { incarnation } = await this.identity();
    const { partition, epoch } = log;
    const keys = new PartitionKeys(this.#options.prefix, incarnation, partition);
    return new FdbCheckpoints({ database, clock, random, keys, partition, epoch, signal: this.#stop.signal });
  }

  /** The identity of the store below the prefix, which is made when there is none. A failure is not kept. */
  identity(): Promise<StoreIdentity> {
    this.#identity ??= this.#openIdentity().catch((error: unknown) => {
      this.#identity = undefined;
      throw error;
    });
    return this.#identity;
  }

  /** Closes every partition. The first failure is reported after all were closed. */
  async close(): Promise<void> {
    const closed = await Promise.allSettled(
      [...this.#partitions.values()].map(async (opening) => (await opening).close()),
    );
    this.#stop.abort(new HeadraceError('CLOSED', 'the log store is closed'));
    this.#partitions.clear();
    for (const result of closed) if (result.status === 'rejected') throw result.reason;
  }

  async #openIdentity(): Promise<StoreIdentity> {
    const { database, clock, random, storeId } = this.#components;
    const key = metaKey(this.#options.prefix);
    const fresh = { storeId: storeId ?? drawn(random), incarnation: drawn(random) };
    const identity = await transact({ database, clock, signal: this.#stop.signal }, async (transaction) => {
      const value = await transaction.get(key);
      if (value !== undefined) return decodeIdentity(value);
      transaction.set(key, encodeIdentity(fresh));
      return fresh;
    });
    if (storeId === undefined || identity.storeId === storeId) return identity;
    throw new HeadraceError(
      'DATA_DIRECTORY_UNUSABLE',
      `FoundationDB holds the log of another store below the prefix ${JSON.stringify(this.#options.prefix.toString())}: ` +
        'use the data directory that belongs to it, or another prefix (foundationdb.key.prefix)',
    );
  }

  /** A log that is open under the same store is closed first. */
  async #closeForReopening(partition: number): Promise<void> {
    const open = this.#partitions.get(partition);
    if (open === undefined) return;
    this.#partitions.delete(partition);
    await (await open).close().catch(() => undefined);
  }
}

function drawn(random: Random): bigint {
  return Buffer.from(random.bytes(8)).readBigUInt64LE();
}
