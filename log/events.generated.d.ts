/**
 * The part of `events.generated.js` that is used, with the types that its fields have when it is driven by
 * `protobuf-scalars.ts`. A number that is 0 is not written and comes back as whatever protobufjs has for it:
 * `Count`.
 */
import type { NumberReader, NumberWriter } from './protobuf-scalars.js';

/** A number, or an object that stands for 0. */
export type Count = number | object;
/** A number of an enum of `events.proto`, or 0 where it is absent. */
export type EnumValue = number;
type Optional<Value> = Value | null | undefined;

export interface ExtentMessage {
  segment: Count;
  position: Count;
  size: Count;
  checksum: bigint | object;
}

export interface HeadersMessage {
  system: Readonly<Record<string, string>>;
  user: Readonly<Record<string, string>>;
  tags?: Readonly<Record<string, string>> | undefined;
}

export interface ChecksumMessage {
  algorithm: EnumValue;
  value: string;
  type: EnumValue;
}

export interface PartMessage {
  number: Count;
  size: Count;
  checksum?: Optional<ChecksumMessage>;
}

export interface ObjectVersionMessage {
  size: Count;
  etag: string;
  lastModifiedMs: Count;
  extents: readonly ExtentMessage[];
  headers: Optional<HeadersMessage>;
  policy: EnumValue;
  state: EnumValue;
  checksum?: Optional<ChecksumMessage>;
  parts?: readonly PartMessage[] | undefined;
  ufsEtag?: Optional<string>;
}

export interface ReplacedMessage {
  version: Count;
  size: Count;
  state: EnumValue;
  extents: readonly ExtentMessage[];
}

interface ObjectMessage {
  bucket: string;
  key: string;
}

export interface WriteOpenedMessage extends ObjectMessage {
  writeId: string;
  reservedBytes: Count;
}

export interface WriteAbandonedMessage extends WriteOpenedMessage {
  reason: EnumValue;
}

export interface ObjectCommittedMessage extends ObjectMessage {
  object: Optional<ObjectVersionMessage>;
  origin: EnumValue;
  writeId?: Optional<string>;
  reservedBytes?: Optional<number>;
  uploadId?: Optional<string>;
  uploadBytes?: Optional<number>;
  discarded?: readonly ExtentMessage[] | undefined;
  replaced?: Optional<ReplacedMessage>;
  replacedDelete?: Optional<number>;
}

export interface ObjectDeletedMessage extends ObjectMessage {
  ufsDelete: boolean;
  replaced?: Optional<ReplacedMessage>;
  replacedDelete?: Optional<number>;
}

export interface ObjectPersistedMessage extends ObjectMessage {
  version: Count;
  size: Count;
  extents: readonly ExtentMessage[];
  ufsEtag: string;
}

export interface DeletePersistedMessage extends ObjectMessage {
  version: Count;
}

export interface PersistFailedMessage extends ObjectMessage {
  version: Count;
  attempt: Count;
  cause: string;
  message: string;
  nextAttemptAtMs: Count;
  quarantined: boolean;
}

export interface PersistDiscardedMessage extends ObjectMessage {
  version: Count;
  deletion: boolean;
  size: Count;
  extents: readonly ExtentMessage[];
  reason: string;
}

export interface UfsUploadMessage extends ObjectMessage {
  version: Count;
  ufsUpload: string;
}

export interface UfsPartStoredMessage extends ObjectMessage {
  version: Count;
  partNumber: Count;
  size: Count;
  ufsEtag: string;
}

export interface ObjectEvictedMessage extends ObjectMessage {
  version: Count;
  size: Count;
  extents: readonly ExtentMessage[];
  reason: EnumValue;
}

export interface ExtentsMovedMessage extends ObjectMessage {
  version: Count;
  uploadId?: Optional<string>;
  partNumber?: Optional<number>;
  pinned: boolean;
  from: readonly ExtentMessage[];
  to: readonly ExtentMessage[];
}

export interface UploadOpenedMessage extends ObjectMessage {
  uploadId: string;
  headers: Optional<HeadersMessage>;
  checksumAlgorithm?: EnumValue | undefined;
  checksumType?: EnumValue | undefined;
  initiator?: Optional<string>;
}

