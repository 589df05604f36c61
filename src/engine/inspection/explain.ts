/**
 * Why an object is not persisted: a pure decision on its events and, when an engine runs, on what that knows now.
 *
 * | what the events (or the live state) say        | situation               |
 * |------------------------------------------------|-------------------------|
 * | nothing                                        | UNKNOWN                 |
 * | a write or multipart upload is open, no version | OPEN                   |
 * | committed, policy TRANSIENT                    | TRANSIENT               |
 * | committed, no failure yet                      | PENDING or UPLOADING    |
 * | the last attempt failed                        | WAITING                 |
 * | the last attempt failed for good               | QUARANTINED             |
 * | persisted, local copy kept or given up         | PERSISTED, EVICTED      |
 * | deleted, the UFS to follow or done             | DELETING, DELETED       |
 * | given up by an operator                        | DISCARDED               |
 */
import type { DataEvent } from '../../../log/events.js';
import type { ObjectStat } from '../admin-service.js';
import type { Explanation, LiveKnowledge, Situation } from './log-inspection.js';
import { formatSize, formatSpan } from './object-story.js';

export interface ExplainInput {
  readonly bucket: string;
  readonly key: string;
  /** In order; not necessarily from the first. */
  readonly events: readonly { readonly offset: number; readonly event: DataEvent }[];
  readonly oldestOffset: number;
  readonly live: LiveKnowledge | undefined;
  readonly nowMs: number;
}

interface Standing {
  readonly situation: Situation;
  readonly version?: number;
  readonly size?: number;
  readonly sinceMs?: number;
  readonly failure?: Failure;
  readonly ufsEtag?: string;
}

interface Failure {
  readonly attempt: number;
  readonly because: string;
  readonly nextAttemptAtMs: number;
}

export function explain(input: ExplainInput): Explanation {
  const { bucket, key, live, nowMs } = input;
  const logged = input.events.reduce(follow, { situation: 'UNKNOWN' } as Standing);
  const standing = live?.stat === undefined ? logged : standingOf(live.stat, logged);
  const { situation } = standing;
  const persisted =
    situation === 'UNKNOWN' ? undefined : situation === 'PERSISTED' || situation === 'EVICTED';
  return {
    bucket,
    key,
    persisted,
    situation,
    summary: summarise(standing, nowMs),
    details: [...advise(standing, nowMs), ...ownersOf(standing, live), ...limitsOf(input)],
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
    case 'ObjectPersisted':
      return { ...before, ...persistedBy(event), situation: 'PERSISTED', failure: undefined };
    case 'PersistFailed': {
      const because = event.message === '' ? event.cause : `${event.message} (${event.cause})`;
      const failure = { attempt: event.attempt, because, nextAttemptAtMs: event.nextAttemptAtMs };
      const situation = event.quarantined
        ? 'QUARANTINED'
        : before.situation === 'DELETING'
          ? 'DELETING'
          : 'WAITING';
      return { ...before, version: event.version, situation, failure };
    }
    case 'PersistRetried':
      return before.situation === 'DELETING'
        ? { ...before, failure: undefined }
        : { ...before, situation: 'PENDING', failure: undefined };
    case 'PersistDiscarded':
      return { situation: 'DISCARDED', version: event.version, size: event.size, sinceMs: event.atMs };
    case 'ObjectEvicted':
      return { ...before, situation: 'EVICTED', version: event.version, size: event.size };
    case 'ObjectDeleted':
      return { situation: event.ufsDelete ? 'DELETING' : 'DELETED', version: offset, sinceMs: event.atMs };
    case 'DeletePersisted':
      return { situation: 'DELETED', version: event.version, sinceMs: event.atMs };
    case 'WriteOpened':
    case 'UploadOpened':
      return before.situation === 'UNKNOWN' || before.situation === 'DELETED'
        ? { situation: 'OPEN', sinceMs: event.atMs }
        : before;
    case 'WriteAbandoned':
    case 'UploadAborted':
      return before.situation === 'OPEN' ? { situation: 'UNKNOWN' } : before;
    default:
      return before;
  }
}

function persistedBy({ version, size, atMs, ufsEtag }: Extract<DataEvent, { type: 'ObjectPersisted' }>): {
  version: number;
  size: number;
  sinceMs: number;
  ufsEtag: string;
} {
  return { version, size, sinceMs: atMs, ufsEtag };
}

