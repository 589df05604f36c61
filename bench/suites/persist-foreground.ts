/**
 * What persisting costs clients: PUTs to a server that uploads what they write, against the same PUTs to one whose under-store never
 * answers an upload.
 *
 * Uploads take a processor's time, and on a small machine somebody feels it, whoever makes them. So there is a control: the server
 * that uploads nothing, while a process that has nothing to do with it sends as many objects to the same sink. What clients lose
 * to the control is the machine's, what they lose beyond it the server's.
 */
import { setPriority } from 'node:os';
import type { BenchChild } from '../child-process.js';
import {
  BUCKET,
  SMALL_BYTES,
  startGenerator,
  startHeadrace,
  type BenchContext,
  type Cleanup,
} from '../context.js';
import type { S3SinkReply, S3SinkRequest } from '../floors/s3-sink.js';
import type { HeadraceProcess } from '../headrace-process.js';
import { idleShare, readProcessorTime } from '../idle-share.js';
import { pendingObjects, untilPersisted } from '../large-object.js';
import type { LoadPlan } from '../load-plan.js';
import {
  loadSide,
  measureInTurn,
  median,
  medianOf,
  medianRatio,
  type LoadGenerator,
  type Measurement,
  type Side,
} from '../measurement.js';
import { readMainThreadCpuMs, readProcessUsage } from '../process-usage.js';
import { atMostTimes, figure, information, percent, type Check, type Row } from '../report.js';

const CONCURRENCY = 16;
const TIMES_MAX = 1.1;
/** PUTs per second, all of which are uploaded at that rate; undefined: as fast as it goes. */
const PACES_PER_S = [1000, 2000, undefined] as const;
/** Of the server's thread that uploads. */
const UPLOAD_NICENESS = 10;
/** A control that sends less often would outlast the load. */
const UPLOADED_PER_S_MIN = 100;
/** Enough requests above the 99th percentile for a figure. */
const PACED_ROUND_TIMES = 2;

/** Who is measured, and what it uploads to. */
export interface ForegroundParts {
  readonly generator: LoadGenerator;
  readonly sink: BenchChild<S3SinkRequest, S3SinkReply>;
  /** Of the sink. */
  readonly port: number;
  readonly uploading: HeadraceProcess;
}

interface Parts extends ForegroundParts {
  /** The server that uploads nothing. */
  readonly held: HeadraceProcess;
  /** What uploads in its place. */
  readonly elsewhere: LoadGenerator;
}

/** What a side used besides what its measurement tells, by round. */
type Usage = {
  /** Of the thread that answers clients, and of the whole server, per PUT until all that was written is uploaded. */
  readonly mainUs: number[];
  readonly serverUs: number[];
  /** Of the machine, while the load ran. */
  readonly idle: number[];
  /** To the sink, by the server or by the other process. */
  readonly uploadsPerS: number[];
  /** Not uploaded when the load ended. */
  readonly behind: number[];
};

interface Measured {
  readonly side: Side;
  readonly usage: Usage;
}

/** What happens around a measurement. */
interface Around {
  readonly before?: () => Promise<unknown>;
  /** Answers how many objects it uploaded per second. */
  readonly meanwhile?: () => Promise<number>;
  /** The same of the server, and how many were not uploaded when the load ended; when all are. */
  readonly after?: () => Promise<{ readonly uploadsPerS: number; readonly behind: number }>;
}

export async function foreground(
  context: BenchContext,
  cleanup: Cleanup,
  parts: ForegroundParts,
): Promise<Row[]> {
  const held = await startHeadrace(context, cleanup, 'held', 'held');
  const elsewhere = await startGenerator(cleanup);
  // As the server's own thread for uploads.
  setPriority(elsewhere.pid, UPLOAD_NICENESS);
  const rows: Row[] = [];
  for (const perS of PACES_PER_S) rows.push(...(await atPace(context, { ...parts, held, elsewhere }, perS)));
  return rows;
}

async function atPace(context: BenchContext, parts: Parts, perS: number | undefined): Promise<Row[]> {
  const pace = perS === undefined ? 'as fast as it goes' : `${perS}/s`;
  const scenario = `PUT 10 KiB in front, concurrency ${CONCURRENCY}, ${pace}`;
  context.progress(scenario);
  const sides = sidesAt(context, parts, perS);
  // Compiled code, connections, and how much is uploaded.
  for (const { side, usage } of sides) {
    await side.run();
    for (const figures of Object.values(usage)) figures.length = 0;
  }
  const measured = await measureInTurn(
    sides.map(({ side }) => side),
    context.scale.rounds,
  );
  const [on = [], control = [], off = []] = measured;
  // A client that goes as fast as it can leaves no core for uploads, whoever makes them: no target for that.
  const target = perS === undefined ? undefined : TIMES_MAX;
  const checks = [
    [...latencies('the control', on, control, target), ...latencies('persisting off', on, off)],
    latencies('persisting off', control, off),
    [],
  ];
  return sides
    .map(({ side, usage }, i) => ({
      scenario,
      side: side.name,
      measurement: medianOf(measured[i] ?? []),
      checks: [...(checks[i] ?? []), ...usageChecks(usage)],
    }))
    .toReversed();
}

