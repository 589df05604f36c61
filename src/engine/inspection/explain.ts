/**
 * Why an object is not persisted: a pure decision on its events and, when an engine runs, on what that knows now. The words for it are in
 * `explain-words.ts`.
 *
 * | what the events (or the live state) say          | situation               |
 * |--------------------------------------------------|-------------------------|
 * | nothing                                          | UNKNOWN                 |
 * | nothing, and the UFS has it                      | UFS_ONLY                |
 * | a write or multipart upload is open, no version  | OPEN                    |
 * | committed, policy TRANSIENT                      | TRANSIENT               |
 * | committed, no failure yet                        | PENDING or UPLOADING    |
 * | the last attempt failed                          | WAITING                 |
 * | the last attempt failed for good                 | QUARANTINED, CONFLICT   |
 * | persisted, local copy kept or given up           | PERSISTED, EVICTED      |
 * | given up here, and the UFS does not have it      | UFS_LOST                |
 * | deleted, the UFS to follow or done               | DELETING, DELETED       |
 * | given up by an operator                          | DISCARDED               |
 */
import type { DataEvent } from '../../../log/events.js';
import type { PersistFailed } from '../../../log/persist-events.js';
import type { ObjectStat } from '../admin-service.js';
import { advise, limitsOf, outageOf, ownersOf, summarise } from './explain-words.js';
import type { Explanation, LiveKnowledge, Situation } from './log-inspection.js';

export interface ExplainInput {
  readonly bucket: string;
  readonly key: string;
  /** In order; not necessarily from the first. */
  readonly events: readonly { readonly offset: number; readonly event: DataEvent }[];
  readonly oldestOffset: number;
  readonly live: LiveKnowledge | undefined;
  readonly nowMs: number;
}

export interface Standing {
  readonly situation: Situation;
  readonly version?: number;
  readonly size?: number;
  readonly sinceMs?: number;
  readonly failure?: Failure | undefined;
  readonly ufsEtag?: string | undefined;
  /** Whether it is about a pending delete. */
  readonly isDelete?: boolean;
  /** Of a large object that goes to the UFS in parts. */
  readonly uploadedBytes?: number;
  /** Why an operator gave it up. */
  readonly reason?: string;
  /** The newest write that is open. */
  readonly open?: OpenWriteStanding | undefined;
}

export interface OpenWriteStanding {
  readonly id: string;
  readonly kind: 'write' | 'upload';
  readonly sinceMs: number;
  readonly lastDataMs: number;
  readonly parts: number;
  readonly bytes: number;
}

export interface Failure {
  readonly attempt: number;
  readonly cause: string;
  readonly because: string;
  readonly nextAttemptAtMs: number;
}

const PERSISTED: ReadonlySet<Situation> = new Set(['PERSISTED', 'EVICTED', 'UFS_ONLY']);

export function explain(input: ExplainInput): Explanation {
  const { bucket, key, live } = input;
  const logged = input.events.reduce(follow, { situation: 'UNKNOWN' } as Standing);
  const standing = live?.stat === undefined ? withUfs(logged, live) : standingOf(live.stat, logged);
  const { situation } = standing;
  return {
    bucket,
    key,
    persisted: situation === 'UNKNOWN' ? undefined : PERSISTED.has(situation),
    situation,
    summary: summarise(standing, input),
    details: [
      ...outageOf(standing, live),
      ...advise(standing, input),
      ...ownersOf(standing, live),
      ...limitsOf(input),
    ],
  };
}

/** What the events up to and with this one come to. */
function follow(
  before: Standing,
  { offset, event }: { readonly offset: number; readonly event: DataEvent },
): Standing {
  switch (event.type) {
    case 'ObjectCommitted': {
      const { size, state, ufsEtag } = event.object;
      const kept = { version: offset, size, sinceMs: event.atMs };
      if (state === 'PERSISTED') return { ...kept, situation: 'PERSISTED', ufsEtag };
      // Tags make a version of the same bytes: since when it waits does not change.
      const sinceMs = event.origin === 'TAGS' ? (before.sinceMs ?? event.atMs) : event.atMs;
      return { ...kept, sinceMs, situation: state };
    }
    case 'ObjectPersisted': {
      const { version, size, atMs, ufsEtag } = event;
      return { situation: 'PERSISTED', version, size, sinceMs: atMs, ufsEtag, open: before.open };
    }
    case 'PersistFailed':
      return failed(before, event);
    case 'PersistRetried':
      return { ...before, situation: before.isDelete === true ? 'DELETING' : 'PENDING', failure: undefined };
    case 'PersistDiscarded': {
      const { version, size, atMs, deletion, reason } = event;
      return { situation: 'DISCARDED', version, size, sinceMs: atMs, isDelete: deletion, reason };
    }
    case 'ObjectEvicted': {
      const { version, size, atMs } = event;
      return { ...before, situation: 'EVICTED', version, size, sinceMs: atMs };
    }
    case 'ObjectDeleted': {
      const situation = event.ufsDelete ? 'DELETING' : 'DELETED';
      return { situation, version: offset, sinceMs: event.atMs, isDelete: true };
    }
    case 'DeletePersisted':
      return { situation: 'DELETED', version: event.version, sinceMs: event.atMs };
    default:
      return { ...before, ...openBy(before, event) };
  }
}

