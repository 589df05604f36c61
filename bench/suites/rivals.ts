/**
 * `rivals`: the same requests to Headrace and to the other S3 servers of this machine, in turn, all of them signed with
 * `UNSIGNED-PAYLOAD`. Headrace stands there twice: with an under-store that takes nothing, which shows a write by itself, and
 * uploading all it is given to a directory meanwhile.
 */
import {
  BUCKET,
  SMALL_BYTES,
  startGenerator,
  startHeadrace,
  withCleanup,
  type BenchContext,
  type Cleanup,
} from '../context.js';
import type { LoadPlan } from '../load-plan.js';
import {
  loadSide,
  measureInTurn,
  medianOf,
  medianRatio,
  type LoadGenerator,
  type Measurement,
} from '../measurement.js';
import { information, percent, sizeName, atLeast, type Check, type Row } from '../report.js';
import { absentRivals, startRivals, type Rival, type RivalKey } from '../rivals.js';

/** However slow a server is, it is warm after this. */
const WARM_UP_MS_MAX = 10_000;

interface Contender {
  readonly name: string;
  readonly port: number;
  readonly key: RivalKey;
  readonly own: boolean;
  readonly syncs: boolean;
  pid(): number;
}

interface RivalLoad {
  readonly scenario: string;
  readonly method: 'PUT' | 'GET';
  readonly path: string;
  readonly bodyBytes: number;
  readonly concurrency: number;
  /** Different keys, all of them stored before; without end for a PUT. */
  readonly count?: number;
}

export async function benchRivals(context: BenchContext): Promise<Row[]> {
  return withCleanup(async (cleanup) => {
    const absent: Row[] = absentRivals().map((line) => ({
      scenario: 'Servers that are not on this machine',
      side: line,
      checks: [],
    }));
    const rivals = await startRivals(context, cleanup);
    if (rivals.length === 0) return absent;
    const generator = await startGenerator(cleanup);
    const contenders = [
      await startOwn(context, cleanup, 'headrace', 'held'),
      await startOwn(context, cleanup, 'headrace, uploading', 'directory'),
      ...rivals.map(contenderOf),
    ];
    const rows: Row[] = [];
    for (const load of loadsOf(context)) {
      context.progress(load.scenario);
      for (const contender of contenders) await prepare(context, generator, contender, load);
      rows.push(...(await measure(context, generator, contenders, load)));
    }
    return [...rows, ...absent];
  });
}

function loadsOf({ scale: { largeBytes } }: BenchContext): RivalLoad[] {
  const small = { path: 'small', bodyBytes: SMALL_BYTES };
  const large = { path: 'large', bodyBytes: largeBytes, concurrency: 4 };
  const size = sizeName(largeBytes);
  return [
    { ...small, scenario: 'PUT 10 KiB beside others, concurrency 64', method: 'PUT', concurrency: 64 },
    { ...small, scenario: 'PUT 10 KiB beside others, concurrency 1', method: 'PUT', concurrency: 1 },
    {
      ...small,
      scenario: 'GET 10 KiB beside others, concurrency 64',
      method: 'GET',
      concurrency: 64,
      count: 2000,
    },
    { ...large, scenario: `PUT ${size} beside others, concurrency 4`, method: 'PUT' },
    { ...large, scenario: `GET ${size} beside others, concurrency 4`, method: 'GET', count: 8 },
  ];
}

async function startOwn(
  context: BenchContext,
  cleanup: Cleanup,
  name: string,
  ufs: 'held' | 'directory',
): Promise<Contender> {
  const server = await startHeadrace(context, cleanup, `rival-${ufs}`, ufs);
  const answer = await server.admin('POST', '/api/v1/users', {
    name: 'bench',
    grants: [`read,write:${BUCKET}`],
  });
  if (answer.status !== 201) throw new Error(`POST /api/v1/users: ${answer.status} ${answer.text}`);
  const key = JSON.parse(answer.text) as RivalKey;
  return { name, port: server.s3Port, key, own: true, syncs: true, pid: () => server.pid };
}

function contenderOf({ name, syncs, port, key, pid }: Rival): Contender {
  return { name, port, key, own: false, syncs, pid: () => pid };
}

function planOf({ port, key }: Contender, load: RivalLoad, path: string): LoadPlan {
  const { method, bodyBytes, concurrency, count } = load;
  return {
    port,
    method,
    targets: {
      kind: 'numbered',
      prefix: `${BUCKET}/${path}/`,
      first: 0,
      ...(count === undefined ? {} : { count }),
    },
    bodyBytes,
    concurrency,
    verifyEvery: 64,
    signing: { accessKeyId: key.accessKeyId, secretAccessKey: key.secretAccessKey, form: 'unsigned-payload' },
  };
}

/** What will be read is stored; compiled code, files and connections are warm. */
async function prepare(
  { scale }: BenchContext,
  generator: LoadGenerator,
  contender: Contender,
  load: RivalLoad,
): Promise<void> {
  const { method, count, path } = load;
  if (count !== undefined) {
    const stored = { ...planOf(contender, load, path), method: 'PUT', verifyEvery: 1 } as const;
    await generator.ask({ ...stored, operationsMax: count });
  }
  if (load.bodyBytes !== SMALL_BYTES || load.concurrency === 1) return;
  const warm = planOf(contender, load, method === 'GET' ? path : 'warm');
  await generator.ask({
    ...warm,
    operationsMax: scale.warmUpOperations,
    durationMs: Math.min(WARM_UP_MS_MAX, 5 * scale.roundMs),
  });
}

async function measure(
  { scale }: BenchContext,
  generator: LoadGenerator,
  contenders: readonly Contender[],
  load: RivalLoad,
): Promise<Row[]> {
  const path = load.method === 'GET' ? load.path : `${load.path}-${load.concurrency}`;
  const sides = contenders.map((contender) =>
    loadSide(contender.name, generator, () => contender.pid(), {
      ...planOf(contender, load, path),
      durationMs: scale.roundMs,
    }),
  );
  const measured = await measureInTurn(sides, scale.rounds);
  const isWrite = load.method === 'PUT';
  return contenders.map(({ name, own, syncs }, i) => ({
    scenario: load.scenario,
    side: isWrite && !syncs ? `${name}, unsynced` : name,
    measurement: medianOf(measured[i] ?? []),
    checks: own ? againstRivals(contenders, measured, i, { isWrite, telling: scale.rounds > 1 }) : [],
  }));
}

/**
 * Rate against each of the others. Only the first side has a target, and none against writes that a power cut takes back; a
 * single round tells nothing.
 */
function againstRivals(
  contenders: readonly Contender[],
  measured: readonly (readonly Measurement[])[],
  own: number,
  { isWrite, telling }: { readonly isWrite: boolean; readonly telling: boolean },
): Check[] {
  return contenders.flatMap((rival, i) => {
    if (rival.own) return [];
    const ratio = medianRatio(measured[own] ?? [], measured[i] ?? [], (round) => round.operationsPerSecond);
    const what = `ops/s of ${rival.name}`;
    const isBound = own === 0 && telling && (rival.syncs || !isWrite);
    return [isBound ? atLeast(what, ratio, 1) : information(what, percent(ratio))];
  });
}
