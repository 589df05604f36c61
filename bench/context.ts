/** What every suite is given, and the servers that they share. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { BenchChild } from './child-process.js';
import type { AppendFloorReply, AppendFloorRequest } from './floors/append-floor.js';
import type { HttpFloorReply, HttpFloorRequest } from './floors/http-floor.js';
import { HeadraceProcess } from './headrace-process.js';
import { HeldUfs } from './held-ufs.js';
import type { LoadPlan, LoadResult } from './load-plan.js';
import { percentiles, type LoadGenerator, type Measurement, type Side } from './measurement.js';
import type { Row } from './report.js';

/** How much work the suites do. */
export interface BenchScale {
  readonly rounds: number;
  readonly roundMs: number;
  /** Operations before the first round, per server: compiled code, opened files. */
  readonly warmUpOperations: number;
  readonly largeBytes: number;
  /** Cached objects, few and many, of which `dirtyObjects` are not in the UFS. */
  readonly fewObjects: number;
  readonly manyObjects: number;
  readonly dirtyObjects: number;
  readonly hugeObjectBytes: number;
  readonly mixedLoadMs: number;
  readonly amplificationObjects: number;
  /** Of the cache that is always full. */
  readonly evictionBytes: number;
  /** Small objects that are persisted in one go, objects that are read back, and the size of a large one. */
  readonly persistObjects: number;
  readonly missedObjects: number;
  readonly persistBytes: number;
  /** Seeds that the simulator plays in a round. */
  readonly simulatedSeeds: number;
}

export const FULL_SCALE: BenchScale = {
  rounds: 5,
  roundMs: 2000,
  /** The compiler takes this many requests to settle; measured, figures before that are those of a server that just started. */
  warmUpOperations: 100_000,
  largeBytes: 10 * 1024 ** 2,
  fewObjects: 1000,
  manyObjects: 1_000_000,
  dirtyObjects: 100_000,
  hugeObjectBytes: 10 * 1024 ** 3,
  mixedLoadMs: 10 * 60_000,
  amplificationObjects: 200_000,
  evictionBytes: 256 * 1024 ** 2,
  persistObjects: 10_000,
  missedObjects: 100,
  persistBytes: 1024 ** 3,
  simulatedSeeds: 20,
};

/** Small enough for the tests, which only ask whether a suite still works. */
export const TINY_SCALE: BenchScale = {
  rounds: 1,
  roundMs: 100,
  warmUpOperations: 20,
  largeBytes: 1024 ** 2,
  fewObjects: 10,
  manyObjects: 200,
  dirtyObjects: 20,
  hugeObjectBytes: 32 * 1024 ** 2,
  mixedLoadMs: 500,
  amplificationObjects: 200,
  evictionBytes: 32 * 1024 ** 2,
  persistObjects: 200,
  missedObjects: 5,
  persistBytes: 16 * 1024 ** 2,
  simulatedSeeds: 1,
};

export interface BenchContext {
  readonly scale: BenchScale;
  /** On the file system to be measured; what is in it goes when the bench ends. */
  readonly directory: string;
  progress(line: string): void;
}

export type Suite = (context: BenchContext) => Promise<Row[]>;

/** The bucket that every suite writes to. */
export const BUCKET = 'bench';
export const SMALL_BYTES = 10 * 1024;

/** Stops everything that was started with it, in reverse order. */
export class Cleanup {
  readonly #steps: (() => Promise<void>)[] = [];

  add(step: () => Promise<void>): void {
    this.#steps.push(step);
  }

