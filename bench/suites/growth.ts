/**
 * `growth`: what a PUT costs, and how long a restart after kill -9 takes, with few and with many objects in the cache.
 *
 * Most objects are TRANSIENT, which fills a cache without an under-store; the dirty ones are WRITE_BACK over an under-store
 * that never finishes an upload.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  BUCKET,
  SMALL_BYTES,
  startGenerator,
  startHeadrace,
  withCleanup,
  type BenchContext,
  type Cleanup,
} from '../context.js';
import { BenchChild } from '../child-process.js';
import { NODE_FLAGS, type HeadraceProcess } from '../headrace-process.js';
import type { IndexChangesReply, IndexChangesRequest } from '../index-changes.js';
import { scatteredName } from '../load-plan.js';
import {
  loadSide,
  medianOf,
  percentiles,
  type LoadGenerator,
  type Measurement,
  type Side,
} from '../measurement.js';
import { atMost, information, type Check, type Row } from '../report.js';
import { compare, cpuCheck } from './compare.js';

const FILL_BYTES = 64;
const FILL_CONCURRENCY = 256;
const RESTART_MS_MAX = 120_000;
const POLL_MS = 5;

interface Filled {
  server: HeadraceProcess;
  readonly objects: number;
  readonly dirty: number;
}

export async function benchGrowth(context: BenchContext): Promise<Row[]> {
  return withCleanup(async (cleanup) => {
    const { scale } = context;
    const generator = await startGenerator(cleanup);
    const few = await fill(context, cleanup, generator, 'few', scale.fewObjects);
    const many = await fill(context, cleanup, generator, 'many', scale.manyObjects);

    const side = (filled: Filled): Side =>
      loadSide(`headrace, ${filled.objects} objects`, generator, () => filled.server.pid, {
        port: filled.server.s3Port,
        method: 'PUT',
        // Overwrites, scattered over all there are, so that the number of objects stays.
        targets: {
          kind: 'numbered',
          prefix: `${BUCKET}/transient/`,
          first: 0,
          count: filled.objects - filled.dirty,
        },
        bodyBytes: SMALL_BYTES,
        concurrency: 64,
        durationMs: scale.roundMs,
        verifyEvery: 64,
      });
    const rows = await compare(
      context,
      'PUT 10 KiB as the cache grows',
      [side(few), side(many)],
      (own, floor) => [cpuCheck('CPU with few objects', own, floor, 1.2)],
    );
    rows.push(await restart(context, cleanup, few), await restart(context, cleanup, many));
    return [...rows, ...(await changeIndex(context, cleanup))];
  });
}

/** What the index alone takes of a PUT, which a noisy machine cannot hide. Its own bytes, checkpoints and merges are part of it. */
async function changeIndex(context: BenchContext, cleanup: Cleanup): Promise<Row[]> {
  const { scale } = context;
  const side = async (entries: number): Promise<Side> => {
    const directory = join(context.directory, `index-${entries}`);
    mkdirSync(directory, { recursive: true });
    cleanup.add(async () => rmSync(directory, { recursive: true, force: true }));
    const child = await BenchChild.start<IndexChangesRequest, IndexChangesReply>(
      './index-changes.js',
      NODE_FLAGS,
    );
    cleanup.add(() => child.stop());
    const run = async (): Promise<Measurement> => {
      const changes = scale.warmUpOperations;
      const reply = await child.ask({ directory, entries, changes, changesPerCheckpoint: changes });
      return {
        operationsPerSecond: (reply.operations * 1000) / reply.elapsedMs,
        bytesPerSecond: (reply.writtenBytes * 1000) / reply.elapsedMs,
        ...percentiles(reply.latencyCounts),
        cpuUsPerOperation: (reply.cpuMs * 1000) / reply.operations,
        generatorCpuUsPerOperation: NaN,
      };
    };
    context.progress(`growth: filling an index with ${entries} records`);
    await run();
    return { name: `index, ${entries} records`, run };
  };
  const sides = [await side(scale.fewObjects), await side(scale.manyObjects)];
  return compare(context, 'Record looked up and changed in the index', sides, (own, few) => [
    information(
      'CPU more than among few',
      `${(medianOf(own).cpuUsPerOperation - medianOf(few).cpuUsPerOperation).toFixed(1)} us`,
    ),
  ]);
}

async function fill(
  context: BenchContext,
  cleanup: Cleanup,
  generator: LoadGenerator,
  name: string,
  objects: number,
): Promise<Filled> {
  const dirty = Math.min(context.scale.dirtyObjects, Math.ceil(objects / 10));
  context.progress(`growth: filling a cache with ${objects} objects, ${dirty} of them dirty`);
  const server = await startHeadrace(context, cleanup, name, 'held');
  const write = (prefix: string, count: number, operationsMax = count) =>
    generator.ask({
      port: server.s3Port,
      method: 'PUT',
      targets: { kind: 'numbered', prefix: `${BUCKET}/${prefix}/`, first: 0, count },
      bodyBytes: FILL_BYTES,
      concurrency: FILL_CONCURRENCY,
      operationsMax,
      verifyEvery: 1000,
    });
  await write('transient', objects - dirty);
  await write('dirty', dirty);
  // Both servers have carried the same warm-up when the measured PUTs begin.
  await write(
    'transient',
    Math.min(objects - dirty, context.scale.fewObjects),
    context.scale.warmUpOperations,
  );
  return { server, objects, dirty };
}

/** Kills the server with -9, starts it again and waits for the first object that it serves. */
async function restart(context: BenchContext, cleanup: Cleanup, filled: Filled): Promise<Row> {
  context.progress(`growth: restart with ${filled.objects} objects`);
  await filled.server.kill();
  const startedMs = performance.now();
  filled.server = await filled.server.respawn();
  cleanup.add(() => filled.server.kill());
  const target = `/${BUCKET}/dirty/${scatteredName(filled.dirty - 1)}`;
  while (!(await answersGet(filled.server.s3Port, target))) {
    const waitedMs = performance.now() - startedMs;
    if (!filled.server.running || waitedMs > RESTART_MS_MAX)
      throw new Error(
        `no GET was served ${waitedMs.toFixed(0)} ms after the restart\n${filled.server.stderr}`,
      );
    await delay(POLL_MS);
  }
  const seconds = (performance.now() - startedMs) / 1000;
  await filled.server.ready();
  const checks: Check[] = [atMost('until the first GET', seconds, 2, 's')];
  checks.push(information('dirty objects', String(filled.dirty)));
  return { scenario: 'Restart after kill -9', side: `headrace, ${filled.objects} objects`, checks };
}

/** Whether a GET on a fresh connection is answered with 200 right now. */
function answersGet(port: number, target: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () =>
      socket.write(`GET ${target} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n`),
    );
    socket.on('data', (bytes) => {
      resolve(bytes.toString('latin1', 0, 12) === 'HTTP/1.1 200');
      socket.destroy();
    });
    socket.on('error', () => resolve(false));
    socket.on('close', () => resolve(false));
  });
}
