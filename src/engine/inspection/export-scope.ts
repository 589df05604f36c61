/**
 * What of a log and of a state goes into an export: all of it, or the objects of a bucket or below a prefix; with their names,
 * or with hashes in the place of names.
 *
 * Bytes of objects are never in a log. Users never leave, and secrets in the options of mounts are masked. Mounts of other buckets stay
 * behind with their objects, and so do jobs, which may be about several. With hashed names metadata, tags, headers and the words of errors and
 * operators stay behind as well, and so does the control stream, because all of them may name things.
 */
import { createHash } from 'node:crypto';
import type { DataEvent, Event } from '../../../log/events.js';
import { isControlEvent } from '../../../projections/control.js';
import type { OpenWrite, Orphans } from '../../../projections/orphans.js';
import {
  objectKey,
  parseObjectKey,
  parsePartKey,
  parseUploadKey,
  partKey,
  queueVersion,
  uploadKey,
  type IndexRecord,
} from '../../../projections/records.js';

const HASH_HEX_DIGITS = 12;
const SECRET_OPTION = /secret|password|token|key/i;
const NO_HEADERS = { system: {}, user: {} };

export interface ExportScopeOptions {
  readonly bucket?: string | undefined;
  readonly prefix?: string | undefined;
  readonly salt?: string | undefined;
}

/** Stands for a bucket name, the same for the same salt. */
export function hashBucket(salt: string, bucket: string): string {
  return hashText(salt, bucket);
}

/** Every part between slashes by itself, so that the shape of a directory tree stays to be seen. */
export function hashKey(salt: string, key: string): string {
  return key
    .split('/')
    .map((part) => (part === '' ? '' : hashText(salt, part)))
    .join('/');
}

function hashText(salt: string, text: string): string {
  return createHash('sha256').update(`${salt}\0${text}`).digest('hex').slice(0, HASH_HEX_DIGITS);
}

export class ExportScope {
  readonly #options: ExportScopeOptions;

  constructor(options: ExportScopeOptions) {
    this.#options = options;
  }

  /** Whether events and records leave as they are, so that hashes of the state can be compared with those of the engine. */
  get isWhole(): boolean {
    return !this.isSelection && this.#options.salt === undefined;
  }

  /** Whether some objects stay behind. */
  get isSelection(): boolean {
    return this.#options.bucket !== undefined;
  }

