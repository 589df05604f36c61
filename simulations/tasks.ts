/** What a process of its own is asked to simulate, and what it answers: plain values, so that they can be sent. */
import { playCapacity, type CapacityRun, type CapacityTask } from './capacity.js';
import { countCrashPoints, playCrashPoint, type CrashPointFailure } from './crash-points.js';
import type { Scenario } from './scenario.js';
import { simulate, type FoundViolation, type SimulationResult } from './simulation.js';
import type { WorldParts } from './world.js';

export type SimTask =
  | { readonly kind: 'run'; readonly scenario: Scenario; readonly seed: string; readonly keepsTrace: boolean }
  | { readonly kind: 'countCrashPoints'; readonly scenario: Scenario; readonly seed: string }
  | {
      readonly kind: 'crashPoint';
      readonly scenario: Scenario;
      readonly seed: string;
      readonly call: number;
      readonly again: number;
    }
  | ({ readonly kind: 'capacity' } & CapacityTask);

/** The answer to each kind of task. */
export interface SimAnswers {
  readonly run: SimulationResult;
  readonly countCrashPoints: { readonly calls: number; readonly violation: FoundViolation | undefined };
  readonly crashPoint: { readonly runs: number; readonly failures: readonly CrashPointFailure[] };
  readonly capacity: CapacityRun;
}

export function performTask(parts: WorldParts, task: SimTask): Promise<SimAnswers[SimTask['kind']]> {
  switch (task.kind) {
    case 'run':
      return simulate(parts, task);
    case 'countCrashPoints':
      return countCrashPoints(parts, task.scenario, task.seed);
    case 'crashPoint':
      return playCrashPoint(parts, task.scenario, task.seed, task.call, task.again);
    case 'capacity':
      return playCapacity(parts, task);
  }
}
