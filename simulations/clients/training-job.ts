/**
 * A training job: a checkpoint of several files every so often, all written side by side, the oldest one deleted behind it.
 *
 * It keeps to its times, as training does: a checkpoint that takes longer than the time between two makes it leave one out. A file
 * that is refused is not sent again, because the next checkpoint takes its place.
 */
import type { Recorder } from '../recorder.js';
import type { SimRandom } from '../sim-random.js';
import type { SimWorld } from '../world.js';
import type { Calls } from './calls.js';

export interface CheckpointPlan {
  readonly jobs: number;
  /** Of one checkpoint. */
  readonly files: number;
  /** Of each file. */
  readonly sizeBytes: number;
  readonly everyMs: number;
  /** Checkpoints of a job that stay when a new one is there. */
  readonly keep: number;
  /** What one job sends, all its files together; as fast as the cache takes it when undefined. */
  readonly bytesPerS: number | undefined;
}

export interface TrainingJobParts {
  readonly world: SimWorld;
  readonly recorder: Recorder;
  readonly calls: Calls;
  readonly random: SimRandom;
  readonly plan: CheckpointPlan;
  /** Below which its files are, with the slash. */
  readonly prefix: string;
  readonly number: number;
}

export class TrainingJob {
  readonly #parts: TrainingJobParts;
  readonly #stopping = new AbortController();

  constructor(parts: TrainingJobParts) {
    this.#parts = parts;
  }

  /** Resolves when it has ended after `stop`; never in a process that dies before. */
  async run(): Promise<void> {
    const { world, recorder, random, plan } = this.#parts;
    // Jobs are not in step with each other.
    let dueMs = world.clock.monotonicTimeMs() + random.between(0, plan.everyMs);
    for (let step = 0; await this.#isUp(dueMs); step++) {
      await this.#checkpoint(step);
      dueMs += plan.everyMs;
      for (; dueMs < world.clock.monotonicTimeMs(); dueMs += plan.everyMs)
        recorder.statistics.count('operations', 'checkpoint left out');
    }
  }

  stop(): void {
    this.#stopping.abort();
  }

  /** Waits until then; false when it was stopped before. */
  async #isUp(dueMs: number): Promise<boolean> {
    const { clock } = this.#parts.world;
    const { signal } = this.#stopping;
    try {
      await clock.sleep(Math.max(0, dueMs - clock.monotonicTimeMs()), signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    return !signal.aborted;
  }

  async #checkpoint(step: number): Promise<void> {
    const { calls, plan, recorder, world } = this.#parts;
    const { files, keep, sizeBytes } = plan;
    // Names go round, so that what is remembered of them does not grow with the length of the simulation.
    const names = keep + 1;
    const bytesPerS = plan.bytesPerS === undefined ? undefined : plan.bytesPerS / files;
    const written = await Promise.all(
      this.#keys(step % names).map((key) =>
        calls.put(key, world.contents.make(sizeBytes), undefined, bytesPerS),
      ),
    );
    recorder.statistics.count(
      'operations',
      written.every(Boolean) ? 'checkpoint whole' : 'checkpoint incomplete',
    );
    if (step >= keep) await calls.deleteMany(this.#keys((step + 1) % names));
  }

  #keys(slot: number): string[] {
    const { plan, prefix, number } = this.#parts;
    return Array.from({ length: plan.files }, (_, rank) => `${prefix}job-${number}/${slot}/rank-${rank}`);
  }
}
