/**
 * `persist`: how fast the server takes what it holds to the under-store, what that does to the writes that go on meanwhile, and
 * how it reads back.
 *
 * The under-store is a bare S3 sink in another process, so that the figures are those of the server, and a directory. With the
 * server, the sink and the load generator that makes three processes at work: on a machine with two cores they compete, and the
 * foreground figures say so.
 */
import { BenchChild } from '../child-process.js';
import {
  BUCKET,
  SMALL_BYTES,
  startGenerator,
  startHeadrace,
  withCleanup,
  type BenchContext,
  type Cleanup,
} from '../context.js';
import type { S3SinkReply, S3SinkRequest } from '../floors/s3-sink.js';
import type { SdkUploadReply, SdkUploadRequest } from '../floors/sdk-upload.js';
import type { HeadraceProcess } from '../headrace-process.js';
import { pendingObjects, untilPersisted, uploadParts } from '../large-object.js';
import { median, type LoadGenerator } from '../measurement.js';
import { readProcessUsage } from '../process-usage.js';
import { atLeast, figure, information, sizeName, type Check, type Row } from '../report.js';
import { foreground } from './persist-foreground.js';
import { measureMisses } from './persist-misses.js';

export type Sink = BenchChild<S3SinkRequest, S3SinkReply>;

const OBJECTS_PER_S_MIN = 2000;
/** Of what was written: the least that has to be left for a rate. */
const BACKLOG_SHARE = 4;
const FOREGROUND_CONCURRENCY = 16;
const LARGE_SHARE_MIN = 0.7;
const PART_BYTES = 8 * 1024 ** 2;

export async function benchPersist(context: BenchContext): Promise<Row[]> {
  return withCleanup(async (cleanup) => {
    const generator = await startGenerator(cleanup);
    const sink: Sink = await BenchChild.start('./floors/s3-sink.js');
    cleanup.add(() => sink.stop());
    const { port } = await sink.ask({});
    const uploading = await startHeadrace(context, cleanup, 'uploading', { port });
    return [
      ...(await persistSmall(context, cleanup, { generator, sink, port, uploading })),
      ...(await foreground(context, cleanup, { generator, sink, port, uploading })),
      await persistLarge(context, cleanup, { generator, port, uploading }),
      ...(await measureMisses(context, { generator, sink, port, server: uploading })),
    ];
  });
}

/** Small objects into the sink and into a directory; the floor is the generator that sends the same straight to the sink. */
async function persistSmall(
  context: BenchContext,
  cleanup: Cleanup,
  {
    generator,
    sink,
    port,
    uploading,
  }: { generator: LoadGenerator; sink: Sink; port: number; uploading: HeadraceProcess },
): Promise<Row[]> {
  const { rounds } = context.scale;
  const directory = await startHeadrace(context, cleanup, 'directory', 'directory');
  const scenario = `Persist 10 KiB objects, ${context.scale.persistObjects} at a time`;
  context.progress(scenario);
  const floors: number[] = [];
  const persisted = { sink: [] as Drained[], directory: [] as Drained[] };
  for (let round = 0; round <= rounds; round++) {
    const floor = await generator.ask({
      port,
      method: 'PUT',
      targets: { kind: 'numbered', prefix: 'floor/small/', first: 0 },
      bodyBytes: SMALL_BYTES,
      concurrency: FOREGROUND_CONCURRENCY,
      operationsMax: context.scale.persistObjects,
      verifyEvery: 0,
    });
    await sink.ask({});
    const into = {
      sink: await drainSmall(context, generator, uploading, round),
      directory: await drainSmall(context, generator, directory, round),
    };
    // The first round compiles and connects.
    if (round === 0) continue;
    floors.push((floor.operations * 1000) / floor.elapsedMs);
    persisted.sink.push(into.sink);
    persisted.directory.push(into.directory);
  }
  const floorRow = { scenario, side: 'floor: bare PUTs into the sink', checks: [rateOf(median(floors))] };
  return [
    floorRow,
    ...Object.entries(persisted).map(([name, drained]) => drainedRow(scenario, name, drained)),
  ];
}

