/**
 * One version of a large object by the under-store's multipart upload, which goes on where it was after a failure or a restart.
 *
 * | in the log                 | in the store                                       | after a crash                               |
 * |----------------------------|----------------------------------------------------|---------------------------------------------|
 * | UfsUploadStarted, no name  | perhaps an upload, perhaps later                   | anew; those begun since are aborted later   |
 * | UfsUploadStarted with name | the upload                                         | the store is asked which parts it has       |
 * | UfsPartStored              | the part                                           | it is not sent again                        |
 * | nothing more               | the object, if the completion took effect          | the object's ETag tells: then it is done    |
 * | ObjectPersisted            | the object                                         |                                             |
 *
 * The whole becomes visible at once, with the completion. An upload that is given up is aborted (`persist-stale-uploads.ts`).
 */
import { HeadraceError, isErrorCode } from '../core/errors.js';
import type { MultipartStore, StoredObject, StoredPart } from '../core/object-store.js';
import { MINUTE_MS } from '../core/units.js';
import {
  partPrefixEnd,
  queueKey,
  ufsPartNumber,
  ufsPartPrefix,
  type ObjectRecord,
  type UfsUpload,
} from '../../projections/records.js';
import {
  decideUfsPartStored,
  decideUfsUploadEnded,
  decideUfsUploadStarted,
  type PersistTarget,
} from './decide-persists.js';
import { partitionOf, type EngineCore } from './engine-core.js';
import type { UfsLocation } from './mount-table.js';
import { readObject } from './object-bytes.js';
import type { PersistRate } from './persist-rate.js';
import { creatingBucket, ufsCall, ufsTimeoutMs, type CutOff } from './ufs-calls.js';

const PARTS_IN_FLIGHT_MAX = 4;
/** An upload without a name was begun by us if the store says that it began so much before at most: clocks differ. */
export const CLOCK_DIFFERENCE_MAX_MS = 5 * MINUTE_MS;

export interface PartPlan {
  readonly sizes: readonly number[];
}

export interface MultipartJob {
  readonly record: ObjectRecord;
  readonly located: UfsLocation;
  readonly multipart: MultipartStore;
  readonly plan: PartPlan;
}

export interface PersistMultipartParts {
  readonly core: EngineCore;
  readonly rate: PersistRate;
  readonly cutOff: CutOff;
}

export class PersistMultipart {
  readonly #core: EngineCore;
  readonly #rate: PersistRate;
  readonly #cutOff: CutOff;

  constructor({ core, rate, cutOff }: PersistMultipartParts) {
    this.#core = core;
    this.#rate = rate;
    this.#cutOff = cutOff;
  }