  /** The event as it leaves; undefined when it stays. */
  event(event: Event): Event | undefined {
    const { salt } = this.#options;
    if (isControlEvent(event)) {
      if (salt !== undefined || event.type === 'UserChanged' || event.type === 'UserRemoved')
        return undefined;
      if ('bucket' in event && !this.#hasBucket(event.bucket)) return undefined;
      if ('path' in event && !this.#hasBucket(event.path.split('/')[1] ?? '')) return undefined;
      if (event.type === 'JobChanged' && this.isSelection) return undefined;
      return event.type === 'MountAdded' ? { ...event, options: maskSecrets(event.options) } : event;
    }
    if (!this.#has(event)) return undefined;
    return salt === undefined ? event : hashEvent(salt, event);
  }

  /** Versions whose queue entries leave; what belongs to a version by its number leaves with them. */
  collectVersions(entries: Iterable<readonly [key: string, record: IndexRecord]>, into: Set<number>): void {
    for (const [key, record] of entries)
      if (record.kind === 'queued' && this.#has(record)) into.add(queueVersion(key));
  }

  /** The record as it leaves, with its key; undefined when it stays. */
  record(
    key: string,
    record: IndexRecord,
    versions: ReadonlySet<number>,
  ): readonly [key: string, record: IndexRecord] | undefined {
    if (this.isWhole) return [key, record];
    const { salt } = this.#options;
    switch (record.kind) {
      case 'ufsPart':
        return versions.has(queueVersion(key)) ? [key, record] : undefined;
      case 'queued':
        if (!this.#has(record)) return undefined;
        return [key, salt === undefined ? record : { ...record, ...hashNames(salt, record), message: '' }];
      case 'staleUpload':
        if (!this.#has(record)) return undefined;
        return [key, salt === undefined ? record : { ...record, ...hashNames(salt, record) }];
      case 'object':
      case 'deleting':
      case 'upload':
      case 'part':
        return this.#named(key, record);
      default:
        return this.#ofObject(key, record);
    }
  }

  /** The open writes that leave. */
  orphans(orphans: Orphans): Orphans {
    const { salt } = this.#options;
    const kept: Orphans = new Map();
    for (const [id, write] of orphans) {
      if (!this.#has(write)) continue;
      if (salt === undefined) kept.set(id, write);
      else {
        const hashed: OpenWrite = { ...write, ...hashNames(salt, write) };
        kept.set(write.kind === 'upload' ? uploadKey(hashed.bucket, hashed.key, write.id) : id, hashed);
      }
    }
    return kept;
  }

  #named(
    indexKey: string,
    record: Extract<IndexRecord, { kind: 'object' | 'deleting' | 'upload' | 'part' }>,
  ): readonly [key: string, record: IndexRecord] | undefined {
    const { salt } = this.#options;
    const name: { readonly bucket: string; readonly key: string; readonly uploadId?: string } =
      record.kind === 'part'
        ? parsePartKey(indexKey)
        : record.kind === 'upload'
          ? parseUploadKey(indexKey)
          : parseObjectKey(indexKey);
    if (!this.#has(name)) return undefined;
    if (salt === undefined) return [indexKey, record];
    const { bucket, key } = hashNames(salt, name);
    const { uploadId = '' } = name;
    if (record.kind === 'part') return [partKey(bucket, key, uploadId, record.number), record];
    if (record.kind === 'deleting') return [objectKey(bucket, key), record];
    if (record.kind === 'upload') {
      const bare = { ...record, headers: NO_HEADERS, initiator: undefined };
      return [uploadKey(bucket, key, uploadId), bare];
    }
    return [objectKey(bucket, key), { ...record, headers: NO_HEADERS }];
  }

  /** A record that is about an object and holds no name itself. */
  #ofObject(indexKey: string, record: IndexRecord): readonly [key: string, record: IndexRecord] | undefined {
    const { salt } = this.#options;
    const name = parseObjectKey(indexKey);
    if (!this.#has(name)) return undefined;
    if (salt === undefined) return [indexKey, record];
    const { bucket, key } = hashNames(salt, name);
    return [indexKey.slice(0, 1) + objectKey(bucket, key).slice(1), record];
  }

  #hasBucket(bucket: string): boolean {
    return this.#options.bucket === undefined || this.#options.bucket === bucket;
  }

  #has({ bucket, key }: { readonly bucket: string; readonly key: string }): boolean {
    return this.#hasBucket(bucket) && key.startsWith(this.#options.prefix ?? '');
  }
}

function hashNames(
  salt: string,
  { bucket, key }: { readonly bucket: string; readonly key: string },
): { bucket: string; key: string } {
  return { bucket: hashBucket(salt, bucket), key: hashKey(salt, key) };
}

function hashEvent(salt: string, event: DataEvent): DataEvent {
  const names = hashNames(salt, event);
  switch (event.type) {
    case 'ObjectCommitted':
      return { ...event, ...names, object: { ...event.object, headers: NO_HEADERS } };
    case 'UploadOpened':
      return { ...event, ...names, headers: NO_HEADERS, initiator: undefined };
    // The cause stays. Words have names in them, also such as a mount gives the object in its store.
    case 'PersistFailed':
      return { ...event, ...names, message: '' };
    case 'PersistDiscarded':
      return { ...event, ...names, reason: '' };
    default:
      return { ...event, ...names };
  }
}

function maskSecrets(options: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(options).map(([name, value]) => [name, SECRET_OPTION.test(name) ? '****' : value]),
  );
}
