/**
 * One event of each type with every field set, and one with only what must be there where fields are
 * optional.
 */
import type { Event, EventType } from '../../log/events.js';
import type { Extent, ObjectVersion } from '../../src/core/object.js';

const AT_MS = 1_767_225_600_123;
const bucket = 'checkpoints';
const key = 'run-17/größe.pt';

const extent: Extent = { segment: 17, position: 4096, size: 10_240, checksum: 0xfedcba9876543210n };
const second: Extent = { segment: 18, position: 2 ** 40, size: 2 ** 33, checksum: 1n };

const object: ObjectVersion = {
  size: 2 ** 33 + 10_240,
  etag: '0123456789abcdef0123456789abcdef-2',
  lastModifiedMs: AT_MS - 1,
  extents: [extent, second],
  headers: {
    system: { 'content-type': 'application/octet-stream' },
    user: { step: '42', owner: 'jürgen' },
    tags: { kind: 'checkpoint' },
  },
  policy: 'WRITE_BACK',
  state: 'PENDING',
  checksum: { algorithm: 'SHA256', value: 'q83vEjRWeJA=-2', type: 'COMPOSITE' },
  parts: [
    {
      number: 1,
      size: 10_240,
      checksum: { algorithm: 'SHA256', value: 'q83vEjRWeJA=', type: 'FULL_OBJECT' },
    },
    { number: 7, size: 2 ** 33 },
  ],
  ufsEtag: 'fedcba',
};

export const FULL_EVENTS: { readonly [Type in EventType]: Extract<Event, { type: Type }> } = {
  ObjectCommitted: {
    type: 'ObjectCommitted',
    atMs: AT_MS,
    bucket,
    key,
    object,
    origin: 'WRITE',
    writeId: 'w1',
    reservedBytes: 65_536,
    uploadId: 'u1',
    uploadBytes: 2 ** 34,
    discarded: [second],
    replaced: { version: 41, size: 10_240, state: 'QUARANTINED', extents: [extent] },
    replacedDelete: 40,
  },
  ObjectPersisted: {
    type: 'ObjectPersisted',
    atMs: AT_MS,
    bucket,
    key,
    version: 42,
    size: 10_240,
    extents: [extent],
    ufsEtag: 'fedcba',
  },
  ObjectEvicted: {
    type: 'ObjectEvicted',
    atMs: AT_MS,
    bucket,
    key,
    version: 42,
    size: 10_240,
    extents: [extent],
    reason: 'PRESSURE',
  },
  ObjectDeleted: {
    type: 'ObjectDeleted',
    atMs: AT_MS,
    bucket,
    key,
    ufsDelete: true,
    replaced: { version: 42, size: 10_240, state: 'PERSISTED', extents: [extent] },
    replacedDelete: 41,
  },
  DeletePersisted: { type: 'DeletePersisted', atMs: AT_MS, bucket, key, version: 43 },
  WriteOpened: { type: 'WriteOpened', atMs: AT_MS, writeId: 'w1', bucket, key, reservedBytes: 65_536 },
  WriteAbandoned: {
    type: 'WriteAbandoned',
    atMs: AT_MS,
    writeId: 'w1',
    bucket,
    key,
    reservedBytes: 65_536,
    reason: 'DANGLING',
  },
  PartStored: {
    type: 'PartStored',
    atMs: AT_MS,
    bucket,
    key,
    uploadId: 'u1',
    partNumber: 7,
    size: 2 ** 33,
    etag: '0123456789abcdef0123456789abcdef',
    extents: [second],
    checksum: { algorithm: 'CRC64NVME', value: 'q83vEjRWeJA=', type: 'FULL_OBJECT' },
    writeId: 'w1',
    reservedBytes: 65_536,
    replacedSize: 10_240,
    replacedExtents: [extent],
  },
  UploadOpened: {
    type: 'UploadOpened',
    atMs: AT_MS,
    bucket,
    key,
    uploadId: 'u1',
    headers: { system: { 'cache-control': 'no-store' }, user: {}, tags: { kind: 'checkpoint' } },
    checksumAlgorithm: 'CRC32C',
    checksumType: 'COMPOSITE',
  },
  UploadAborted: {
    type: 'UploadAborted',
    atMs: AT_MS,
    bucket,
    key,
    uploadId: 'u1',
    bytes: 2 ** 34,
    extents: [extent, second],
    reason: 'TIMEOUT',
  },
  ExtentsMoved: {
    type: 'ExtentsMoved',
    atMs: AT_MS,
    bucket,
    key,
    version: 42,
    uploadId: 'u1',
    partNumber: 7,
    pinned: true,
    from: [extent],
    to: [second],
  },
  PersistFailed: {
    type: 'PersistFailed',
    atMs: AT_MS,
    bucket,
    key,
    version: 42,
    attempt: 3,
    cause: 'UFS_DENIED',
    message: '403 from the store',
    nextAttemptAtMs: AT_MS + 8000,
    quarantined: true,
  },
  PersistRetried: { type: 'PersistRetried', atMs: AT_MS, bucket, key, version: 42 },
  PersistDiscarded: {
    type: 'PersistDiscarded',
    atMs: AT_MS,
    bucket,
    key,
    version: 42,
    deletion: false,
    size: 10_240,
    extents: [extent],
    reason: 'superseded by run 18',
  },
  UfsUploadStarted: {
    type: 'UfsUploadStarted',
    atMs: AT_MS,
    bucket,
    key,
    version: 42,
    ufsUpload: 'upload-7',
  },
  UfsPartStored: {
    type: 'UfsPartStored',
    atMs: AT_MS,
    bucket,
    key,
    version: 42,
    partNumber: 3,
    size: 2 ** 33,
    ufsEtag: 'fedcba',
  },
  UfsBaseNoted: { type: 'UfsBaseNoted', atMs: AT_MS, bucket, key, ufsEtag: 'ufs-etag' },
  UfsUploadEnded: { type: 'UfsUploadEnded', atMs: AT_MS, bucket, key, version: 42, ufsUpload: 'upload-7' },
  BucketCreated: { type: 'BucketCreated', atMs: AT_MS, bucket },
  BucketDeleted: { type: 'BucketDeleted', atMs: AT_MS, bucket },
  BucketConfigured: { type: 'BucketConfigured', atMs: AT_MS, bucket, name: 'cors', document: '<CORS/>' },
  PathConfigChanged: { type: 'PathConfigChanged', atMs: AT_MS, document: '{"apiVersion":"v1.0"}' },
  MountAdded: {
    type: 'MountAdded',
    atMs: AT_MS,
    path: '/data',
    ufs: 's3://models/v1',
    options: { region: 'eu-central-1' },
  },
  MountRemoved: { type: 'MountRemoved', atMs: AT_MS, path: '/data' },
  MountSettled: { type: 'MountSettled', atMs: AT_MS, path: '/data' },
  UserChanged: { type: 'UserChanged', atMs: AT_MS, name: 'ada', document: '{"enabled":true}' },
  UserRemoved: { type: 'UserRemoved', atMs: AT_MS, name: 'ada' },
  JobChanged: { type: 'JobChanged', atMs: AT_MS, jobId: '7', document: '{"kind":"load"}', ended: true },
};

/** A small event that is the only one of its kind. */
export function numberedEvent(number: number, padding = 0): Event {
  return {
    type: 'DeletePersisted',
    atMs: AT_MS,
    bucket: 'numbers',
    key: 'x'.repeat(padding) + String(number),
    version: number,
  };
}

export function numberedEvents(first: number, count: number, padding = 0): Event[] {
  return Array.from({ length: count }, (_, i) => numberedEvent(first + i, padding));
}