  async run(): Promise<void> {
    for (const step of this.#steps.reverse()) await step();
    this.#steps.length = 0;
  }
}

/** Runs `work` and cleans up behind it, whatever happens. */
export async function withCleanup<T>(work: (cleanup: Cleanup) => Promise<T>): Promise<T> {
  const cleanup = new Cleanup();
  try {
    return await work(cleanup);
  } finally {
    await cleanup.run();
  }
}

export async function startGenerator(cleanup: Cleanup): Promise<LoadGenerator> {
  const generator = await BenchChild.start<LoadPlan, LoadResult>('./load-generator.js');
  cleanup.add(() => generator.stop());
  return generator;
}

export interface HttpFloorServer {
  readonly pid: number;
  readonly port: number;
}

export async function startHttpFloor(context: BenchContext, cleanup: Cleanup): Promise<HttpFloorServer> {
  const floor = await BenchChild.start<HttpFloorRequest, HttpFloorReply>('./floors/http-floor.js');
  cleanup.add(() => floor.stop());
  const { port } = await floor.ask({
    path: join(context.directory, 'http-floor'),
    smallBytes: SMALL_BYTES,
    largeBytes: context.scale.largeBytes,
    slots: 8,
  });
  return { pid: floor.pid, port };
}

/** The bare append loop as a side to compare with. */
export async function startAppendFloor(
  context: BenchContext,
  cleanup: Cleanup,
): Promise<(mode: AppendFloorRequest['mode'], batch: number) => Side> {
  const floor = await BenchChild.start<AppendFloorRequest, AppendFloorReply>('./floors/append-floor.js');
  cleanup.add(() => floor.stop());
  return (mode, batch) => ({
    name: mode === 'append' ? 'floor: append + fdatasync' : 'floor: overwrite, O_DSYNC',
    run: async () => {
      const reply = await floor.ask({
        path: join(context.directory, 'append-floor'),
        mode,
        operationBytes: SMALL_BYTES,
        batch,
        durationMs: context.scale.roundMs / 2,
      });
      return appendMeasurement(reply);
    },
  });
}

function appendMeasurement(reply: AppendFloorReply): Measurement {
  const operationsPerSecond = (reply.operations * 1000) / reply.elapsedMs;
  return {
    operationsPerSecond,
    bytesPerSecond: operationsPerSecond * SMALL_BYTES,
    ...percentiles(reply.latencyCounts),
    cpuUsPerOperation: (reply.cpuMs * 1000) / reply.operations,
    generatorCpuUsPerOperation: NaN,
  };
}

/**
 * A Headrace server with a bucket, WRITE_BACK everywhere but below `/bench/transient/`. `held` gives it an under-store that
 * never finishes an upload; `directory` one that it uploads to as fast as it can; a port, an S3 store on it. There is room for all,
 * unless `environment` says otherwise.
 */
export async function startHeadrace(
  context: BenchContext,
  cleanup: Cleanup,
  name: string,
  ufs: 'held' | 'directory' | { readonly port: number },
  environment: Readonly<Record<string, string>> = {},
): Promise<HeadraceProcess> {
  const root = join(context.directory, name);
  mkdirSync(join(root, 'ufs'), { recursive: true });
  cleanup.add(async () => rmSync(root, { recursive: true, force: true }));
  const held = ufs === 'held' ? await HeldUfs.start() : undefined;
  if (held !== undefined) cleanup.add(() => held.stop());
  const endpoint = typeof ufs === 'string' ? held?.endpoint : `http://127.0.0.1:${ufs.port}`;
  const server = await HeadraceProcess.start({
    dataDirectory: join(root, 'data'),
    ufs: endpoint === undefined ? join(root, 'ufs') : 's3://',
    environment: {
      ...roomyEnvironment(),
      ...(endpoint === undefined ? {} : storeEnvironment(endpoint)),
      ...environment,
    },
  });
  cleanup.add(() => server.kill());
  await server.s3('PUT', `/${BUCKET}`);
  await server.setPolicies('WRITE_BACK', { [`/${BUCKET}/transient/**`]: 'TRANSIENT' });
  return server;
}

/** Room for everything that a suite leaves dirty, so that no run meets the pinned limit. */
function roomyEnvironment(): Record<string, string> {
  return {
    HEADRACE_WORKER_PAGE_STORE_SIZE: '48GiB',
    HEADRACE_WORKER_PAGE_STORE_PINNED_FILE_CAPACITY_LIMIT_RATIO: '1',
    HEADRACE_LOG_LEVEL: 'warn',
  };
}

function storeEnvironment(endpoint: string): Record<string, string> {
  return {
    HEADRACE_UFS_S3_ENDPOINT: endpoint,
    HEADRACE_UFS_S3_PATH_STYLE: 'true',
    HEADRACE_UFS_S3_ACCESS_KEY_ID: 'bench',
    HEADRACE_UFS_S3_SECRET_ACCESS_KEY: 'bench',
    HEADRACE_UFS_REQUEST_TIMEOUT: '1h',
  };
}
