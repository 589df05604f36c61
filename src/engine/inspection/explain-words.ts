/** The words of an explanation: what is the matter, what happens next by itself, and what an operator can do, with the command to type. */
import type { PolicyMode } from '../../core/object.js';
import type { ExplainInput, OpenWriteStanding, Standing } from './explain.js';
import type { LiveKnowledge, Situation } from './log-inspection.js';
import { formatSize, formatSpan } from './object-story.js';

/** An attempt that takes longer is worth a sentence. */
const LONG_MS = 5000;

const WAITING: ReadonlySet<Situation> = new Set(['PENDING', 'WAITING', 'DELETING']);

const POLICIES: Readonly<Record<PolicyMode, string>> = {
  WRITE_BACK: 'a write is answered when it is durable here, and persisted in the background',
  WRITE_THROUGH: 'a write is answered when the UFS has it as well',
  TRANSIENT: 'what is written there is never persisted',
  READ_ONLY: 'every write and delete is refused',
  NO_CACHE: 'it is read and written in the UFS directly, and the cache keeps nothing of it',
};

export function summarise(standing: Standing, { nowMs, live }: ExplainInput): string {
  const { situation, version, size, sinceMs, ufsEtag, failure, isDelete = false, reason = '' } = standing;
  const what = `version ${version ?? '?'}${size === undefined ? '' : ` (${formatSize(size)})`}`;
  const span = sinceMs === undefined ? undefined : formatSpan(nowMs - sinceMs);
  const since = span === undefined ? '' : ` for ${span}`;
  const ago = span === undefined ? '' : ` ${span} ago`;
  const because = failure?.because ?? 'of an unknown cause';
  const attempt = failure?.attempt ?? '?';
  switch (situation) {
    case 'UNKNOWN':
      return unknown(live);
    case 'UFS_ONLY':
      return `it is in the UFS (${formatSize(size ?? 0)}, ETag ${ufsEtag}) and not in the cache; nothing of it is waiting here`;
    case 'OPEN':
      return `nothing was committed yet: ${openWords(standing.open, nowMs)}`;
    case 'TRANSIENT':
      return `${what} is TRANSIENT: it lives in the cache only and is never persisted`;
    case 'PENDING':
      return `${what} waits${since} for its first upload`;
    case 'UPLOADING':
      return `${what} is not persisted${since}: ${uploading(standing, live, nowMs)}`;
    case 'WAITING':
      return `${what} is not persisted${since}: upload attempt ${attempt} failed because ${because}`;
    case 'QUARANTINED': {
      const subject = isDelete ? 'its delete' : what;
      const whose =
        failure?.cause === 'CORRUPT_EXTENT' ? 'its bytes here are damaged' : 'the UFS refused it for good';
      return `${subject} is in quarantine after attempt ${attempt}: ${whose}, because ${because}`;
    }
    case 'CONFLICT': {
      const subject = isDelete ? 'its delete' : what;
      return `${subject} is not persisted${since}, and parked as a conflict: ${because}`;
    }
    case 'PERSISTED':
      return `${what} is persisted${ufsEtag === undefined ? '' : `: the UFS holds it with ETag ${ufsEtag}`}`;
    case 'EVICTED':
      return `${what} is persisted; the local copy was given up${ago}, and a read fetches it from the UFS`;
    case 'UFS_LOST':
      return `${what} was persisted and its local copy given up${ago}; the UFS does not have it any more: somebody deleted it there`;
    case 'DELETING':
      return failure === undefined
        ? `it is deleted here; the UFS has still to delete it${span === undefined ? '' : `, ${span} after it was asked for`}`
        : `it is deleted here, and not in the UFS${since}: attempt ${attempt} failed because ${because}`;
    case 'DELETED':
      return `it was deleted${ago}, here and in the UFS`;
    case 'DISCARDED':
      return isDelete
        ? `its delete was given up by an operator${ago} (${reason}): the object is what the UFS holds`
        : `${what} was discarded by an operator${ago} (${reason}): it was never persisted, and what the UFS holds is the truth again`;
  }
}

