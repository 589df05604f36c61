/**
 * `memory`: the resident memory of the server while one huge object passes through it (multipart upload, persist to a
 * directory, read back), and over minutes of a mixed load on a fixed set of keys.
 */
import {
  BUCKET,
  SMALL_BYTES,
  startGenerator,
  startHeadrace,
  withCleanup,
  type BenchContext,
} from '../context.js';
import type { HeadraceProcess } from '../headrace-process.js';
import { uploadParts, untilPersisted } from '../large-object.js';
import type { LoadGenerator } from '../measurement.js';
import { median } from '../measurement.js';
import { readProcessUsage, resetResidentPeak } from '../process-usage.js';
import { atMost, atMostTimes, information, sizeName, type Check, type Row } from '../report.js';

const MIB = 1024 ** 2;
const RESIDENT_MIB_MAX = 300;
const PART_BYTES_MAX = 128 * MIB;
/** A heap breathes: growth below this share of the middle of the run is not a leak. */
const GROWTH_MAX = 1.15;
const MIXED_KEYS = 2000;

export async function benchMemory(context: BenchContext): Promise<Row[]> {
  return withCleanup(async (cleanup) => {
    const generator = await startGenerator(cleanup);
    const server = await startHeadrace(context, cleanup, 'memory', 'directory');
    return [await hugeObject(context, server, generator), await mixedLoad(context, server, generator)];
  });
}

async function hugeObject(
  context: BenchContext,
  server: HeadraceProcess,
  generator: LoadGenerator,
): Promise<Row> {
  const { hugeObjectBytes } = context.scale;
  const partBytes = Math.min(PART_BYTES_MAX, hugeObjectBytes / 4);
  const scenario = `Peak RSS while ${sizeName(hugeObjectBytes)} pass through`;
  const checks: Check[] = [];
  const phase = async (name: string, work: () => Promise<unknown>) => {
    context.progress(`memory: ${name} of ${sizeName(hugeObjectBytes)}`);
    resetResidentPeak(server.pid);
    const startedMs = performance.now();
    await work();
    const seconds = (performance.now() - startedMs) / 1000;
    const peakMib = readProcessUsage(server.pid).residentPeakBytes / MIB;
    checks.push(atMost(`${name} (${seconds.toFixed(0)} s)`, peakMib, RESIDENT_MIB_MAX, 'MiB'));
  };
  await phase('PUT', () =>
    uploadParts(server, generator, { key: 'huge', objectBytes: hugeObjectBytes, partBytes }),
  );
  await phase('persist', () => untilPersisted(server));
  await phase('GET', () =>
    generator.ask({
      port: server.s3Port,
      method: 'GET',
      targets: { kind: 'listed', targets: [`/${BUCKET}/huge`] },
      bodyBytes: hugeObjectBytes,
      concurrency: 1,
      verifyEvery: 1,
    }),
  );
  return { scenario, side: 'headrace', checks };
}

/** Writes, overwrites, reads and deletes a fixed set of keys, and asks whether memory grew between the middle and the end. */
async function mixedLoad(
  context: BenchContext,
  server: HeadraceProcess,
  generator: LoadGenerator,
): Promise<Row> {
  const { mixedLoadMs } = context.scale;
  context.progress(`memory: mixed load for ${mixedLoadMs / 1000} s`);
  const samples: number[] = [];
  const endMs = performance.now() + mixedLoadMs;
  const stepMs = Math.min(1000, mixedLoadMs / 6);
  const step = (method: 'PUT' | 'GET' | 'DELETE', prefix: string, bodyBytes: number, count: number) =>
    generator.ask({
      port: server.s3Port,
      method,
      targets: { kind: 'numbered', prefix: `${BUCKET}/mixed/${prefix}/`, first: 0, count },
      bodyBytes,
      concurrency: 16,
      operationsMax: count,
      ...(method === 'PUT' ? {} : { durationMs: stepMs }),
      verifyEvery: 16,
    });
  do {
    await step('PUT', 'small', SMALL_BYTES, MIXED_KEYS);
    await step('PUT', 'middle', 300 * 1024, MIXED_KEYS / 20);
    await step('GET', 'small', SMALL_BYTES, MIXED_KEYS);
    await step('GET', 'middle', 300 * 1024, MIXED_KEYS / 20);
    await step('DELETE', 'small', 0, MIXED_KEYS / 2);
    samples.push(readProcessUsage(server.pid).residentBytes / MIB);
  } while (performance.now() < endMs);
  const third = Math.max(1, Math.floor(samples.length / 3));
  const middle = median(samples.slice(-2 * third, -third));
  const end = median(samples.slice(-third));
  const growth = samples.length < 3 ? 1 : end / middle;
  return {
    scenario: `RSS over ${(mixedLoadMs / 60_000).toFixed(1)} minutes of mixed load`,
    side: 'headrace',
    checks: [
      atMostTimes('last third to the middle third', growth, GROWTH_MAX),
      information('at the end', `${end.toFixed(0)} MiB`),
      information('largest', `${Math.max(...samples).toFixed(0)} MiB`),
    ],
  };
}
