/**
 * One codec per event type: its field number in the message `Event` of `events.proto`, and its body to and
 * from protobuf. `satisfies` makes a type that is missing here a compile error.
 */
import { asIs, body, bodyReadBy, isPresent, type BodyCodec } from './body-codec.js';
import { headrace } from './events.generated.js';
import type { EventType } from './events.js';
import { abandonReason, count, evictReason } from './event-parts.js';
import {
  EXTENTS_MOVED,
  OBJECT_COMMITTED,
  OBJECT_DELETED,
  PART_STORED,
  UPLOAD_OPENED,
} from './object-bodies.js';
import { readDeletePersisted, readObjectPersisted, readPersistDiscarded } from './object-readers.js';
import { readObjectEvicted } from './space-readers.js';
import { readUploadAborted, readWriteOpened } from './upload-readers.js';

const { log } = headrace;

export const BODIES = {
  ObjectCommitted: OBJECT_COMMITTED,
  ObjectPersisted: bodyReadBy('ObjectPersisted', 3, log.ObjectPersisted, asIs, readObjectPersisted),
  ObjectEvicted: bodyReadBy(
    'ObjectEvicted',
    4,
    log.ObjectEvicted,
    (event) => ({ ...event, reason: evictReason.encode(event.reason) }),
    readObjectEvicted,
  ),
  ObjectDeleted: OBJECT_DELETED,
  DeletePersisted: bodyReadBy('DeletePersisted', 6, log.DeletePersisted, asIs, readDeletePersisted),
  WriteOpened: bodyReadBy('WriteOpened', 7, log.WriteOpened, asIs, readWriteOpened),
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
  UploadAborted: bodyReadBy(
    'UploadAborted',
    11,
    log.UploadAborted,
    (event) => ({ ...event, reason: abandonReason.encode(event.reason) }),
    readUploadAborted,
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
  PersistRetried: body('PersistRetried', 40, log.PersistRetried, asIs, (message, atMs) => ({
    type: 'PersistRetried',
    atMs,
    bucket: message.bucket,
    key: message.key,
    version: count(message.version),
  })),
  PersistDiscarded: bodyReadBy('PersistDiscarded', 41, log.PersistDiscarded, asIs, readPersistDiscarded),
  UfsUploadStarted: body('UfsUploadStarted', 42, log.UfsUploadStarted, asIs, (message, atMs) => ({
    type: 'UfsUploadStarted',
    atMs,
    bucket: message.bucket,
    key: message.key,
    version: count(message.version),
    ufsUpload: message.ufsUpload,
  })),
  UfsPartStored: body('UfsPartStored', 14, log.UfsPartStored, asIs, (message, atMs) => ({
    type: 'UfsPartStored',
    atMs,
    bucket: message.bucket,
    key: message.key,
    version: count(message.version),
    partNumber: count(message.partNumber),
    size: count(message.size),
    ufsEtag: message.ufsEtag,
  })),
  UfsBaseNoted: body('UfsBaseNoted', 45, log.UfsBaseNoted, asIs, ({ bucket, key, ufsEtag }, atMs) => ({
    type: 'UfsBaseNoted',
    atMs,
    bucket,
    key,
    ...(isPresent(ufsEtag) ? { ufsEtag } : {}),
  })),
  UfsUploadEnded: body('UfsUploadEnded', 43, log.UfsUploadEnded, asIs, (message, atMs) => ({
    type: 'UfsUploadEnded',
    atMs,
    bucket: message.bucket,
    key: message.key,
    version: count(message.version),
    ufsUpload: message.ufsUpload,
  })),
  BucketCreated: body(
    'BucketCreated',
    32,
    log.BucketCreated,
    ({ owner = '', ...event }) => ({ ...event, owner }),
    ({ bucket, owner }, atMs) => ({
      type: 'BucketCreated',
      atMs,
      bucket,
      ...(owner === '' ? {} : { owner }),
    }),
  ),
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
  MountSettled: body('MountSettled', 46, log.MountSettled, asIs, ({ path }, atMs) => ({
    type: 'MountSettled',
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
  JobChanged: body('JobChanged', 44, log.JobChanged, asIs, ({ jobId, document, ended }, atMs) => ({
    type: 'JobChanged',
    atMs,
    jobId,
    document,
    ended,
  })),
} satisfies { readonly [Type in EventType]: BodyCodec<Type> };