/** With persisting on, the control, and with it off. */
function sidesAt({ scale }: BenchContext, parts: Parts, perS: number | undefined): Measured[] {
  const { generator, sink, port, uploading, held, elsewhere } = parts;
  const plan = {
    method: 'PUT',
    bodyBytes: SMALL_BYTES,
    concurrency: CONCURRENCY,
    verifyEvery: 64,
    durationMs: scale.roundMs * (perS === undefined ? 1 : PACED_ROUND_TIMES),
  } as const;
  const at = (rate: number) => ({ intervalMs: (CONCURRENCY * 1000) / rate });
  const load = (server: HeadraceProcess, name: string): LoadPlan => ({
    ...plan,
    ...(perS === undefined ? {} : at(perS)),
    port: server.s3Port,
    targets: { kind: 'numbered', prefix: `${BUCKET}/front-${name}-${perS ?? 'full'}/`, first: 0 },
  });
  /** What reached the sink in the last round of the server that uploads. */
  let uploadedPerS = UPLOADED_PER_S_MIN;
  return [
    measuredSide('persisting on', generator, uploading, load(uploading, 'on'), {
      before: () => sink.ask({}),
      after: async () => {
        const { puts } = await sink.ask({});
        const uploadsPerS = (puts * 1000) / plan.durationMs;
        uploadedPerS = Math.max(UPLOADED_PER_S_MIN, uploadsPerS);
        const behind = await pendingObjects(uploading);
        // What was not uploaded in time must not run into the measurement of the other sides.
        await untilPersisted(uploading);
        return { uploadsPerS, behind };
      },
    }),
    measuredSide('control: off, uploads by another process', generator, held, load(held, 'control'), {
      meanwhile: async () => {
        const { operations, elapsedMs } = await elsewhere.ask({
          ...plan,
          ...at(uploadedPerS),
          port,
          targets: { kind: 'numbered', prefix: 'forgotten/small/', first: 0 },
          verifyEvery: 0,
        });
        return (operations * 1000) / elapsedMs;
      },
    }),
    measuredSide('persisting off', generator, held, load(held, 'off'), {}),
  ];
}

function measuredSide(
  name: string,
  generator: LoadGenerator,
  server: HeadraceProcess,
  plan: LoadPlan,
  around: Around,
): Measured {
  const usage: Usage = { mainUs: [], serverUs: [], idle: [], uploadsPerS: [], behind: [] };
  const load = loadSide(name, generator, () => server.pid, plan);
  const read = () => ({
    ms: performance.now(),
    mainMs: readMainThreadCpuMs(server.pid),
    serverMs: readProcessUsage(server.pid).cpuMs,
    processors: readProcessorTime(),
  });
  const run = async (): Promise<Measurement> => {
    await around.before?.();
    const before = read();
    const loading = load.run().then((measured) => ({ measured, loaded: read() }));
    const [{ measured, loaded }, sentPerS] = await Promise.all([loading, around.meanwhile?.()]);
    usage.idle.push(idleShare(before.processors, loaded.processors));
    if (sentPerS !== undefined) usage.uploadsPerS.push(sentPerS);
    const uploaded = await around.after?.();
    if (uploaded !== undefined) {
      usage.uploadsPerS.push(uploaded.uploadsPerS);
      usage.behind.push(uploaded.behind);
    }
    const after = read();
    const operations = (measured.operationsPerSecond * (loaded.ms - before.ms)) / 1000;
    usage.mainUs.push(((after.mainMs - before.mainMs) * 1000) / operations);
    usage.serverUs.push(((after.serverMs - before.serverMs) * 1000) / operations);
    return measured;
  };
  return { side: { name, run }, usage };
}

function latencies(
  than: string,
  own: readonly Measurement[],
  other: readonly Measurement[],
  target?: number,
): Check[] {
  return [
    atMostTimes(
      `p50 with ${than}`,
      medianRatio(own, other, (measurement) => measurement.p50Ms),
      target,
    ),
    atMostTimes(
      `p99 with ${than}`,
      medianRatio(own, other, (measurement) => measurement.p99Ms),
      target,
    ),
  ];
}

function usageChecks({ idle, mainUs, serverUs, uploadsPerS, behind }: Usage): Check[] {
  const us = (values: readonly number[]): string => `${figure(median(values))} µs`;
  const checks = [
    information('idle share of the machine', percent(median(idle))),
    information('main thread per PUT', us(mainUs)),
    information('server per PUT', us(serverUs)),
  ];
  if (uploadsPerS.length > 0) checks.push(information('uploads', `${figure(median(uploadsPerS))}/s`));
  if (behind.length > 0)
    checks.push(information('not yet persisted at the end', `${figure(median(behind))} objects`));
  return checks;
}
