/**
 * Writing an object, by policy.
 *
 * WRITE_BACK, TRANSIENT: bytes durable → event durable → applied → acknowledged.
 * WRITE_THROUGH: bytes durable → what the cache held is invalidated (an event) → UFS has it → event → acknowledged. A crash
 * in between leaves the cache without the object, so that the UFS is the truth: the write either happened there or not.
 * NO_CACHE: as WRITE_THROUGH without bytes and without the last event.
 *
 * Whoever changes an object in the UFS holds its lock and first lets older versions drain, so that the UFS sees versions in
 * order.
 */
import { HeadraceError } from '../core/errors.js';
import type { StoredObject, StorePutRequest } from '../core/object-store.js';
import { KEY_BYTES_MAX, type ObjectVersion, type PolicyMode } from '../core/object.js';
import { hexOf } from '../core/hashing.js';
import { byteLength } from '../core/key.js';
import { objectKey } from '../../projections/records.js';
import type { CacheWriter } from './cache-writer.js';
import { withoutCopy } from './changed-in-ufs.js';
import { checkedBody } from './checked-body.js';
import { decideCommit, decideDelete } from './decide.js';
import { checkMd5 } from './digests.js';
import { controlState, durableRecord, partitionOf, type EngineCore } from './engine-core.js';
import { refusePendingDelete, type KeySettler } from './key-settler.js';
import { refuseMoved, ROOT_MOUNT } from './mount-table.js';
import type { Body, PutObjectRequest, WriteConditions, WriteReceipt } from './object-service.js';
import { readObject } from './object-bytes.js';
import type { Decision, DecisionView, Receipt } from './decision.js';
import type { StoredBody } from './small-body.js';
import { SmallPut, receiptOf, versionOf, type SmallPutRequest } from './small-put.js';
import { creatingBucket, throwAsOutage, ufsCall, ufsTimeoutMs } from './ufs-calls.js';
import type { KnownObject, UfsKnowledge } from './ufs-knowledge.js';
import { checkConditions, currentEtag } from './write-conditions.js';

export class WritePath {
  readonly #core: EngineCore;
  readonly #writer: CacheWriter;
  readonly settler: KeySettler;
  readonly #ufs: UfsKnowledge;

  constructor(core: EngineCore, parts: { writer: CacheWriter; settler: KeySettler; ufs: UfsKnowledge }) {
    this.#core = core;
    this.#writer = parts.writer;
    this.settler = parts.settler;
    this.#ufs = parts.ufs;
  }

  /** As `ObjectService.putObject`; the bucket is known to exist. */
  put(request: PutObjectRequest): Promise<WriteReceipt> {
    const policy = this.writablePolicy(request.bucket, request.key);
    switch (policy) {
      case 'WRITE_BACK':
        if (this.#isDegraded(request)) return this.#putDirect(request);
        return isPlain(request) ? this.#putSmall(request) : this.#putCached(request, policy);
      case 'TRANSIENT':
        return this.#putCached(request, policy);
      case 'WRITE_THROUGH':
        return this.#putThrough(request);
      case 'NO_CACHE':
        return this.#putDirect(request);
    }
  }

  /** `READ_ONLY_PATH`, `KEY_TOO_LONG`. */
  writablePolicy(bucket: string, key: string): Exclude<PolicyMode, 'READ_ONLY'> {
    if (byteLength(key) > KEY_BYTES_MAX) {
      throw new HeadraceError(
        'KEY_TOO_LONG',
        `the key has ${byteLength(key)} bytes: at most ${KEY_BYTES_MAX} are allowed`,
      );
    }
    const policy = this.#core.policies.modeOf(bucket, key);
    if (policy === 'READ_ONLY') {
      throw new HeadraceError(
        'READ_ONLY_PATH',
        `the path /${bucket}/${key} is READ_ONLY: its path rule refuses writes`,
      );
    }
    return policy;
  }

  /** Too much waits for the UFS, and the path's rule would rather have its client wait for the UFS than for room. */
  #isDegraded({ bucket, key, body }: PutObjectRequest): boolean {
    const { policies, admission, budgets, mounts } = this.#core;
    if (!policies.hasDegrading || body.size === undefined) return false;
    // Straight to the UFS nothing is asked of what is there.
    if (mounts.hasConditional && mounts.locate(bucket, key).conditional) return false;
    return (
      policies.matcher.match(bucket, key).degrades && admission.isStrained(body.size, budgets.of(bucket, key))
    );
  }

