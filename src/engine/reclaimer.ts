/**
 * The effects that give space back: eviction, compaction and dropping of segments.
 *
 * Segments are visited oldest first. In a victim every version that may be evicted is evicted, but what was read since it
 * was written gets a second chance; when little is left alive, that is moved to the open segment and the file goes.
 * Invariants: an event says that bytes are gone before they are; un-persisted bytes are moved, never evicted; while a log
 * is being recovered nothing is dropped, because an event that nobody was told of may turn out to be durable.
 */
import { assert } from '../core/assert.js';
import { HeadraceError } from '../core/errors.js';
import { SECOND_MS } from '../core/units.js';
import { parseObjectKey } from '../../projections/records.js';
import { decideEvict, evictable } from './decide.js';
import { partitionOf, type EngineCore } from './engine-core.js';
import { appendBatches, type EvictionTarget } from './append-batches.js';
import { ExtentMover } from './extent-mover.js';
import { freedBy, liveExtents, type LiveExtent } from './live-extents.js';
import { SMALL_BODY_BYTES_MAX } from './object-service.js';
import type { Partition } from './partition.js';
import { SegmentSweeper } from './segment-sweeper.js';

/** Background eviction starts at the first share of the capacity and stops at the second. */
const HIGH_WATERMARK = 0.95;
const LOW_WATERMARK = 0.9;
/** A segment with less than this share alive is compacted. */
const COMPACT_BELOW = 0.5;
/** Times that one run may visit a segment: what was read is spared the first time, and perhaps read again before the second. */
const ROUNDS_MAX = 3;
/** Background eviction that found too little to evict is not tried again for this long. */
const FUTILE_PAUSE_MS = SECOND_MS;

export interface ReclaimStatistics {
  evictedObjects: number;
  evictedBytes: number;
}

export class Reclaimer {
  readonly #core: EngineCore;
  readonly #mover: ExtentMover;
  readonly #sweeper: SegmentSweeper;
  readonly statistics: ReclaimStatistics = { evictedObjects: 0, evictedBytes: 0 };
  #running: Promise<void> | undefined;
  #targetBytes = Number.POSITIVE_INFINITY;
  #pausedUntilMs = 0;
  #stopped = false;

  constructor(core: EngineCore) {
    this.#core = core;
    this.#mover = new ExtentMover(core);
    this.#sweeper = new SegmentSweeper(core);
  }

  start(): void {
    for (const partition of this.#core.partitions) {
      partition.events$.subscribe(({ event }) => {
        for (const { segment } of freedBy(event)) this.#sweeper.suspect(segment);
        if (event.type === 'ObjectCommitted') this.#evictInBackground();
      });
    }
    this.#sweeper.start();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#sweeper.stop();
    await this.#running?.catch(() => undefined);
  }