function unknown(live: LiveKnowledge | undefined): string {
  if (live === undefined) return 'nothing is known of it: the log has no event of it';
  const { ufs } = live;
  if (ufs === undefined)
    return 'there is no such object: the cache does not hold it, and no event of it is kept';
  if ('held' in ufs)
    return 'there is no such object: neither the cache nor the UFS has it, and no event of it is kept';
  return `the cache does not hold it, and whether the UFS does is not known now: ${ufs.error}`;
}

function openWords(open: OpenWriteStanding | undefined, nowMs: number): string {
  if (open === undefined) return 'a write is open';
  const { kind, id, sinceMs, parts, bytes, lastDataMs } = open;
  const span = formatSpan(nowMs - sinceMs);
  if (kind === 'write') return `a write of ${formatSize(bytes)} is open for ${span}`;
  const stored =
    parts === 0
      ? 'has no part yet'
      : `has ${plural(parts, 'part', 'parts')} (${formatSize(bytes)}), the last of ${formatSpan(nowMs - lastDataMs)} ago`;
  return `multipart upload ${id} is open for ${span} and ${stored}`;
}

function uploading(
  { failure, size, uploadedBytes }: Standing,
  live: LiveKnowledge | undefined,
  nowMs: number,
): string {
  const { uploadingSinceMs } = live ?? {};
  const span = uploadingSinceMs === undefined ? '' : ` for ${formatSpan(nowMs - uploadingSinceMs)}`;
  const there =
    uploadedBytes === undefined
      ? ''
      : `; ${formatSize(uploadedBytes)} of ${formatSize(size ?? 0)} are there, and a restart goes on behind them`;
  return `upload attempt ${(failure?.attempt ?? 0) + 1} is under way${span}${there}`;
}

/** What happens next, and what an operator can do about it. */
export function advise(standing: Standing, input: ExplainInput): string[] {
  const { situation, failure, isDelete = false } = standing;
  const { live, nowMs } = input;
  const path = `--path s3://${input.bucket}/${input.key}`;
  switch (situation) {
    case 'TRANSIENT':
      return [
        'to have it persisted, give its path another policy (headrace pathconfig edit) and write it again',
      ];
    case 'QUARANTINED':
      return [
        `nothing is tried until an operator decides: mend the cause, then headrace async-persist retry ${path}`,
        isDelete
          ? `or give the delete up, and the object is back: headrace async-persist discard ${path} --reason WHY --yes`
          : `or save its bytes (headrace async-persist export ${path} --to DIRECTORY) and give it up (headrace async-persist discard ${path} --reason WHY --yes)`,
        isDelete
          ? 'readers here do not see it meanwhile; readers of the UFS do'
          : 'it is served as before, and its bytes stay pinned meanwhile; other objects are not held up',
      ];
    case 'CONFLICT':
      return [
        `headrace async-persist resolve ${path} --keep ours puts ${isDelete ? 'the delete' : 'this version'} in the place of theirs`,
        `--keep theirs gives ${isDelete ? 'the delete' : 'this version and its bytes'} up; nothing is tried until then, and other objects are not held up`,
      ];
    case 'UPLOADING':
      return live === undefined ? [] : underWay(standing, live, nowMs);
    case 'WAITING':
    case 'DELETING': {
      if (live?.uploadingSinceMs !== undefined) return underWay(standing, live, nowMs);
      if (failure === undefined) return [];
      const leftMs = failure.nextAttemptAtMs - nowMs;
      if (leftMs <= 0)
        return [
          live?.store.answers === false
            ? 'the next attempt is made when it answers'
            : 'the next attempt is due now',
        ];
      const now = live?.store.answers === true ? `; headrace async-persist retry ${path} makes it now` : '';
      return [`the next attempt is due in ${formatSpan(leftMs)}${now}`];
    }
    case 'OPEN':
      return openAdvice(standing.open, live);
    case 'EVICTED':
    case 'DELETED':
    case 'DISCARDED':
      return ufsAdvice(standing, live);
    case 'UFS_LOST':
      return ['reads of it answer 404; if it is to be there, it has to be written again'];
    default:
      return [];
  }
}