  /** The usual write. */
  #putSmall(request: SmallPutRequest): Promise<WriteReceipt> {
    return new Promise((resolve, reject) => {
      const put = new SmallPut(this.#core, request, resolve, reject);
      this.#writer.storeSmall(sourceOf(request), put);
    });
  }

  async #putCached(request: PutObjectRequest, policy: 'WRITE_BACK' | 'TRANSIENT'): Promise<WriteReceipt> {
    const { bucket, key } = request;
    const stored = await this.#store(request);
    let outcome: 'COMMITTED' | 'FAILED' = 'FAILED';
    try {
      const partition = partitionOf(this.#core, bucket, key);
      const object = versionOf(request, stored, policy, policy === 'TRANSIENT' ? 'TRANSIENT' : 'PENDING');
      const commit = (known?: KnownObject): Promise<Receipt<ObjectVersion | undefined>> =>
        partition.submit((view) => {
          known?.stillTrue(view);
          if (policy === 'TRANSIENT') refusePendingDelete(view, bucket, key);
          return decideCommit(view, {
            bucket,
            key,
            object,
            origin: 'WRITE',
            conditions: request.conditions,
            ufsEtag: known?.etag,
            writeId: stored.writeId,
            reservedBytes: stored.reservedBytes,
          });
        });
      const decide =
        request.conditions === undefined
          ? commit
          : () => this.#ufs.decideKnowing(bucket, key, policy, commit);
      // Only a TRANSIENT version may have to wait for a delete: the usual write is spared the promises.
      const { result, offset } = await (policy === 'TRANSIENT'
        ? this.settler.behindDelete(bucket, key, decide)
        : decide());
      outcome = 'COMMITTED';
      return receiptOf(result ?? object, `${partition.number}:${offset}`);
    } finally {
      await stored.settle(outcome);
    }
  }

  async #putThrough(request: PutObjectRequest): Promise<WriteReceipt> {
    const size = request.body.size;
    if (size !== undefined && !this.#core.admission.canEverHold(size)) return this.#putDirect(request);
    const stored = await this.#store(request);
    let outcome: 'COMMITTED' | 'FAILED' = 'FAILED';
    try {
      const receipt = await this.commitThrough(
        request,
        versionOf(request, stored, 'WRITE_THROUGH', 'PERSISTED'),
        {
          conditions: request.conditions,
          body: request.body,
          writeId: stored.writeId,
          reservedBytes: stored.reservedBytes,
        },
      );
      outcome = 'COMMITTED';
      return receipt;
    } finally {
      await stored.settle(outcome);
    }
  }

