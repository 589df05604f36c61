/**
 * A state that is past, told by a server that is in use: what `headrace log replay --endpoint` asks.
 *
 * The nearest kept checkpoint is opened beside the live index and folded forward in memory, as `time-travel.ts` does for a data
 * directory; nothing that the engine works with is touched. What it may take is bounded, because clients are waiting:
 *
 * | what          | bound                                                                                         |
 * |---------------|-----------------------------------------------------------------------------------------------|
 * | at once       | one replay in a server (`LogInspector`); another is refused with `SLOW_DOWN`                   |
 * | of the time   | a quarter, in slices of about a millisecond (`inspect-engine.ts`)                              |
 * | memory        | 250,000 events folded, and `limit` rows                                                       |
 * | time          | 60 s, or until the one who asked is gone                                                      |
 */
import { HeadraceError } from '../../core/errors.js';
import type { IndexRecord } from '../../../projections/records.js';
import type { DataEvent } from '../../../log/events.js';
import type { InspectionSources } from './log-inspection.js';
import { ObjectStory } from './object-story.js';
import type { ReplayedPartition, ReplaySnapshot } from './replay.js';
import {
  changeOf,
  changesBetween,
  countChanges,
  countsOf,
  objectView,
  openWritesView,
  orphansView,
  pinnedOf,
  PINNED_KEYS,
  uploadOf,
  UPLOAD_KEYS,
  type ObjectView,
  type OrphanView,
  type PinnedView,
  type ReplayChange,
  type UploadView,
} from './replay-views.js';
import { travelTo } from './time-travel.js';
import { MarkedRecords } from './tracked-records.js';

export const ROWS_MAX = 10_000;
export const STEPS_MAX = 100;
const EVENTS_MAX = 250_000;
const REPLAY_MS_MAX = 60_000;
/** Records that are looked at before it is asked whether others are to go first. */
const PAGE = 64;

export interface ReplayQuestion {
  readonly partition?: number | undefined;
  /** The state before this event; left out: now. */
  readonly until?: number | undefined;
  readonly show?: 'pinned' | 'orphans' | 'uploads' | 'object' | undefined;
  /** For `show: 'object'`; chooses its partition. */
  readonly object?: { readonly bucket: string; readonly key: string } | undefined;
  /** What changed between these two offsets, the earlier first. */
  readonly diff?: readonly [from: number, to: number] | undefined;
  /** What each event from `until` on changed, so many; with a minus, those before it. */
  readonly steps?: number | undefined;
  /** Rows, changes of a difference; at most `ROWS_MAX`, which it is when left out. */
  readonly limit?: number | undefined;
  /** Ends the replay. */
  readonly signal?: AbortSignal | undefined;
}

/** What was asked for, and where it comes from. Rows are those of `--show`. */
export interface ReplayAnswer {
  readonly replayed: ReplayedPartition;
  readonly counts?: Readonly<Record<string, number>>;
  readonly pinned?: readonly PinnedView[];
  readonly uploads?: readonly UploadView[];
  readonly orphans?: readonly OrphanView[];
  /** Null when the cache neither holds it nor has a delete of it to make. */
  readonly object?: ObjectView | null;
  readonly changes?: readonly ReplayChange[];
  readonly steps?: readonly StepView[];
  /** Rows or changes beyond the limit. */
  readonly omitted?: number;
}

/** An event with what it changed. */
export interface StepView {
  readonly partition: number;
  readonly offset: number;
  readonly atMs: number;
  readonly type: string;
  readonly bucket: string;
  readonly key: string;
  readonly words: string;
  readonly changes: readonly ReplayChange[];
}

/** The offsets at which the state is needed, ascending; undefined: the end. */
export function stopsOf({ diff, until, steps }: ReplayQuestion): readonly number[] | undefined {
  if (diff !== undefined) return diff.toSorted((a, b) => a - b);
  if (until === undefined) return undefined;
  if (steps === undefined) return [until];
  const from = Math.max(0, Math.min(until, until + steps));
  const to = Math.max(until, until + steps);
  return Array.from({ length: to - from + 1 }, (_, at) => from + at);
}

/** `INVALID_ARGUMENT`, `LOG_TRIMMED`; `SLOW_DOWN` when the time is up, `CLOSED` when the one who asked is gone. */
export async function answerReplay(
  sources: InspectionSources,
  question: ReplayQuestion,
): Promise<ReplayAnswer> {
  const { partition, object, show, diff, steps, limit = ROWS_MAX } = question;
  const events = new Map<number, DataEvent>();
  const pace = pacer(sources, question.signal);
  const travelled = await travelTo(sources, {
    partition,
    object: show === 'object' ? object : undefined,
    stops: stopsOf(question),
    eventsMax: EVENTS_MAX,
    pace,
    ...(steps === undefined ? {} : { onStep: (event, offset) => void events.set(offset, event) }),
  });
  try {
    const { replayed, snapshots } = travelled;
    const [first] = snapshots;
    const last = snapshots.at(-1);
    if (first === undefined || last === undefined)
      throw new HeadraceError('INVALID_ARGUMENT', 'the replay reached none of its offsets');
    if (diff !== undefined) return { replayed, ...(await differences(first, last, limit, pace)) };
    if (steps !== undefined) {
      const views = stepViews(snapshots, replayed.partition, (offset) => events.get(offset));
      return { replayed, steps: [...views] };
    }
    switch (show) {
      case 'pinned':
        return { replayed, ...(await largestPinned(last, limit, pace)) };
      case 'uploads':
        return { replayed, ...(await firstUploads(last, limit, pace)) };
      case 'orphans': {
        const orphans = orphansView(last);
        return { replayed, orphans: orphans.slice(0, limit), ...omittedOf(orphans.length - limit) };
      }
      case 'object': {
        const { bucket = '', key = '' } = object ?? {};
        return { replayed, object: objectView(last, bucket, key) ?? null };
      }
      default:
        return { replayed, counts: countsOf(last) };
    }
  } finally {
    await travelled.close();
  }
}

