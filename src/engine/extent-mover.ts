/**
 * Compaction's hands: appends live bytes anew and logs the move, so that their old segment can go.
 *
 * Invariants: the copy is durable before the event that says so; the move counts only if the record still refers to the old
 * place when it is decided, else the copy is garbage.
 */
import { HeadraceError } from '../core/errors.js';
import type { Extent } from '../core/object.js';
import { parseObjectKey, parsePartKey } from '../../projections/records.js';
import { decideMove } from './decide.js';
import { decideMovePart } from './decide-uploads.js';
import { partitionOf, type EngineCore } from './engine-core.js';
import type { LiveExtent } from './live-extents.js';
import { SMALL_BODY_BYTES_MAX } from './object-service.js';

/** Moves in flight: they share disk writes and log frames. */
const MOVES_AT_ONCE = 32;

export class ExtentMover {
  readonly #core: EngineCore;
  movedBytes = 0;

  constructor(core: EngineCore) {
    this.#core = core;
  }

  /**
   * Moves what is small; a large extent has a segment of its own, which is never compacted. What cannot be moved stays where it
   * is: damaged bytes wait there for the read that reports them.
   */
  async moveAll(alive: Iterable<LiveExtent>): Promise<void> {
    const rest = alive[Symbol.iterator]();
    const worker = async (): Promise<void> => {
      for (let step = rest.next(); step.done !== true; step = rest.next()) await this.#move(step.value);
    };
    await Promise.all(Array.from({ length: MOVES_AT_ONCE }, worker));
  }

  async #move(live: LiveExtent): Promise<void> {
    const { segments, guard, logger } = this.#core;
    if (live.extent.size > SMALL_BODY_BYTES_MAX) return;
    const floor = segments.smallSegment;
    guard.enter(floor);
    try {
      const { bytes, release } = await segments.readSmall(live.extent);
      const to = await segments.append(live.owner, [bytes], live.extent.size).finally(release);
      if (await this.#log(live, to)) this.movedBytes += live.extent.size;
    } catch (error) {
      if (!(error instanceof HeadraceError)) throw error;
      logger.warn({ error, segment: live.extent.segment }, 'live bytes could not be moved out of a segment');
    } finally {
      guard.leave(floor);
    }
  }

  async #log(live: LiveExtent, to: Extent): Promise<boolean> {
    if (live.kind === 'part') {
      const { number, ...upload } = parsePartKey(live.owner);
      const target = { ...upload, partNumber: number };
      const partition = partitionOf(this.#core, target.bucket, target.key);
      return (await partition.submit((view) => decideMovePart(view, target, [live.extent], [to]))).result;
    }
    const target = { ...parseObjectKey(live.owner), version: live.record.version };
    const partition = partitionOf(this.#core, target.bucket, target.key);
    return (await partition.submit((view) => decideMove(view, target, [live.extent], [to]))).result;
  }
}
