/**
 * Crashing a short run at each call by which it changes its disk or the under-store, in turn; and for each of those again in the
 * recovery that follows: at every call of it, or at some, which go round, so that all calls of a recovery have their turn.
 */
import { simulate, type FoundViolation } from './simulation.js';
import type { Scenario } from './scenario.js';
import type { WorldParts } from './world.js';

export interface CrashPoint {
  readonly call: number;
  /** In the recovery; undefined where only the life was cut off. */
  readonly againAtCall: number | undefined;
}

export interface CrashPointFailure extends CrashPoint {
  readonly violation: FoundViolation;
}

/** How often the life of this seed changes its disk or the under-store: the number of its crash points. */
export async function countCrashPoints(
  parts: WorldParts,
  scenario: Scenario,
  seed: string,
): Promise<{ readonly calls: number; readonly violation: FoundViolation | undefined }> {
  const { portCalls, violation } = await simulate(parts, { scenario, seed });
  return { calls: portCalls.life, violation };
}

/** Plays one crash point: the power fails at that call, and in `again` more runs once more, each time at another call of its recovery. */
export async function playCrashPoint(
  parts: WorldParts,
  scenario: Scenario,
  seed: string,
  call: number,
  again: number,
): Promise<{ readonly runs: number; readonly failures: readonly CrashPointFailure[] }> {
  const failures: CrashPointFailure[] = [];
  const once = await simulate(parts, { scenario, seed, crashAtCall: call });
  if (once.violation !== undefined)
    failures.push({ call, againAtCall: undefined, violation: once.violation });
  const { recovery } = once.portCalls;
  const times = Math.min(again, recovery);
  for (let time = 0; time < times; time++) {
    const againAtCall = 1 + (((call - 1) * times + time) % recovery);
    const twice = await simulate(parts, { scenario, seed, crashAtCall: call, crashAgainAtCall: againAtCall });
    if (twice.violation !== undefined) failures.push({ call, againAtCall, violation: twice.violation });
  }
  return { runs: 1 + times, failures };
}
