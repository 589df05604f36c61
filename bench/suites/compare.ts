/** From servers to rows of the table: what the suites that measure rates have in common. */
import { BUCKET, type BenchContext, type HttpFloorServer } from '../context.js';
import type { HeadraceProcess } from '../headrace-process.js';
import type { LoadPlan } from '../load-plan.js';
import {
  loadSide,
  measureInTurn,
  medianOf,
  medianRatio,
  type LoadGenerator,
  type Measurement,
  type Side,
} from '../measurement.js';
import { atLeast, atMostTimes, type Check, type Row } from '../report.js';

export interface ComparedServers {
  readonly generator: LoadGenerator;
  readonly floor: HttpFloorServer;
  readonly headrace: HeadraceProcess;
}

/** The same load on both. */
export interface ComparedLoad {
  readonly method: 'PUT' | 'GET';
  /** Which of the floor's two kinds of work. */
  readonly floorPath: 'sink' | 'file';
  /** Directory of the keys in the bucket. */
  readonly path: string;
  /** Different keys; without end when absent. */
  readonly count?: number;
  readonly bodyBytes: number;
  readonly concurrency: number;
}

/** A sample of what the server under test answers is compared with what was stored. */
const VERIFY_EVERY = 64;

/** The floor and the server under test, with the same load on both. */
export function comparedSides(servers: ComparedServers, load: ComparedLoad, roundMs: number): [Side, Side] {
  const { generator, floor, headrace } = servers;
  return [
    loadSide(`floor: node:http ${load.floorPath}`, generator, () => floor.pid, {
      ...planOf(load, floor.port, `${load.floorPath}/`),
      durationMs: roundMs,
    }),
    loadSide('headrace', generator, () => headrace.pid, {
      ...planOf(load, headrace.s3Port, `${BUCKET}/${load.path}/`),
      durationMs: roundMs,
      verifyEvery: VERIFY_EVERY,
    }),
  ];
}

/** Drives both until compiled code, files and connections are warm. */
export async function warmUp(
  servers: ComparedServers,
  load: ComparedLoad,
  operationsMax: number,
): Promise<void> {
  const { generator, floor, headrace } = servers;
  await generator.ask({ ...planOf(load, floor.port, `${load.floorPath}/`), operationsMax });
  await generator.ask({ ...planOf(load, headrace.s3Port, `${BUCKET}/${load.path}/`), operationsMax });
}

function planOf(load: ComparedLoad, port: number, prefix: string): LoadPlan {
  const count = load.count === undefined ? {} : { count: load.count };
  return {
    port,
    method: load.method,
    targets: { kind: 'numbered', prefix, first: 0, ...count },
    bodyBytes: load.bodyBytes,
    concurrency: load.concurrency,
    verifyEvery: 0,
  };
}

/**
 * Measures the sides in turn and makes a row of each. The first is the main floor and the second the server under test,
 * whose row carries the checks; they are given the rounds of the second, the first and the third side.
 */
export async function compare(
  context: BenchContext,
  scenario: string,
  sides: readonly Side[],
  checks: (own: Measurement[], floor: Measurement[], secondFloor: Measurement[]) => Check[],
): Promise<Row[]> {
  context.progress(scenario);
  const measured = await measureInTurn(sides, context.scale.rounds);
  const [floor = [], own = [], secondFloor = []] = measured;
  return sides.map((side, i) => ({
    scenario,
    side: side.name,
    measurement: medianOf(measured[i] ?? []),
    checks: i === 1 ? checks(own, floor, secondFloor) : [],
  }));
}

/** Throughput as a share of the floor's. */
export function rateCheck(what: string, own: Measurement[], floor: Measurement[], target: number): Check {
  const ratio = medianRatio(own, floor, (measurement) => measurement.operationsPerSecond);
  return atLeast(what, ratio, target);
}

/** The server's CPU time per operation as a multiple of the floor's. */
export function cpuCheck(what: string, own: Measurement[], floor: Measurement[], target?: number): Check {
  const ratio = medianRatio(own, floor, (measurement) => measurement.cpuUsPerOperation);
  return atMostTimes(what, ratio, target);
}
