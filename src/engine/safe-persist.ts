/**
 * Conditional persists: on a mount that asks for them, a version goes to the UFS only when the UFS still holds what it held
 * when the object was first written here, or one of our own versions. Anything else was put there by somebody else: the version
 * is parked with `UFS_CONFLICT` and both ETags, and an operator says which one to keep.
 *
 * The base is noted, as an event, before the first write of an object that the cache does not hold, and again when an upload
 * was overtaken by a newer version while it was on its way. When the UFS does not answer then, the write is not held up: its
 * base is that there is no object, and what is found there later is a conflict.
 */
import { HeadraceError, isErrorCode } from '../core/errors.js';
import type { StoreCondition, StoredObject } from '../core/object-store.js';
import {
  objectKey,
  queueKey,
  ufsBaseKey,
  type IndexRecord,
  type ObjectRecord,
  type UfsBaseRecord,
} from '../../projections/records.js';
import { decidePersisted } from './decide.js';
import { decideRetry, type PersistTarget } from './decide-persists.js';
import { durableRecord, partitionOf, type EngineCore } from './engine-core.js';
import type { UfsLocation } from './mount-table.js';
import type { Decision, DecisionView } from './decision.js';
import { ufsCall, type CutOff } from './ufs-calls.js';

/** Times that a write is repeated because one of our own versions turned out to be there. */
const OWN_VERSIONS_MAX = 3;

export class SafePersist {
  readonly #core: EngineCore;
  readonly #cutOff: CutOff;

  constructor(core: EngineCore, cutOff: CutOff) {
    this.#core = core;
    this.#cutOff = cutOff;
  }

  /** Whether any mount asks for it. */
  get isNeeded(): boolean {
    return this.#core.mounts.hasConditional;
  }

  isConditional(bucket: string, key: string): boolean {
    const { mounts } = this.#core;
    return mounts.hasConditional && mounts.locate(bucket, key).conditional;
  }

  /**
   * Runs a write of these objects with their bases noted, where persists are conditional: no base goes before the write has
   * ended.
   */
  writing<Result>(bucket: string, keys: readonly string[], write: () => Promise<Result>): Promise<Result> {
    if (!this.isNeeded) return write();
    const conditional = keys.filter((key) => this.isConditional(bucket, key));
    return conditional.length === 0 ? write() : this.#writing(bucket, conditional, write);
  }

