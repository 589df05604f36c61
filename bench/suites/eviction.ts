/**
 * `eviction`: what a full cache costs clients: PUTs to a server whose cache is full all the time, so that it evicts and compacts as
 * fast as it is written to, against the same PUTs to one with room for everything.
 *
 * A part of what is held is read again and again, and so is spared and moved when what lies around it goes; another part is written
 * again and again, and leaves garbage. Both servers upload to the same sink. How many bytes they store for each that came in is
 * told by their own metrics, from when the cache is full on.
 */
import { setTimeout as delay } from 'node:timers/promises';
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
import type { HeadraceProcess } from '../headrace-process.js';
import { untilPersisted } from '../large-object.js';
import type { LoadPlan } from '../load-plan.js';
import {
  loadSide,
  measureInTurn,
  medianOf,
  medianRatio,
  type LoadGenerator,
  type Measurement,
  type Side,
} from '../measurement.js';
import { atMostTimes, information, sizeName, type Row } from '../report.js';

const AMPLIFICATION_MAX = 1.5;
const P99_TIMES_MAX = 2;
const CONCURRENCY = 16;
/** Per second, of new objects, of overwrites, and of GETs of what is held on to. */
const WRITES_PER_S = 1000;
const OVERWRITES_PER_S = 200;
const READS_PER_S = 300;
/** Of the capacity: what is written again and again, and what is read. */
const OVERWRITTEN_SHARE = 0.05;
const READ_SHARE = 0.1;
/** So often everything is replaced before anything is measured. */
const TURNOVERS = 2;
/** Enough requests above the 99th percentile for a figure. */
const ROUND_TIMES = 2;
const BESIDE_CONCURRENCY = 4;
const BESIDE_MS = 500;
const FILL_CONCURRENCY = 64;
const STILL_MS = 200;
/** Less than the rest must be un-persisted, else nothing can be evicted. */
const PINNED_SHARE = '0.5';

interface Loads {
  readonly writes: LoadGenerator;
  readonly overwrites: LoadGenerator;
  readonly reads: LoadGenerator;
}

/** Bytes of objects, from the metrics. */
interface StoredBytes {
  readonly came: number;
  readonly moved: number;
  readonly evicted: number;
}

export async function benchEviction(context: BenchContext): Promise<Row[]> {
  return withCleanup(async (cleanup) => {
    const loads = {
      writes: await startGenerator(cleanup),
      overwrites: await startGenerator(cleanup),
      reads: await startGenerator(cleanup),
    };
    const sink = await BenchChild.start<S3SinkRequest, S3SinkReply>('./floors/s3-sink.js');
    cleanup.add(() => sink.stop());
    const { port } = await sink.ask({});
    return measure(context, cleanup, loads, port);
  });
}

async function measure(context: BenchContext, cleanup: Cleanup, loads: Loads, port: number): Promise<Row[]> {
  const { evictionBytes, rounds, roundMs } = context.scale;
  const roomy = await startHeadrace(context, cleanup, 'roomy', { port });
  const full = await startHeadrace(
    context,
    cleanup,
    'full',
    { port },
    {
      HEADRACE_WORKER_PAGE_STORE_SIZE: String(evictionBytes),
      HEADRACE_WORKER_PAGE_STORE_PINNED_FILE_CAPACITY_LIMIT_RATIO: PINNED_SHARE,
    },
  );
  const scenario = `PUT 10 KiB, ${WRITES_PER_S}/s, into a cache of ${sizeName(evictionBytes)} that is full`;
  const subjects = [roomy, full].map((server) => new Subject(server, loads, evictionBytes));
  for (const subject of subjects) {
    context.progress(
      `eviction: filling a cache ${subject.server === full ? 'that is too small' : 'with room'}`,
    );
    await subject.fill(context);
  }
  const sides = subjects.map((subject) =>
    subject.side(subject.server === full ? 'full' : 'with room', roundMs * ROUND_TIMES),
  );
  for (const side of sides) await side.run();
  context.progress(scenario);
  const before = await storedBytes(full);
  const [withRoom = [], whenFull = []] = await measureInTurn(sides, rounds);
  const after = await storedBytes(full);
  const came = after.came - before.came;
  const moved = after.moved - before.moved;
  const ratio = (pick: (measurement: Measurement) => number): number => medianRatio(whenFull, withRoom, pick);
  return [
    { scenario, side: 'with room', measurement: medianOf(withRoom), checks: [] },
    {
      scenario,
      side: 'full',
      measurement: medianOf(whenFull),
      checks: [
        atMostTimes(
          'p99 with room',
          ratio((measurement) => measurement.p99Ms),
          P99_TIMES_MAX,
        ),
        atMostTimes(
          'p50 with room',
          ratio((measurement) => measurement.p50Ms),
        ),
        atMostTimes('bytes that came in', (came + moved) / came, AMPLIFICATION_MAX),
        information('came in', sizeName(came)),
        information('moved', sizeName(moved)),
        information('evicted', sizeName(after.evicted - before.evicted)),
      ],
    },
  ];
}

/** What goes on beside the new objects, and where in its keys it is. */
class Beside {
  readonly #generator: LoadGenerator;
  readonly #plan: Omit<LoadPlan, 'targets'>;
  readonly #keys: { readonly prefix: string; readonly count: number };
  #first = 0;

