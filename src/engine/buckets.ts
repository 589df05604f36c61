/**
 * Buckets: those created here (events of the control stream) and those that the UFS already has.
 *
 * A bucket to which something is being written cannot be deleted, and one that is being deleted takes no writes: so no write
 * that was acknowledged is in a bucket that is gone. Both marks are volatile, because writes and deletions end with the
 * process.
 */
import { HeadraceError, isErrorCode } from '../core/errors.js';
import { afterPrefix } from '../core/key.js';
import type { PolicyMode } from '../core/object.js';
import { parseUploadKey } from '../../projections/records.js';
import { controlState, type EngineCore } from './engine-core.js';
import { decideAbortUpload } from './decide-uploads.js';
import type { KeySettler } from './key-settler.js';
import type { ListPath } from './list-path.js';
import { BUCKET_LOCATION, type BucketSummary } from './object-service.js';
import { ufsCall } from './ufs-calls.js';

/** How long the UFS's answer that it has a bucket is believed. */
const SEEN_TTL_MS = 10_000;
const SEEN_MAX = 10_000;

export class Buckets {
  readonly #core: EngineCore;
  readonly #list: ListPath;
  readonly #settler: KeySettler;
  readonly #seenUntilMs = new Map<string, number>();
  readonly #deleting = new Set<string>();
  /** Writes in progress, by bucket. */
  readonly #writes = new Map<string, number>();

  constructor(core: EngineCore, parts: { list: ListPath; settler: KeySettler }) {
    this.#core = core;
    this.#list = parts.list;
    this.#settler = parts.settler;
  }