  async #writing<Result>(
    bucket: string,
    keys: readonly string[],
    write: () => Promise<Result>,
  ): Promise<Result> {
    const releases = keys.map((key) => partitionOf(this.#core, bucket, key).keptBases.hold(bucket, key));
    try {
      for (const key of keys) await this.#noteBase(bucket, key);
      return await write();
    } finally {
      for (const release of releases) release();
    }
  }

  /** Nothing to wait for where the base is known. */
  #noteBase(bucket: string, key: string): Promise<void> | undefined {
    // A base without an object is of a write that failed: the UFS may hold something else by now. One whose object is about to
    // go, goes with it.
    const isHeld = this.#decidedRecord(bucket, key) !== undefined;
    if (isHeld && this.#knownBase(bucket, key) !== undefined) return undefined;
    if (this.#core.policies.modeOf(bucket, key) !== 'WRITE_BACK') return undefined;
    return this.#note(bucket, key);
  }

  #decidedRecord(bucket: string, key: string): IndexRecord | undefined {
    return partitionOf(this.#core, bucket, key).decidedRecords.get(objectKey(bucket, key));
  }

  async #note(bucket: string, key: string): Promise<void> {
    const record = this.#decidedRecord(bucket, key);
    // What was written before the mount asked for conditions has no base; the next version will have one.
    if (record?.kind === 'deleting' || (record?.kind === 'object' && record.state !== 'PERSISTED')) return;
    const old = this.#baseOf(bucket, key);
    const found =
      record?.kind === 'object' ? { ufsEtag: record.ufsEtag } : await this.#etagThere(bucket, key);
    // Without an answer an old base is better than none, also one that goes.
    if (found === undefined && this.#knownBase(bucket, key) !== undefined) return;
    const ufsEtag = found === undefined ? old?.ufsEtag : found.ufsEtag;
    await partitionOf(this.#core, bucket, key).submit((view) => {
      const isHeld = view.records.get(objectKey(bucket, key)) !== undefined;
      const known = view.records.get(ufsBaseKey(bucket, key)) !== undefined;
      return isHeld && known ? { events: [], result: undefined } : decideBase(view, { bucket, key }, ufsEtag);
    });
  }

  /** The UFS's ETag, if there is an object; undefined when there is no answer. */
  async #etagThere(
    bucket: string,
    key: string,
  ): Promise<{ readonly ufsEtag: string | undefined } | undefined> {
    try {
      const stored = await this.#head(this.#core.mounts.locate(bucket, key));
      return { ufsEtag: stored?.storeEtag };
    } catch (error) {
      this.#core.logger.warn({ bucket, key, error }, 'the UFS could not say what a write takes the place of');
      return undefined;
    }
  }

  /**
   * Runs a put with the condition that the object's base makes, if any. `UFS_CONFLICT` with both ETags when the UFS holds
   * something else.
   */
  async put(
    target: { readonly bucket: string; readonly key: string },
    record: ObjectRecord,
    located: UfsLocation,
    put: (condition: StoreCondition | undefined) => Promise<StoredObject>,
  ): Promise<StoredObject> {
    const base = located.conditional ? this.#baseOf(target.bucket, target.key) : undefined;
    if (base === undefined) return put(undefined);
    let expected = base.ufsEtag;
    for (let attempt = 1; ; attempt++) {
      try {
        return await put({ ifMatch: expected });
      } catch (error) {
        if (!isErrorCode(error, 'UFS_CONFLICT')) throw error;
        const found = await this.#head(located);
        if (found === undefined || !(base.ours.includes(found.etag) || isSame(found, record)))
          throw conflict(located, base.ufsEtag, found, error);
        if (attempt > OWN_VERSIONS_MAX) throw changing(located, error);
        // Also when it has the same bytes: its tags may be those of an older version.
        expected = found.storeEtag;
      }
    }
  }

  /**
   * The UFS holds a version, which is current or was overtaken while it was on its way: then it is what the next version takes the
   * place of. The caller holds the object's lock.
   */
  decideUploaded(
    view: DecisionView,
    target: PersistTarget,
    ufsEtag: string,
    { conditional }: Pick<UfsLocation, 'conditional'>,
  ): Decision<void> {
    const persisted = decidePersisted(view, { ...target, ufsEtag });
    const { bucket, key } = target;
    const isNews =
      conditional && persisted.events.length === 0 && view.records.get(ufsBaseKey(bucket, key)) !== undefined;
    return isNews ? decideBase(view, target, ufsEtag) : persisted;
  }

  /** As `put`, for a delete. */
  async delete(
    target: { readonly bucket: string; readonly key: string },
    located: UfsLocation,
    remove: (condition: StoreCondition | undefined) => Promise<void>,
  ): Promise<void> {
    const base = located.conditional ? this.#baseOf(target.bucket, target.key) : undefined;
    if (base === undefined) return remove(undefined);
    const found = await this.#head(located);
    if (found === undefined) return;
    if (found.storeEtag !== base.ufsEtag && !base.ours.includes(found.etag))
      throw conflict(located, base.ufsEtag, found);
    await remove({ ifMatch: found.storeEtag });
  }

  /**
   * Our version is to take the place of what the UFS holds now: that becomes its base, and it is tried at once. `NO_SUCH_KEY` when
   * there is no conflict about the object; `UFS_*` when the UFS does not say what it holds.
   */
  async keepOurs(bucket: string, key: string): Promise<{ readonly ufsEtag?: string }> {
    const partition = partitionOf(this.#core, bucket, key);
    const unlock = await this.#core.locks.acquire(objectKey(bucket, key));
    try {
      const version = this.conflictOf(bucket, key);
      const found = await this.#head(this.#core.mounts.locate(bucket, key));
      await partition.submit((view) => {
        const retry = decideRetry(view, [{ bucket, key, version }]);
        const base = decideBase(view, { bucket, key }, found?.storeEtag);
        return { events: [...base.events, ...retry.events], result: undefined };
      });
      return found === undefined ? {} : { ufsEtag: found.storeEtag };
    } finally {
      unlock();
    }
  }

  /** The version that is parked with a conflict. `NO_SUCH_KEY`. */
  conflictOf(bucket: string, key: string): number {
    const record = durableRecord(this.#core, bucket, key);
    const version = record?.kind === 'object' || record?.kind === 'deleting' ? record.version : undefined;
    const queued =
      version === undefined ? undefined : partitionOf(this.#core, bucket, key).index.get(queueKey(version));
    if (
      version === undefined ||
      queued?.kind !== 'queued' ||
      !queued.quarantined ||
      queued.cause !== 'UFS_CONFLICT'
    )
      throw new HeadraceError('NO_SUCH_KEY', `there is no conflict about "/${bucket}/${key}"`);
    return version;
  }

  #baseOf(bucket: string, key: string): UfsBaseRecord | undefined {
    const base = partitionOf(this.#core, bucket, key).index.get(ufsBaseKey(bucket, key));
    return base?.kind === 'ufsBase' ? base : undefined;
  }

  /** One that is durable, and that nothing which is decided takes away. */
  #knownBase(bucket: string, key: string): UfsBaseRecord | undefined {
    const { decidedRecords } = partitionOf(this.#core, bucket, key);
    return decidedRecords.get(ufsBaseKey(bucket, key)) === undefined ? undefined : this.#baseOf(bucket, key);
  }

  #head({ store, bucket, key }: UfsLocation): Promise<StoredObject | undefined> {
    return ufsCall(this.#core, (signal) => store.head(bucket, key, signal), { cutOff: this.#cutOff });
  }
}

function decideBase(
  view: DecisionView,
  { bucket, key }: { readonly bucket: string; readonly key: string },
  ufsEtag: string | undefined,
): Decision<void> {
  const noted = { type: 'UfsBaseNoted', atMs: view.nowMs, bucket, key } as const;
  return { events: [ufsEtag === undefined ? noted : { ...noted, ufsEtag }], result: undefined };
}

function isSame(found: StoredObject, record: ObjectRecord): boolean {
  return (
    found.etag === record.etag && found.size === record.size && found.lastModifiedMs === record.lastModifiedMs
  );
}

/** One of our own versions was there each time, and then another: late effects of calls that were given up. */
function changing({ store, bucket, key }: UfsLocation, cause: unknown): HeadraceError {
  const message = `${bucket}/${key} in ${store.description} is still changing by earlier calls of this server`;
  return new HeadraceError('UFS_UNKNOWN_OUTCOME', message, { cause });
}

function conflict(
  { store, bucket, key }: UfsLocation,
  expected: string | undefined,
  found: StoredObject | undefined,
  cause?: unknown,
): HeadraceError {
  const was = expected === undefined ? 'had no such object' : `had it with ETag "${expected}"`;
  const is = found === undefined ? 'has none' : `has one with ETag "${found.storeEtag}"`;
  return new HeadraceError(
    'UFS_CONFLICT',
    `somebody else changed ${bucket}/${key} in ${store.description}: it ${was} when it was first written here, and now ${is}; ` +
      'keep ours or theirs with `headrace async-persist resolve`',
    { cause, details: { expectedEtag: expected ?? '', foundEtag: found?.storeEtag ?? '' } },
  );
}
