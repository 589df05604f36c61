/**
 * One codec per event type: its field number in the message `Event` of `events.proto`, and its body to and from protobuf.
 * `satisfies` makes a type that is missing here a compile error.
 */
import { type EnumValue, headrace, type MessageType } from './events.generated.js';
import type {
  Event,
  EventType,
  ExtentsMoved,
  ObjectCommitted,
  ObjectDeleted,
  PartStored,
  UploadOpened,
} from './events.js';
import {
  abandonReason,
  checksumAlgorithm,
  checksumType,
  commitOrigin,
  count,
  decodeChecksum,
  decodeExtents,
  decodeHeaders,
  decodeObject,
  decodeReplaced,
  encodeChecksum,
  encodeObject,
  encodeReplaced,
  evictReason,
  type Mutable,
} from './event-parts.js';
import type { NumberReader, NumberWriter } from './protobuf-scalars.js';

export interface BodyCodec<Type extends EventType = EventType> {
  readonly type: Type;
  /** Number of the field of `Event` that holds the body. */
  readonly field: number;
  encode(event: EventOf<Type>, writer: NumberWriter): void;
  decode(reader: NumberReader, length: number, atMs: number): EventOf<Type>;
}

type EventOf<Type extends EventType> = Extract<Event, { type: Type }>;

function body<Type extends EventType, Message>(
  type: Type,
  field: number,
  message: MessageType<Message>,
  toMessage: (event: EventOf<Type>) => Message,
  fromMessage: (message: Message, atMs: number) => EventOf<Type>,
): BodyCodec<Type> {
  return {
    type,
    field,
    encode(event, writer) {
      message.encode(toMessage(event), writer);
    },
    decode: (reader, length, atMs) => fromMessage(message.decode(reader, length), atMs),
  };
}

/** For an event whose properties are the fields of its message as they are. */
const asIs = <E>(event: E): E => event;

const log = headrace.log;

const OBJECT_COMMITTED = body(
  'ObjectCommitted',
  2,
  log.ObjectCommitted,
  (event) => ({
    bucket: event.bucket,
    key: event.key,
    object: encodeObject(event.object),
    origin: commitOrigin.encode(event.origin),
    writeId: event.writeId,
    reservedBytes: event.reservedBytes,
    uploadId: event.uploadId,
    uploadBytes: event.uploadBytes,
    discarded: event.discarded,
    replaced: encodeReplaced(event.replaced),
    replacedDelete: event.replacedDelete,
  }),
  (message, atMs) => {
    const event: Mutable<ObjectCommitted> = {
      type: 'ObjectCommitted',
      atMs,
      bucket: message.bucket,
      key: message.key,
      object: decodeObject(message.object),
      origin: commitOrigin.decode(message.origin),
    };
    const { writeId, reservedBytes, uploadId, uploadBytes, discarded, replaced, replacedDelete } = message;
    if (isPresent(writeId)) event.writeId = writeId;
    if (isPresent(reservedBytes)) event.reservedBytes = reservedBytes;
    if (isPresent(uploadId)) event.uploadId = uploadId;
    if (isPresent(uploadBytes)) event.uploadBytes = uploadBytes;
    if (discarded !== undefined && discarded.length > 0) event.discarded = decodeExtents(discarded);
    if (isPresent(replaced)) event.replaced = decodeReplaced(replaced);
    if (isPresent(replacedDelete)) event.replacedDelete = replacedDelete;
    return event;
  },
);

const OBJECT_DELETED = body(
  'ObjectDeleted',
  5,
  log.ObjectDeleted,
  (event) => ({
    bucket: event.bucket,
    key: event.key,
    ufsDelete: event.ufsDelete,
    replaced: encodeReplaced(event.replaced),
    replacedDelete: event.replacedDelete,
  }),
  (message, atMs) => {
    const { bucket, key, ufsDelete, replaced, replacedDelete } = message;
    const event: Mutable<ObjectDeleted> = { type: 'ObjectDeleted', atMs, bucket, key, ufsDelete };
    if (isPresent(replaced)) event.replaced = decodeReplaced(replaced);
    if (isPresent(replacedDelete)) event.replacedDelete = replacedDelete;
    return event;
  },
);

const PART_STORED = body(
  'PartStored',
  9,
  log.PartStored,
  (event) => ({
    bucket: event.bucket,
    key: event.key,
    uploadId: event.uploadId,
    partNumber: event.partNumber,
    size: event.size,
    etag: event.etag,
    extents: event.extents,
    checksum: encodeChecksum(event.checksum),
    writeId: event.writeId,
    reservedBytes: event.reservedBytes,
    replacedSize: event.replacedSize,
    replacedExtents: event.replacedExtents,
  }),
  (message, atMs) => {
    const event: Mutable<PartStored> = {
      type: 'PartStored',
      atMs,
      bucket: message.bucket,
      key: message.key,
      uploadId: message.uploadId,
      partNumber: count(message.partNumber),
      size: count(message.size),
      etag: message.etag,
      extents: decodeExtents(message.extents),
    };
    const { checksum, writeId, reservedBytes, replacedSize, replacedExtents } = message;
    if (isPresent(checksum)) event.checksum = decodeChecksum(checksum);
    if (isPresent(writeId)) event.writeId = writeId;
    if (isPresent(reservedBytes)) event.reservedBytes = reservedBytes;
    if (isPresent(replacedSize)) event.replacedSize = replacedSize;
    if (replacedExtents !== undefined && replacedExtents.length > 0)
      event.replacedExtents = decodeExtents(replacedExtents);
    return event;
  },
);

const UPLOAD_OPENED = body(
  'UploadOpened',
  10,
  log.UploadOpened,
  (event) => ({
    bucket: event.bucket,
    key: event.key,
    uploadId: event.uploadId,
    headers: event.headers,
    checksumAlgorithm:
      event.checksumAlgorithm === undefined ? undefined : checksumAlgorithm.encode(event.checksumAlgorithm),
    checksumType: event.checksumType === undefined ? undefined : checksumType.encode(event.checksumType),
  }),
  (message, atMs) => {
    const { bucket, key, uploadId } = message;
    const headers = decodeHeaders(message.headers);
    const event: Mutable<UploadOpened> = { type: 'UploadOpened', atMs, bucket, key, uploadId, headers };
    if (isWritten(message.checksumAlgorithm))
      event.checksumAlgorithm = checksumAlgorithm.decode(message.checksumAlgorithm);
    if (isWritten(message.checksumType)) event.checksumType = checksumType.decode(message.checksumType);
    return event;
  },
);

const EXTENTS_MOVED = body('ExtentsMoved', 12, log.ExtentsMoved, asIs, (message, atMs) => {
  const { bucket, key, uploadId, partNumber } = message;
  const event: Mutable<ExtentsMoved> = {
    type: 'ExtentsMoved',
    atMs,
    bucket,
    key,
    version: count(message.version),
    pinned: message.pinned,
    from: decodeExtents(message.from),
    to: decodeExtents(message.to),
  };
  if (isPresent(uploadId)) event.uploadId = uploadId;
  if (isPresent(partNumber)) event.partNumber = partNumber;
  return event;
});

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

function isPresent<Value>(value: Value | null | undefined): value is Value {
  return value !== null && value !== undefined;
}

/** Whether a field of an enum type was there: no value has the number 0. */
function isWritten(value: EnumValue | undefined): value is EnumValue {
  return value !== undefined && value !== 0;
}
