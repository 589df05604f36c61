/**
 * One codec per event type: its field number in the message `Event` of `events.proto`, and its body to and
 * from protobuf. `satisfies` makes a type that is missing here a compile error.
 */
import { asIs, body, type BodyCodec } from './body-codec.js';
import { headrace } from './events.generated.js';
import type { EventType } from './events.js';
import { abandonReason, count, decodeExtents, evictReason } from './event-parts.js';
import {
  EXTENTS_MOVED,
  OBJECT_COMMITTED,
  OBJECT_DELETED,
  PART_STORED,
  UPLOAD_OPENED,
} from './object-bodies.js';

const { log } = headrace;

export const BODIES = {
  ObjectCommitted: OBJECT_COMMITTED,
  ObjectPersisted: body('ObjectPersisted', 3, log.ObjectPersisted, asIs, (message, atMs) => ({
    type: 'ObjectPersisted',
    atMs,
    bucket: message.bucket,
    key: message.key,
    version: count(message.version),
    size: count(message.size),
    extents: decodeExtents(message.extents),
    ufsEtag: message.ufsEtag,
  })),
  ObjectEvicted: body(
    'ObjectEvicted',
    4,
    log.ObjectEvicted,
    (event) => ({ ...event, reason: evictReason.encode(event.reason) }),
    (message, atMs) => ({
      type: 'ObjectEvicted',
      atMs,
      bucket: message.bucket,
      key: message.key,
      version: count(message.version),
      size: count(message.size),
      extents: decodeExtents(message.extents),
      reason: evictReason.decode(message.reason),
    }),
  ),
  ObjectDeleted: OBJECT_DELETED,
  DeletePersisted: body('DeletePersisted', 6, log.DeletePersisted, asIs, (message, atMs) => ({
    type: 'DeletePersisted',
    atMs,
    bucket: message.bucket,
    key: message.key,
    version: count(message.version),
  })),
  WriteOpened: body('WriteOpened', 7, log.WriteOpened, asIs, (message, atMs) => ({
    type: 'WriteOpened',
    atMs,
    writeId: message.writeId,
    bucket: message.bucket,
    key: message.key,
    reservedBytes: count(message.reservedBytes),
  })),
  WriteAbandoned: body(
    'WriteAbandoned',
    8,
    log.WriteAbandoned,
    (event) => ({ ...event, reason: abandonReason.encode(event.reason) }),
    (message, atMs) => ({
      type: 'WriteAbandoned',
      atMs,
      writeId: message.writeId,
      bucket: message.bucket,
      key: message.key,
      reservedBytes: count(message.reservedBytes),
      reason: abandonReason.decode(message.reason),
    }),
  ),
  PartStored: PART_STORED,
  UploadOpened: UPLOAD_OPENED,
  UploadAborted: body(
    'UploadAborted',
    11,
    log.UploadAborted,
    (event) => ({ ...event, reason: abandonReason.encode(event.reason) }),
    (message, atMs) => ({
      type: 'UploadAborted',
      atMs,
      bucket: message.bucket,
      key: message.key,
      uploadId: message.uploadId,
      bytes: count(message.bytes),
      extents: decodeExtents(message.extents),
      reason: abandonReason.decode(message.reason),
    }),
  ),
  ExtentsMoved: EXTENTS_MOVED,
  PersistFailed: body('PersistFailed', 13, log.PersistFailed, asIs, (message, atMs) => ({
    type: 'PersistFailed',
    atMs,
    bucket: message.bucket,
    key: message.key,
    version: count(message.version),
    attempt: count(message.attempt),
    cause: message.cause,
    message: message.message,
    nextAttemptAtMs: count(message.nextAttemptAtMs),
    quarantined: message.quarantined,
  })),
  BucketCreated: body('BucketCreated', 32, log.BucketCreated, asIs, ({ bucket }, atMs) => ({
    type: 'BucketCreated',
    atMs,
    bucket,
  })),
  BucketDeleted: body('BucketDeleted', 33, log.BucketDeleted, asIs, ({ bucket }, atMs) => ({
    type: 'BucketDeleted',
    atMs,
    bucket,
  })),
  BucketConfigured: body(
    'BucketConfigured',
    34,
    log.BucketConfigured,
    asIs,
    ({ bucket, name, document }, atMs) => ({ type: 'BucketConfigured', atMs, bucket, name, document }),
  ),
  PathConfigChanged: body('PathConfigChanged', 35, log.PathConfigChanged, asIs, ({ document }, atMs) => ({
    type: 'PathConfigChanged',
    atMs,
    document,
  })),
  MountAdded: body('MountAdded', 36, log.MountAdded, asIs, ({ path, ufs, options }, atMs) => ({
    type: 'MountAdded',
    atMs,
    path,
    ufs,
    options,
  })),
  MountRemoved: body('MountRemoved', 37, log.MountRemoved, asIs, ({ path }, atMs) => ({
    type: 'MountRemoved',
    atMs,
    path,
  })),
  UserChanged: body('UserChanged', 38, log.UserChanged, asIs, ({ name, document }, atMs) => ({
    type: 'UserChanged',
    atMs,
    name,
    document,
  })),
  UserRemoved: body('UserRemoved', 39, log.UserRemoved, asIs, ({ name }, atMs) => ({
    type: 'UserRemoved',
    atMs,
    name,
  })),
} satisfies { readonly [Type in EventType]: BodyCodec<Type> };