  /** Rejects with `UFS_*` and leaves the upload as it is, to go on with; unless the store refuses to complete it. */
  async upload(target: PersistTarget, job: MultipartJob): Promise<StoredObject> {
    const resumed = await this.#resume(target, job);
    if (resumed !== undefined && 'storeEtag' in resumed) return resumed;
    const { id, parts } = resumed ?? { id: await this.#begin(target, job), parts: new Map() };
    try {
      await this.#sendParts(target, job, id, parts);
      return await this.#complete(job, id, parts);
    } catch (error) {
      // A store that has forgotten a completed upload says that there is none, or refuses to complete it.
      if (isErrorCode(error, 'NO_SUCH_UPLOAD', 'UFS_REJECTED')) {
        const done = await this.#alreadyThere(job);
        if (done !== undefined) return done;
      }
      if (isErrorCode(error, 'NO_SUCH_UPLOAD')) {
        await this.#ended(target, id);
        throw new HeadraceError('UFS_UNAVAILABLE', `${error.message}: it begins again`, { cause: error });
      }
      // Its bytes do not make the object: another try with the same parts would end alike.
      if (isErrorCode(error, 'UFS_REJECTED', 'UFS_CONFLICT') || isDamaged(error)) {
        await this.#abort(target, job, id);
      }
      throw error;
    }
  }

  /** Aborts what was begun of a version that goes whole now: nobody would remember it once that is persisted. `UFS_*`. */
  async giveUp(target: PersistTarget, { store: { multipart }, bucket, key }: UfsLocation): Promise<void> {
    const uploadId = this.#uploadOf(target)?.id;
    if (uploadId === undefined) return;
    if (uploadId !== '')
      await this.#call(0, async (signal) => multipart?.abort({ bucket, key, uploadId }, signal));
    await this.#ended(target, uploadId);
  }

  /** What an earlier attempt left: the object itself, or the upload and its parts; undefined when that is nothing to go on with. */
  async #resume(
    target: PersistTarget,
    job: MultipartJob,
  ): Promise<StoredObject | { id: string; parts: Map<number, StoredPart> } | undefined> {
    const upload = this.#uploadOf(target);
    if (upload === undefined) return undefined;
    if (upload.id === '') {
      await this.#ended(target, '');
      return undefined;
    }
    const { multipart, located, plan } = job;
    let listed: readonly StoredPart[];
    try {
      listed = await this.#call(0, (signal) =>
        multipart.listParts({ bucket: located.bucket, key: located.key, uploadId: upload.id }, signal),
      );
    } catch (error) {
      if (!isErrorCode(error, 'NO_SUCH_UPLOAD')) throw error;
      const done = await this.#alreadyThere(job);
      if (done === undefined) await this.#ended(target, upload.id);
      return done;
    }
    const known = this.#knownParts(target);
    const parts = new Map<number, StoredPart>();
    for (const part of listed) {
      const same = known.get(part.number) === part.etag && plan.sizes[part.number - 1] === part.size;
      if (same) parts.set(part.number, part);
    }
    return { id: upload.id, parts };
  }

  async #begin(target: PersistTarget, { record, located, multipart }: MultipartJob): Promise<string> {
    const partition = partitionOf(this.#core, target.bucket, target.key);
    await partition.submit((view) => decideUfsUploadStarted(view, target, ''));
    const { size, headers, etag, lastModifiedMs } = record;
    const request = { bucket: located.bucket, key: located.key, size, headers, etag, lastModifiedMs };
    const id = await this.#call(0, (signal) =>
      creatingBucket(located, (within) => multipart.begin(request, within), signal),
    );
    await partition.submit((view) => decideUfsUploadStarted(view, target, id));
    return id;
  }

  /** Sends what is missing, a few at a time; nothing is in flight on return. The first failure is the reason. */
  async #sendParts(
    target: PersistTarget,
    job: MultipartJob,
    id: string,
    parts: Map<number, StoredPart>,
  ): Promise<void> {
    const missing: { number: number; first: number; size: number }[] = [];
    let first = 0;
    for (const [at, size] of job.plan.sizes.entries()) {
      if (!parts.has(at + 1)) missing.push({ number: at + 1, first, size });
      first += size;
    }
    let failure: { readonly error: unknown } | undefined;
    const sender = async (): Promise<void> => {
      for (;;) {
        const next = failure === undefined ? missing.shift() : undefined;
        if (next === undefined) return;
        try {
          parts.set(next.number, await this.#sendPart(target, job, id, next));
        } catch (error) {
          failure ??= { error };
        }
      }
    };
    await Promise.all(Array.from({ length: PARTS_IN_FLIGHT_MAX }, sender));
    if (failure !== undefined) throw failure.error;
  }

  async #sendPart(
    target: PersistTarget,
    { record, located, multipart }: MultipartJob,
    uploadId: string,
    { number, first, size }: { readonly number: number; readonly first: number; readonly size: number },
  ): Promise<StoredPart> {
    const core = this.#core;
    const open = (): AsyncIterable<Uint8Array> =>
      this.#rate.paced(record.size, readObject(core, record.extents, first, first + size - 1));
    const { bucket, key } = located;
    const { etag } = await this.#call(size, (signal) =>
      multipart.putPart({ bucket, key, uploadId, number, size, open }, signal),
    );
    const part = { number, size, etag };
    await partitionOf(core, target.bucket, target.key).submit((view) =>
      decideUfsPartStored(view, target, part),
    );
    return part;
  }

  #complete(
    { record, located, multipart }: MultipartJob,
    uploadId: string,
    parts: ReadonlyMap<number, StoredPart>,
  ): Promise<StoredObject> {
    const { size, headers, etag, lastModifiedMs } = record;
    const { bucket, key } = located;
    const sorted = [...parts.values()].sort((a, b) => a.number - b.number);
    return this.#call(size, (signal) =>
      multipart.complete(
        { bucket, key, uploadId, parts: sorted, size, headers, etag, lastModifiedMs },
        signal,
      ),
    );
  }

  /** The object, when an earlier completion took effect although its answer was lost. */
  async #alreadyThere({ record, located }: MultipartJob): Promise<StoredObject | undefined> {
    const held = await this.#call(0, (signal) => located.store.head(located.bucket, located.key, signal));
    const same =
      held?.etag === record.etag &&
      held.size === record.size &&
      held.lastModifiedMs === record.lastModifiedMs &&
      // A change of tags or access alone is a version of its own, with the bytes and the time of the one before.
      areSame(held.headers.tags, record.headers.tags) &&
      areSame(held.headers.user, record.headers.user);
    return same ? held : undefined;
  }

  async #abort(target: PersistTarget, { located, multipart }: MultipartJob, id: string): Promise<void> {
    const { bucket, key } = located;
    try {
      await this.#call(0, (signal) => multipart.abort({ bucket, key, uploadId: id }, signal));
      await this.#ended(target, id);
    } catch (error) {
      // It is found again with the next attempt, which aborts it then.
      this.#core.logger.warn({ ...target, error }, 'a multipart upload at the UFS could not be aborted yet');
    }
  }

  async #ended(target: PersistTarget, id: string): Promise<void> {
    await partitionOf(this.#core, target.bucket, target.key).submit((view) =>
      decideUfsUploadEnded(view, target, id),
    );
  }

  #uploadOf({ bucket, key, version }: PersistTarget): UfsUpload | undefined {
    const record = partitionOf(this.#core, bucket, key).index.get(queueKey(version));
    return record?.kind === 'queued' ? record.upload : undefined;
  }

  /** ETags of the parts that the log knows of, by number. */
  #knownParts({ bucket, key, version }: PersistTarget): Map<number, string> {
    const known = new Map<number, string>();
    const prefix = ufsPartPrefix(version);
    for (const [at, record] of partitionOf(this.#core, bucket, key).index.scan(prefix, partPrefixEnd(prefix)))
      if (record.kind === 'ufsPart') known.set(ufsPartNumber(at), record.ufsEtag);
    return known;
  }

  #call<Result>(sizeBytes: number, call: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
    const sharing = this.#core.options.persistConcurrency * PARTS_IN_FLIGHT_MAX;
    const timeoutMs = ufsTimeoutMs(this.#core, sizeBytes) + this.#rate.extraMs(sizeBytes, sharing);
    return ufsCall(this.#core, call, { timeoutMs, cutOff: this.#cutOff });
  }
}

/**
 * Aborts the uploads of an object that were begun since `upload.sinceMs`, when a crash left no name of ours; `spared` is one that
 * is known and in use.
 */
export async function abortBegunSince(
  core: EngineCore,
  job: {
    readonly located: UfsLocation;
    readonly multipart: MultipartStore;
    readonly upload: UfsUpload;
    readonly cutOff: CutOff;
    readonly spared: string | undefined;
  },
): Promise<void> {
  const { located, multipart, upload, cutOff, spared } = job;
  const { bucket, key } = located;
  const open = await ufsCall(core, (signal) => multipart.listUploads(bucket, key, signal), { cutOff });
  for (const { uploadId, startedMs } of open) {
    if (startedMs < upload.sinceMs - CLOCK_DIFFERENCE_MAX_MS || uploadId === spared) continue;
    await ufsCall(core, (signal) => multipart.abort({ bucket, key, uploadId }, signal), { cutOff });
  }
}

function areSame(
  a: Readonly<Record<string, string>> = {},
  b: Readonly<Record<string, string>> = {},
): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}

/** The store's ETags show that it holds other bytes than those that were sent. */
function isDamaged(error: unknown): boolean {
  return error instanceof HeadraceError && error.details['expected'] !== undefined;
}