function underWay(
  { situation, failure }: Standing,
  { uploadingSinceMs, attemptMsMax }: Pick<LiveKnowledge, 'uploadingSinceMs' | 'attemptMsMax'>,
  nowMs: number,
): string[] {
  const lines: string[] = [];
  const spanMs = uploadingSinceMs === undefined ? 0 : nowMs - uploadingSinceMs;
  if (situation === 'DELETING')
    lines.push(`attempt ${(failure?.attempt ?? 0) + 1} is under way for ${formatSpan(spanMs)}`);
  if (spanMs > LONG_MS)
    lines.push(
      `a call that the UFS does not answer within ${formatSpan(attemptMsMax)} is given up, and tried again`,
    );
  if (failure !== undefined && situation === 'UPLOADING')
    lines.push(`attempt ${failure.attempt} failed because ${failure.because}`);
  return lines;
}

function openAdvice(open: OpenWriteStanding | undefined, live: LiveKnowledge | undefined): string[] {
  const completes =
    open?.kind === 'upload'
      ? 'it becomes an object when its client completes it'
      : 'it becomes an object when its client has sent all of it';
  if (live === undefined) return [completes];
  const { danglingAfterMs, orphanTimeoutMs } = live;
  return [
    `${completes}; when no data comes for ${formatSpan(Math.min(danglingAfterMs, orphanTimeoutMs))} it is abandoned, and its space is free again`,
  ];
}

/** What the UFS was found to hold in the place of what is not here any more. */
function ufsAdvice({ situation, ufsEtag }: Standing, live: LiveKnowledge | undefined): string[] {
  const { ufs } = live ?? {};
  if (ufs === undefined) return [];
  if ('error' in ufs) return [`the UFS could not be asked now, and a read would fail as well: ${ufs.error}`];
  const { held } = ufs;
  if (held === undefined)
    return situation === 'DISCARDED' ? ['the UFS holds nothing of that name: reads answer 404'] : [];
  const is = `${formatSize(held.size)}, ETag ${held.storeEtag}`;
  switch (situation) {
    case 'DELETED':
      return [`the UFS has an object of that name again (${is}): somebody put it there, and a read gets it`];
    case 'DISCARDED':
      return [`the UFS holds ${is}, and a read gets that`];
    default:
      return ufsEtag === undefined || ufsEtag === held.storeEtag
        ? []
        : [
            `the UFS holds other bytes by now (${is}): somebody changed the object there, and a read gets that`,
          ];
  }
}

/** That nobody is to blame but the UFS; said first. */
export function outageOf({ situation }: Standing, live: LiveKnowledge | undefined): string[] {
  const isUnderWay = WAITING.has(situation) || situation === 'UPLOADING';
  if (live === undefined || live.store.answers || !isUnderWay) return [];
  const { description, mount, refusal } = live.store;
  const where = mount === '/' ? description : `${description}, mounted at ${mount}`;
  if (refusal !== undefined)
    return [
      `its UFS (${where}) takes nothing now, and said why: ${refusal}; nothing but a probe is sent there every few seconds, and everything goes on by itself when one succeeds`,
    ];
  return [
    `its UFS (${where}) does not answer: nothing but a probe is sent there every few seconds, and everything goes on by itself when one is answered`,
  ];
}

/** Who or what it waits for. */
export function ownersOf({ situation }: Standing, live: LiveKnowledge | undefined): string[] {
  if (live === undefined) return ['told from the log alone: no server was asked'];
  const { policyMode, rule, queuedBefore } = live;
  const lines = [
    `its path has policy ${policyMode} now, by rule ${rule}: ${POLICIES[policyMode]}; rules apply to later writes`,
  ];
  if (WAITING.has(situation) && queuedBefore > 0)
    lines.unshift(
      `${plural(queuedBefore, 'older entry is', 'older entries are')} queued for the UFS before it (headrace async-persist list)`,
    );
  return lines;
}

export function limitsOf({ oldestOffset, events }: ExplainInput): string[] {
  if (oldestOffset === 0) return [];
  const first = events[0]?.event.type;
  const whole = first === 'ObjectCommitted' || first === 'WriteOpened' || first === 'UploadOpened';
  return whole ? [] : [`events before offset ${oldestOffset} are no longer kept`];
}

function plural(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}
