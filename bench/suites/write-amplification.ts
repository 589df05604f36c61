/**
 * `write-amplification`: bytes that reach the disk per byte that was stored. It counts everything that the device is given
 * meanwhile, so nothing else should be running.
 */
import { setTimeout as delay } from 'node:timers/promises';
import {
  BUCKET,
  SMALL_BYTES,
  startGenerator,
  startHeadrace,
  withCleanup,
  type BenchContext,
} from '../context.js';
import { deviceWrittenBytes } from '../device-writes.js';
import { atMostTimes, information, sizeName, type Row } from '../report.js';

/** What the server writes behind the last acknowledgement (checkpoints, preallocation) belongs to the figure. */
const SETTLE_MS = 2000;

const SCENARIO = 'Bytes written per byte stored, 10 KiB objects, concurrency 64';

export async function benchWriteAmplification(context: BenchContext): Promise<Row[]> {
  return withCleanup(async (cleanup) => {
    const generator = await startGenerator(cleanup);
    const server = await startHeadrace(context, cleanup, 'write-amplification', 'held');
    context.progress(`write-amplification: ${context.scale.amplificationObjects} objects of 10 KiB`);
    const before = deviceWrittenBytes(context.directory);
    if (before === undefined)
      return [
        {
          scenario: SCENARIO,
          side: 'headrace',
          checks: [information('not measured', 'no device of its own')],
        },
      ];
    const result = await generator.ask({
      port: server.s3Port,
      method: 'PUT',
      targets: { kind: 'numbered', prefix: `${BUCKET}/amplification/`, first: 0 },
      bodyBytes: SMALL_BYTES,
      concurrency: 64,
      operationsMax: context.scale.amplificationObjects,
      verifyEvery: 64,
    });
    await delay(Math.min(SETTLE_MS, context.scale.roundMs));
    const writtenBytes = (deviceWrittenBytes(context.directory) ?? NaN) - before;
    return [
      {
        scenario: SCENARIO,
        side: 'headrace',
        checks: [
          atMostTimes('bytes stored', writtenBytes / result.bytes, 1.1),
          information('stored', sizeName(result.bytes)),
          information('written', sizeName(writtenBytes)),
        ],
      },
    ];
  });
}
