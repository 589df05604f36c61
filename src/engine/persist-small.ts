/**
 * The usual upload: a small object in one extent, to a store that takes small puts (`SmallPuts`), on a mount without conditions.
 *
 * The same order as every upload (lock → put → the store's answer compared → event → unlocked), with receivers where the others
 * await, and one look at the clock for all that are under way instead of a timer for each: on the thread that answers clients,
 * promises, timers and signals cost more than the upload itself. Whatever is not usual, or becomes so on the way (the bytes cannot be
 * read at once, the bucket is to be made), is left to `persist-object.ts`.
 */
import { HeadraceError, isErrorCode } from '../core/errors.js';
import type { SmallPutReceiver, SmallPuts } from '../core/object-store.js';
import type { Extent } from '../core/object.js';
import { Places } from '../core/places.js';
import { SECOND_MS } from '../core/units.js';
import { objectKey, type ObjectRecord, type QueueRecord } from '../../projections/records.js';
import type { Decision, DecisionView } from './decision.js';
import { durableRecord, partitionOf, type EngineCore } from './engine-core.js';
import type { Unlock } from './key-locks.js';
import { refuseMoved, type UfsLocation } from './mount-table.js';
import { SMALL_BODY_BYTES_MAX } from './object-service.js';
import type { PersistTarget } from './decide-persists.js';
import type { PersistTask } from './persist-queue.js';
import type { PersistRate } from './persist-rate.js';
import type { PersistSettlements, Settlement } from './persist-settlements.js';
import type { PersistStaleUploads } from './persist-stale-uploads.js';
import { refuseOther } from './persist-upload.js';
import type { SafePersist } from './safe-persist.js';
import type { StoreHealth } from './store-health.js';
import { noAnswer, ufsTimeoutMs, type CutOff } from './ufs-calls.js';

/** How late a deadline may be noticed, as a share of it. */
const LOOK_SHARE = 0.1;
const LOOK_MS_MIN = 10;
const LOOK_MS_MAX = SECOND_MS;

export interface PersistSmallParts {
  readonly core: EngineCore;
  readonly safe: SafePersist;
  readonly stale: PersistStaleUploads;
  readonly settlements: PersistSettlements;
  readonly health: StoreHealth;
  readonly rate: PersistRate;
  readonly cutOff: CutOff;
  /** What is larger goes in parts. */
  readonly multipartThresholdBytes: number;
}

/** Who is told what becomes of an upload, once. */
export interface SmallUploadOwner {
  /** The event is durable and applied. */
  persisted(): void;
  /** Resolves when the failure is logged: the object stays locked until then. */
  failed(error: unknown): Promise<void>;
  /** It has to be done by `PersistObject.persist`; nothing is locked any more. */
  declined(): void;
}

export class PersistSmall {
  readonly #parts: PersistSmallParts;
  readonly #running = new Places<SmallUpload>();
  #isLooking = false;

  constructor(parts: PersistSmallParts) {
    this.#parts = parts;
    parts.cutOff.add(() => {
      for (const upload of this.#running.all())
        upload.giveUp(new HeadraceError('CLOSED', 'the server is stopping'));
    });
  }

  /** False when it is none for here; then nothing has happened. */
  begin(
    { version }: Pick<PersistTask, 'version'>,
    { bucket, key, action }: Pick<QueueRecord, 'bucket' | 'key' | 'action'>,
    located: UfsLocation,
    owner: SmallUploadOwner,
  ): boolean {
    const { core, stale } = this.#parts;
    const { smallPuts } = located.store;
    if (smallPuts === undefined || located.conditional || action !== 'put') return false;
    if (stale.hasAny(bucket, key)) return false;
    const record = durableRecord(core, bucket, key);
    if (record?.kind !== 'object' || record.state !== 'PENDING' || record.version !== version) return false;
    const extent = this.#onlyExtentOf(record);
    if (extent === undefined) return false;
    const unlock = core.locks.tryAcquire(objectKey(bucket, key));
    if (unlock === undefined) return false;
    const upload = new SmallUpload(this.#parts, {
      target: { bucket, key, version },
      record,
      located,
      unlock,
      owner,
      deadlineMs: core.clock.monotonicTimeMs() + this.#timeoutMs(record.size),
      running: this.#running,
    });
    if (!this.#put(smallPuts, upload, record, extent, located)) {
      unlock();
      return false;
    }
    this.#look();
    return true;
  }

