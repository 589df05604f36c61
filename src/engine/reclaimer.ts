/**
 * The effects that give space back: eviction, compaction and dropping of segments.
 *
 * Segments are visited oldest first. In a victim every version that may be evicted is evicted, but what was read since it
 * was written gets a second chance; when little is left alive, that is moved to the open segment and the file goes.
 * Invariants: an event says that bytes are gone before they are; un-persisted bytes are moved, never evicted.
 */
import { assert } from '../core/assert.js';
import { isErrorCode } from '../core/errors.js';
import type { Extent } from '../core/object.js';
import type { DataEvent } from '../../log/events.js';
import {
  parseObjectKey,
  parsePartKey,
  type ObjectRecord,
  type PartRecord,
} from '../../projections/records.js';
import { decideEvict, decideMove, evictable, sameExtent } from './decide.js';
import { decideMovePart } from './decide-uploads.js';
import { partitionOf, type EngineCore } from './engine-core.js';
import type { Partition } from './partition.js';
import { SMALL_BODY_BYTES_MAX } from './object-service.js';

/** Background eviction starts at the first share of the capacity and stops at the second. */
const HIGH_WATERMARK = 0.95;
const LOW_WATERMARK = 0.9;
/** A segment with less than this share alive is compacted. */
const COMPACT_BELOW = 0.5;
const EVICT_BATCH = 256;
/** Frees of the same moment are looked at together. */
const SWEEP_DELAY_MS = 100;

const NONE: readonly Extent[] = [];

/** Something alive in a segment. */
type Live =
  | {
      readonly kind: 'object';
      readonly owner: string;
      readonly extent: Extent;
      readonly record: ObjectRecord;
    }
  | { readonly kind: 'part'; readonly owner: string; readonly extent: Extent; readonly record: PartRecord };

export interface ReclaimStatistics {
  evictedObjects: number;
  evictedBytes: number;
  movedBytes: number;
  droppedSegments: number;
}

export class Reclaimer {
  readonly #core: EngineCore;
  readonly statistics: ReclaimStatistics = {
    evictedObjects: 0,
    evictedBytes: 0,
    movedBytes: 0,
    droppedSegments: 0,
  };
  #running: Promise<boolean> | undefined;
  #targetBytes = Number.POSITIVE_INFINITY;
  /** Segments in which something died since they were last looked at. */
  readonly #candidates = new Set<number>();
  #sweepScheduled = false;
  #stopped = false;

  constructor(core: EngineCore) {
    this.#core = core;
  }