  constructor(
    generator: LoadGenerator,
    plan: Omit<LoadPlan, 'targets'>,
    keys: { readonly prefix: string; readonly count: number },
  ) {
    this.#generator = generator;
    this.#plan = plan;
    this.#keys = keys;
  }

  /** The next keys in their order, for so long. */
  async run(durationMs: number): Promise<void> {
    const targets = { kind: 'numbered', ...this.#keys, first: this.#first } as const;
    const { operations } = await this.#generator.ask({ ...this.#plan, targets, durationMs });
    this.#first = (this.#first + operations) % this.#keys.count;
  }
}

/** A server, and what is asked of it. */
class Subject {
  readonly server: HeadraceProcess;
  readonly #loads: Loads;
  readonly #reads: Beside;
  readonly #overwrites: Beside;
  readonly #readKeys: { readonly prefix: string; readonly count: number };

  constructor(server: HeadraceProcess, loads: Loads, capacityBytes: number) {
    this.server = server;
    this.#loads = loads;
    const keys = (path: string, share: number) => ({
      prefix: `${BUCKET}/${path}/`,
      count: Math.ceil((capacityBytes * share) / SMALL_BYTES),
    });
    this.#readKeys = keys('read', READ_SHARE);
    this.#reads = new Beside(
      loads.reads,
      { ...planOf(server, 'GET'), ...paced(READS_PER_S, BESIDE_CONCURRENCY) },
      this.#readKeys,
    );
    this.#overwrites = new Beside(
      loads.overwrites,
      { ...planOf(server, 'PUT'), ...paced(OVERWRITES_PER_S, BESIDE_CONCURRENCY) },
      keys('overwritten', OVERWRITTEN_SHARE),
    );
  }

  /** So that nothing is left of what was first there but what was read. */
  async fill({ scale }: BenchContext): Promise<void> {
    const { writes } = this.#loads;
    const plan = { ...planOf(this.server, 'PUT'), concurrency: FILL_CONCURRENCY };
    await writes.ask({
      ...plan,
      targets: { kind: 'numbered', ...this.#readKeys, first: 0 },
      operationsMax: this.#readKeys.count,
    });
    await untilPersisted(this.server);
    const objects = Math.ceil((scale.evictionBytes * TURNOVERS) / SMALL_BYTES);
    const filling = writes.ask({ ...plan, targets: newKeys('fill'), operationsMax: objects });
    let isFilling = true;
    const meanwhile = async (beside: Beside): Promise<void> => {
      while (isFilling) await beside.run(Math.min(BESIDE_MS, scale.roundMs));
    };
    const others = [meanwhile(this.#reads), meanwhile(this.#overwrites)];
    try {
      await filling;
    } finally {
      isFilling = false;
      await Promise.allSettled(others);
    }
    await Promise.all(others);
    await untilPersisted(this.server);
  }

  /** New objects are what is measured. */
  side(name: string, durationMs: number): Side {
    const { server } = this;
    const measured = loadSide(name, this.#loads.writes, () => server.pid, {
      ...planOf(server, 'PUT'),
      ...paced(WRITES_PER_S, CONCURRENCY),
      targets: newKeys('new'),
      durationMs,
    });
    const run = async (): Promise<Measurement> => {
      const beside = [this.#reads.run(durationMs), this.#overwrites.run(durationMs)];
      const [measurement] = await Promise.all([measured.run(), ...beside]);
      // What the one still uploads, evicts and moves must not run into the measurement of the other.
      await untilPersisted(server);
      await untilStill(server);
      return measurement;
    };
    return { name, run };
  }
}

function newKeys(path: string): LoadPlan['targets'] {
  return { kind: 'numbered', prefix: `${BUCKET}/${path}/`, first: 0 };
}

function planOf({ s3Port: port }: HeadraceProcess, method: 'PUT' | 'GET') {
  return { port, method, bodyBytes: SMALL_BYTES, verifyEvery: 64 };
}

function paced(perS: number, concurrency: number) {
  return { concurrency, intervalMs: (concurrency * 1000) / perS };
}

/** Resolves when nothing is moved or evicted any more. */
async function untilStill(server: HeadraceProcess): Promise<void> {
  for (let before = await storedBytes(server); ;) {
    await delay(STILL_MS);
    const now = await storedBytes(server);
    if (now.moved === before.moved && now.evicted === before.evicted) return;
    before = now;
  }
}

async function storedBytes(server: HeadraceProcess): Promise<StoredBytes> {
  const { status, text } = await server.admin('GET', '/metrics');
  if (status !== 200) throw new Error(`GET /metrics: ${status} ${text}`);
  const sum = (name: string, labels = ''): number => {
    const found = text.matchAll(new RegExp(`^headrace_${name}\\{[^}]*${labels}[^}]*\\} (\\S+)$`, 'gm'));
    return Array.from(found, ([, value]) => Number(value)).reduce((total, value) => total + value, 0);
  };
  return {
    came: sum('stored_bytes_total', 'source="client"') + sum('stored_bytes_total', 'source="read"'),
    moved: sum('stored_bytes_total', 'source="compaction"'),
    evicted: sum('evicted_bytes_total'),
  };
}
