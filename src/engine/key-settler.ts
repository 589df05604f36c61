/** Lets everything older about an object reach the UFS before something that must not come first. */
import { objectKey } from '../../projections/records.js';
import { durableRecord, partitionOf, type EngineCore } from './engine-core.js';
import type { DecisionView } from './decision.js';
import type { Persister } from './persister.js';

/** The UFS has yet to delete the object. Never leaves the engine. */
class PendingDelete extends Error {}

/**
 * To be called in the decision about a TRANSIENT version. It never goes to the UFS, so it cannot take the place of a pending delete
 * there; and once it hid the delete, nobody who writes to the UFS later would know to wait for it.
 */
export function refusePendingDelete(view: Pick<DecisionView, 'records'>, bucket: string, key: string): void {
  if (view.records.get(objectKey(bucket, key))?.kind === 'deleting') throw new PendingDelete();
}

export class KeySettler {
  readonly #core: EngineCore;
  readonly #persister: Persister;

  constructor(core: EngineCore, persister: Persister) {
    this.#core = core;
    this.#persister = persister;
  }

  /**
   * Runs `work` under the object's lock, when nothing older about it is left to do. `UFS_*` when an older version cannot be persisted
   * now, `IO_FAILED` while the log is being recovered, because then nobody knows what the newest version is.
   */
  async clean<Result>(bucket: string, key: string, work: () => Promise<Result>): Promise<Result> {
    const unlock = await this.#core.locks.acquire(objectKey(bucket, key));
    let failure: unknown;
    try {
      await this.#core.late.quiet();
      void partitionOf(this.#core, bucket, key).log;
      while (this.#isDirty(bucket, key)) await this.#persister.persistLocked(bucket, key);
      await this.#persister.settleUploads(bucket, key);
      return await work();
    } catch (error) {
      failure = error;
      throw error;
    } finally {
      this.#core.late.unlock(unlock, failure);
    }
  }

  /** Resolves when nothing about the object is left to do. Throws as `clean`. */
  async settle(bucket: string, key: string): Promise<void> {
    await this.clean(bucket, key, () => Promise.resolve());
  }

  /** Runs a decision, again after a delete that it refused to pass has reached the UFS. `UFS_*` when it cannot now. */
  async behindDelete<Result>(bucket: string, key: string, decide: () => Promise<Result>): Promise<Result> {
    for (;;) {
      try {
        return await decide();
      } catch (error) {
        if (!(error instanceof PendingDelete)) throw error;
        await this.settle(bucket, key);
      }
    }
  }

  #isDirty(bucket: string, key: string): boolean {
    const record = durableRecord(this.#core, bucket, key);
    return record?.kind === 'deleting' || (record?.kind === 'object' && record.state === 'PENDING');
  }
}
