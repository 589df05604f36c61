/**
 * Events of one object as sentences: what happened, and why. Pure; it knows no more than the events it is given, in order, so
 * that the same log tells the same story wherever it is read.
 */
import { DAY_MS, GIB, HOUR_MS, KIB, MIB, MINUTE_MS, SECOND_MS, TIB } from '../../core/units.js';
import type { DataEvent } from '../../../log/events.js';
import type {
  AbandonReason,
  ObjectCommitted,
  ObjectDeleted,
  ObjectEvicted,
  Replaced,
} from '../../../log/object-events.js';
import type { PersistFailed } from '../../../log/persist-events.js';

const ABANDON_REASONS: Readonly<Record<AbandonReason, string>> = {
  CLIENT: 'the client gave it up',
  FAILED: 'it failed',
  RESTART: 'the server was restarted meanwhile',
  DANGLING: 'no data came for too long',
  TIMEOUT: 'it stayed open for too long',
};

const EVICT_REASONS: Readonly<Record<Exclude<ObjectEvicted['reason'], 'CHANGED'>, string>> = {
  PRESSURE: 'evicted, because space was needed',
  REQUEST: 'evicted on request (job free)',
};

/** Tells one event after the other; each may refer to those before. */
export class ObjectStory {
  /** When each version was committed or deleted, until the UFS knows of it. */
  readonly #sinceMs = new Map<number, number>();
  readonly #attempts = new Map<number, number>();

  /** The sentence for the next event of the object. */
  tell(event: DataEvent, offset: number): string {
    switch (event.type) {
      case 'WriteOpened':
        return `a write was opened, and ${formatSize(event.reservedBytes)} reserved for it`;
      case 'WriteAbandoned':
        return `the write that was open was abandoned: ${ABANDON_REASONS[event.reason]}; ${formatSize(event.reservedBytes)} are free again`;
      case 'UploadOpened':
        return `multipart upload ${event.uploadId} was begun${event.initiator === undefined ? '' : ` by ${event.initiator}`}`;
      case 'PartStored':
        return `part ${event.partNumber} of multipart upload ${event.uploadId} was stored: ${formatSize(event.size)}`;
      case 'UploadAborted':
        return `multipart upload ${event.uploadId} was aborted: ${ABANDON_REASONS[event.reason]}; ${formatSize(event.bytes)} are free again`;
      case 'ObjectCommitted':
        return this.#committed(event, offset);
      case 'ObjectDeleted':
        return this.#deleted(event, offset);
      case 'PersistFailed':
        return this.#failed(event);
      case 'ObjectPersisted':
        return `persisted: the UFS holds version ${event.version} with ETag ${event.ufsEtag}${this.#after(event)}`;
      case 'DeletePersisted':
        return `the delete is persisted: the UFS holds the object no more${this.#after(event)}`;
      case 'ObjectEvicted':
        if (event.reason === 'CHANGED')
          return `the local copy of version ${event.version} was given up, because the UFS gets or has other bytes, or the copy was damaged: ${formatSize(event.size)}`;
        return `${EVICT_REASONS[event.reason]}: ${formatSize(event.size)}; the UFS still holds version ${event.version}`;
      case 'ExtentsMoved':
        return event.uploadId === undefined
          ? `compaction moved the bytes of version ${event.version} to ${segments(event.to)}`
          : `compaction moved the bytes of part ${event.partNumber} to ${segments(event.to)}`;
      case 'PersistRetried':
        this.#attempts.delete(event.version);
        return `an operator had version ${event.version} tried again, as if it had never failed`;
      case 'PersistDiscarded':
        return event.deletion
          ? `an operator gave the pending delete up: what the UFS holds is the truth again (${event.reason})`
          : `an operator discarded version ${event.version}, which only the cache held: ${formatSize(event.size)} are lost (${event.reason})`;
      case 'UfsUploadStarted':
        return event.ufsUpload === ''
          ? `a multipart upload of version ${event.version} is about to begin at the UFS`
          : `a multipart upload of version ${event.version} began at the UFS: ${event.ufsUpload}`;
      case 'UfsPartStored':
        return `the UFS holds part ${event.partNumber} of version ${event.version}: ${formatSize(event.size)}`;
      case 'UfsBaseNoted':
        return event.ufsEtag === undefined
          ? 'the UFS had no such object before it was written here'
          : `before it was written here the UFS had the object with ETag ${event.ufsEtag}`;
      case 'UfsUploadEnded':
        return `the multipart upload ${event.ufsUpload} at the UFS was given up`;
      default:
        return tellOther(event);
    }
  }

