/** `put`: a small PUT at concurrency 64 and 1, and a large one at 4, against the floors under each. */
import {
  SMALL_BYTES,
  startAppendFloor,
  startGenerator,
  startHeadrace,
  startHttpFloor,
  withCleanup,
  type BenchContext,
} from '../context.js';
import { median, medianOf, type Measurement } from '../measurement.js';
import { atMost, atMostTimes, sizeName, type Row } from '../report.js';
import { compare, comparedSides, cpuCheck, rateCheck, warmUp, type ComparedLoad } from './compare.js';

const SMALL: ComparedLoad = {
  method: 'PUT',
  floorPath: 'sink',
  path: 'many',
  bodyBytes: SMALL_BYTES,
  concurrency: 64,
};
const LARGE_CONCURRENCY = 4;

export async function benchPut(context: BenchContext): Promise<Row[]> {
  return withCleanup(async (cleanup) => {
    const { scale } = context;
    const append = await startAppendFloor(context, cleanup);
    const servers = {
      generator: await startGenerator(cleanup),
      floor: await startHttpFloor(context, cleanup),
      headrace: await startHeadrace(context, cleanup, 'put', 'held'),
    };
    const sides = (load: ComparedLoad) => comparedSides(servers, load, scale.roundMs);
    await warmUp(servers, { ...SMALL, path: 'warm' }, scale.warmUpOperations);

    const many = await compare(
      context,
      'PUT 10 KiB, WRITE_BACK, concurrency 64',
      [...sides(SMALL), append('append', 64), append('overwrite', 64)],
      (own, sink) => [
        rateCheck('ops/s of the sink', own, sink, 0.35),
        cpuCheck('CPU of the sink', own, sink, 3),
      ],
    );
    const one = await compare(
      context,
      'PUT 10 KiB, WRITE_BACK, concurrency 1',
      [...sides({ ...SMALL, path: 'one', concurrency: 1 }), append('append', 1), append('overwrite', 1)],
      (own, sink, appended) => [
        atMostTimes('p50 of sink + append', latencyRatio(own, sink, appended), 2),
        atMost('p99', medianOf(own).p99Ms, 3, 'ms'),
      ],
    );
    const large = await compare(
      context,
      `PUT ${sizeName(scale.largeBytes)}, WRITE_BACK, concurrency ${LARGE_CONCURRENCY}`,
      sides({
        method: 'PUT',
        floorPath: 'file',
        path: 'large',
        bodyBytes: scale.largeBytes,
        concurrency: LARGE_CONCURRENCY,
      }),
      (own, file) => [rateCheck('MiB/s of file + MD5 + fdatasync', own, file, 0.7)],
    );
    return [...many, ...one, ...large];
  });
}

/** The median latency against the sum of both floors', round by round. */
function latencyRatio(own: Measurement[], sink: Measurement[], appended: Measurement[]): number {
  return median(own.map((round, i) => round.p50Ms / ((sink[i]?.p50Ms ?? 0) + (appended[i]?.p50Ms ?? 0))));
}
