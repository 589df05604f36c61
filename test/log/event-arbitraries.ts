/**
 * Arbitrary events of every type. Each record lists every field of its type, optional ones too: a new field
 * that is not listed here does not compile, so that the round trip covers it.
 */
import fc, { type Arbitrary } from 'fast-check';
import type { Event, EventType } from '../../log/events.js';
import type { Replaced } from '../../log/object-events.js';
import type {
  Extent,
  ObjectChecksum,
  ObjectHeaders,
  ObjectPart,
  ObjectVersion,
} from '../../src/core/object.js';

type Fields<Value> = { [Name in keyof Value]-?: Arbitrary<Value[Name]> };

function record<Value extends object>(fields: Fields<Value>): Arbitrary<Value> {
  return fc.record(fields as Record<string, Arbitrary<unknown>>).map((value) => {
    const present = Object.entries(value).filter(([, field]) => field !== undefined);
    return Object.fromEntries(present) as Value;
  });
}

const maybe = <Value>(value: Arbitrary<Value>): Arbitrary<Value | undefined> =>
  fc.option(value, { nil: undefined });

const whole = fc.oneof(
  fc.maxSafeNat(),
  fc.nat(),
  fc.constantFrom(0, 127, 128, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1),
);
// Every code point but half surrogates.
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ unit: 'grapheme', minLength: 40, maxLength: 200 }),
  fc.constant('x'.repeat(1024)),
);
const names = fc.dictionary(text, text, { maxKeys: 4, noNullPrototype: true });
const someNames = fc.dictionary(text, text, { minKeys: 1, maxKeys: 4, noNullPrototype: true });

const extent = record<Extent>({
  segment: whole,
  position: whole,
  size: whole,
  checksum: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
});
const extents = fc.array(extent, { maxLength: 4 });
const someExtents = fc.array(extent, { minLength: 1, maxLength: 4 });
const checksum = record<ObjectChecksum>({
  algorithm: fc.constantFrom('CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'),
  value: text,
  type: fc.constantFrom('FULL_OBJECT', 'COMPOSITE'),
});
const headers = record<ObjectHeaders>({ system: names, user: names, tags: maybe(someNames) });
const part = record<ObjectPart>({ number: whole, size: whole, checksum: maybe(checksum) });
const state = fc.constantFrom('PENDING', 'PERSISTED', 'TRANSIENT', 'QUARANTINED');
const object = record<ObjectVersion>({
  size: whole,
  etag: text,
  lastModifiedMs: whole,
  extents,
  headers,
  policy: fc.constantFrom('WRITE_THROUGH', 'WRITE_BACK', 'TRANSIENT', 'READ_ONLY', 'NO_CACHE'),
  state,
  checksum: maybe(checksum),
  parts: maybe(fc.array(part, { minLength: 1, maxLength: 4 })),
  ufsEtag: maybe(text),
});
const replaced = record<Replaced>({ version: whole, size: whole, state, extents });
const reason = fc.constantFrom('CLIENT', 'FAILED', 'RESTART', 'DANGLING', 'TIMEOUT');
const atMs = whole;
const place = { atMs, bucket: text, key: text };

type EventOf<Type extends EventType> = Extract<Event, { type: Type }>;

function event<Type extends EventType>(
  type: Type,
  fields: Omit<Fields<EventOf<Type>>, 'type'>,
): Arbitrary<EventOf<Type>> {
  return record({ type: fc.constant(type), ...fields } as unknown as Fields<EventOf<Type>>);
}

