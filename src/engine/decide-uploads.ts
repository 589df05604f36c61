/** Decisions about multipart uploads. Pure, as `decide.ts`. Source of the rules: S3 API reference, CompleteMultipartUpload. */
import { HeadraceError } from '../core/errors.js';
import {
  PART_BYTES_MIN,
  type Extent,
  type ObjectChecksum,
  type ObjectHeaders,
  type ObjectVersion,
} from '../core/object.js';
import type { AbandonReason } from '../../log/object-events.js';
import {
  objectKey,
  partKey,
  partPrefix,
  partPrefixEnd,
  uploadKey,
  type PartRecord,
  type UploadRecord,
} from '../../projections/records.js';
import { replacedBy, replacedDelete } from './decide.js';
import type { CompleteUploadRequest } from './upload-requests.js';
import type { Decision, DecisionView } from './decision.js';
import { checkConditions, currentEtag } from './write-conditions.js';

interface Target {
  readonly bucket: string;
  readonly key: string;
  readonly uploadId: string;
}

export function decideOpenUpload(
  view: DecisionView,
  target: Target,
  upload: {
    readonly headers: ObjectHeaders;
    readonly checksumAlgorithm?: ObjectChecksum['algorithm'];
    readonly checksumType?: ObjectChecksum['type'];
    readonly initiator?: string;
  },
): Decision<void> {
  return { events: [{ type: 'UploadOpened', atMs: view.nowMs, ...target, ...upload }], result: undefined };
}

export interface StorePart extends Target {
  readonly partNumber: number;
  readonly size: number;
  readonly etag: string;
  readonly extents: readonly Extent[];
  readonly checksum?: ObjectChecksum;
  readonly writeId?: string;
  readonly reservedBytes?: number;
}

/** `NO_SUCH_UPLOAD` when it was completed or aborted meanwhile. */
export function decideStorePart(view: DecisionView, command: StorePart): Decision<number> {
  requireUpload(view, command);
  const old = view.records.get(partKey(command.bucket, command.key, command.uploadId, command.partNumber));
  const replaced = old?.kind === 'part' ? { replacedSize: old.size, replacedExtents: old.extents } : {};
  return { events: [{ type: 'PartStored', atMs: view.nowMs, ...command, ...replaced }], result: view.nowMs };
}

export interface CompleteUpload {
  readonly request: CompleteUploadRequest;
  readonly ufsEtag?: string;
  readonly conditions?: CompleteUploadRequest['conditions'];
  /** The object that the parts make; its extents are those that the parts have at the decision. */
  readonly object: ObjectVersion;
}

/**
 * One event that lists the parts; no byte is copied. The parts are chosen anew, because compaction may have moved their bytes
 * since; one with the same ETag holds the same bytes.
 */
export function decideCompleteUpload(view: DecisionView, command: CompleteUpload): Decision<ObjectVersion> {
  const { request, ufsEtag, conditions } = command;
  const { bucket, key, uploadId } = request;
  const current = view.records.get(objectKey(bucket, key));
  const { parts: chosen } = chooseParts(view, request);
  checkConditions(conditions, currentEtag(current, ufsEtag), key);
  const used = new Set(chosen.map((part) => part.number));
  const parts = uploadParts(view, request);
  const object = {
    ...command.object,
    extents: chosen.flatMap((part) => part.extents),
    lastModifiedMs: command.object.lastModifiedMs || view.nowMs,
  };
  return {
    events: [
      {
        type: 'ObjectCommitted',
        atMs: view.nowMs,
        bucket,
        key,
        object,
        origin: 'WRITE',
        uploadId,
        uploadBytes: parts.reduce((sum, part) => sum + part.size, 0),
        discarded: parts.flatMap((part) => (used.has(part.number) ? [] : part.extents)),
        replaced: replacedBy(current),
        replacedDelete: replacedDelete(current, object),
      },
    ],
    result: object,
  };
}

/** `NO_SUCH_UPLOAD` when there is none. */
export function decideAbortUpload(view: DecisionView, target: Target, reason: AbandonReason): Decision<void> {
  requireUpload(view, target);
  const parts = uploadParts(view, target);
  return {
    events: [
      {
        type: 'UploadAborted',
        atMs: view.nowMs,
        bucket: target.bucket,
        key: target.key,
        uploadId: target.uploadId,
        bytes: parts.reduce((sum, part) => sum + part.size, 0),
        extents: parts.flatMap((part) => part.extents),
        reason,
      },
    ],
    result: undefined,
  };
}

/** Bytes of a part were copied to another segment. */
export function decideMovePart(
  view: DecisionView,
  target: Target & { readonly partNumber: number },
  from: readonly Extent[],
  to: readonly Extent[],
): Decision<boolean> {
  const part = view.records.get(partKey(target.bucket, target.key, target.uploadId, target.partNumber));
  const places = part?.kind === 'part' ? part.extents : [];
  const stillThere = from.every((old) =>
    places.some((extent) => extent.segment === old.segment && extent.position === old.position),
  );
  if (!stillThere) return { events: [], result: false };
  return {
    events: [{ type: 'ExtentsMoved', atMs: view.nowMs, ...target, version: 0, pinned: true, from, to }],
    result: true,
  };
}

/** The chosen parts in order. `INVALID_PART`, `INVALID_PART_ORDER`, `PART_TOO_SMALL`, `NO_SUCH_UPLOAD`. */
export function chooseParts(
  view: Pick<DecisionView, 'records'>,
  request: CompleteUploadRequest,
): { upload: UploadRecord; parts: PartRecord[] } {
  const upload = requireUpload(view, request);
  if (request.parts.length === 0) {
    throw new HeadraceError('INVALID_ARGUMENT', 'the list of parts is empty: name at least one part');
  }
  let last = 0;
  for (const { number } of request.parts) {
    if (number <= last) {
      throw new HeadraceError(
        'INVALID_PART_ORDER',
        `part ${number} is listed behind part ${last}: list parts in ascending order`,
      );
    }
    last = number;
  }
  const parts: PartRecord[] = [];
  for (const [at, wanted] of request.parts.entries()) {
    const part = view.records.get(partKey(request.bucket, request.key, request.uploadId, wanted.number));
    if (part?.kind !== 'part' || part.etag !== wanted.etag) {
      throw new HeadraceError(
        'INVALID_PART',
        `part ${wanted.number} with ETag "${wanted.etag}" was not uploaded, or was replaced`,
      );
    }
    if (part.size < PART_BYTES_MIN && at < request.parts.length - 1) {
      throw new HeadraceError(
        'PART_TOO_SMALL',
        `part ${part.number} has ${part.size} bytes: all but the last need at least ${PART_BYTES_MIN}`,
        { details: { proposedSize: part.size, partNumber: part.number, etag: part.etag } },
      );
    }
    parts.push(part);
  }
  return { upload, parts };
}

export function requireUpload(view: Pick<DecisionView, 'records'>, target: Target): UploadRecord {
  const upload = view.records.get(uploadKey(target.bucket, target.key, target.uploadId));
  if (upload?.kind !== 'upload') {
    throw new HeadraceError(
      'NO_SUCH_UPLOAD',
      `there is no upload ${target.uploadId} of "${target.key}": it was completed, aborted or never opened`,
    );
  }
  return upload;
}

function uploadParts(view: DecisionView, target: Target): PartRecord[] {
  const prefix = partPrefix(target.bucket, target.key, target.uploadId);
  const parts: PartRecord[] = [];
  for (const key of view.records.keys(prefix, partPrefixEnd(prefix))) {
    const part = view.records.get(key);
    if (part?.kind === 'part') parts.push(part);
  }
  return parts;
}
