/**
 * What a signature costs: signed PUT and presigned GET against anonymous ones.
 *
 * Two servers under the same load: one that lets everybody in and looks at no signature, and one with a user, whose signatures
 * it checks and whose grants it looks up. A request without a signature to the second one is shown beside; a policy of the
 * bucket allows it.
 */
import {
  BUCKET,
  SMALL_BYTES,
  startGenerator,
  startHeadrace,
  type BenchContext,
  type Cleanup,
} from '../context.js';
import type { HeadraceProcess } from '../headrace-process.js';
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
import { atMostTimes, type Row } from '../report.js';
import type { RequestSigning } from '../request-template.js';

/** The most that a signature may cost, as a multiple of the anonymous request's processor time. */
const CPU_TIMES_MAX = 1.2;
const CONCURRENCY = 64;
/** Where requests without a signature are allowed although there is a user. */
const PUBLIC_BUCKET = 'public';
const READ_OBJECTS = 2000;
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

/** A kind of request to one of the servers. */
interface Asked {
  readonly name: string;
  readonly server: 'open' | 'guarded';
  readonly bucket?: string;
  readonly form?: RequestSigning['form'];
  /** Whether the target holds for it. */
  readonly bounded?: boolean;
}

const ANONYMOUS: Asked = { name: 'anonymous, open server', server: 'open' };
const ANONYMOUS_BY_POLICY: Asked = {
  name: 'anonymous, allowed by a policy',
  server: 'guarded',
  bucket: PUBLIC_BUCKET,
};

const PUTS: readonly Asked[] = [
  ANONYMOUS,
  ANONYMOUS_BY_POLICY,
  { name: 'signed, UNSIGNED-PAYLOAD', server: 'guarded', form: 'unsigned-payload', bounded: true },
  { name: 'signed, SHA-256 of the body', server: 'guarded', form: 'signed-payload', bounded: true },
  { name: 'aws-chunked, signed trailer', server: 'guarded', form: 'signed-trailer' },
];
const GETS: readonly Asked[] = [
  ANONYMOUS,
  ANONYMOUS_BY_POLICY,
  { name: 'presigned', server: 'guarded', form: 'presigned', bounded: true },
  { name: 'signed header', server: 'guarded', form: 'unsigned-payload' },
];

export async function measureSignatures(context: BenchContext, cleanup: Cleanup): Promise<Row[]> {
  const servers = await startServers(context, cleanup);
  await warmUp(context, servers, 'PUT', PUTS);
  const puts = await measure(context, servers, 'PUT', PUTS);
  for (const asked of PUTS.slice(0, 3)) await storeReadObjects(servers, asked);
  await warmUp(context, servers, 'GET', GETS);
  return [...puts, ...(await measure(context, servers, 'GET', GETS))];
}

async function startServers(context: BenchContext, cleanup: Cleanup): Promise<Servers> {
  const generator = await startGenerator(cleanup);
  const open = await startHeadrace(context, cleanup, 'open', 'held');
  const guarded = await startHeadrace(context, cleanup, 'guarded', 'held');
  await guarded.s3('PUT', `/${PUBLIC_BUCKET}`);
  const policy = {
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: '*',
        Action: ['s3:GetObject', 's3:PutObject'],
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
  return { generator, open, guarded, key: JSON.parse(answer.text) as Servers['key'] };
}

function planOf(servers: Servers, method: 'PUT' | 'GET', asked: Asked, path: string) {
  const { server, bucket = BUCKET, form } = asked;
  return {
    port: servers[server].s3Port,
    method,
    targets: { kind: 'numbered', prefix: `${bucket}/${path}/`, first: 0 },
    bodyBytes: SMALL_BYTES,
    concurrency: CONCURRENCY,
    verifyEvery: 64,
    ...(form === undefined ? {} : { signing: { ...servers.key, form } }),
  } as const satisfies LoadPlan;
}

/** What the GETs will read, by way of a kind of PUT. */
async function storeReadObjects(servers: Servers, asked: Asked): Promise<void> {
  const plan = planOf(servers, 'PUT', asked, 'read');
  await servers.generator.ask({ ...plan, operationsMax: READ_OBJECTS, verifyEvery: 1 });
}

/** Both servers carry the same number of requests, and each of them all kinds that it will be asked. */
async function warmUp(
  { scale }: BenchContext,
  servers: Servers,
  method: 'PUT' | 'GET',
  kinds: readonly Asked[],
): Promise<void> {
  for (const asked of kinds) {
    const alike = kinds.filter(({ server }) => server === asked.server).length;
    const plan = planOf(servers, method, asked, method === 'GET' ? 'read' : `warm-${asked.form ?? 'none'}`);
    await servers.generator.ask({
      ...plan,
      targets: method === 'GET' ? { ...plan.targets, count: READ_OBJECTS } : plan.targets,
      operationsMax: Math.ceil(scale.warmUpOperations / alike),
    });
  }
}

async function measure(
  context: BenchContext,
  servers: Servers,
  method: 'PUT' | 'GET',
  kinds: readonly Asked[],
): Promise<Row[]> {
  const scenario = `${method} 10 KiB by signature, concurrency ${CONCURRENCY}`;
  context.progress(scenario);
  const sides = kinds.map((asked): Side => {
    const plan = planOf(servers, method, asked, method === 'GET' ? 'read' : `put-${asked.form ?? 'none'}`);
    return loadSide(asked.name, servers.generator, () => servers[asked.server].pid, {
      ...plan,
      targets: method === 'GET' ? { ...plan.targets, count: READ_OBJECTS } : plan.targets,
      durationMs: Math.max(ROUND_MS_MIN, context.scale.roundMs / SHORTER),
    });
  });
  const measured = await measureInTurn(sides, context.scale.rounds * SHORTER);
  const [anonymous = []] = measured;
  return kinds.map(({ name, bounded }, i) => {
    const own = measured[i] ?? [];
    const ratio = medianRatio(own, anonymous, (measurement: Measurement) => measurement.cpuUsPerOperation);
    return {
      scenario,
      side: name,
      measurement: medianOf(own),
      checks:
        i === 0 ? [] : [atMostTimes('CPU of anonymous', ratio, bounded === true ? CPU_TIMES_MAX : undefined)],
    };
  });
}
