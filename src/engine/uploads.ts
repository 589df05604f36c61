/**
 * Multipart uploads. Parts are extents; completing is one event that lists them, and no byte is copied.
 *
 * The policy of the key decides at completion; parts are pinned until then. A NO_CACHE path keeps its parts here until the
 * completion has taken them to the UFS.
 */
import { createHash } from 'node:crypto';
import { HeadraceError } from '../core/errors.js';
import { OBJECT_BYTES_MAX, PART_NUMBER_MAX, type ObjectPart, type ObjectVersion } from '../core/object.js';
import { afterPrefix, toByteString } from '../core/key.js';
import { commonPrefixOf, greatestKeyBelow } from '../core/store-listing.js';
import type { AbandonReason } from '../../log/object-events.js';
import {
  parseUploadKey,
  partKey,
  partPrefix,
  partPrefixEnd,
  uploadKey,
  type PartRecord,
  type UploadRecord,
} from '../../projections/records.js';
import { ACL_METADATA, parseAccessList } from './access-list.js';
import type { CacheWriter } from './cache-writer.js';
import {
  chooseParts,
  decideAbortUpload,
  decideCompleteUpload,
  decideOpenUpload,
  decideStorePart,
  requireUpload,
} from './decide-uploads.js';
import { partitionOf, type EngineCore } from './engine-core.js';
import type { WriteReceipt } from './object-service.js';
import type {
  CompleteUploadRequest,
  CreateUploadRequest,
  ListPartsRequest,
  ListPartsResult,
  ListUploadsRequest,
  ListUploadsResult,
  ListedUpload,
  PartReceipt,
  PutPartRequest,
  UploadPeople,
} from './upload-requests.js';
import { holdExtents } from './object-bytes.js';
import { refusePendingDelete } from './key-settler.js';
import type { Receipt } from './decision.js';
import type { KnownObject, UfsKnowledge } from './ufs-knowledge.js';
import { checksumOfUpload } from './upload-checksum.js';
import { receiptOf } from './small-put.js';
import type { WritePath } from './write-path.js';

export class Uploads {
  readonly #core: EngineCore;
  readonly #writer: CacheWriter;
  readonly #writes: WritePath;
  readonly #ufs: UfsKnowledge;

  constructor(core: EngineCore, parts: { writer: CacheWriter; writes: WritePath; ufs: UfsKnowledge }) {
    this.#core = core;
    this.#writer = parts.writer;
    this.#writes = parts.writes;
    this.#ufs = parts.ufs;
  }