/** The live state is the newer truth; what it does not hold comes from the events. */
function standingOf(stat: ObjectStat, logged: Standing): Standing {
  const { version, size, persist, ufsEtag } = stat;
  if (stat.state === 'PERSISTED' || stat.state === 'TRANSIENT')
    return { situation: stat.state, version, size, ufsEtag, sinceMs: logged.sinceMs };
  const failure =
    persist === undefined || persist.attempt === 0
      ? logged.failure
      : {
          attempt: persist.attempt,
          because:
            persist.message === undefined || persist.message === ''
              ? (persist.cause ?? 'of an unknown cause')
              : `${persist.message} (${persist.cause ?? 'unknown'})`,
          nextAttemptAtMs: persist.nextAttemptAtMs ?? 0,
        };
  const sinceMs = persist?.sinceMs ?? logged.sinceMs;
  if (stat.state === 'DELETING') return { situation: 'DELETING', version, sinceMs, failure };
  // A conflict is a kind of quarantine, whose message tells what it is about.
  const phase = persist?.phase === 'CONFLICT' ? 'QUARANTINED' : persist?.phase;
  return { situation: phase ?? stat.state, version, size, sinceMs, failure };
}

function summarise({ situation, version, size, sinceMs, ufsEtag, failure }: Standing, nowMs: number): string {
  const what = `version ${version ?? '?'}${size === undefined ? '' : ` (${formatSize(size)})`}`;
  const since = sinceMs === undefined ? '' : ` for ${formatSpan(nowMs - sinceMs)}`;
  switch (situation) {
    case 'UNKNOWN':
      return 'nothing is known of it: the cache does not hold it, and no event of it is kept';
    case 'OPEN':
      return `nothing was committed yet: a write is open${since}`;
    case 'TRANSIENT':
      return `${what} is TRANSIENT: it lives in the cache only and is never persisted`;
    case 'PENDING':
      return `${what} waits${since} for its first upload`;
    case 'UPLOADING':
      return `${what} is being uploaded now`;
    case 'WAITING':
      return `${what} is not persisted${since}: upload attempt ${failure?.attempt ?? '?'} failed because ${failure?.because ?? 'of an unknown cause'}`;
    case 'QUARANTINED':
      return `${what} is in quarantine after attempt ${failure?.attempt ?? '?'}: the UFS refused it for good, because ${failure?.because ?? 'of an unknown cause'}`;
    case 'PERSISTED':
      return `${what} is persisted${ufsEtag === undefined ? '' : `: the UFS holds it with ETag ${ufsEtag}`}`;
    case 'EVICTED':
      return `${what} is persisted; the local copy was given up, and a read fetches it from the UFS`;
    case 'DELETING':
      return `it is deleted here; the UFS is still to be told${since}`;
    case 'DELETED':
      return 'it is deleted, here and in the UFS';
    case 'DISCARDED':
      return `${what} was discarded by an operator: it was never persisted, and what the UFS holds is the truth again`;
    default:
      return `${what} is not persisted${since}: attempt ${failure?.attempt ?? '?'} ended in ${situation}, because ${failure?.because ?? 'of an unknown cause'}`;
  }
}

/** What happens next, and what an operator can do about it. */
function advise({ situation, failure }: Standing, nowMs: number): string[] {
  switch (situation) {
    case 'TRANSIENT':
      return [
        'to have it persisted, give its path another policy (headrace pathconfig edit) and write it again',
      ];
    case 'QUARANTINED':
      return [
        'nothing is tried until an operator decides: mend the cause, then headrace async-persist retry; or discard it, or export its bytes',
        'its bytes stay pinned meanwhile; other objects are not held up',
      ];
    case 'CONFLICT':
      return [
        'the UFS holds what somebody else put there: headrace async-persist resolve --keep ours or theirs decides',
      ];
    case 'WAITING':
    case 'DELETING': {
      if (failure === undefined) return [];
      const leftMs = failure.nextAttemptAtMs - nowMs;
      const next =
        leftMs > 0 ? `the next attempt is due in ${formatSpan(leftMs)}` : 'the next attempt is due now';
      const past =
        situation === 'DELETING' ? [`attempt ${failure.attempt} failed because ${failure.because}`] : [];
      return [...past, next];
    }
    case 'OPEN':
      return ['a write becomes an object when it is committed; one that is silent for too long is abandoned'];
    default:
      return [];
  }
}

/** Who or what it waits for. */
function ownersOf({ situation }: Standing, live: LiveKnowledge | undefined): string[] {
  if (live === undefined) return ['told from the log alone: no server was asked'];
  const lines = [
    `its path has policy ${live.policyMode} now, by rule ${live.rule}; rules apply to later writes`,
  ];
  if ((situation === 'PENDING' || situation === 'WAITING') && live.queuedBefore > 0)
    lines.unshift(`${live.queuedBefore} older entries are queued for the UFS before it`);
  return lines;
}

function limitsOf({ oldestOffset, events }: ExplainInput): string[] {
  if (oldestOffset === 0) return [];
  const first = events[0]?.event.type;
  const whole = first === 'ObjectCommitted' || first === 'WriteOpened' || first === 'UploadOpened';
  return whole ? [] : [`events before offset ${oldestOffset} are no longer kept`];
}
