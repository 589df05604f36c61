/** Reading back what was evicted: how long until the first byte, and how often the under-store is asked when many want the same. */
import { Agent, get } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { BUCKET, type BenchContext } from '../context.js';
import type { HeadraceProcess } from '../headrace-process.js';
import { untilPersisted } from '../large-object.js';
import { scatteredName } from '../load-plan.js';
import { median, type LoadGenerator } from '../measurement.js';
import { atMost, atMostTimes, figure, information, type Row } from '../report.js';
import type { Sink } from './persist.js';

const OBJECT_BYTES = 256 * 1024;
const FIRST_BYTE_TIMES_MAX = 1.2;
/** A store across a network, and the bare sink on this machine, against which every hop counts. */
const STORE_DELAYS_MS = [20, 0];
const READERS = 64;
const EVICT_AGAIN_MS = 100;

interface Parts {
  readonly generator: LoadGenerator;
  readonly sink: Sink;
  readonly port: number;
  readonly server: HeadraceProcess;
}

export async function measureMisses(context: BenchContext, parts: Parts): Promise<Row[]> {
  const { missedObjects } = context.scale;
  const { generator, server, sink } = parts;
  await generator.ask({
    port: server.s3Port,
    method: 'PUT',
    targets: { kind: 'numbered', prefix: `${BUCKET}/miss/`, first: 0 },
    bodyBytes: OBJECT_BYTES,
    concurrency: 16,
    operationsMax: missedObjects,
    verifyEvery: 1,
  });
  await untilPersisted(server);
  const agent = new Agent({ keepAlive: true });
  try {
    const rows: Row[] = [];
    for (const delayMs of STORE_DELAYS_MS) {
      await sink.ask({ getDelayMs: delayMs });
      rows.push(await firstBytes(context, parts, agent, delayMs));
    }
    rows.push(await manyReaders(context, parts));
    return rows;
  } finally {
    agent.destroy();
  }
}

async function firstBytes(context: BenchContext, parts: Parts, agent: Agent, delayMs: number): Promise<Row> {
  const { server, sink, port } = parts;
  const scenario = `GET 256 KiB that was evicted, under-store answers after ${delayMs} ms`;
  context.progress(scenario);
  const direct: number[] = [];
  const missed: number[] = [];
  const { rounds, missedObjects } = context.scale;
  for (let round = 0; round < Math.min(2, rounds); round++) {
    await evict(server);
    await sink.ask({});
    for (let i = 0; i < missedObjects; i++) {
      const target = `/${BUCKET}/miss/${scatteredName(i)}`;
      direct.push(await firstByteMs(port, target, agent));
      missed.push(await firstByteMs(server.s3Port, target, agent));
    }
    const { gets } = await sink.ask({});
    if (gets < 2 * missedObjects)
      throw new Error(`of ${missedObjects} evicted objects ${gets - missedObjects} were fetched`);
  }
  const ratio = median(missed.map((ms, i) => ms / (direct[i] ?? ms)));
  // On one machine the second hop cannot be free: there is no target without a network.
  const target = delayMs > 0 ? FIRST_BYTE_TIMES_MAX : undefined;
  return {
    scenario,
    side: 'headrace',
    checks: [
      atMostTimes('first byte of a direct GET', ratio, target),
      information('median first byte', `${figure(median(missed))} ms`),
      information('direct', `${figure(median(direct))} ms`),
    ],
  };
}

async function manyReaders(context: BenchContext, { server, sink }: Parts): Promise<Row> {
  const scenario = `${READERS} readers of one evicted object`;
  context.progress(scenario);
  await evict(server);
  await sink.ask({ getDelayMs: 20 });
  const agent = new Agent({ keepAlive: true });
  const target = `/${BUCKET}/miss/${scatteredName(0)}`;
  await Promise.all(Array.from({ length: READERS }, () => firstByteMs(server.s3Port, target, agent)));
  agent.destroy();
  const { gets } = await sink.ask({ getDelayMs: 0 });
  return { scenario, side: 'headrace', checks: [atMost('GETs of the under-store', gets, 1, 'GETs')] };
}

/** Until nothing more comes: what was read last is still being cached when its answer is out. */
async function evict(server: HeadraceProcess): Promise<void> {
  for (let freed = -1; freed !== 0; await delay(EVICT_AGAIN_MS)) {
    const { status, text } = await server.admin('POST', '/api/v1/free', { path: `/${BUCKET}/miss` });
    if (status !== 200) throw new Error(`POST /api/v1/free: ${status} ${text}`);
    freed = (JSON.parse(text) as { objects: number }).objects;
  }
}

/** Until the first byte of the body is there; resolves when the whole body is, and is as long as it has to be. */
function firstByteMs(port: number, path: string, agent: Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    const startedMs = performance.now();
    const request = get({ host: '127.0.0.1', port, path, agent }, (response) => {
      let firstMs = 0;
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        if (bytes === 0) firstMs = performance.now() - startedMs;
        bytes += chunk.length;
      });
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200 && bytes === OBJECT_BYTES) resolve(firstMs);
        else reject(new Error(`GET ${path}: ${response.statusCode}, ${bytes} of ${OBJECT_BYTES} bytes`));
      });
    });
    request.on('error', reject);
  });
}