export interface PartStoredMessage extends ObjectMessage {
  uploadId: string;
  partNumber: Count;
  size: Count;
  etag: string;
  extents: readonly ExtentMessage[];
  checksum?: Optional<ChecksumMessage>;
  writeId?: Optional<string>;
  reservedBytes?: Optional<number>;
  replacedSize?: Optional<number>;
  replacedExtents?: readonly ExtentMessage[] | undefined;
}

export interface UploadAbortedMessage extends ObjectMessage {
  uploadId: string;
  bytes: Count;
  extents: readonly ExtentMessage[];
  reason: EnumValue;
}

export interface BucketMessage {
  bucket: string;
}

export interface BucketCreatedMessage extends BucketMessage {
  owner: string;
}

export interface BucketConfiguredMessage extends BucketMessage {
  name: string;
  document: string;
}

export interface PathConfigChangedMessage {
  document: string;
}

export interface MountAddedMessage {
  path: string;
  ufs: string;
  options: Readonly<Record<string, string>>;
}

export interface MountRemovedMessage {
  path: string;
}

export interface MountSettledMessage {
  path: string;
}

export interface UserChangedMessage {
  name: string;
  document: string;
}

export interface UserRemovedMessage {
  name: string;
}

export interface JobChangedMessage {
  jobId: string;
  document: string;
  ended: boolean;
}

export interface UfsBaseNotedMessage {
  bucket: string;
  key: string;
  ufsEtag?: string | null;
}

/** One generated message type. `decode` reads `length` bytes, or to the end of the reader. */
export interface MessageType<Message> {
  encode(message: Message, writer: NumberWriter): NumberWriter;
  decode(reader: NumberReader, length?: number): Message;
}

export const headrace: {
  readonly log: {
    /** For tests: the whole event as protobufjs sees it. */
    readonly FramePayload: MessageType<{ events: readonly Readonly<Record<string, unknown>>[] }>;
    readonly ObjectCommitted: MessageType<ObjectCommittedMessage>;
    readonly ObjectPersisted: MessageType<ObjectPersistedMessage>;
    readonly ObjectEvicted: MessageType<ObjectEvictedMessage>;
    readonly ObjectDeleted: MessageType<ObjectDeletedMessage>;
    readonly DeletePersisted: MessageType<DeletePersistedMessage>;
    readonly WriteOpened: MessageType<WriteOpenedMessage>;
    readonly WriteAbandoned: MessageType<WriteAbandonedMessage>;
    readonly PartStored: MessageType<PartStoredMessage>;
    readonly UploadOpened: MessageType<UploadOpenedMessage>;
    readonly UploadAborted: MessageType<UploadAbortedMessage>;
    readonly ExtentsMoved: MessageType<ExtentsMovedMessage>;
    readonly PersistFailed: MessageType<PersistFailedMessage>;
    readonly PersistRetried: MessageType<DeletePersistedMessage>;
    readonly PersistDiscarded: MessageType<PersistDiscardedMessage>;
    readonly UfsUploadStarted: MessageType<UfsUploadMessage>;
    readonly UfsPartStored: MessageType<UfsPartStoredMessage>;
    readonly UfsUploadEnded: MessageType<UfsUploadMessage>;
    readonly BucketCreated: MessageType<BucketCreatedMessage>;
    readonly BucketDeleted: MessageType<BucketMessage>;
    readonly BucketConfigured: MessageType<BucketConfiguredMessage>;
    readonly PathConfigChanged: MessageType<PathConfigChangedMessage>;
    readonly MountAdded: MessageType<MountAddedMessage>;
    readonly MountRemoved: MessageType<MountRemovedMessage>;
    readonly MountSettled: MessageType<MountSettledMessage>;
    readonly UserChanged: MessageType<UserChangedMessage>;
    readonly UserRemoved: MessageType<UserRemovedMessage>;
    readonly UfsBaseNoted: MessageType<UfsBaseNotedMessage>;
    readonly JobChanged: MessageType<JobChangedMessage>;
  };
};
