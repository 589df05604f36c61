/**
 * Index records to and from bytes.
 *
 * | field   | offset | size | meaning                                                                          |
 * |---------|--------|------|----------------------------------------------------------------------------------|
 * | kind    | 0      | 1    | 1 object, 2 deleting, 3 upload, 4 part, 5 queued, 6 UFS part, 7 stale upload, 8 UFS base |
 * | version | 1      | 8    | kind 1 only: version, little endian                                              |
 * | body    | 9 or 1 | rest | kind 1: `ObjectVersion` of `log/events.proto`; others: UTF-8 JSON, kind 5 a list |
 *
 * The index store's blocks carry checksums, so bytes that arrive here are those that were written.
 */
import { HeadraceError } from '../src/core/errors.js';
import type { IndexCodec } from '../src/core/index-store.js';
import { KIB } from '../src/core/units.js';
import { encodeObject } from '../log/event-parts.js';
import { headrace } from '../log/events.generated.js';
import { readObjectTo } from '../log/part-readers.js';
import { NumberReader, NumberWriter } from '../log/protobuf-scalars.js';
import { objectRecord, type IndexRecord, type ObjectRecord, type QueueRecord } from './records.js';

const KINDS = [
  'object',
  'deleting',
  'upload',
  'part',
  'queued',
  'ufsPart',
  'staleUpload',
  'ufsBase',
] as const;
const OBJECT_KIND = 1;
const QUEUED_KIND = 5;
const QUEUED_PREFIX = `${String.fromCharCode(QUEUED_KIND)}[`;
const OBJECT_BODY_AT = 9;
/** What stands in front of the body of kind 1 before the version is known. */
const OBJECT_HEADER = Uint8Array.of(OBJECT_KIND, 0, 0, 0, 0, 0, 0, 0, 0);
/** Holds the object record that was encoded last: its memory is recycled. */
const scratch = new NumberWriter();
/** Holds the queue record that was encoded last, if it fits. */
const queuedBytes = Buffer.allocUnsafeSlow(4 * KIB);
const UTF8_BYTES_PER_UNIT_MAX = 3;

export const RECORD_CODEC: IndexCodec<IndexRecord> = {
  encode: (_key, record) => (record.kind === 'object' ? encodeObjectRecord(record) : encodeOther(record)),
  decode: (_key, bytes) => (bytes[0] === OBJECT_KIND ? decodeObjectRecord(bytes) : decodeOther(bytes)),
};

function encodeObjectRecord(record: ObjectRecord): Uint8Array {
  const { version } = record;
  scratch.rewind(0);
  scratch.raw(OBJECT_HEADER);
  headrace.log.ObjectVersion.encode(encodeObject(record), scratch);
  const bytes = scratch.buf.subarray(0, scratch.pos);
  for (let at = 1, rest = version; rest > 0; at++, rest = Math.floor(rest / 256)) bytes[at] = rest % 256;
  return bytes;
}

function decodeObjectRecord(bytes: Uint8Array): ObjectRecord {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const version = Number(buffer.readBigUInt64LE(1));
  const reader = new NumberReader(buffer);
  reader.pos = OBJECT_BODY_AT;
  return objectRecord(version, readObjectTo(reader, buffer.length));
}

function encodeOther(record: Exclude<IndexRecord, ObjectRecord>): Uint8Array {
  if (record.kind === 'queued') return encodeQueued(record);
  const json = JSON.stringify(record, (_name, value: unknown) =>
    typeof value === 'bigint' ? `0x${value.toString(16)}` : value,
  );
  return Buffer.from(String.fromCharCode(KINDS.indexOf(record.kind) + 1) + json);
}

/** Every dirty object has one, so it is short: names are left out, and what is unset at the end. */
function encodeQueued(record: QueueRecord): Uint8Array {
  const { action, bucket, key, size, sinceMs, attempt, nextAttemptAtMs, cause, message, quarantined } =
    record;
  const { upload } = record;
  const place = `${action === 'put' ? 1 : 0},${JSON.stringify(bucket)},${JSON.stringify(key)}`;
  // Joined by hand, into recycled memory: one of these is written per dirty object at every checkpoint.
  let text = `${QUEUED_PREFIX}${place},${size},${sinceMs}`;
  if (attempt > 0 || quarantined || upload !== undefined) {
    const failure = `${JSON.stringify(cause)},${JSON.stringify(message)},${quarantined ? 1 : 0}`;
    text += `,${attempt},${nextAttemptAtMs},${failure}`;
    if (upload !== undefined) text += `,${JSON.stringify(upload.id)},${upload.sinceMs}`;
  }
  text += ']';
  if (text.length * UTF8_BYTES_PER_UNIT_MAX > queuedBytes.length) return Buffer.from(text);
  return queuedBytes.subarray(0, queuedBytes.write(text));
}

type QueuedList = [
  number,
  string,
  string,
  number,
  number,
  number?,
  number?,
  string?,
  string?,
  number?,
  string?,
  number?,
];

function decodeQueued(bytes: Uint8Array): QueueRecord {
  const list = JSON.parse(Buffer.from(bytes).toString('utf8', 1)) as QueuedList;
  const [
    action,
    bucket,
    key,
    size,
    sinceMs,
    attempt = 0,
    nextAttemptAtMs = 0,
    cause = '',
    message = '',
    held = 0,
    uploadId,
    uploadSinceMs = 0,
  ] = list;
  return {
    kind: 'queued',
    action: action === 1 ? 'put' : 'delete',
    bucket,
    key,
    size,
    sinceMs,
    attempt,
    nextAttemptAtMs,
    cause,
    message,
    quarantined: held === 1,
    ...(uploadId === undefined ? {} : { upload: { id: uploadId, sinceMs: uploadSinceMs } }),
  };
}

function decodeOther(bytes: Uint8Array): IndexRecord {
  const kind = KINDS[(bytes[0] ?? 0) - 1];
  if (kind === undefined) {
    throw new HeadraceError(
      'UNSUPPORTED_FORMAT',
      `the index holds a record of kind ${bytes[0]}: it is of a newer version`,
    );
  }
  if (kind === 'queued') return decodeQueued(bytes);
  return JSON.parse(Buffer.from(bytes).toString('utf8', 1), (name, value: unknown) =>
    name === 'checksum' && typeof value === 'string' && value.startsWith('0x') ? BigInt(value) : value,
  ) as IndexRecord;
}
