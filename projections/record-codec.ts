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
import { writeObject } from '../log/object-writers.js';
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
/** Holds the queue record that was encoded last, if it is a usual one. */
const queuedBytes = Buffer.allocUnsafeSlow(4 * KIB);
/** Everything but the names: two numbers of at most 16 digits, and what stands between. */
const UNTRIED_REST_BYTES_MAX = 64;
const TWO_TO_32 = 2 ** 32;
const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const TILDE = 0x7e;

export const RECORD_CODEC: IndexCodec<IndexRecord> = {
  encode: (record) => (record.kind === 'object' ? encodeObjectRecord(record) : encodeOther(record)),
  decode: (_key, bytes) => (bytes[0] === OBJECT_KIND ? decodeObjectRecord(bytes) : decodeOther(bytes)),
};

function encodeObjectRecord(record: ObjectRecord): Uint8Array {
  const { version } = record;
  scratch.rewind(0);
  scratch.raw(OBJECT_HEADER);
  writeObject(record, scratch);
  const bytes = scratch.buf.subarray(0, scratch.pos);
  writeUint32(bytes, 1, version);
  writeUint32(bytes, 5, version / TWO_TO_32);
  return bytes;
}

/** The whole part of `value`, of which 32 bits count. */
function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

function decodeObjectRecord(bytes: Uint8Array): ObjectRecord {
  const reader = new NumberReader(bytes);
  const { buf } = reader;
  const version = buf.readUInt32LE(1) + buf.readUInt32LE(5) * TWO_TO_32;
  reader.pos = OBJECT_BODY_AT;
  return objectRecord(version, readObjectTo(reader, bytes.length));
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
  const isNew = attempt === 0 && !quarantined && upload === undefined;
  const untried = isNew ? writeUntried(record) : undefined;
  if (untried !== undefined) return untried;
  const place = `${action === 'put' ? 1 : 0},${JSON.stringify(bucket)},${JSON.stringify(key)}`;
  let text = `${QUEUED_PREFIX}${place},${size},${sinceMs}`;
  if (!isNew) {
    const failure = `${JSON.stringify(cause)},${JSON.stringify(message)},${quarantined ? 1 : 0}`;
    text += `,${attempt},${nextAttemptAtMs},${failure}`;
    if (upload !== undefined) text += `,${JSON.stringify(upload.id)},${upload.sinceMs}`;
  }
  return Buffer.from(`${text}]`);
}

/**
 * The same, into recycled memory, of an entry without a failure whose names need no escapes: one of these is written per dirty object.
 * Undefined for others.
 */
function writeUntried({ action, bucket, key, size, sinceMs }: QueueRecord): Uint8Array | undefined {
  if (bucket.length + key.length + UNTRIED_REST_BYTES_MAX > queuedBytes.length) return undefined;
  let at = queuedBytes.write(`${QUEUED_PREFIX}${action === 'put' ? 1 : 0},"`, 0, 'latin1');
  at = writePlain(bucket, at);
  if (at < 0) return undefined;
  queuedBytes[at++] = QUOTE;
  queuedBytes[at++] = COMMA;
  queuedBytes[at++] = QUOTE;
  at = writePlain(key, at);
  if (at < 0) return undefined;
  at += queuedBytes.write(`",${size},${sinceMs}]`, at, 'latin1');
  return queuedBytes.subarray(0, at);
}

/** Returns where it ends in `queuedBytes`, or -1 when JSON or UTF-8 writes any of it in another way. */
function writePlain(text: string, at: number): number {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < SPACE || unit > TILDE || unit === QUOTE || unit === BACKSLASH) return -1;
    queuedBytes[at + i] = unit;
  }
  return at + text.length;
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