export const ARBITRARY_EVENTS: { readonly [Type in EventType]: Arbitrary<EventOf<Type>> } = {
  ObjectCommitted: event('ObjectCommitted', {
    ...place,
    object,
    origin: fc.constantFrom('WRITE', 'FILL', 'TAGS'),
    writeId: maybe(text),
    reservedBytes: maybe(whole),
    uploadId: maybe(text),
    uploadBytes: maybe(whole),
    discarded: maybe(someExtents),
    replaced: maybe(replaced),
    replacedDelete: maybe(whole),
  }),
  ObjectPersisted: event('ObjectPersisted', {
    ...place,
    version: whole,
    size: whole,
    extents,
    ufsEtag: text,
  }),
  ObjectEvicted: event('ObjectEvicted', {
    ...place,
    version: whole,
    size: whole,
    extents,
    reason: fc.constantFrom('PRESSURE', 'REQUEST', 'CHANGED'),
  }),
  ObjectDeleted: event('ObjectDeleted', {
    ...place,
    ufsDelete: fc.boolean(),
    replaced: maybe(replaced),
    replacedDelete: maybe(whole),
  }),
  DeletePersisted: event('DeletePersisted', { ...place, version: whole }),
  WriteOpened: event('WriteOpened', { ...place, writeId: text, reservedBytes: whole }),
  WriteAbandoned: event('WriteAbandoned', { ...place, writeId: text, reservedBytes: whole, reason }),
  PartStored: event('PartStored', {
    ...place,
    uploadId: text,
    partNumber: whole,
    size: whole,
    etag: text,
    extents,
    checksum: maybe(checksum),
    writeId: maybe(text),
    reservedBytes: maybe(whole),
    replacedSize: maybe(whole),
    replacedExtents: maybe(someExtents),
  }),
  UploadOpened: event('UploadOpened', {
    ...place,
    uploadId: text,
    headers,
    checksumAlgorithm: maybe(fc.constantFrom('CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256')),
    checksumType: maybe(fc.constantFrom('FULL_OBJECT', 'COMPOSITE')),
    initiator: maybe(text),
  }),
  UploadAborted: event('UploadAborted', { ...place, uploadId: text, bytes: whole, extents, reason }),
  ExtentsMoved: event('ExtentsMoved', {
    ...place,
    version: whole,
    uploadId: maybe(text),
    partNumber: maybe(whole),
    pinned: fc.boolean(),
    from: extents,
    to: extents,
  }),
  PersistFailed: event('PersistFailed', {
    ...place,
    version: whole,
    attempt: whole,
    cause: text,
    message: text,
    nextAttemptAtMs: whole,
    quarantined: fc.boolean(),
  }),
  PersistRetried: event('PersistRetried', { ...place, version: whole }),
  PersistDiscarded: event('PersistDiscarded', {
    ...place,
    version: whole,
    deletion: fc.boolean(),
    size: whole,
    extents,
    reason: text,
  }),
  UfsUploadStarted: event('UfsUploadStarted', { ...place, version: whole, ufsUpload: text }),
  UfsPartStored: event('UfsPartStored', {
    ...place,
    version: whole,
    partNumber: whole,
    size: whole,
    ufsEtag: text,
  }),
  UfsBaseNoted: event('UfsBaseNoted', { ...place, ufsEtag: maybe(text) }),
  UfsUploadEnded: event('UfsUploadEnded', { ...place, version: whole, ufsUpload: text }),
  BucketCreated: event('BucketCreated', {
    atMs,
    bucket: text,
    owner: maybe(fc.string({ minLength: 1, unit: 'grapheme' })),
  }),
  BucketDeleted: event('BucketDeleted', { atMs, bucket: text }),
  BucketConfigured: event('BucketConfigured', { atMs, bucket: text, name: text, document: text }),
  PathConfigChanged: event('PathConfigChanged', { atMs, document: text }),
  MountAdded: event('MountAdded', { atMs, path: text, ufs: text, options: names }),
  MountRemoved: event('MountRemoved', { atMs, path: text }),
  MountSettled: event('MountSettled', { atMs, path: text }),
  UserChanged: event('UserChanged', { atMs, name: text, document: text }),
  UserRemoved: event('UserRemoved', { atMs, name: text }),
  JobChanged: event('JobChanged', { atMs, jobId: text, document: text, ended: fc.boolean() }),
};
