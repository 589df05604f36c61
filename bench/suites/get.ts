/** `get`: reading small and large objects right after they were written, against node:http servers that do only that. */
import {
  BUCKET,
  SMALL_BYTES,
  startGenerator,
  startHeadrace,
  startHttpFloor,
  withCleanup,
  type BenchContext,
} from '../context.js';
import { sizeName, type Row } from '../report.js';
import {
  compare,
  comparedSides,
  cpuCheck,
  rateCheck,
  warmUp,
  type ComparedLoad,
  type ComparedServers,
} from './compare.js';

const SMALL = {
  method: 'GET',
  floorPath: 'sink',
  path: 'small',
  count: 2000,
  bodyBytes: SMALL_BYTES,
  concurrency: 64,
} as const satisfies ComparedLoad;

export async function benchGet(context: BenchContext): Promise<Row[]> {
  return withCleanup(async (cleanup) => {
    const { scale } = context;
    const servers = {
      generator: await startGenerator(cleanup),
      floor: await startHttpFloor(context, cleanup),
      headrace: await startHeadrace(context, cleanup, 'get', 'held'),
    };
    const large = {
      method: 'GET',
      floorPath: 'file',
      path: 'large',
      count: 8,
      bodyBytes: scale.largeBytes,
      concurrency: 4,
    } as const satisfies ComparedLoad;
    await write(servers, SMALL);
    await write(servers, large);
    await warmUp(servers, SMALL, scale.warmUpOperations);

    const smallRows = await compare(
      context,
      'GET 10 KiB after write, concurrency 64',
      comparedSides(servers, SMALL, scale.roundMs),
      (own, sink) => [rateCheck('ops/s of the sink', own, sink, 0.5), cpuCheck('CPU of the sink', own, sink)],
    );
    const largeRows = await compare(
      context,
      `GET ${sizeName(scale.largeBytes)} after write, concurrency ${large.concurrency}`,
      comparedSides(servers, large, scale.roundMs),
      (own, file) => [rateCheck('MiB/s of a streamed file', own, file, 0.7)],
    );
    return [...smallRows, ...largeRows];
  });
}

/** Stores every object that the load will read. */
async function write(
  servers: ComparedServers,
  load: ComparedLoad & { readonly count: number },
): Promise<void> {
  await servers.generator.ask({
    port: servers.headrace.s3Port,
    method: 'PUT',
    targets: { kind: 'numbered', prefix: `${BUCKET}/${load.path}/`, first: 0 },
    bodyBytes: load.bodyBytes,
    concurrency: load.concurrency,
    operationsMax: load.count,
    verifyEvery: 1,
  });
}
