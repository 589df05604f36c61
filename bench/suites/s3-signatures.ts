/**
 * What a signature costs: signed PUT and presigned GET against anonymous ones.
 *
 * Two servers under the same load: one that lets everybody in and looks at no signature, and one with a user, whose signatures
 * it checks and whose grants it looks up. Anonymous requests go to both, allowed on the second by what its administrator granted.
 * Two processes that run the same program differ by a tenth in what a request costs them, by where their memory and their
 * compiled code happened to come to lie: a ratio between them says something only as the median of several pairs. The ratio within one
 * process needs no such luck, and is what a signature costs.
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
import type { HeadraceProcess } from '../headrace-process.js';
import type { LoadPlan } from '../load-plan.js';
import {
  loadSide,
  measureInTurn,
  median,
  medianOf,
  medianRatio,
  type LoadGenerator,
  type Measurement,
  type Side,
} from '../measurement.js';
import { atMostTimes, information, type Check, type Row } from '../report.js';
import type { RequestSigning } from '../request-template.js';

/** The most that a signature may cost, as a multiple of the anonymous request's processor time. */
const CPU_TIMES_MAX = 1.2;
const CONCURRENCY = 64;
/** Where everybody may write although there is a user, by a policy: grants give `anonymous` no more than to read. */
const PUBLIC_BUCKET = 'public';
const READ_OBJECTS = 2000;
/** Pairs of fresh processes. */
const PAIRS = 3;
/** A few microseconds are to be told apart: more and shorter rounds than in other suites, so that the sides lie closer together. */
const SHORTER = 4;
/** In less, processor time that is counted in hundredths of a second may be none. */
const ROUND_MS_MIN = 200;

interface Servers {
  readonly generator: LoadGenerator;
  readonly open: HeadraceProcess;
  readonly guarded: HeadraceProcess;
  readonly key: Pick<RequestSigning, 'accessKeyId' | 'secretAccessKey'>;
}

type Method = 'PUT' | 'GET';
/** What an anonymous request is asked of: a server that lets everybody in, or the one that looks at signatures. */
type Floor = 'open' | 'guarded';

/** A kind of request to one of the servers. */
interface Asked {
  readonly name: string;
  readonly server: Floor;
  readonly bucket?: string;
  readonly form?: RequestSigning['form'];
  /** The anonymous requests against which the target holds; none without. */
  readonly boundedBy?: Floor;
}

const ANONYMOUS: Asked = { name: 'anonymous, open server', server: 'open' };

/** The first is anonymous on the open server, the second on the other. */
const KINDS: Readonly<Record<Method, readonly Asked[]>> = {
  PUT: [
    ANONYMOUS,
    { name: 'anonymous, by a policy', server: 'guarded', bucket: PUBLIC_BUCKET },
    { name: 'signed, UNSIGNED-PAYLOAD', server: 'guarded', form: 'unsigned-payload', boundedBy: 'open' },
    { name: 'signed, SHA-256 of the body', server: 'guarded', form: 'signed-payload', boundedBy: 'open' },
    { name: 'aws-chunked, signed trailer', server: 'guarded', form: 'signed-trailer' },
  ],
  GET: [
    ANONYMOUS,
    { name: 'anonymous, by a grant', server: 'guarded' },
    { name: 'presigned', server: 'guarded', form: 'presigned', boundedBy: 'guarded' },
    { name: 'signed header', server: 'guarded', form: 'unsigned-payload' },
  ],
};

/** Rounds of each kind of request, by pair of processes. */
type Measured = Record<Method, Measurement[][][]>;

export async function measureSignatures(context: BenchContext, cleanup: Cleanup): Promise<Row[]> {
  const generator = await startGenerator(cleanup);
  const measured: Measured = { PUT: [], GET: [] };
  const pairs = Math.min(PAIRS, context.scale.rounds);
  for (let pair = 0; pair < pairs; pair++)
    await withCleanup(async (ended) => {
      const servers = await startServers(context, ended, generator);
      const rounds = Math.ceil((context.scale.rounds * SHORTER) / pairs);
      for (const method of ['PUT', 'GET'] as const) {
        if (method === 'GET')
          for (const asked of [ANONYMOUS, KINDS.PUT[2] ?? ANONYMOUS]) await storeReadObjects(servers, asked);
        await warmUp(context, servers, method);
        context.progress(`${scenarioOf(method)}, pair ${pair + 1} of ${pairs}`);
        measured[method].push(await measureInTurn(sidesOf(context, servers, method), rounds));
      }
    });
  return [...rowsOf('PUT', measured.PUT), ...rowsOf('GET', measured.GET)];
}

function scenarioOf(method: Method): string {
  return `${method} 10 KiB by signature, concurrency ${CONCURRENCY}`;
}