  /** Evicts and compacts until `bytes` more fit below the capacity; false when it cannot. */
  makeRoom(bytes: number): Promise<boolean> {
    return this.reclaimTo(this.#core.admission.capacityBytes - bytes);
  }

  /** Evicts and compacts until the segment files take at most `targetBytes`; false when that is not possible. */
  async reclaimTo(targetBytes: number): Promise<boolean> {
    const { segments } = this.#core;
    // A run that had begun before may have passed what can be evicted now; one that begins after has the last word.
    for (let runs = 0; runs < 2 && segments.fileBytes > targetBytes; runs++) {
      const joins = this.#running !== undefined;
      this.#targetBytes = Math.min(this.#targetBytes, targetBytes);
      this.#running ??= this.#run().finally(() => {
        this.#running = undefined;
        this.#targetBytes = Number.POSITIVE_INFINITY;
      });
      await this.#running;
      if (!joins) break;
    }
    return segments.fileBytes <= targetBytes;
  }

  /** Moves what is alive out of segments that are mostly garbage, the open one included. */
  async compact(): Promise<void> {
    const { segments, guard } = this.#core;
    const open = segments.segments().find(({ id }) => id === segments.smallSegment);
    if (open !== undefined && this.#isMostlyGarbage(open)) await segments.seal();
    for (const segment of segments.segments()) {
      if (segment.open || guard.guards(segment.id)) continue;
      if (this.#sweeper.usageOf(segment.id) === undefined || !this.#isMostlyGarbage(segment)) continue;
      guard.pin(segment.id);
      try {
        await this.#mover.moveAll(await this.#alive(segment.id));
      } finally {
        guard.unpin(segment.id);
      }
    }
    await this.#sweeper.sweepAll();
  }

  #isMostlyGarbage({ id, fileBytes }: { readonly id: number; readonly fileBytes: number }): boolean {
    return (this.#sweeper.usageOf(id)?.liveBytes ?? 0) < fileBytes * COMPACT_BELOW;
  }

  #evictInBackground(): void {
    const { admission, segments, clock, logger } = this.#core;
    const { capacityBytes, reservedBytes } = admission;
    if (segments.fileBytes + reservedBytes <= capacityBytes * HIGH_WATERMARK) return;
    if (this.#running !== undefined || this.#stopped || clock.monotonicTimeMs() < this.#pausedUntilMs) return;
    this.reclaimTo(capacityBytes * LOW_WATERMARK - reservedBytes)
      .then((enough) => {
        if (!enough) this.#pausedUntilMs = clock.monotonicTimeMs() + FUTILE_PAUSE_MS;
      })
      .catch((error: unknown) => {
        this.#pausedUntilMs = clock.monotonicTimeMs() + FUTILE_PAUSE_MS;
        logger.error({ error }, 'eviction failed; it is tried again with a later write');
      });
  }

  async #run(): Promise<void> {
    const { segments } = this.#core;
    const tried = new Set<number>();
    let rounds = 1;
    let sealed = false;
    let spared = false;
    await this.#sweeper.sweepAll();
    while (segments.fileBytes > this.#targetBytes && !this.#stopped) {
      const victim = this.#nextVictim(tried);
      if (victim !== undefined) {
        tried.add(victim);
        if (await this.#reclaimSegment(victim)) spared = true;
      } else if (!sealed && this.#openSegmentGains()) {
        sealed = true;
        await segments.seal();
        await this.#sweeper.sweepAll();
      } else if (spared && rounds < ROUNDS_MAX) {
        // Everything that was not read is gone: now what was read goes, the longest unread first.
        rounds++;
        spared = false;
        tried.clear();
      } else return;
    }
  }

  #nextVictim(tried: ReadonlySet<number>): number | undefined {
    const { segments, guard, recency } = this.#core;
    let best: number | undefined;
    for (const segment of segments.segments()) {
      const { id, open } = segment;
      if (open || tried.has(id) || guard.guards(id) || !this.#gains(segment)) continue;
      if (best === undefined || recency.rankOf(id) < recency.rankOf(best)) best = id;
    }
    return best;
  }

  /** Whether something in the segment can be evicted, or enough of it is garbage to be worth moving the rest. */
  #gains({ id, fileBytes }: { readonly id: number; readonly fileBytes: number }): boolean {
    const usage = this.#sweeper.usageOf(id);
    if (usage === undefined) return true;
    return usage.liveBytes > usage.pinnedBytes || usage.pinnedBytes < fileBytes * COMPACT_BELOW;
  }

  #openSegmentGains(): boolean {
    const { segments } = this.#core;
    const open = segments.segments().find(({ id }) => id === segments.smallSegment);
    return open !== undefined && this.#gains(open);
  }

  /** Whether something was spared because it was read. */
  async #reclaimSegment(segment: number): Promise<boolean> {
    const { recency, segments, guard } = this.#core;
    guard.pin(segment);
    let spared: Set<LiveExtent>;
    try {
      const alive = await this.#alive(segment);
      spared = new Set(alive.filter((live) => isEvictable(live) && recency.wasRead(live.extent)));
      const isLarge = alive.every((live) => live.extent.size > SMALL_BODY_BYTES_MAX);
      if (spared.size > 0 && isLarge) {
        // A large object has its segment to itself: it moves in the order, not on the disk.
        recency.spare(segment, segments.smallSegment);
        return true;
      }
      const victims = new Set(alive.filter((live) => isEvictable(live) && !spared.has(live)));
      await this.#evict(victims);
      const file = segments.segments().find(({ id }) => id === segment);
      if (file !== undefined && this.#isMostlyGarbage(file)) {
        await this.#mover.moveAll(alive.filter((live) => !victims.has(live)));
      }
    } finally {
      guard.unpin(segment);
    }
    if (this.#sweeper.usageOf(segment) === undefined) await this.#sweeper.drop(segment);
    else recency.spare(segment, segments.smallSegment);
    return spared.size > 0;
  }

  /** A segment that cannot be read keeps what it has: others may still give space. */
  async #alive(segment: number): Promise<LiveExtent[]> {
    try {
      return await liveExtents(this.#core, segment);
    } catch (error) {
      if (!(error instanceof HeadraceError)) throw error;
      this.#core.logger.warn({ error, segment }, 'a segment could not be searched for what is alive in it');
      return [];
    }
  }

  async #evict(victims: Iterable<LiveExtent>): Promise<void> {
    const byPartition = new Map<Partition, EvictionTarget[]>();
    for (const victim of victims) {
      assert(victim.kind === 'object' && evictable(victim.record), 'only a persisted object is evicted');
      const { version, extents } = victim.record;
      const target = { ...parseObjectKey(victim.owner), version, extentCount: extents.length };
      const partition = partitionOf(this.#core, target.bucket, target.key);
      const targets = byPartition.get(partition) ?? [];
      byPartition.set(partition, targets);
      targets.push(target);
    }
    for (const [partition, targets] of byPartition) {
      for (const batch of appendBatches(targets)) {
        const { result } = await partition.submit((view) => decideEvict(view, batch, 'PRESSURE'));
        this.statistics.evictedObjects += result.objects;
        this.statistics.evictedBytes += result.bytes;
      }
    }
  }
}

function isEvictable(live: LiveExtent): boolean {
  return live.kind === 'object' && evictable(live.record);
}
