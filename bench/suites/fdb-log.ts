/**
 * The log in FoundationDB against the bare transactions of the same server, in the same minutes: appends at batch depths 1, 16 and 256, and
 * frames read back. Needs a server: `HEADRACE_TEST_FDB_CLUSTER_FILE` or `HEADRACE_FDB_CLUSTER_FILE`; without one it only says so, as a simulated
 * server would make figures of nothing.
 *
 * The bare transaction writes as much as a frame of one event and the head do, with a version and a conflict of its own, one at a time: what
 * an append costs at least.
 */
import { randomBytes } from 'node:crypto';
import { FdbLogStore } from '../../log/fdb/log-store.js';
import { transact, type Transacting } from '../../log/fdb/transact.js';
import type { PartitionLog } from '../../log/log-store.js';
import type { Event } from '../../log/events.js';
import { openFoundationDatabase } from '../../src/adapters/foundationdb/open.js';
import { SystemClock } from '../../src/adapters/system-clock.js';
import { SystemRandom } from '../../src/adapters/system-random.js';
import type { BenchContext } from '../context.js';
import { Histogram } from '../histogram.js';
import { measureInTurn, median, medianOf, medianRatio, type Measurement, type Side } from '../measurement.js';
import { information, percent, type Row } from '../report.js';

const DEPTHS = [1, 16, 256] as const;
const SCENARIO = 'Log in FoundationDB';
const PARTITION = 1;
const CONNECT_TIMEOUT_MS = 30_000;
const CLEAR_TIMEOUT_MS = 30_000;
/** About what the frame of one committed object and the head take. */
const BARE_BYTES = 400;
const SKIPPED =
  'not measured: set HEADRACE_TEST_FDB_CLUSTER_FILE to the cluster file of a FoundationDB server (packages foundationdb-clients and ' +
  'foundationdb-server 7.1 or newer; npm install foundationdb@2.0.1)';

export async function benchFdbLog(context: BenchContext): Promise<Row[]> {
  const clusterFile =
    process.env['HEADRACE_TEST_FDB_CLUSTER_FILE'] ?? process.env['HEADRACE_FDB_CLUSTER_FILE'] ?? '';
  if (clusterFile === '') {
    context.progress(`fdb-log: ${SKIPPED}`);
    return [{ scenario: SCENARIO, side: 'no server', checks: [information('figures', SKIPPED)] }];
  }
  const clock = new SystemClock();
  const database = await openFoundationDatabase({ clusterFile, connectTimeoutMs: CONNECT_TIMEOUT_MS, clock });
  const prefix = Buffer.from(`headrace-bench/${randomBytes(8).toString('hex')}/`);
  const store = new FdbLogStore({ database, clock, random: new SystemRandom(), options: { prefix } });
  try {
    const log = await store.openPartition(PARTITION);
    return [
      ...(await measureAppends(context, { database, clock }, log, prefix)),
      await measureReads(context, log),
    ];
  } finally {
    await store.close().catch(() => undefined);
    const end = Buffer.concat([prefix, Buffer.of(0xff)]);
    const signal = AbortSignal.timeout(CLEAR_TIMEOUT_MS);
    await transact({ database, clock, signal }, async (transaction) =>
      transaction.clearRange(prefix, end),
    ).finally(() => database.close());
  }
}

async function measureAppends(
  context: BenchContext,
  transacting: Transacting,
  log: PartitionLog,
  prefix: Buffer,
): Promise<Row[]> {
  const { scale } = context;
  const bareKey = Buffer.concat([prefix, Buffer.from('bare')]);
  const bare: Side = {
    name: 'bare transaction',
    run: () => measure(scale.roundMs, 1, () => commitBare(transacting, bareKey)),
  };
  const appends: Side[] = DEPTHS.map((depth) => ({
    name: `append, ${depth} at once`,
    run: () => measure(scale.roundMs, depth, () => log.append([EVENT]).then(() => undefined)),
  }));
  context.progress('fdb-log: appends and bare transactions in turn');
  for (const side of [bare, ...appends]) await side.run();
  const [bareRounds = [], ...appendRounds] = await measureInTurn([bare, ...appends], scale.rounds);
  return [
    { scenario: SCENARIO, side: bare.name, measurement: medianOf(bareRounds), checks: [] },
    ...appends.map((side, at): Row => {
      const rounds = appendRounds[at] ?? [];
      return {
        scenario: SCENARIO,
        side: side.name,
        measurement: medianOf(rounds),
        checks: [
          information(
            'events/s of bare transactions/s',
            percent(medianRatio(rounds, bareRounds, (one) => one.operationsPerSecond)),
          ),
        ],
      };
    }),
  ];
}

const EVENT: Event = {
  type: 'DeletePersisted',
  atMs: 1_767_225_600_000,
  bucket: 'bucket',
  key: 'a/key/of/the/usual/length/of/about/sixty/characters/0000001',
  version: 1,
};

/** Tried again as everybody has to, so that one hiccup of the server does not end the bench. */
function commitBare(transacting: Transacting, key: Buffer): Promise<void> {
  return transact(transacting, async (transaction) => {
    await transaction.get(key);
    transaction.set(key, randomBytes(BARE_BYTES));
  });
}

/** `depth` callers, each of which begins again when it is done. */
async function measure(
  durationMs: number,
  depth: number,
  operation: () => Promise<void>,
): Promise<Measurement> {
  const histogram = new Histogram();
  const startedMs = performance.now();
  const startedCpu = process.cpuUsage();
  let operations = 0;
  const caller = async (): Promise<void> => {
    while (performance.now() - startedMs < durationMs) {
      const beganMs = performance.now();
      await operation();
      histogram.record(performance.now() - beganMs);
      operations++;
    }
  };
  await Promise.all(Array.from({ length: depth }, caller));
  const elapsedS = (performance.now() - startedMs) / 1000;
  const { user, system } = process.cpuUsage(startedCpu);
  const percentileMs = (share: number): number => histogram.percentileMs(share);
  return {
    operationsPerSecond: operations / elapsedS,
    bytesPerSecond: 0,
    p50Ms: percentileMs(0.5),
    p90Ms: percentileMs(0.9),
    p99Ms: percentileMs(0.99),
    p999Ms: percentileMs(0.999),
    cpuUsPerOperation: (user + system) / operations,
    generatorCpuUsPerOperation: 0,
  };
}

async function measureReads(context: BenchContext, log: PartitionLog): Promise<Row> {
  const { scale } = context;
  context.progress('fdb-log: reading the frames back');
  const rates: number[] = [];
  const eventRates: number[] = [];
  for (let round = 0; round < scale.rounds; round++) {
    const startedMs = performance.now();
    let frames = 0;
    let events = 0;
    for await (const batch of log.read(0)) {
      frames++;
      events += batch.events.length;
      if (performance.now() - startedMs > scale.roundMs) break;
    }
    const elapsedS = (performance.now() - startedMs) / 1000;
    rates.push(frames / elapsedS);
    eventRates.push(events / elapsedS);
  }
  return {
    scenario: SCENARIO,
    side: 'frames read back',
    checks: [
      information('frames/s', median(rates).toFixed(0)),
      information('events/s', median(eventRates).toFixed(0)),
    ],
  };
}
