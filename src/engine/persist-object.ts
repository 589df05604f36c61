/**
 * One object on its way to the UFS: its current version, or its pending delete.
 *
 * The event that says so comes after the UFS did. What older versions left unfinished there ends before, since it could still take
 * the place of the new one.
 */
import { isErrorCode } from '../core/errors.js';
import { queueKey } from '../../projections/records.js';
import { decideDeletePersisted } from './decide.js';
import { durableRecord, partitionOf, type EngineCore } from './engine-core.js';
import { refuseMoved } from './mount-table.js';
import type { Partition } from './partition.js';
import type { DecideSettlement, PersistSettlements } from './persist-settlements.js';
import type { PersistStaleUploads } from './persist-stale-uploads.js';
import type { PersistUpload } from './persist-upload.js';
import type { SafePersist } from './safe-persist.js';
import type { StoreHealth } from './store-health.js';
import { ufsCall, type CutOff } from './ufs-calls.js';

const EXTENTS_TOGETHER_MAX = 16;

export interface PersistObjectParts {
  readonly safe: SafePersist;
  readonly stale: PersistStaleUploads;
  readonly upload: PersistUpload;
  readonly health: StoreHealth;
  readonly settlements: PersistSettlements;
  readonly cutOff: CutOff;
}

export class PersistObject {
  readonly #core: EngineCore;
  readonly #parts: PersistObjectParts;

  constructor(core: EngineCore, parts: PersistObjectParts) {
    this.#core = core;
    this.#parts = parts;
  }

  /**
   * Takes what the UFS has yet to learn about one object there; the caller holds its lock. With `version`, only that one.
   * Rejects with `UFS_*` when the UFS does not take it; nothing is logged then.
   */
  async persist(bucket: string, key: string, version?: number): Promise<void> {
    const record = durableRecord(this.#core, bucket, key);
    const partition = partitionOf(this.#core, bucket, key);
    if (
      record?.kind === 'object' &&
      record.state === 'PENDING' &&
      (version ?? record.version) === record.version
    ) {
      const located = this.#core.mounts.locate(bucket, key);
      await this.#parts.stale.settle(bucket, key);
      const target = { bucket, key, version: record.version };
      const ufsEtag = await this.#parts.upload.upload(target, record, located);
      this.#parts.health.succeeded(located.store);
      await this.#settle(partition, record.extents.length, (view) => {
        refuseMoved(this.#core.mounts, bucket, key, located);
        return this.#parts.safe.decideUploaded(view, target, ufsEtag, located);
      });
      return;
    }
    const pendingDelete = version ?? (record?.kind === 'deleting' ? record.version : undefined);
    if (pendingDelete === undefined || !this.#isQueuedDelete(partition, pendingDelete)) return;
    await this.#delete(bucket, key, pendingDelete);
  }

  async #delete(bucket: string, key: string, version: number): Promise<void> {
    const located = this.#core.mounts.locate(bucket, key);
    await this.#parts.stale.settle(bucket, key);
    try {
      await this.#parts.safe.delete({ bucket, key }, located, (condition) =>
        ufsCall(
          this.#core,
          (signal) => located.store.delete(located.bucket, located.key, signal, condition),
          { cutOff: this.#parts.cutOff },
        ),
      );
    } catch (error) {
      if (!isErrorCode(error, 'NO_SUCH_BUCKET')) throw error;
    }
    this.#parts.health.succeeded(located.store);
    await this.#settle(partitionOf(this.#core, bucket, key), 0, (view) =>
      decideDeletePersisted(view, { bucket, key, version }),
    );
  }

  /** Events that name many extents go by themselves: an append must fit into one frame. */
  async #settle(partition: Partition, extents: number, decide: DecideSettlement): Promise<void> {
    if (extents <= EXTENTS_TOGETHER_MAX) await this.#parts.settlements.settle(partition, decide);
    else await partition.submit(decide);
  }

  #isQueuedDelete(partition: Partition, version: number): boolean {
    const queued = partition.index.get(queueKey(version));
    return queued?.kind === 'queued' && queued.action === 'delete';
  }
}