  #onlyExtentOf({ extents, parts, size }: ObjectRecord): Extent | undefined {
    const extent = extents[0];
    if (extent === undefined || extents.length > 1 || (parts ?? []).length > 0) return undefined;
    const isSmall = size === extent.size && size <= SMALL_BODY_BYTES_MAX;
    return isSmall && size <= this.#parts.multipartThresholdBytes ? extent : undefined;
  }

  /** The store has the bytes when it returns. */
  #put(
    smallPuts: SmallPuts,
    upload: SmallUpload,
    { headers, etag, lastModifiedMs }: ObjectRecord,
    extent: Extent,
    { bucket, key }: UfsLocation,
  ): boolean {
    const read = this.#parts.core.segments.tryReadSmall(extent);
    if (read === undefined) return false;
    try {
      const request = { bucket, key, headers, etag, lastModifiedMs, bytes: read.bytes };
      const number = smallPuts.begin(request, upload);
      if (number !== undefined) upload.begun(number);
      return number !== undefined;
    } finally {
      read.release();
    }
  }

  #timeoutMs(sizeBytes: number): number {
    const { core, rate } = this.#parts;
    return ufsTimeoutMs(core, sizeBytes) + rate.extraMs(sizeBytes, core.options.persistConcurrency);
  }

  /** Sees to deadlines as long as there is one. */
  #look(): void {
    if (this.#isLooking || this.#running.count === 0) return;
    this.#isLooking = true;
    const { clock, options } = this.#parts.core;
    const lookMs = Math.min(Math.max(options.ufsTimeoutMs * LOOK_SHARE, LOOK_MS_MIN), LOOK_MS_MAX);
    clock.schedule(lookMs, () => {
      this.#isLooking = false;
      const nowMs = clock.monotonicTimeMs();
      for (const upload of this.#running.all())
        if (upload.deadlineMs <= nowMs) upload.giveUp(noAnswer(options.ufsTimeoutMs));
      this.#look();
    });
  }
}

interface SmallUploadParts {
  readonly target: PersistTarget;
  readonly record: ObjectRecord & { readonly version: number };
  readonly located: UfsLocation;
  readonly unlock: Unlock;
  readonly owner: SmallUploadOwner;
  readonly deadlineMs: number;
  /** Where it is until the store has answered, or is not waited for. */
  readonly running: Places<SmallUpload>;
}

class SmallUpload implements SmallPutReceiver, Settlement {
  readonly #shared: PersistSmallParts;
  readonly #parts: SmallUploadParts;
  #ufsEtag = '';
  /** The store's number of it, and its place among those that run. */
  #number = 0;
  #place: number | undefined;

  constructor(shared: PersistSmallParts, parts: SmallUploadParts) {
    this.#shared = shared;
    this.#parts = parts;
  }

  /** On the monotonic clock. */
  get deadlineMs(): number {
    return this.#parts.deadlineMs;
  }

  /** The store took it. */
  begun(number: number): void {
    this.#number = number;
    this.#place = this.#parts.running.add(this);
  }

  stored(etag: string, storeEtag: string): void {
    if (!this.#end()) return;
    const { record, located, target } = this.#parts;
    const { core, settlements, health } = this.#shared;
    try {
      refuseOther(record, { size: record.size, etag }, located);
    } catch (error) {
      return this.refused(error);
    }
    health.succeeded(located.store);
    this.#ufsEtag = storeEtag;
    settlements.add(partitionOf(core, target.bucket, target.key), this);
  }

  failed(error: unknown): void {
    if (!this.#end()) return;
    if (!isErrorCode(error, 'NO_SUCH_BUCKET')) return this.refused(error);
    this.#parts.unlock();
    this.#parts.owner.declined();
  }

  /** The store is not waited for any longer. */
  giveUp(error: HeadraceError): void {
    if (!this.#end()) return;
    this.#parts.located.store.smallPuts?.cancel(this.#number);
    this.refused(error);
  }

  decide(view: DecisionView): Decision<void> {
    const { target, located } = this.#parts;
    refuseMoved(this.#shared.core.mounts, target.bucket, target.key, located);
    return this.#shared.safe.decideUploaded(view, target, this.#ufsEtag, located);
  }

  settled(): void {
    this.#parts.unlock();
    this.#parts.owner.persisted();
  }

  refused(error: unknown): void {
    const { owner, unlock } = this.#parts;
    void owner.failed(error).finally(() => this.#shared.core.late.unlock(unlock, error));
  }

  /** False when it was over before: an answer that came too late. */
  #end(): boolean {
    if (this.#place === undefined) return false;
    this.#parts.running.remove(this.#place);
    this.#place = undefined;
    return true;
  }
}