async function startServers(
  context: BenchContext,
  cleanup: Cleanup,
  generator: LoadGenerator,
): Promise<Servers> {
  const open = await startHeadrace(context, cleanup, 'open', 'held');
  const guarded = await startHeadrace(context, cleanup, 'guarded', 'held');
  await guarded.s3('PUT', `/${PUBLIC_BUCKET}`);
  const policy = {
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: '*',
        Action: 's3:PutObject',
        Resource: `arn:aws:s3:::${PUBLIC_BUCKET}/*`,
      },
    ],
  };
  await guarded.s3('PUT', `/${PUBLIC_BUCKET}?policy`, JSON.stringify(policy));
  // The last thing that is asked without a signature: from here on there is a user.
  const answer = await guarded.admin('POST', '/api/v1/users', {
    name: 'bench',
    grants: [`read,write:${BUCKET}`],
  });
  if (answer.status !== 201) throw new Error(`POST /api/v1/users: ${answer.status} ${answer.text}`);
  const granted = await guarded.admin('POST', '/api/v1/users/anonymous/grant', {
    grants: [`read:${BUCKET}`],
  });
  if (granted.status !== 200) throw new Error(`grant to anonymous: ${granted.status} ${granted.text}`);
  return { generator, open, guarded, key: JSON.parse(answer.text) as Servers['key'] };
}

function planOf(servers: Servers, method: Method, asked: Asked, path: string) {
  const { server, bucket = BUCKET, form } = asked;
  const numbered = { kind: 'numbered', prefix: `${bucket}/${path}/`, first: 0 } as const;
  return {
    port: servers[server].s3Port,
    method,
    targets: method === 'GET' ? { ...numbered, count: READ_OBJECTS } : numbered,
    bodyBytes: SMALL_BYTES,
    concurrency: CONCURRENCY,
    verifyEvery: 64,
    madeBeforehand: method === 'GET',
    ...(form === undefined ? {} : { signing: { ...servers.key, form } }),
  } as const satisfies LoadPlan;
}

/** What the GETs will read, by way of a kind of PUT. */
async function storeReadObjects(servers: Servers, asked: Asked): Promise<void> {
  const plan = planOf(servers, 'PUT', asked, 'read');
  await servers.generator.ask({ ...plan, operationsMax: READ_OBJECTS, verifyEvery: 1 });
}

/** Both servers carry the same number of requests, and each of them all kinds that it will be asked. */
async function warmUp({ scale }: BenchContext, servers: Servers, method: Method): Promise<void> {
  for (const asked of KINDS[method]) {
    const alike = KINDS[method].filter(({ server }) => server === asked.server).length;
    const plan = planOf(servers, method, asked, method === 'GET' ? 'read' : `warm-${asked.form ?? 'none'}`);
    await servers.generator.ask({ ...plan, operationsMax: Math.ceil(scale.warmUpOperations / alike) });
  }
}

function sidesOf(context: BenchContext, servers: Servers, method: Method): Side[] {
  return KINDS[method].map((asked) => {
    const plan = planOf(servers, method, asked, method === 'GET' ? 'read' : `put-${asked.form ?? 'none'}`);
    return loadSide(asked.name, servers.generator, () => servers[asked.server].pid, {
      ...plan,
      durationMs: Math.max(ROUND_MS_MIN, context.scale.roundMs / SHORTER),
    });
  });
}

function rowsOf(method: Method, pairs: readonly Measurement[][][]): Row[] {
  return KINDS[method].map((asked, i) => ({
    scenario: scenarioOf(method),
    side: asked.name,
    measurement: medianOf(pairs.flatMap((sides) => sides[i] ?? [])),
    checks: checksOf(asked, i, pairs),
  }));
}

/** Against the anonymous requests to the same process, and against those to the other. */
function checksOf({ server, form, boundedBy }: Asked, i: number, pairs: readonly Measurement[][][]): Check[] {
  if (server === 'open') return [];
  const ratios = (floor: number): number[] =>
    pairs.map((sides) => medianRatio(sides[i] ?? [], sides[floor] ?? [], (round) => round.cpuUsPerOperation));
  const target = (floor: Floor): number | undefined => (floor === boundedBy ? CPU_TIMES_MAX : undefined);
  const [others, own] = [ratios(0), ratios(1)];
  const checks = [atMostTimes('CPU of anonymous, open server', median(others), target('open'))];
  if (form === undefined) return checks;
  return [
    atMostTimes('CPU of anonymous, same server', median(own), target('guarded')),
    ...checks,
    information('pair by pair: same server', timesOf(own)),
    information('pair by pair: open server', timesOf(others)),
  ];
}

function timesOf(ratios: readonly number[]): string {
  return ratios.map((ratio) => `${ratio.toFixed(2)}x`).join(' ');
}