  #committed(event: ObjectCommitted, offset: number): string {
    const { object, origin, replaced } = event;
    if (origin === 'FILL')
      return `read back from the UFS and cached as version ${offset}: ${formatSize(object.size)}`;
    if (origin === 'TAGS')
      return `got other tags: version ${offset} takes the place of ${replaced?.version ?? 'the one before'}${pending(object.state)}`;
    const how = putBy(event);
    this.#since(offset, event.atMs);
    const over = replaced === undefined ? '' : `; it overwrites ${describeReplaced(replaced)}`;
    const undone = event.replacedDelete === undefined ? '' : '; the delete that waited is needless now';
    return `${how}: ${formatSize(object.size)}, ETag ${object.etag}, policy ${object.policy}; committed as version ${offset}${pending(object.state)}${over}${undone}`;
  }

  #deleted({ replaced, ufsDelete, atMs }: ObjectDeleted, offset: number): string {
    if (ufsDelete) this.#since(offset, atMs);
    const what = replaced === undefined ? 'deleted' : `deleted, with ${describeReplaced(replaced)}`;
    return ufsDelete ? `${what}; it is still to be deleted in the UFS` : what;
  }

  #failed(event: PersistFailed): string {
    this.#attempts.set(event.version, event.attempt);
    const because = event.message === '' ? event.cause : `${event.message} (${event.cause})`;
    const then = event.quarantined
      ? 'it is quarantined: no further attempt until an operator decides'
      : `the next attempt is due ${formatSpan(event.nextAttemptAtMs - event.atMs)} later`;
    return `upload attempt ${event.attempt} of version ${event.version} failed because ${because}; ${then}`;
  }

  #since(version: number, atMs: number): void {
    this.#sinceMs.set(version, atMs);
  }

  #after({ version, atMs }: { version: number; atMs: number }): string {
    const sinceMs = this.#sinceMs.get(version);
    const failed = this.#attempts.get(version);
    this.#sinceMs.delete(version);
    this.#attempts.delete(version);
    const after = sinceMs === undefined ? '' : `, ${formatSpan(atMs - sinceMs)} after it was asked for`;
    return failed === undefined ? after : `${after}, at attempt ${failed + 1}`;
  }
}

/** An event that has no sentence of its own yet is still told, by its name and its plain values. */
function tellOther(event: object): string {
  const { type, ...rest } = event as Readonly<Record<string, unknown>>;
  const values = Object.entries(rest)
    .filter(([name]) => name !== 'atMs' && name !== 'bucket' && name !== 'key')
    .filter(([, value]) => ['string', 'number', 'boolean'].includes(typeof value))
    .map(([name, value]) => `${splitWords(name)} ${String(value)}`);
  const what = splitWords(String(type));
  return values.length === 0 ? what : `${what}: ${values.join(', ')}`;
}

/** `ObjectParked` as `object parked`. */
function splitWords(name: string): string {
  return name.replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ').toLowerCase();
}

function putBy({ uploadId, writeId, object }: ObjectCommitted): string {
  if (uploadId !== undefined)
    return `put by multipart upload ${uploadId} of ${object.parts?.length ?? 0} parts`;
  return writeId === undefined ? 'put by one request' : 'put by a streamed request';
}

function pending(state: ObjectCommitted['object']['state']): string {
  switch (state) {
    case 'PENDING':
      return ', durable here, still to be persisted';
    case 'PERSISTED':
      return ', which the UFS holds already';
    case 'TRANSIENT':
      return ', which never goes to the UFS';
    case 'QUARANTINED':
      return ', in quarantine';
  }
}

function describeReplaced({ version, state }: Replaced): string {
  const was = {
    PENDING: 'which was not persisted yet and never will be',
    PERSISTED: 'which was persisted',
    TRANSIENT: 'which was transient',
    QUARANTINED: 'which was in quarantine',
  }[state];
  return `version ${version}, ${was}`;
}

function segments(extents: readonly { readonly segment: number }[]): string {
  const ids = [...new Set(extents.map(({ segment }) => segment))];
  return `segment${ids.length === 1 ? '' : 's'} ${ids.join(', ')}`;
}

/** `1.5 GiB`. */
export function formatSize(sizeBytes: number): string {
  for (const [factor, unit] of [
    [TIB, 'TiB'],
    [GIB, 'GiB'],
    [MIB, 'MiB'],
    [KIB, 'KiB'],
  ] as const)
    if (sizeBytes >= factor) {
      const scaled = sizeBytes / factor;
      return `${Number.isInteger(scaled) ? scaled : scaled.toFixed(1)} ${unit}`;
    }
  return sizeBytes === 1 ? '1 byte' : `${sizeBytes} bytes`;
}

/** A span of time as somebody would say it: `40 ms`, `90 s`, `5 min`, `3 h`, `2 d`. */
export function formatSpan(durationMs: number): string {
  const span = Math.max(0, durationMs);
  if (span < SECOND_MS) return `${Math.round(span)} ms`;
  if (span < 2 * MINUTE_MS) return `${Math.round(span / SECOND_MS)} s`;
  if (span < 2 * HOUR_MS) return `${Math.round(span / MINUTE_MS)} min`;
  if (span < 2 * DAY_MS) return `${Math.round(span / HOUR_MS)} h`;
  return `${Math.round(span / DAY_MS)} d`;
}
