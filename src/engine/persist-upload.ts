/**
 * Takes one version of an object to its under-store, whole or in parts.
 *
 * An object that came in parts, or is larger than one request may be, goes by the store's multipart upload where it has one
 * (`persist-multipart.ts`), with its progress in the log: also a small one, since an upload that nobody remembers stays at the
 * store, and is paid for. All else goes in one put. What the store says it holds is compared with what was sent.
 */
import { HeadraceError } from '../core/errors.js';
import type { StoreCondition, StoredObject } from '../core/object-store.js';
import { PART_BYTES_MIN } from '../core/object.js';
import { MIB } from '../core/units.js';
import type { ObjectRecord } from '../../projections/records.js';
import type { PersistTarget } from './decide-persists.js';
import type { EngineCore } from './engine-core.js';
import type { UfsLocation } from './mount-table.js';
import { holdExtents, readObject } from './object-bytes.js';
import { SMALL_BODY_BYTES_MAX } from './object-service.js';
import { PersistMultipart, type PartPlan } from './persist-multipart.js';
import type { PersistRate } from './persist-rate.js';
import type { SafePersist } from './safe-persist.js';
import type { SegmentStore } from './segment-store.js';
import { creatingBucket, ufsCall, ufsTimeoutMs, type CutOff } from './ufs-calls.js';

/** Parts of an object that did not come in parts. */
const SPLIT_BYTES_MIN = 64 * MIB;
const PARTS_MAX = 10_000;

export interface PersistUploadParts {
  readonly core: EngineCore;
  readonly rate: PersistRate;
  readonly cutOff: CutOff;
  readonly safe: SafePersist;
  /** An object that came in one piece goes in parts when it is larger. */
  readonly multipartThresholdBytes: number;
}

export class PersistUpload {
  readonly #parts: PersistUploadParts;
  readonly #multipart: PersistMultipart;

  constructor(parts: PersistUploadParts) {
    this.#parts = parts;
    this.#multipart = new PersistMultipart(parts);
  }

  /**
   * Resolves with the store's own ETag when the store holds the version. The caller holds the object's lock. `UFS_*`,
   * `CORRUPT_EXTENT`.
   */
  async upload(target: PersistTarget, record: ObjectRecord, located: UfsLocation): Promise<string> {
    const { core } = this.#parts;
    const release = holdExtents(core, record.extents);
    try {
      const plan = this.#planOf(record);
      // A condition is of one request: an upload that must find what it expects is not resumed.
      const multipart = located.conditional ? undefined : located.store.multipart;
      const goesWhole = plan === undefined || multipart === undefined;
      if (goesWhole && mayHaveGoneInParts(record)) await this.#multipart.giveUp(target, located);
      const stored = goesWhole
        ? await this.#parts.safe.put(target, record, located, (condition) =>
            this.#putWhole(record, located, condition),
          )
        : await this.#multipart.upload(target, { record, located, multipart, plan });
      refuseOther(record, stored, located);
      return stored.storeEtag;
    } finally {
      release();
    }
  }

  #planOf({ size, parts = [] }: ObjectRecord): PartPlan | undefined {
    if (parts.length > 0) return { sizes: parts.map((part) => part.size) };
    if (size <= this.#parts.multipartThresholdBytes) return undefined;
    return { sizes: splitSizes(size) };
  }

  async #putWhole(
    record: ObjectRecord,
    located: UfsLocation,
    condition: StoreCondition | undefined,
  ): Promise<StoredObject> {
    const { core, rate, cutOff } = this.#parts;
    let small: Awaited<ReturnType<SegmentStore['readSmall']>> | undefined;
    try {
      const only = record.extents.length === 1 ? record.extents[0] : undefined;
      if (only !== undefined && only.size <= SMALL_BODY_BYTES_MAX)
        small = await core.segments.readSmall(only);
      const put = (signal: AbortSignal): Promise<StoredObject> =>
        located.store.put(
          {
            bucket: located.bucket,
            key: located.key,
            size: record.size,
            open: () => rate.paced(record.size, readObject(core, record.extents, 0, record.size - 1)),
            bytes: small?.bytes,
            headers: record.headers,
            etag: record.etag,
            lastModifiedMs: record.lastModifiedMs,
            partSizes: record.parts?.map((part) => part.size),
            condition,
          },
          signal,
        );
      const timeoutMs =
        ufsTimeoutMs(core, record.size) + rate.extraMs(record.size, core.options.persistConcurrency);
      return await ufsCall(core, (signal) => creatingBucket(located, put, signal), { timeoutMs, cutOff });
    } finally {
      small?.release();
    }
  }
}

/** Small objects are many, and never go in parts unless they came so. */
function mayHaveGoneInParts({ size, parts = [] }: ObjectRecord): boolean {
  return parts.length > 0 || size > PART_BYTES_MIN;
}

/** The parts in which an object goes that came in one piece. */
export function splitSizes(size: number): number[] {
  const partBytes = Math.max(SPLIT_BYTES_MIN, Math.ceil(size / PARTS_MAX));
  const count = Math.ceil(size / partBytes);
  return Array.from({ length: count }, (_, at) => Math.min(partBytes, size - at * partBytes));
}

/** The store must say that it holds what was sent: a different size or ETag is not a success. `UFS_UNAVAILABLE`. */
export function refuseOther(
  record: ObjectRecord,
  stored: Pick<StoredObject, 'size' | 'etag'>,
  located: UfsLocation,
): void {
  if (stored.size === record.size && stored.etag === record.etag) return;
  throw new HeadraceError(
    'UFS_UNAVAILABLE',
    `${located.store.description} says that it holds ${located.bucket}/${located.key} with ${stored.size} bytes and ETag ` +
      `${stored.etag}, but ${record.size} bytes with ETag ${record.etag} were sent`,
  );
}
