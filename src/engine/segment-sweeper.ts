/**
 * Drops segments in which nothing is alive any more.
 *
 * A segment goes only when no record of any partition refers to it, nobody guards it, nothing is being appended to it, and no
 * log is being recovered: an event that nobody was told of may turn out to be durable, and then its bytes must be there.
 */
import { HeadraceError } from '../core/errors.js';
import { SECOND_MS } from '../core/units.js';
import type { EngineCore } from './engine-core.js';
import type { SegmentStore } from './segment-store.js';

type SegmentFile = ReturnType<SegmentStore['segments']>[number];

/** Frees of the same moment are looked at together; what cannot be dropped yet is looked at again, with growing pauses. */
const SWEEP_DELAY_MS = 100;
const SWEEP_DELAY_MS_MAX = 5 * SECOND_MS;

export class SegmentSweeper {
  readonly #core: EngineCore;
  /** Segments in which something died since they were last looked at. */
  readonly #suspects = new Set<number>();
  #cancel: (() => void) | undefined;
  #delayMs = SWEEP_DELAY_MS;
  #stopped = false;

  constructor(core: EngineCore) {
    this.#core = core;
  }

  start(): void {
    this.#core.guard.listen((segment) => this.suspect(segment));
    for (const { id } of this.#core.segments.segments()) this.suspect(id);
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  /** Something in the segment died: perhaps it was the last. */
  suspect(segment: number): void {
    this.#suspects.add(segment);
    if (this.#delayMs === SWEEP_DELAY_MS && this.#cancel !== undefined) return;
    this.#cancel?.();
    this.#delayMs = SWEEP_DELAY_MS;
    this.#schedule();
  }

  /** Drops every segment that can go, at once. */
  async sweepAll(): Promise<void> {
    for (const file of this.#core.segments.segments()) await this.#drop(file);
  }

  /** Drops a segment if it can go; false when it is still there. */
  async drop(segment: number): Promise<boolean> {
    const file = this.#core.segments.segments().find(({ id }) => id === segment);
    return file === undefined || this.#drop(file);
  }

  async #drop({ id, open }: SegmentFile): Promise<boolean> {
    const { segments, guard, recency, partitions, logger } = this.#core;
    if (open || guard.guards(id) || this.usageOf(id) !== undefined) return false;
    if (partitions.some(({ isRecovering }) => isRecovering)) return false;
    try {
      await segments.drop(id);
    } catch (error) {
      if (!(error instanceof HeadraceError)) throw error;
      logger.warn({ error, segment: id }, 'a segment could not be dropped; it is tried again');
      return false;
    }
    recency.forget(id);
    return true;
  }

  /** Undefined when nothing in the segment is alive. */
  usageOf(segment: number): { readonly liveBytes: number; readonly pinnedBytes: number } | undefined {
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

  #schedule(): void {
    if (this.#stopped) return;
    this.#cancel = this.#core.clock.schedule(this.#delayMs, () => {
      this.#cancel = undefined;
      this.#sweepSuspects().catch((error: unknown) =>
        this.#core.logger.error({ error }, 'segments could not be dropped'),
      );
    });
  }

  async #sweepSuspects(): Promise<void> {
    const files = new Map(this.#core.segments.segments().map((file) => [file.id, file]));
    for (const segment of [...this.#suspects]) {
      const file = files.get(segment);
      // What dies in it later makes it suspect again.
      const isSettled = file === undefined || this.usageOf(segment) !== undefined;
      if (isSettled || (await this.#drop(file))) this.#suspects.delete(segment);
    }
    if (this.#suspects.size === 0 || this.#cancel !== undefined) return;
    this.#delayMs = Math.min(this.#delayMs * 2, SWEEP_DELAY_MS_MAX);
    this.#schedule();
  }
}