interface Drained {
  readonly objectsPerSecond: number;
  readonly cpuUsPerObject: number;
}

/**
 * Writes a backlog, then counts how fast the rest of it goes with nothing else to do. When next to nothing is left, uploading
 * keeps up with writing: then the whole is what counts.
 */
async function drainSmall(
  { scale }: BenchContext,
  generator: LoadGenerator,
  server: HeadraceProcess,
  round: number,
): Promise<Drained> {
  const { persistObjects } = scale;
  const begun = { ms: performance.now(), cpuMs: readProcessUsage(server.pid).cpuMs, objects: persistObjects };
  await generator.ask({
    port: server.s3Port,
    method: 'PUT',
    targets: { kind: 'numbered', prefix: `${BUCKET}/small/`, first: round * persistObjects },
    bodyBytes: SMALL_BYTES,
    concurrency: 64,
    operationsMax: persistObjects,
    verifyEvery: 64,
  });
  const written = {
    ms: performance.now(),
    cpuMs: readProcessUsage(server.pid).cpuMs,
    objects: await pendingObjects(server),
  };
  await untilPersisted(server);
  const { ms, cpuMs, objects } = written.objects > persistObjects / BACKLOG_SHARE ? written : begun;
  return {
    objectsPerSecond: (objects * 1000) / (performance.now() - ms),
    cpuUsPerObject: ((readProcessUsage(server.pid).cpuMs - cpuMs) * 1000) / objects,
  };
}

function drainedRow(scenario: string, name: string, drained: readonly Drained[]): Row {
  const rate = median(drained.map(({ objectsPerSecond }) => objectsPerSecond));
  const cpuUs = median(drained.map(({ cpuUsPerObject }) => cpuUsPerObject));
  return {
    scenario,
    side: `headrace, into the ${name}`,
    checks: [
      { ...rateOf(rate), target: `at least ${OBJECTS_PER_S_MIN}/s`, pass: rate >= OBJECTS_PER_S_MIN },
      information('CPU per object', `${figure(cpuUs)} µs`),
    ],
  };
}

function rateOf(objectsPerSecond: number): Check {
  return { what: 'objects persisted', value: `${figure(objectsPerSecond)}/s` };
}

/** One large object, from its commit until the sink has it, against the AWS SDK that sends as much from memory. */
async function persistLarge(
  context: BenchContext,
  cleanup: Cleanup,
  { generator, port, uploading }: { generator: LoadGenerator; port: number; uploading: HeadraceProcess },
): Promise<Row> {
  const { rounds, persistBytes: objectBytes } = context.scale;
  const scenario = `Persist ${sizeName(objectBytes)} in parts of ${sizeName(PART_BYTES)}`;
  context.progress(scenario);
  const sdk = await BenchChild.start<SdkUploadRequest, SdkUploadReply>('./floors/sdk-upload.js');
  cleanup.add(() => sdk.stop());
  const floors: number[] = [];
  const own: number[] = [];
  const cpu: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const floor = await sdk.ask({ port, objectBytes, partBytes: PART_BYTES });
    floors.push(floor.elapsedMs);
    const cpuBefore = readProcessUsage(uploading.pid).cpuMs;
    const object = { key: `large-${round}`, objectBytes, partBytes: PART_BYTES };
    const committedMs = await uploadParts(uploading, generator, object);
    await untilPersisted(uploading);
    own.push(performance.now() - committedMs);
    cpu.push(readProcessUsage(uploading.pid).cpuMs - cpuBefore);
  }
  const mibPerSecond = (ms: number): string => `${figure(objectBytes / 1024 ** 2 / (ms / 1000))} MiB/s`;
  return {
    scenario,
    side: 'headrace, into the sink',
    checks: [
      atLeast(
        'throughput of the SDK alone',
        median(floors.map((ms, i) => ms / (own[i] ?? Infinity))),
        LARGE_SHARE_MIN,
      ),
      information('headrace', mibPerSecond(median(own))),
      information('SDK, 4 parts at a time', mibPerSecond(median(floors))),
      information('CPU of PUT and persist', `${figure(median(cpu) / 1000)} s`),
    ],
  };
}
