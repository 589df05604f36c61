/**
 * What persisting costs clients: PUTs to a server that uploads what they write, against the same PUTs to one whose under-store never
 * answers an upload.
 *
 * At a pace the servers, the generator and the sink leave processors idle, and the latencies are what clients would see of uploads on a
 * machine with a core to spare; how much was idle stands beside them. As fast as it goes, uploads take what clients could have had.
 */
import { BUCKET, SMALL_BYTES, startHeadrace, type BenchContext, type Cleanup } from '../context.js';
import type { HeadraceProcess } from '../headrace-process.js';
import { idleShare, readProcessorTime } from '../idle-share.js';
import { pendingObjects, untilPersisted } from '../large-object.js';
import {
  loadSide,
  median,
  medianRatio,
  type LoadGenerator,
  type Measurement,
  type Side,
} from '../measurement.js';
import { readMainThreadCpuMs, readProcessUsage } from '../process-usage.js';
import { atMostTimes, figure, information, percent, type Check, type Row } from '../report.js';
import { compare } from './compare.js';

const CONCURRENCY = 16;
const TIMES_MAX = 1.1;
/** PUTs per second, all of which are uploaded at that rate; undefined: as fast as it goes. */
const PACES_PER_S = [1000, 2000, undefined] as const;
/** Enough requests above the 99th percentile for a figure. */
const PACED_ROUND_TIMES = 2;

/** What a side used besides what its measurement tells, by round. */
type Usage = {
  /** Of the thread that answers clients, and of the whole server, per PUT until all that was written is uploaded. */
  readonly mainUs: number[];
  readonly serverUs: number[];
  /** Of the machine, while the load ran. */
  readonly idle: number[];
  /** Not uploaded when the load ended. */
  readonly behind: number[];
};

export async function foreground(
  context: BenchContext,
  cleanup: Cleanup,
  generator: LoadGenerator,
  uploading: HeadraceProcess,
): Promise<Row[]> {
  const held = await startHeadrace(context, cleanup, 'held', 'held');
  const rows: Row[] = [];
  for (const perS of PACES_PER_S) {
    const off = measuredSide('persisting off', context, generator, held, perS, false);
    const on = measuredSide('persisting on', context, generator, uploading, perS, true);
    for (const { side, usage } of [off, on]) {
      await side.run();
      for (const figures of Object.values(usage)) figures.length = 0;
    }
    const pace = perS === undefined ? 'as fast as it goes' : `${perS}/s`;
    rows.push(
      ...(await compare(
        context,
        `PUT 10 KiB in front, concurrency ${CONCURRENCY}, ${pace}`,
        [off.side, on.side],
        (own, floor) => [
          latencyCheck('p50 with it off', own, floor, (measurement) => measurement.p50Ms),
          latencyCheck('p99 with it off', own, floor, (measurement) => measurement.p99Ms),
          ...usageChecks(on.usage, off.usage),
        ],
      )),
    );
  }
  return rows;
}

function measuredSide(
  name: string,
  { scale }: BenchContext,
  generator: LoadGenerator,
  server: HeadraceProcess,
  perS: number | undefined,
  persists: boolean,
): { readonly side: Side; readonly usage: Usage } {
  const usage: Usage = { mainUs: [], serverUs: [], idle: [], behind: [] };
  const load = loadSide(name, generator, () => server.pid, {
    port: server.s3Port,
    method: 'PUT',
    targets: { kind: 'numbered', prefix: `${BUCKET}/front-${perS ?? 'full'}/`, first: 0 },
    bodyBytes: SMALL_BYTES,
    concurrency: CONCURRENCY,
    verifyEvery: 64,
    ...(perS === undefined
      ? { durationMs: scale.roundMs }
      : { durationMs: scale.roundMs * PACED_ROUND_TIMES, intervalMs: (CONCURRENCY * 1000) / perS }),
  });
  const read = () => ({
    ms: performance.now(),
    mainMs: readMainThreadCpuMs(server.pid),
    serverMs: readProcessUsage(server.pid).cpuMs,
    processors: readProcessorTime(),
  });
  const run = async (): Promise<Measurement> => {
    const before = read();
    const measured = await load.run();
    const loaded = read();
    usage.idle.push(idleShare(before.processors, loaded.processors));
    // What was not uploaded in time must not run into the measurement of the other side.
    if (persists) {
      usage.behind.push(await pendingObjects(server));
      await untilPersisted(server);
    }
    const after = read();
    const operations = (measured.operationsPerSecond * (loaded.ms - before.ms)) / 1000;
    usage.mainUs.push(((after.mainMs - before.mainMs) * 1000) / operations);
    usage.serverUs.push(((after.serverMs - before.serverMs) * 1000) / operations);
    return measured;
  };
  return { side: { name, run }, usage };
}

function usageChecks(on: Usage, off: Usage): Check[] {
  const both = (pick: (usage: Usage) => readonly number[], show: (value: number) => string): string =>
    `${show(median(pick(on)))}, ${show(median(pick(off)))} with it off`;
  const us = (value: number): string => `${figure(value)} µs`;
  return [
    information(
      'idle share of the machine',
      both((usage) => usage.idle, percent),
    ),
    information(
      'main thread per PUT',
      both((usage) => usage.mainUs, us),
    ),
    information(
      'server per PUT',
      both((usage) => usage.serverUs, us),
    ),
    information('not yet persisted at the end', `${figure(median(on.behind))} objects`),
  ];
}

function latencyCheck(
  what: string,
  own: readonly Measurement[],
  off: readonly Measurement[],
  pick: (measurement: Measurement) => number,
): Check {
  return atMostTimes(what, medianRatio(own, off, pick), TIMES_MAX);
}