  /**
   * Writes a version, whose bytes are durable here, to the UFS and then commits it. `PRECONDITION_FAILED`, `UFS_*`; then
   * the cache holds no version and the UFS is the truth.
   */
  async commitThrough(
    target: { readonly bucket: string; readonly key: string },
    version: ObjectVersion,
    how: {
      readonly conditions?: WriteConditions;
      readonly body?: Body;
      readonly writeId?: string;
      readonly reservedBytes?: number;
      /** Makes the commit's events; by default those of a plain write. */
      readonly commit?: (view: DecisionView, object: ObjectVersion) => Decision<unknown>;
    },
  ): Promise<WriteReceipt> {
    const { bucket, key } = target;
    return this.settler.clean(bucket, key, async () => {
      await this.#check(bucket, key, how.conditions);
      const whole = { ...version, lastModifiedMs: this.#core.clock.wallTimeMs() };
      const located = this.#core.mounts.locate(bucket, key);
      return await withoutCopy(this.#core, target, async () => {
        const held = await this.#putUfs(bucket, key, {
          size: whole.size,
          open: () => readObject(this.#core, whole.extents, 0, whole.size - 1),
          bytes: how.body?.kind === 'chunks' ? Buffer.concat(how.body.chunks as Uint8Array[]) : undefined,
          headers: whole.headers,
          etag: whole.etag,
          lastModifiedMs: whole.lastModifiedMs,
          partSizes: whole.parts?.map((part) => part.size),
        });
        const object: ObjectVersion = { ...whole, ufsEtag: held.storeEtag };
        const { writeId, reservedBytes } = how;
        const partition = partitionOf(this.#core, bucket, key);
        const { offset } = await partition.submit<unknown>((view) => {
          refuseMoved(this.#core.mounts, bucket, key, located);
          return how.commit === undefined
            ? decideCommit(view, { bucket, key, object, origin: 'WRITE', writeId, reservedBytes })
            : how.commit(view, object);
        });
        return receiptOf(object, `${partition.number}:${offset}`);
      });
    });
  }

  async #putDirect(request: PutObjectRequest): Promise<WriteReceipt> {
    const { bucket, key, body } = request;
    if (body.size === undefined) {
      throw new HeadraceError(
        'INVALID_ARGUMENT',
        `a write that goes straight to the UFS needs the size of its body`,
      );
    }
    const { size } = body;
    const bytes = body.kind === 'chunks' ? Buffer.concat(body.chunks as Uint8Array[]) : undefined;
    const digest = bytes === undefined ? undefined : await this.#core.digests.small([bytes], size);
    if (digest !== undefined) checkMd5(request.md5, digest);
    return this.settler.clean(bucket, key, async () => {
      await this.#check(bucket, key, request.conditions);
      const held = await withoutCopy(this.#core, request, () =>
        this.#putUfs(bucket, key, {
          size,
          open: () => (bytes === undefined ? checkedBody(this.#core.digests, request) : once(bytes)),
          bytes,
          headers: request.headers,
          etag: digest === undefined ? undefined : hexOf(digest),
          lastModifiedMs: this.#core.clock.wallTimeMs(),
        }),
      );
      await this.#dropCopy(bucket, key);
      const { etag, lastModifiedMs } = held;
      return { etag, lastModifiedMs, size, checksum: request.checksum?.() };
    });
  }

  #putUfs(
    bucket: string,
    key: string,
    request: Omit<StorePutRequest, 'bucket' | 'key'>,
  ): Promise<StoredObject> {
    const located = this.#core.mounts.locate(bucket, key);
    const put = (signal: AbortSignal): Promise<StoredObject> =>
      located.store.put({ bucket: located.bucket, key: located.key, ...request }, signal);
    const isMounted = located.mount !== ROOT_MOUNT;
    const creates = isMounted || controlState(this.#core).buckets.has(bucket);
    const held = ufsCall(
      this.#core,
      (signal) => (creates ? creatingBucket(located, put, signal) : put(signal)),
      { timeoutMs: ufsTimeoutMs(this.#core, request.size) },
    );
    return isMounted ? held.catch(throwAsOutage) : held;
  }

  /** Under the lock: conditions hold, and nothing that is being fetched will be kept. */
  async #check(bucket: string, key: string, conditions: WriteConditions | undefined): Promise<void> {
    if (conditions !== undefined) {
      const record = durableRecord(this.#core, bucket, key);
      const ufsEtag = record === undefined ? await this.#ufs.headEtag(bucket, key) : undefined;
      checkConditions(conditions, currentEtag(record, ufsEtag), key);
    }
    this.#ufs.forgetFills(bucket, key);
  }

  /**
   * A version that is TRANSIENT from before the path's rule changed, or was quarantined, no longer counts once the UFS has a
   * newer one.
   */
  async #dropCopy(bucket: string, key: string): Promise<void> {
    const record = durableRecord(this.#core, bucket, key);
    if (record?.kind !== 'object' || record.state === 'PERSISTED') return;
    await partitionOf(this.#core, bucket, key).submit((view) => {
      const current = view.records.get(objectKey(bucket, key));
      const isLeft = current?.kind === 'object' && current.version === record.version;
      return isLeft && (current.state === 'TRANSIENT' || current.state === 'QUARANTINED')
        ? decideDelete(view, { bucket, key, ufsDelete: false })
        : { events: [], result: undefined };
    });
  }

  #store(request: PutObjectRequest): Promise<StoredBody> {
    return this.#writer.store(sourceOf(request));
  }
}

function isPlain(request: PutObjectRequest): request is SmallPutRequest {
  return request.body.kind === 'chunks' && request.conditions === undefined;
}

function sourceOf<Request extends PutObjectRequest>({ bucket, key, body, md5 }: Request) {
  return { bucket, key, owner: objectKey(bucket, key), body: body as Request['body'], md5 };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
