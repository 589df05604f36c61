/**
 * Notices that somebody else changed an object in the UFS which the cache holds: objects that are read are compared with it from
 * time to time, beside the reads.
 *
 * A read never waits for this: the one that finds the time has come still gets the cached copy, later ones what the UFS holds.
 * Only a copy that the UFS is said to hold is compared, and only that very version is given up, so that an own write in between
 * is never touched. A UFS that does not answer proves nothing. Bounded in memory and in questions at once.
 */
import { BoundedMap } from '../core/bounded-map.js';
import type { Clock } from '../core/ports.js';
import type { ObjectRecord } from '../../projections/records.js';
import { decideEvict, evictable } from './decide.js';
import { partitionOf, type EngineCore } from './engine-core.js';
import { isSameInUfs } from './stored-objects.js';
import type { UfsKnowledge } from './ufs-knowledge.js';

const OBJECTS_MAX = 100_000;
const QUESTIONS_MAX = 8;

export class Revalidator {
  readonly #core: EngineCore;
  readonly #clock: Clock;
  readonly #ufs: Pick<UfsKnowledge, 'head'>;
  readonly #intervalMs: number;
  /** When a version is to be compared next, by its offset, which is cheaper to look up than its name. */
  readonly #dueMs = new BoundedMap<number, number>(OBJECTS_MAX);
  #questions = 0;

  constructor(core: EngineCore, ufs: Pick<UfsKnowledge, 'head'>) {
    this.#core = core;
    this.#clock = core.clock;
    this.#ufs = ufs;
    this.#intervalMs = core.options.ufsRevalidateMs;
  }

  /** The object was read from the cache. On the path of every hit: it looks at a number and returns. */
  hit(bucket: string, key: string, record: ObjectRecord): void {
    if (this.#intervalMs === 0 || record.state !== 'PERSISTED') return;
    const nowMs = this.#clock.monotonicTimeMs();
    const dueMs = this.#dueMs.get(record.version);
    if (dueMs !== undefined && nowMs < dueMs) return;
    if (dueMs !== undefined && this.#questions === QUESTIONS_MAX) return;
    this.#dueMs.set(record.version, nowMs + this.#intervalMs);
    // Seen for the first time: it was written, or fetched, not long ago, or nobody read it since the start.
    if (dueMs === undefined) return;
    void this.#compare(bucket, key, record);
  }

  async #compare(bucket: string, key: string, record: ObjectRecord): Promise<void> {
    this.#questions += 1;
    try {
      const stored = await this.#ufs.head(bucket, key);
      if (stored !== undefined && isSameInUfs(record, stored)) return;
      if (!evictable(record)) return;
      const { version, etag } = record;
      await partitionOf(this.#core, bucket, key).submit((view) =>
        decideEvict(view, [{ bucket, key, version }], 'CHANGED'),
      );
      this.#dueMs.delete(version);
      this.#core.logger.info(
        { bucket, key, etag, ufsEtag: stored?.etag },
        'an object was changed in the UFS by somebody else: the cached copy is given up',
      );
    } catch (error) {
      this.#core.logger.debug({ bucket, key, error }, 'a cached object could not be compared with the UFS');
    } finally {
      this.#questions -= 1;
    }
  }
}
