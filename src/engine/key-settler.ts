/** Locks an object for a direct UFS write, after everything older has reached the UFS. */
import { objectKey } from '../../projections/records.js';
import { durableRecord, type EngineCore } from './engine-core.js';
import type { Unlock } from './key-locks.js';
import type { Persister } from './persister.js';

export class KeySettler {
  readonly #core: EngineCore;
  readonly #persister: Persister;

  constructor(core: EngineCore, persister: Persister) {
    this.#core = core;
    this.#persister = persister;
  }

  /** The caller must call the result. `UFS_*` when an older version cannot be persisted now. */
  async lockClean(bucket: string, key: string): Promise<Unlock> {
    const unlock = await this.#core.locks.acquire(objectKey(bucket, key));
    try {
      while (this.#isDirty(bucket, key)) await this.#persister.persistLocked(bucket, key);
      return unlock;
    } catch (error) {
      unlock();
      throw error;
    }
  }

  #isDirty(bucket: string, key: string): boolean {
    const record = durableRecord(this.#core, bucket, key);
    return record?.kind === 'deleting' || (record?.kind === 'object' && record.state === 'PENDING');
  }
}
