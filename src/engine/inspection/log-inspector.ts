/** `LogInspection` over logs and kept checkpoints, wherever they lie. Reads only. */
import { HeadraceError } from '../../core/errors.js';
import type { DataEvent } from '../../../log/events.js';
import { eventToJson } from '../../../log/event-json.js';
import { isControlEvent } from '../../../projections/control.js';
import { explain } from './explain.js';
import { exportLog } from './log-export.js';
import type {
  Explanation,
  ExportRequest,
  InspectionSources,
  LogInspection,
  LogSource,
  ObjectHistory,
  StoryEntry,
} from './log-inspection.js';
import { ObjectStory } from './object-story.js';
import { answerReplay, type ReplayAnswer, type ReplayQuestion } from './replay-answer.js';

/** Events of one object that an explanation rests on: the newest. */
const EXPLAINED_EVENTS_MAX = 10_000;
/** After a refused replay. */
const RETRY_AFTER_MS = 2000;

interface FoundEvent {
  readonly offset: number;
  readonly epoch: number;
  readonly event: DataEvent;
}

export class LogInspector implements LogInspection {
  readonly #sources: () => InspectionSources;
  #replaying = false;

  /** `sources` is asked at each call: a partition that recovers opens its log anew. */
  constructor(sources: () => InspectionSources) {
    this.#sources = sources;
  }

  async history({ bucket, key, limit }: Parameters<LogInspection['history']>[0]): Promise<ObjectHistory> {
    const log = this.#logOf(bucket, key);
    const { oldestOffset, durableOffset, partition } = log;
    const { found, omitted } = await findEvents(log, bucket, key, limit);
    const story = new ObjectStory();
    const entries = found.map(({ event, offset, epoch }): StoryEntry => ({
      partition,
      offset,
      epoch,
      atMs: event.atMs,
      type: event.type,
      words: story.tell(event, offset),
      event: eventToJson(event),
    }));
    return { bucket, key, partition, oldestOffset, durableOffset, omitted, entries };
  }

  async explain({ bucket, key }: Parameters<LogInspection['explain']>[0]): Promise<Explanation> {
    const { live, nowMs } = this.#sources();
    const log = this.#logOf(bucket, key);
    const { oldestOffset } = log;
    const { found } = await findEvents(log, bucket, key, EXPLAINED_EVENTS_MAX);
    return explain({
      bucket,
      key,
      events: found,
      oldestOffset,
      // After the log: a fate that was decided meanwhile is the newer truth.
      live: await live?.(bucket, key),
      nowMs: nowMs(),
    });
  }

  exportLog(request: ExportRequest): AsyncIterable<Uint8Array> {
    return exportLog(this.#sources(), request);
  }

  async replay(question: ReplayQuestion): Promise<ReplayAnswer> {
    if (this.#replaying)
      throw new HeadraceError('SLOW_DOWN', 'another replay is being told: one at a time, try again', {
        details: { retryAfterMs: RETRY_AFTER_MS },
      });
    this.#replaying = true;
    try {
      return await answerReplay(this.#sources(), question);
    } finally {
      this.#replaying = false;
    }
  }

  #logOf(bucket: string, key: string): LogSource {
    const { partitions, partitionIndexOf } = this.#sources();
    const found = partitions[partitionIndexOf(bucket, key)];
    if (found === undefined) throw new HeadraceError('IO_FAILED', 'the log has no data partition');
    return found.log;
  }
}

/** The newest `limit` events of one object, oldest first. */
async function findEvents(
  log: LogSource,
  bucket: string,
  key: string,
  limit: number,
): Promise<{ found: FoundEvent[]; omitted: number }> {
  let found: FoundEvent[] = [];
  let omitted = 0;
  if (log.oldestOffset >= log.durableOffset) return { found, omitted };
  for await (const { events, firstOffset, epoch } of log.read(log.oldestOffset)) {
    for (const [at, event] of events.entries()) {
      if (isControlEvent(event) || event.key !== key || event.bucket !== bucket) continue;
      found.push({ offset: firstOffset + at, epoch, event });
    }
    // In large steps, so that each event is moved about once.
    if (found.length > 2 * limit) {
      omitted += found.length - limit;
      found = found.slice(-limit);
    }
  }
  return { found: found.slice(-limit), omitted: omitted + Math.max(0, found.length - limit) };
}