/** Each event between two stops that follow each other, in words, with what it changed. */
export function* stepViews(
  snapshots: readonly ReplaySnapshot[],
  partition: number,
  eventAt: (offset: number) => DataEvent | undefined,
): Generator<StepView, void, undefined> {
  const stories = new Map<string, ObjectStory>();
  for (const [at, after] of snapshots.entries()) {
    const before = snapshots[at - 1];
    const event = before === undefined ? undefined : eventAt(before.offset);
    if (before === undefined || event === undefined) continue;
    const { offset } = before;
    const { atMs, type, bucket, key } = event;
    const name = `/${bucket}/${key}`;
    const story = stories.get(name) ?? new ObjectStory();
    stories.set(name, story);
    const words = story.tell(event, offset);
    yield { partition, offset, atMs, type, bucket, key, words, changes: changesBetween(before, after) };
  }
}

/** Lets the engine go first, and ends what takes too long or is not wanted any more. */
function pacer(sources: InspectionSources, signal: AbortSignal | undefined): () => Promise<void> {
  const { nowMs, nextTurn, beside } = sources;
  const endMs = nowMs() + REPLAY_MS_MAX;
  const othersFirst = beside?.() ?? nextTurn;
  return async () => {
    await othersFirst();
    if (signal?.aborted === true)
      throw new HeadraceError('CLOSED', 'the replay was given up: nobody waits for it any more');
    if (nowMs() > endMs)
      throw new HeadraceError(
        'SLOW_DOWN',
        `the replay took more than ${REPLAY_MS_MAX / 1000} s beside what the server has to do: take a file ` +
          '(headrace log export -o FILE), and ask that (headrace log replay FILE)',
      );
  };
}

/** A scan is good for one turn: each page is one of its own. */
async function eachRecord(
  { records }: ReplaySnapshot,
  [from, to]: readonly [string, string],
  pace: () => Promise<void>,
  take: (indexKey: string, record: IndexRecord) => void,
): Promise<void> {
  for (let next = from; ;) {
    let looked = 0;
    let last = next;
    for (const [indexKey, record] of records.scan(next, to)) {
      take(indexKey, record);
      last = indexKey;
      looked += 1;
      if (looked === PAGE) break;
    }
    if (looked < PAGE) return;
    await pace();
    next = `${last}\0`;
  }
}

async function largestPinned(
  last: ReplaySnapshot,
  limit: number,
  pace: () => Promise<void>,
): Promise<Pick<ReplayAnswer, 'pinned' | 'omitted'>> {
  let kept = openWritesView(last.state);
  let found = kept.length;
  const shorten = (): void => {
    kept = kept.sort((a, b) => b.bytes - a.bytes).slice(0, limit);
  };
  await eachRecord(last, PINNED_KEYS, pace, (indexKey, record) => {
    const view = pinnedOf(indexKey, record);
    if (view === undefined) return;
    found += 1;
    kept.push(view);
    if (kept.length >= 2 * limit) shorten();
  });
  shorten();
  return { pinned: kept, ...omittedOf(found - limit) };
}

async function firstUploads(
  last: ReplaySnapshot,
  limit: number,
  pace: () => Promise<void>,
): Promise<Pick<ReplayAnswer, 'uploads' | 'omitted'>> {
  const uploads: UploadView[] = [];
  let found = 0;
  await eachRecord(last, UPLOAD_KEYS, pace, (indexKey, record) => {
    found += 1;
    const view = uploads.length < limit ? uploadOf(indexKey, record) : undefined;
    if (view !== undefined) uploads.push(view);
  });
  return { uploads, ...omittedOf(found - limit) };
}

async function differences(
  before: ReplaySnapshot,
  after: ReplaySnapshot,
  limit: number,
  pace: () => Promise<void>,
): Promise<Pick<ReplayAnswer, 'changes' | 'omitted'>> {
  const keys =
    before.records instanceof MarkedRecords ? (before.records.changesUntil(after.records) ?? []) : [];
  const changed: [key: string, change: ReplayChange][] = [];
  let found = 0;
  let looked = 0;
  for (const key of keys) {
    const change = changeOf(key, before, after);
    if (change !== undefined) {
      found += 1;
      if (changed.length < limit) changed.push([key, change]);
    }
    looked += 1;
    if (looked % PAGE === 0) await pace();
  }
  const changes = changed.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, change]) => change);
  return { changes: [...changes, ...countChanges(before, after)], ...omittedOf(found - limit) };
}

function omittedOf(count: number): { omitted?: number } {
  return count > 0 ? { omitted: count } : {};
}
