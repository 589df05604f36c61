/**
 * Measures several servers in turn, round by round (A/B/A/B), and compares them within each round: a shared machine is
 * slower in one minute than in the next, so a ratio holds only between runs that lie close together.
 */
import type { BenchChild } from './child-process.js';
import { Histogram } from './histogram.js';
import type { LoadPlan, LoadResult } from './load-plan.js';
import { readProcessUsage } from './process-usage.js';

export interface Measurement {
  readonly operationsPerSecond: number;
  readonly bytesPerSecond: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  /** CPU time of the server, all threads and descendants. */
  readonly cpuUsPerOperation: number;
  readonly generatorCpuUsPerOperation: number;
}

/** One of the things compared: a server under one load, or a floor. */
export interface Side {
  readonly name: string;
  run(): Promise<Measurement>;
}

export type LoadGenerator = BenchChild<LoadPlan, LoadResult>;

/** `rounds` measurements of each side, in turn. */
export async function measureInTurn(sides: readonly Side[], rounds: number): Promise<Measurement[][]> {
  const results: Measurement[][] = sides.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, side] of sides.entries()) results[i]?.push(await side.run());
  }
  return results;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}

/** The median of each figure on its own. */
export function medianOf(rounds: readonly Measurement[]): Measurement {
  const of = (pick: (measurement: Measurement) => number) => median(rounds.map(pick));
  return {
    operationsPerSecond: of((m) => m.operationsPerSecond),
    bytesPerSecond: of((m) => m.bytesPerSecond),
    p50Ms: of((m) => m.p50Ms),
    p90Ms: of((m) => m.p90Ms),
    p99Ms: of((m) => m.p99Ms),
    p999Ms: of((m) => m.p999Ms),
    cpuUsPerOperation: of((m) => m.cpuUsPerOperation),
    generatorCpuUsPerOperation: of((m) => m.generatorCpuUsPerOperation),
  };
}

/** The median over the rounds of one figure's ratio between two sides. */
export function medianRatio(
  rounds: readonly Measurement[],
  floorRounds: readonly Measurement[],
  pick: (measurement: Measurement) => number,
): number {
  return median(rounds.map((measurement, i) => pick(measurement) / pick(floorRounds[i] ?? measurement)));
}

/** Figures of one run of a load, given what the server used meanwhile. */
function toMeasurement(result: LoadResult, serverCpuMs: number): Measurement {
  const seconds = result.elapsedMs / 1000;
  return {
    operationsPerSecond: result.operations / seconds,
    bytesPerSecond: result.bytes / seconds,
    ...percentiles(result.latencyCounts),
    cpuUsPerOperation: (serverCpuMs * 1000) / result.operations,
    generatorCpuUsPerOperation: (result.generatorCpuMs * 1000) / result.operations,
  };
}

export function percentiles(
  latencyCounts: Uint32Array,
): Pick<Measurement, 'p50Ms' | 'p90Ms' | 'p99Ms' | 'p999Ms'> {
  const histogram = new Histogram(latencyCounts);
  return {
    p50Ms: histogram.percentileMs(0.5),
    p90Ms: histogram.percentileMs(0.9),
    p99Ms: histogram.percentileMs(0.99),
    p999Ms: histogram.percentileMs(0.999),
  };
}

/**
 * A server under a load. Each PUT round writes keys that were not there before. `pid` is asked for each time, because
 * a server may be restarted between rounds.
 */
export function loadSide(name: string, generator: LoadGenerator, pid: () => number, plan: LoadPlan): Side {
  let first = plan.targets.kind === 'numbered' ? plan.targets.first : 0;
  return {
    name,
    async run() {
      const targets = plan.targets.kind === 'numbered' ? { ...plan.targets, first } : plan.targets;
      const before = readProcessUsage(pid());
      const result = await generator.ask({ ...plan, targets });
      const after = readProcessUsage(pid());
      if (plan.method === 'PUT') first += result.operations;
      return toMeasurement(result, after.cpuMs - before.cpuMs);
    },
  };
}
