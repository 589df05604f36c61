/**
 * WRITE_BACK load on the real server while the real S3 store behind it is slow, throttles, breaks off, answers too late,
 * refuses, and is away, with a kill -9 in the outage: nothing is lost, order is kept, and in the end the store is what the
 * model says.
 *
 * `HEADRACE_TEST_OUTAGE_MINUTES=3` makes the outage as long; `HEADRACE_TEST_SEED` repeats a run's choices. Figures are
 * printed, and nothing timed is asserted.
 */
import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { FaultyUfs } from '../support/faulty-ufs.js';
import type { FaultKind } from '../support/fault-proxy.js';
import { checkOrder, checkUfs, headersOf } from '../support/faulty-ufs-checks.js';
import { eventually, TestServer } from '../support/headrace-process.js';
import { ObjectModel } from '../support/object-model.js';
import { S3Client } from '../support/s3-client.js';
import { abortUpload, checkKey, S3Load, seededRandom, type AcknowledgedWrite } from '../support/s3-load.js';

const SEED = Number(process.env['HEADRACE_TEST_SEED'] ?? randomInt(2 ** 31));
const OUTAGE_MINUTES = Number(process.env['HEADRACE_TEST_OUTAGE_MINUTES'] ?? 0);
const PHASE_MS = 2000;
const OUTAGE_MS = Math.max(OUTAGE_MINUTES * 60_000, 5000);
const WORKERS = 8;
const PAUSE_MS = 40;
/** Written again and again, and once or twice in a run. */
const HOT_KEYS = 24;
const COLD_KEYS = 300 + Math.ceil(OUTAGE_MINUTES * 3000);
const SAMPLE_MS = 250;
const REQUEST_TIMEOUT = '3s';
const SMALL_BYTES_MAX = 10 * 1024;
const WAIT_MS = 120_000;

const SLOW_DOWN = '<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>';
const DENIED = '<Error><Code>AccessDenied</Code><Message>not yours</Message></Error>';

t.setTimeout(240_000 + 2 * OUTAGE_MS);

interface Phase {
  readonly name: string;
  readonly weather: (random: number, method: string, url: string) => FaultKind | undefined;
}

const CALM: Phase = { name: 'calm', weather: () => undefined };
const PHASES: readonly Phase[] = [
  CALM,
  { name: 'slow', weather: () => ({ kind: 'delay', until: delay(150) }) },
  {
    name: 'bursts of SlowDown',
    weather: (random) => (random < 0.7 ? { kind: 'status', status: 503, body: SLOW_DOWN } : undefined),
  },
  {
    name: 'cut mid-body',
    weather: (random, method) => {
      if (random > 0.4) return undefined;
      return method === 'PUT'
        ? { kind: 'cutRequest', bodyBytes: 1000 }
        : { kind: 'cutAnswer', bodyBytes: 20 };
    },
  },
  {
    name: 'answers lost or too late',
    weather: (random) =>
      random < 0.1 ? { kind: 'hangAfterEffect' } : random < 0.3 ? { kind: 'loseAnswer' } : undefined,
  },
  {
    name: '403 for one prefix',
    weather: (_random, _method, url) =>
      url.startsWith('/faults/denied/') ? { kind: 'status', status: 403, body: DENIED } : undefined,
  },
];

class Run {
  readonly model = new ObjectModel();
  /** Where each version stands in the log, by its seed. */
  readonly offsets = new Map<number, number>();
  readonly random = seededRandom(SEED);
  readonly keys: readonly string[];
  latenciesMs: number[] = [];
  /** Of the oldest that waited, of this phase and the one before. */
  agesMs: number[] = [];
  shownMs: number[] = [];

  constructor(
    readonly t: Test,
    readonly server: TestServer,
    readonly ufs: FaultyUfs,
  ) {
    const hot = Array.from({ length: HOT_KEYS }, (_, i) => `/faults/${i % 4 === 0 ? 'denied' : 'hot'}/${i}`);
    const cold = Array.from({ length: COLD_KEYS }, (_, i) => `/faults/cold/${i % 10}/${i}`);
    const repeated = Array.from({ length: Math.ceil(COLD_KEYS / HOT_KEYS) }, () => hot).flat();
    this.keys = [...repeated, ...cold];
  }

  startLoad(): S3Load {
    const load = new S3Load({
      model: this.model,
      port: this.server.process.s3Port,
      seed: Math.floor(this.random() * 2 ** 31),
      keys: this.keys,
      workers: WORKERS,
      small: true,
      pauseMs: PAUSE_MS,
      headersOf,
      refusesMisses: true,
      onWrite: (write) => this.#note(write),
    });
    load.start();
    return load;
  }

  /** Lets the load go on in this weather, and prints how it did. */
  async pass(name: string, durationMs: number): Promise<void> {
    this.latenciesMs = [];
    const before = await this.server.status();
    const endMs = performance.now() + durationMs;
    while (performance.now() < endMs) {
      await delay(Math.min(SAMPLE_MS, endMs - performance.now()));
      await this.sample();
    }
    const after = await this.server.status();
    this.print(name, `pending ${before.pendingObjects} -> ${after.pendingObjects}`);
  }

  print(name: string, more: string): void {
    const sorted = this.latenciesMs.toSorted((a, b) => a - b);
    const at = (share: number) => (sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(1);
    const oldestMs = Math.max(0, ...this.agesMs);
    this.shownMs = this.agesMs;
    this.agesMs = [];
    this.t.comment(
      `${name}: ${sorted.length} small PUTs, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms; oldest dirty at most ${oldestMs} ms; ${more}`,
    );
  }

  /** How long the oldest of what waits has been waiting; undefined when nothing does. */
  async sample(): Promise<number | undefined> {
    const { oldestPendingMs } = await this.server.status();
    const ageMs = oldestPendingMs === undefined ? undefined : Date.now() - oldestPendingMs;
    this.agesMs.push(ageMs ?? 0);
    return ageMs;
  }

  #note({ content, latencyMs, headers }: AcknowledgedWrite): void {
    this.offsets.set(content.seed, Number(String(headers['x-headrace-offset']).split(':')[1]));
    if (content.size <= SMALL_BYTES_MAX && content.parts === undefined) this.latenciesMs.push(latencyMs);
  }
}