  start(): void {
    for (const partition of this.#core.partitions) {
      partition.events$.subscribe(({ event }) => {
        for (const { segment } of freedBy(event)) this.#candidates.add(segment);
        if (this.#candidates.size > 0) this.#sweepLater();
        if (event.type === 'ObjectCommitted') this.#evictInBackground();
      });
    }
    for (const { id } of this.#core.segments.segments()) this.#candidates.add(id);
    this.#sweepLater();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  /** Evicts and compacts until `bytes` more fit below the capacity; false when it cannot. */
  async makeRoom(bytes: number): Promise<boolean> {
    const { capacityBytes } = this.#core.admission;
    return this.reclaimTo(capacityBytes - bytes);
  }

  /** Evicts and compacts until the segment files take at most `targetBytes`; false when that is not possible. */
  async reclaimTo(targetBytes: number): Promise<boolean> {
    this.#targetBytes = Math.min(this.#targetBytes, targetBytes);
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      this.#targetBytes = Number.POSITIVE_INFINITY;
    });
    await this.#running;
    return this.#core.segments.fileBytes <= targetBytes;
  }

  #sweepLater(): void {
    if (this.#sweepScheduled || this.#stopped) return;
    this.#sweepScheduled = true;
    this.#core.clock.schedule(SWEEP_DELAY_MS, () => {
      this.#sweepScheduled = false;
      this.#sweepCandidates().catch((error: unknown) =>
        this.#core.logger.error({ error }, 'segments could not be dropped'),
      );
    });
  }

  async #sweepCandidates(): Promise<void> {
    for (const id of [...this.#candidates]) {
      const file = this.#core.segments.segments().find((segment) => segment.id === id);
      if (file === undefined) this.#candidates.delete(id);
      else if (!file.open && !this.#core.guard.guards(id)) {
        this.#candidates.delete(id);
        if (this.#liveBytes(id) === undefined) await this.#drop(id);
      }
    }
    if (this.#candidates.size > 0) this.#sweepLater();
  }

  /** Drops every segment in which nothing is alive, at once. */
  async sweep(): Promise<void> {
    for (const { id, open } of this.#core.segments.segments()) {
      if (!open && this.#liveBytes(id) === undefined) await this.#drop(id);
    }
  }

  /** Moves what is alive out of segments that are mostly garbage, the open one included. */
  async compact(): Promise<void> {
    if (this.#openSegmentHasGarbage()) await this.#core.segments.seal();
    for (const segment of this.#core.segments.segments()) {
      if (segment.open || segment.fileBytes === 0 || this.#core.guard.guards(segment.id)) continue;
      const live = this.#liveBytes(segment.id);
      if (live === undefined || live / segment.fileBytes >= COMPACT_BELOW) continue;
      for (const each of await this.#alive(segment.id)) await this.#move(each);
    }
    await this.sweep();
  }

  #openSegmentHasGarbage(): boolean {
    return this.#core.segments
      .segments()
      .some(
        ({ id, open, fileBytes }) =>
          open &&
          id === this.#core.segments.smallSegment &&
          (this.#liveBytes(id) ?? 0) < fileBytes * COMPACT_BELOW,
      );
  }

  #evictInBackground(): void {
    const { capacityBytes, reservedBytes } = this.#core.admission;
    if (this.#core.segments.fileBytes + reservedBytes <= capacityBytes * HIGH_WATERMARK) return;
    if (this.#running !== undefined || this.#stopped) return;
    this.reclaimTo(capacityBytes * LOW_WATERMARK - reservedBytes).catch((error: unknown) =>
      this.#core.logger.error({ error }, 'eviction failed; it is tried again with the next write'),
    );
  }

  async #run(): Promise<boolean> {
    const tried = new Set<number>();
    let sealed = false;
    await this.sweep();
    while (this.#core.segments.fileBytes > this.#targetBytes && !this.#stopped) {
      const victim = this.#nextVictim(tried);
      if (victim === undefined) {
        if (sealed) return false;
        sealed = true;
        await this.#core.segments.seal();
        await this.sweep();
        continue;
      }
      tried.add(victim);
      await this.#reclaimSegment(victim);
    }
    return true;
  }

  #nextVictim(tried: ReadonlySet<number>): number | undefined {
    let best: number | undefined;
    for (const { id, open, fileBytes } of this.#core.segments.segments()) {
      if (open || tried.has(id) || this.#core.guard.guards(id)) continue;
      const usage = this.#usage(id);
      const gainBytes = fileBytes - (usage?.pinnedBytes ?? 0);
      if (
        gainBytes <= fileBytes * (1 - COMPACT_BELOW) &&
        usage !== undefined &&
        usage.liveBytes === usage.pinnedBytes
      ) {
        continue;
      }
      if (best === undefined || this.#core.recency.rankOf(id) < this.#core.recency.rankOf(best)) best = id;
    }
    return best;
  }

  async #reclaimSegment(segment: number): Promise<void> {
    const alive = await this.#alive(segment);
    const { recency, segments } = this.#core;
    const spared = alive.filter(
      (live) => evictable(live.record as ObjectRecord) && recency.wasRead(live.extent),
    );
    if (spared.length > 0 && alive.every((live) => live.extent.size > SMALL_BODY_BYTES_MAX)) {
      // A large object has its segment to itself: it moves in the order, not on the disk.
      recency.spare(segment, segments.smallSegment);
      return;
    }
    const victims = alive.filter(
      (live) => live.kind === 'object' && evictable(live.record) && !spared.includes(live),
    );
    await this.#evict(victims);
    const file = segments.segments().find(({ id }) => id === segment);
    const liveBytes = this.#liveBytes(segment);
    if (file !== undefined && liveBytes !== undefined && liveBytes < file.fileBytes * COMPACT_BELOW) {
      for (const live of alive) if (!victims.includes(live)) await this.#move(live);
    }
    if (this.#liveBytes(segment) === undefined) await this.#drop(segment);
    else recency.spare(segment, segments.smallSegment);
  }

  /** What is alive in a segment. */
  async #alive(segment: number): Promise<Live[]> {
    const alive: Live[] = [];
    for await (const { owner, extent } of this.#core.segments.walk(segment)) {
      const live = this.#lookUp(owner, extent);
      if (live !== undefined) alive.push(live);
    }
    return alive;
  }

  #lookUp(owner: string, extent: Extent): Live | undefined {
    for (const partition of this.#core.partitions) {
      // A completed part belongs to its object by now, which has the part's owner in its header.
      const found =
        this.#refers(partition, owner, extent) ?? this.#refers(partition, objectOwner(owner), extent);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #refers(partition: Partition, owner: string, extent: Extent): Live | undefined {
    const record = partition.index.get(owner);
    if (record?.kind !== 'object' && record?.kind !== 'part') return undefined;
    const same = record.extents.find((candidate) => sameExtent(candidate, extent));
    if (same === undefined) return undefined;
    return record.kind === 'object'
      ? { kind: 'object', owner, extent: same, record }
      : { kind: 'part', owner, extent: same, record };
  }

  async #evict(victims: readonly Live[]): Promise<void> {
    const byPartition = new Map<Partition, { bucket: string; key: string; version: number }[]>();
    for (const victim of victims) {
      assert(victim.kind === 'object' && evictable(victim.record), 'only a persisted object is evicted');
      const target = { ...parseObjectKey(victim.owner), version: victim.record.version };
      const partition = partitionOf(this.#core, target.bucket, target.key);
      const targets = byPartition.get(partition) ?? [];
      byPartition.set(partition, targets);
      targets.push(target);
    }
    for (const [partition, targets] of byPartition) {
      for (let at = 0; at < targets.length; at += EVICT_BATCH) {
        const batch = targets.slice(at, at + EVICT_BATCH);
        const { result } = await partition.submit((view) => decideEvict(view, batch, 'PRESSURE'));
        this.statistics.evictedObjects += result.objects;
        this.statistics.evictedBytes += result.bytes;
      }
    }
  }

  /** Appends live bytes anew and logs the move. Damaged bytes stay where they are, for the read that reports them. */
  async #move(live: Live): Promise<void> {
    const { segments, guard, logger } = this.#core;
    if (live.extent.size > SMALL_BODY_BYTES_MAX) return;
    const floor = segments.smallSegment;
    guard.enter(floor);
    try {
      const { bytes, release } = await segments.readSmall(live.extent);
      const to = await segments.append(live.owner, [bytes], live.extent.size).finally(release);
      await this.#logMove(live, to);
      this.statistics.movedBytes += live.extent.size;
    } catch (error) {
      if (!isErrorCode(error, 'CORRUPT_EXTENT', 'DISK_FULL', 'IO_FAILED')) throw error;
      logger.error({ error, segment: live.extent.segment }, 'live bytes could not be moved out of a segment');
    } finally {
      guard.leave(floor);
    }
  }

  async #logMove(live: Live, to: Extent): Promise<void> {
    if (live.kind === 'part') {
      const { number, ...upload } = parsePartKey(live.owner);
      const target = { ...upload, partNumber: number };
      await partitionOf(this.#core, target.bucket, target.key).submit((view) =>
        decideMovePart(view, target, [live.extent], [to]),
      );
      return;
    }
    const target = { ...parseObjectKey(live.owner), version: live.record.version };
    await partitionOf(this.#core, target.bucket, target.key).submit((view) =>
      decideMove(view, target, [live.extent], [to]),
    );
  }

  async #drop(segment: number): Promise<void> {
    if (this.#core.guard.guards(segment) || this.#liveBytes(segment) !== undefined) return;
    await this.#core.segments.drop(segment);
    this.#core.recency.forget(segment);
    this.statistics.droppedSegments += 1;
  }

  /** Undefined when nothing in the segment is alive. */
  #liveBytes(segment: number): number | undefined {
    return this.#usage(segment)?.liveBytes;
  }

  #usage(segment: number): { liveBytes: number; pinnedBytes: number } | undefined {
    let found: { liveBytes: number; pinnedBytes: number } | undefined;
    for (const partition of this.#core.partitions) {
      const usage = partition.state.segments.get(segment);
      if (usage === undefined) continue;
      found = {
        liveBytes: (found?.liveBytes ?? 0) + usage.liveBytes,
        pinnedBytes: (found?.pinnedBytes ?? 0) + usage.pinnedBytes,
      };
    }
    return found;
  }
}

/** The index key of the object whose part has this owner key. */
function objectOwner(owner: string): string {
  if (!owner.startsWith('p')) return owner;
  return `o${owner.slice(1, -(1 + 32 + 2))}`;
}

/** Extents that an event makes garbage. */
function freedBy(event: DataEvent): readonly Extent[] {
  switch (event.type) {
    case 'ObjectCommitted':
      if (event.discarded === undefined) return event.replaced?.extents ?? NONE;
      return [...(event.replaced?.extents ?? NONE), ...event.discarded];
    case 'ObjectDeleted':
      return event.replaced?.extents ?? NONE;
    case 'UploadAborted':
    case 'ObjectEvicted':
      return event.extents;
    case 'ExtentsMoved':
      return event.from;
    case 'PartStored':
      return event.replacedExtents ?? NONE;
    default:
      return NONE;
  }
}