  async create(request: CreateUploadRequest): Promise<{ uploadId: string }> {
    const { bucket, key, headers, checksumAlgorithm, checksumType, initiator } = request;
    this.#writes.writablePolicy(bucket, key);
    const uploadId = Buffer.from(this.#core.random.bytes(16)).toString('hex');
    await partitionOf(this.#core, bucket, key).submit((view) =>
      decideOpenUpload(
        view,
        { bucket, key, uploadId },
        { headers, checksumAlgorithm, checksumType, initiator },
      ),
    );
    return { uploadId };
  }

  async putPart(request: PutPartRequest): Promise<PartReceipt> {
    const { bucket, key, uploadId, partNumber, body, md5 } = request;
    if (!Number.isInteger(partNumber) || partNumber < 1 || partNumber > PART_NUMBER_MAX) {
      throw new HeadraceError(
        'INVALID_ARGUMENT',
        `part number ${partNumber} is not between 1 and ${PART_NUMBER_MAX}`,
      );
    }
    this.#writes.writablePolicy(bucket, key);
    const partition = partitionOf(this.#core, bucket, key);
    requireUpload({ records: this.#durable(bucket, key) }, { bucket, key, uploadId });
    const owner = partKey(bucket, key, uploadId, partNumber);
    const stored = await this.#writer.store({ bucket, key, owner, body, md5 });
    let outcome: 'COMMITTED' | AbandonReason = 'FAILED';
    try {
      const etag = Buffer.from(stored.md5).toString('hex');
      const checksum = request.checksum?.();
      const { result, offset } = await partition.submit((view) =>
        decideStorePart(view, {
          bucket,
          key,
          uploadId,
          partNumber,
          size: stored.size,
          etag,
          extents: stored.extents,
          checksum,
          writeId: stored.writeId,
          reservedBytes: stored.reservedBytes,
        }),
      );
      outcome = 'COMMITTED';
      return {
        etag,
        lastModifiedMs: result,
        size: stored.size,
        checksum,
        offset: `${partition.number}:${offset}`,
      };
    } finally {
      await stored.settle(outcome);
    }
  }

  /** As `ObjectService.completeUpload`. */
  async complete(request: CompleteUploadRequest): Promise<WriteReceipt> {
    const { bucket, key } = request;
    const policy = this.#writes.writablePolicy(bucket, key);
    const partition = partitionOf(this.#core, bucket, key);
    const { upload, parts } = chooseParts({ records: this.#durable(bucket, key) }, request);
    const object = assemble(request, upload, parts);
    if (policy === 'WRITE_THROUGH' || policy === 'NO_CACHE')
      return this.#completeThrough(request, object, policy);
    const state = policy === 'TRANSIENT' ? 'TRANSIENT' : 'PENDING';
    const decide = (known: KnownObject): Promise<Receipt<ObjectVersion>> =>
      partition.submit((view) => {
        known.stillTrue(view);
        if (policy === 'TRANSIENT') refusePendingDelete(view, bucket, key);
        return decideCompleteUpload(view, {
          request,
          ufsEtag: known.etag,
          conditions: request.conditions,
          object: { ...object, policy, state },
        });
      });
    const knowing = request.conditions === undefined ? 'TRANSIENT' : policy;
    const { result, offset } = await this.#writes.settler.behindDelete(bucket, key, () =>
      this.#ufs.decideKnowing(bucket, key, knowing, decide),
    );
    return receiptOf(result, `${partition.number}:${offset}`);
  }

  async #completeThrough(
    request: CompleteUploadRequest,
    object: ObjectVersion,
    policy: 'WRITE_THROUGH' | 'NO_CACHE',
  ): Promise<WriteReceipt> {
    // Compaction may move the parts while older versions drain; the places that were chosen stay readable.
    const release = holdExtents(this.#core, object.extents);
    try {
      return await this.#writes.commitThrough(
        request,
        { ...object, policy, state: 'PERSISTED' },
        {
          conditions: request.conditions,
          commit: (view, version) => decideCompleteUpload(view, { request, object: version }),
        },
      );
    } finally {
      release();
    }
  }

  /** `NO_SUCH_UPLOAD`, `READ_ONLY_PATH`: the reaper ends what was open when the path became READ_ONLY. */
  async abort(bucket: string, key: string, uploadId: string, reason: AbandonReason): Promise<void> {
    this.#writes.writablePolicy(bucket, key);
    await partitionOf(this.#core, bucket, key).submit((view) =>
      decideAbortUpload(view, { bucket, key, uploadId }, reason),
    );
  }

  listParts(request: ListPartsRequest): ListPartsResult {
    const { bucket, key, uploadId } = request;
    const upload = requireUpload({ records: this.#durable(bucket, key) }, request);
    const prefix = partPrefix(bucket, key, uploadId);
    const from = partKey(bucket, key, uploadId, Math.min(request.partNumberMarker, PART_NUMBER_MAX) + 1);
    const found: PartRecord[] = [];
    for (const [, record] of partitionOf(this.#core, bucket, key).index.scan(from, partPrefixEnd(prefix))) {
      if (record.kind === 'part') found.push(record);
      if (found.length > request.maxParts) break;
    }
    return {
      parts: found.slice(0, request.maxParts).map((part) => ({
        number: part.number,
        size: part.size,
        etag: part.etag,
        lastModifiedMs: part.storedMs,
        checksum: part.checksum,
      })),
      truncated: found.length > request.maxParts,
      checksumAlgorithm: upload.checksumAlgorithm,
      checksumType: upload.checksumType,
      people: peopleOf(upload),
    };
  }

  listUploads(request: ListUploadsRequest): ListUploadsResult {
    const { bucket, prefix, delimiter, keyMarker, uploadIdMarker, maxUploads } = request;
    const found: (ListedUpload | string)[] = [];
    const start = `u${bucket}\0${toByteString(prefix)}`;
    const end = afterPrefix(start);
    let from = start;
    if (keyMarker !== '') {
      const marker =
        uploadIdMarker === ''
          ? `u${bucket}\0${toByteString(keyMarker)}\0\xff`
          : `${uploadKey(bucket, keyMarker, uploadIdMarker)}\0`;
      if (marker > from) from = marker;
    }
    while (end !== undefined && found.length <= maxUploads) {
      const next = this.#nextUpload(from, end);
      if (next === undefined) break;
      const { key, uploadId } = parseUploadKey(next.indexKey);
      const common = commonPrefixOf(key, prefix, delimiter);
      if (common === undefined) {
        found.push({ key, uploadId, openedMs: next.record.openedMs, ...peopleOf(next.record) });
        from = `${next.indexKey}\0`;
      } else {
        found.push(common);
        from = `u${bucket}\0${toByteString(greatestKeyBelow(common))}\0\xff`;
      }
    }
    const page = found.slice(0, maxUploads);
    return {
      uploads: page.filter((item) => typeof item !== 'string'),
      prefixes: page.filter((item) => typeof item === 'string'),
      truncated: found.length > maxUploads,
    };
  }

  #nextUpload(from: string, to: string): { indexKey: string; record: UploadRecord } | undefined {
    let least: { indexKey: string; record: UploadRecord } | undefined;
    for (const partition of this.#core.partitions) {
      for (const [indexKey, record] of partition.index.scan(from, to)) {
        if (record.kind !== 'upload') continue;
        if (least === undefined || indexKey < least.indexKey) least = { indexKey, record };
        break;
      }
    }
    return least;
  }

  #durable(bucket: string, key: string): Parameters<typeof requireUpload>[0]['records'] {
    return partitionOf(this.#core, bucket, key).durableRecords;
  }
}

/** The object that the parts make. `ENTITY_TOO_LARGE`, `BAD_DIGEST` when the client's checksum is another one. */
function assemble(
  request: CompleteUploadRequest,
  upload: UploadRecord,
  chosen: readonly PartRecord[],
): ObjectVersion {
  const size = chosen.reduce((sum, part) => sum + part.size, 0);
  if (size > OBJECT_BYTES_MAX) {
    throw new HeadraceError('ENTITY_TOO_LARGE', `the parts have ${size} bytes: at most ${OBJECT_BYTES_MAX}`);
  }
  if (request.size !== undefined && request.size !== size) {
    throw new HeadraceError('INVALID_ARGUMENT', `the parts have ${size} bytes, not ${request.size}`);
  }
  const parts: ObjectPart[] = chosen.map((part) => ({
    number: part.number,
    size: part.size,
    checksum: part.checksum,
  }));
  const hash = createHash('md5');
  for (const part of chosen) hash.update(Buffer.from(part.etag, 'hex'));
  return {
    size,
    etag: `${hash.digest('hex')}-${chosen.length}`,
    lastModifiedMs: 0,
    extents: chosen.flatMap((part) => part.extents),
    headers: upload.headers,
    policy: 'WRITE_BACK',
    state: 'PENDING',
    checksum: checksumOfUpload(request, upload, chosen),
    parts,
  };
}

function peopleOf({ initiator, headers }: UploadRecord): UploadPeople {
  return { initiator, owner: parseAccessList(headers.user[ACL_METADATA]).owner };
}