const started = await FaultyUfs.start(t);
const skip = 'skip' in started ? started.skip : false;

void t.test(`UFS that fails in every way under load (HEADRACE_TEST_SEED=${SEED})`, { skip }, async (t) => {
  if ('skip' in started) throw new Error(started.skip);
  const ufs = started;
  const environment = {
    ...ufs.environment,
    HEADRACE_UFS_REQUEST_TIMEOUT: REQUEST_TIMEOUT,
    HEADRACE_WORKER_PAGE_STORE_SIZE: '4GiB',
  };
  const server = await TestServer.start(t, { ufs: 's3://', environment });
  const run = new Run(t, server, ufs);
  await server.process.s3('PUT', '/faults');
  await server.process.setPolicies('WRITE_BACK');

  const load = run.startLoad();
  for (const { name, weather } of PHASES) {
    ufs.proxy.weather = (method, url) => weather(run.random(), method, url);
    await run.pass(name, PHASE_MS);
  }
  await healDenied(run);
  await outage(run, load);
  await checkUfs(run, OUTAGE_MINUTES > 0);
  checkOrder(run);
});

/** What one prefix is refused is quarantined and holds up nobody; `async-persist retry` heals it when the store takes it again. */
async function healDenied({ t, server, ufs }: Run): Promise<void> {
  const list = async (...flags: string[]) => {
    const { code, stdout } = await server.cli('async-persist', 'list', '--json', ...flags);
    t.equal(code, 0);
    const lines = stdout.split('\n').filter((line) => line !== '');
    return lines.map((line) => JSON.parse(line) as { key: string; cause?: string; message?: string });
  };
  const refused = await list('--state', 'QUARANTINED');
  t.ok(refused.length > 0, `${refused.length} are quarantined`);
  t.same(
    refused.filter(({ key, cause }) => !key.startsWith('denied/') || cause !== 'UFS_DENIED'),
    [],
    'nothing else is quarantined',
  );
  const others = await server.cli('flush', '/faults/hot/', '--timeout', '60s');
  t.equal(others.code, 0, `others are persisted meanwhile ${others.stderr}`);
  ufs.proxy.weather = () => undefined;
  const retried = await server.cli('async-persist', 'retry', '--all', '--state', 'QUARANTINED', '--json');
  t.equal(retried.code, 0, retried.stderr);
  const flushed = await server.cli('flush', '/faults/denied/', '--timeout', '60s');
  t.equal(flushed.code, 0, `healed ${flushed.stderr}`);
  t.same(await list('--state', 'QUARANTINED'), []);
}

/** The store goes away under load, the server is killed and comes back, and then the store does. */
async function outage(run: Run, load: S3Load): Promise<void> {
  const { t, server, ufs } = run;
  await run.pass('calm again', PHASE_MS);
  await ufs.proxy.pause();
  await run.pass('outage', OUTAGE_MS / 2);
  load.expectDeath();
  await server.process.kill();
  await load.finished();
  t.same(load.problems, [], `${load.acknowledged} acknowledged, no wrong answer`);

  const startedMs = performance.now();
  await server.restart();
  t.comment(`ready ${Math.round(performance.now() - startedMs)} ms after kill -9`);
  await settle(run);
  const client = new S3Client(server.process.s3Port);
  for (const upload of load.openUploads) await abortUpload(client, upload);
  client.close();

  const second = run.startLoad();
  await run.pass('outage, after kill -9', OUTAGE_MS / 2);
  await ufs.proxy.resume();
  const backMs = performance.now();
  await run.pass('store is back, load goes on', PHASE_MS);
  const ages = run.shownMs;
  await second.finished();
  t.same(second.problems, [], `${second.acknowledged} acknowledged, no wrong answer`);
  await eventually(
    async () => (await run.sample()) === undefined,
    async () => (await server.process.admin('GET', '/api/v1/async-persist?limit=5')).text,
    WAIT_MS,
  );
  const pastMs = Math.round(performance.now() - backMs);
  ages.push(...run.agesMs);
  const shown = Array.from({ length: 12 }, (_, i) => ages[Math.floor((i * (ages.length - 1)) / 11)]);
  t.comment(
    `oldest dirty age (ms) from then on: ${shown.join(' ')}; none ${pastMs} ms after the store came back`,
  );
  const flushed = await server.cli('flush', '--json', '--timeout', '60s');
  t.equal(flushed.code, 0, `flush: ${flushed.stdout} ${flushed.stderr}`);
  const cleaner = new S3Client(server.process.s3Port);
  for (const upload of second.openUploads) await abortUpload(cleaner, upload);
  cleaner.close();
}

/** What each key holds after the kill is one of what it may hold, and the truth from here on. */
async function settle({ t, server, model }: Run): Promise<void> {
  const client = new S3Client(server.process.s3Port);
  const problems: string[] = [];
  for (const key of model.keys) {
    const read = await checkKey(client, key, () => model.candidates(key, Infinity, Infinity), true);
    if (typeof read === 'string') problems.push(read);
    else model.settle(key, read.content);
  }
  client.close();
  t.same(problems, [], 'after kill -9 each key holds what it may');
  if (problems.length > 0) throw new Error('the model is of no use from here on');
}