function failed(
  before: Standing,
  { version, attempt, cause, message, nextAttemptAtMs, quarantined }: PersistFailed,
): Standing {
  const failure = { attempt, cause, because: becauseOf(cause, message), nextAttemptAtMs };
  const waiting = before.isDelete === true ? 'DELETING' : 'WAITING';
  const parked = cause === 'UFS_CONFLICT' ? 'CONFLICT' : 'QUARANTINED';
  return { ...before, version, situation: quarantined ? parked : waiting, failure };
}

/** Writes that are open decide only where there is no version. */
function openBy(before: Standing, event: DataEvent): Partial<Standing> {
  const { open } = before;
  const isNothing = before.situation === 'UNKNOWN' || before.situation === 'DELETED';
  switch (event.type) {
    case 'WriteOpened':
    case 'UploadOpened': {
      // The parts of an upload are writes as well, while they are on their way.
      if (event.type === 'WriteOpened' && open?.kind === 'upload') return {};
      const [kind, id, bytes] =
        event.type === 'WriteOpened'
          ? (['write', event.writeId, event.reservedBytes] as const)
          : (['upload', event.uploadId, 0] as const);
      const opened = { id, kind, sinceMs: event.atMs, lastDataMs: event.atMs, parts: 0, bytes };
      return isNothing || before.situation === 'OPEN'
        ? { situation: 'OPEN', sinceMs: event.atMs, open: opened }
        : { open: opened };
    }
    case 'PartStored':
      if (open?.id !== event.uploadId) return {};
      return {
        open: { ...open, lastDataMs: event.atMs, parts: open.parts + 1, bytes: open.bytes + event.size },
      };
    case 'WriteAbandoned':
    case 'UploadAborted': {
      const id = event.type === 'WriteAbandoned' ? event.writeId : event.uploadId;
      if (open?.id !== id) return {};
      return before.situation === 'OPEN' ? { situation: 'UNKNOWN', open: undefined } : { open: undefined };
    }
    default:
      return {};
  }
}

/** The live state is the newer truth; what it does not hold comes from the events. */
function standingOf(stat: ObjectStat, logged: Standing): Standing {
  const { version, size, persist, ufsEtag } = stat;
  if (stat.state === 'PERSISTED' || stat.state === 'TRANSIENT')
    return {
      situation: stat.state,
      version,
      size,
      ufsEtag,
      ...(isSame(stat, logged) ? sinceOf(logged) : {}),
    };
  const { attempt = 0, cause = '', message = '', nextAttemptAtMs = 0, uploadedBytes } = persist ?? {};
  const failure =
    attempt > 0 ? { attempt, cause, because: becauseOf(cause, message), nextAttemptAtMs } : undefined;
  const isDelete = stat.state === 'DELETING';
  const phase = persist?.phase ?? (isDelete ? 'PENDING' : stat.state);
  const isUnderWay = phase === 'PENDING' || phase === 'WAITING' || phase === 'UPLOADING';
  return {
    situation: isDelete && isUnderWay ? 'DELETING' : phase,
    version,
    ...(isDelete ? { isDelete } : { size }),
    ...(persist === undefined ? sinceOf(logged) : { sinceMs: persist.sinceMs }),
    ...(uploadedBytes === undefined ? {} : { uploadedBytes }),
    failure,
  };
}

/** What the cache does not hold the UFS may: it was asked. */
function withUfs(logged: Standing, live: LiveKnowledge | undefined): Standing {
  const { ufs } = live ?? {};
  if (ufs === undefined || !('held' in ufs)) return logged;
  const isUnknown = logged.situation === 'UNKNOWN';
  if (isUnknown && ufs.held !== undefined)
    return { situation: 'UFS_ONLY', size: ufs.held.size, ufsEtag: ufs.held.storeEtag };
  return logged.situation === 'EVICTED' && ufs.held === undefined
    ? { ...logged, situation: 'UFS_LOST' }
    : logged;
}

function isSame({ version }: ObjectStat, logged: Standing): boolean {
  return version === logged.version;
}

function sinceOf({ sinceMs }: Standing): { sinceMs?: number } {
  return sinceMs === undefined ? {} : { sinceMs };
}

function becauseOf(cause: string, message: string): string {
  // What it says there is to be done is said as a command of its own.
  if (cause === 'UFS_CONFLICT' && message !== '')
    return message.replace(/; keep ours or theirs with .*$/s, '');
  if (message === '') return cause === '' ? 'of an unknown cause' : cause;
  return `${message} (${cause})`;
}