  /** Undefined when the bucket is known to exist, so that the usual case waits for nothing. `NO_SUCH_BUCKET` else. */
  require(bucket: string): Promise<void> | undefined {
    if (controlState(this.#core).buckets.has(bucket)) return undefined;
    const seenUntilMs = this.#seenUntilMs.get(bucket);
    if (seenUntilMs !== undefined && seenUntilMs > this.#core.clock.monotonicTimeMs()) return undefined;
    return this.#requireInUfs(bucket);
  }

  /** A write to the bucket begins; `endWrite` must follow. `SLOW_DOWN` while the bucket is being deleted. */
  beginWrite(bucket: string): void {
    if (this.#deleting.has(bucket)) throw beingDeleted(bucket);
    this.#writes.set(bucket, (this.#writes.get(bucket) ?? 0) + 1);
  }

  endWrite(bucket: string): void {
    const left = (this.#writes.get(bucket) ?? 1) - 1;
    if (left === 0) this.#writes.delete(bucket);
    else this.#writes.set(bucket, left);
  }

  async list(): Promise<BucketSummary[]> {
    const { root } = this.#core.mounts;
    const byName = new Map<string, BucketSummary>();
    try {
      for (const stored of await ufsCall(this.#core, (signal) => root.listBuckets(signal))) {
        byName.set(stored.name, { name: stored.name, createdMs: stored.createdMs, location: undefined });
      }
    } catch (error) {
      // Listing may not be allowed, or the UFS may be away: what was created here is still there.
      this.#core.logger.warn({ error, ufs: root.description }, 'the buckets of the UFS cannot be listed');
    }
    for (const name of this.#core.mounts.mountedBuckets())
      byName.set(name, { name, createdMs: 0, location: undefined });
    for (const { name, createdMs, documents } of controlState(this.#core).buckets.values())
      byName.set(name, { name, createdMs, location: documents.get(BUCKET_LOCATION) });
    return [...byName.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  async head(bucket: string): Promise<BucketSummary> {
    await this.require(bucket);
    const { createdMs = 0, documents } = controlState(this.#core).buckets.get(bucket) ?? {};
    return { name: bucket, createdMs, location: documents?.get(BUCKET_LOCATION) };
  }

  document(bucket: string, name: string): string | undefined {
    return controlState(this.#core).buckets.get(bucket)?.documents.get(name);
  }

  /**
   * Sets a document of the bucket's configuration, or removes it when it is empty. Durable on return. A bucket that so far only
   * the UFS knew is taken into the control stream first.
   */
  async configure(bucket: string, name: string, document: string): Promise<void> {
    await this.#core.control.submit((state, atMs) =>
      state.buckets.has(bucket) || document === '' ? undefined : { type: 'BucketCreated', atMs, bucket },
    );
    await this.#core.control.submit((state, atMs) =>
      (state.buckets.get(bucket)?.documents.get(name) ?? '') === document
        ? undefined
        : { type: 'BucketConfigured', atMs, bucket, name, document },
    );
  }

  /** Durable on return; also in the UFS, unless it is away and the bucket's policy does not insist on it. */
  async create(bucket: string, owner?: string): Promise<void> {
    checkBucketName(bucket);
    if (controlState(this.#core).buckets.has(bucket)) throw bucketExists(bucket);
    const policy = this.#checkWritable(bucket);
    if (policy !== 'TRANSIENT') {
      const located = this.#core.mounts.locate(bucket, '');
      try {
        await ufsCall(this.#core, (signal) => located.store.createBucket(located.bucket, signal));
      } catch (error) {
        if (policy !== 'WRITE_BACK') throw error;
        this.#core.logger.warn(
          { bucket, error },
          'the UFS cannot create the bucket now: it is created with its first object',
        );
      }
    }
    await this.#core.control.submit((state, atMs) => {
      // Of two who create it at once one owns it.
      if (state.buckets.has(bucket)) throw bucketExists(bucket);
      return { type: 'BucketCreated', atMs, bucket, ...(owner === undefined ? {} : { owner }) };
    });
  }

  /**
   * `BUCKET_NOT_EMPTY`, also while something is being written to it; `READ_ONLY_PATH`. Open uploads are aborted; pending deletes
   * reach the UFS first.
   */
  async delete(bucket: string): Promise<void> {
    await this.require(bucket);
    this.#checkWritable(bucket);
    if (this.#deleting.has(bucket)) throw beingDeleted(bucket);
    if (this.#writes.has(bucket)) throw notEmpty(bucket, 'is being written to');
    this.#deleting.add(bucket);
    try {
      const page = await this.#list.list({ bucket, prefix: '', delimiter: '', startAfter: '', maxKeys: 1 });
      if (page.entries.length > 0) throw notEmpty(bucket, 'still holds objects');
      await this.#abortUploads(bucket);
      await this.#settleDeletes(bucket);
      await this.#deleteInUfs(bucket);
      this.#seenUntilMs.delete(bucket);
      await this.#core.control.submit((state, atMs) =>
        state.buckets.has(bucket) ? { type: 'BucketDeleted', atMs, bucket } : undefined,
      );
    } finally {
      this.#deleting.delete(bucket);
    }
  }

  #checkWritable(bucket: string): PolicyMode {
    const policy = this.#core.policies.modeOf(bucket, '');
    if (policy !== 'READ_ONLY') return policy;
    throw new HeadraceError(
      'READ_ONLY_PATH',
      `the path /${bucket} is READ_ONLY: its path rule refuses writes`,
    );
  }

  async #deleteInUfs(bucket: string): Promise<void> {
    if (this.#core.mounts.isMounted(bucket)) return;
    const located = this.#core.mounts.locate(bucket, '');
    try {
      await ufsCall(this.#core, (signal) => located.store.deleteBucket(located.bucket, signal));
    } catch (error) {
      if (!isErrorCode(error, 'NO_SUCH_BUCKET')) throw error;
    }
  }

  async #abortUploads(bucket: string): Promise<void> {
    const start = `u${bucket}\0`;
    for (const partition of this.#core.partitions) {
      const keys = Array.from(partition.index.scan(start, afterPrefix(start) ?? start), ([key]) => key);
      for (const indexKey of keys) {
        const target = parseUploadKey(indexKey);
        await partition.submit((view) => decideAbortUpload(view, target, 'CLIENT'));
      }
    }
  }

  async #settleDeletes(bucket: string): Promise<void> {
    const start = `o${bucket}\0`;
    for (const partition of this.#core.partitions) {
      const keys = Array.from(partition.index.scan(start, `o${bucket}\x01`), ([key]) =>
        key.slice(start.length),
      );
      for (const key of keys) {
        await this.#settler.settle(bucket, Buffer.from(key, 'latin1').toString('utf8'));
      }
    }
  }

  async #requireInUfs(bucket: string): Promise<void> {
    const located = this.#core.mounts.locate(bucket, '');
    const exists =
      this.#core.mounts.isMounted(bucket) ||
      (isBucketName(bucket) &&
        (await ufsCall(this.#core, (signal) => located.store.bucketExists(located.bucket, signal))));
    if (!exists) throw noSuchBucket(bucket);
    if (this.#seenUntilMs.size >= SEEN_MAX) this.#seenUntilMs.clear();
    this.#seenUntilMs.set(bucket, this.#core.clock.monotonicTimeMs() + SEEN_TTL_MS);
  }
}

/** Source: S3 user guide, "Bucket naming rules". */
function isBucketName(name: string): boolean {
  return (
    /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name) &&
    !name.includes('..') &&
    !/^\d+\.\d+\.\d+\.\d+$/.test(name)
  );
}

/** What a new bucket may not be called, though older ones of the UFS may be: no DNS name, or kept by S3 for itself. */
const RESERVED_NAME = /\.-|-\.|^(xn--|sthree-|amzn-s3-demo-)|(-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)$/;

function checkBucketName(name: string): void {
  if (isBucketName(name) && !RESERVED_NAME.test(name)) return;
  throw new HeadraceError(
    'INVALID_BUCKET_NAME',
    `the bucket name "${name}" is not valid: 3 to 63 lower-case letters, digits, dots and hyphens, beginning and ` +
      'ending with a letter or digit, no hyphen beside a dot, not an IP address and nothing that S3 keeps for itself',
  );
}

function bucketExists(bucket: string): HeadraceError {
  return new HeadraceError('BUCKET_EXISTS', `the bucket "${bucket}" exists`);
}

function beingDeleted(bucket: string): HeadraceError {
  return new HeadraceError('SLOW_DOWN', `the bucket "${bucket}" is being deleted: try again`, {
    details: { retryAfterMs: 1000 },
  });
}

function notEmpty(bucket: string, why: string): HeadraceError {
  return new HeadraceError('BUCKET_NOT_EMPTY', `the bucket "${bucket}" ${why}`);
}

function noSuchBucket(bucket: string): HeadraceError {
  return new HeadraceError('NO_SUCH_BUCKET', `there is no bucket "${bucket}"`);
}
