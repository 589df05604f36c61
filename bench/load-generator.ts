/**
 * The load generator's process: carries out one plan at a time that its parent sends, in a closed loop, and answers with the
 * latencies and its own CPU time. One failed request fails the plan: figures of a server that errs mean nothing.
 */
import { Histogram } from './histogram.js';
import { LoadConnection, type LoadRun } from './load-connection.js';
import { RequestTemplate } from './request-template.js';
import {
  BODY_VARIANTS,
  bodyBlock,
  bodyMd5,
  MADE_BEFOREHAND_MAX,
  scatteredName,
  type LoadPlan,
  type LoadReply,
  type LoadResult,
} from './load-plan.js';

/** Runs a plan to its end. */
export function runLoad(plan: LoadPlan): Promise<LoadResult> {
  return new Promise((resolve, reject) => {
    const blocks = Array.from({ length: BODY_VARIANTS }, (_, i) => bodyBlock(i, plan.bodyBytes));
    const verifiesEtags = plan.method === 'PUT' && plan.verifyEvery > 0;
    const md5s = verifiesEtags ? blocks.map((block) => bodyMd5(block, plan.bodyBytes)) : [];
    const made = plan.madeBeforehand === true ? madeRequests(plan) : undefined;
    const histogram = new Histogram();
    const etags: string[] = [];
    const { targets } = plan;
    const listedCount = targets.kind === 'listed' ? targets.targets.length : Infinity;
    const operationsMax = Math.min(plan.operationsMax ?? Infinity, listedCount);
    let issued = 0;
    let verified = 0;
    let idle = 0;
    let lastMs = performance.now();
    const startedMs = performance.now();
    const cpuBefore = process.cpuUsage();
    const connections: LoadConnection[] = [];
    const close = () => connections.forEach((connection) => connection.close());

    const run: LoadRun = {
      plan,
      blocks,
      md5s,
      made,
      next() {
        if (issued >= operationsMax) return undefined;
        if (plan.durationMs !== undefined && performance.now() - startedMs >= plan.durationMs)
          return undefined;
        const ordinal = issued++;
        if (targets.kind !== 'numbered') return ordinal;
        const number = targets.first + ordinal;
        return targets.count === undefined ? number : number % targets.count;
      },
      finished(number, latencyMs, etag, wasVerified) {
        histogram.record(latencyMs);
        lastMs = performance.now();
        if (wasVerified) verified++;
        if (etag !== undefined) etags[number] = etag;
      },
      failed(error) {
        close();
        reject(error);
      },
      idle() {
        if (++idle < plan.concurrency) return;
        close();
        const cpu = process.cpuUsage(cpuBefore);
        resolve({
          operations: histogram.total,
          bytes: histogram.total * plan.bodyBytes,
          elapsedMs: lastMs - startedMs,
          generatorCpuMs: (cpu.user + cpu.system) / 1000,
          latencyCounts: histogram.toCounts(),
          verified,
          etags,
        });
      },
    };
    for (let i = 0; i < plan.concurrency; i++) connections.push(new LoadConnection(run, i));
  });
}

/** Presigned URLs in use that were made in different seconds. */
const AGES = 256;

/** The request of each number, from the first on. */
function madeRequests({ method, port, targets, signing }: LoadPlan): Buffer[] {
  if (method !== 'GET' || targets.kind !== 'numbered' || targets.count === undefined)
    throw new Error('only GETs of numbered targets with a count are made beforehand');
  const { prefix, first, count } = targets;
  if (first !== 0 || count > MADE_BEFOREHAND_MAX)
    throw new Error(
      `from 0 on ${MADE_BEFOREHAND_MAX} requests can be made beforehand, not ${count} from ${first} on`,
    );
  const templates = Array.from(
    { length: Math.min(count, AGES) },
    (_, ageSeconds) =>
      new RequestTemplate({
        method,
        port,
        prefix,
        bodyBytes: undefined,
        body: undefined,
        signing,
        ageSeconds,
      }),
  );
  return Array.from({ length: count }, (_, number) => {
    const template = templates[number % AGES] as RequestTemplate;
    template.prepare(scatteredName(number));
    return Buffer.from(template.bytes);
  });
}

function reply(message: LoadReply): void {
  process.send?.(message);
}

if (process.send !== undefined && process.argv[2] === 'load-generator') {
  process.on('disconnect', () => process.exit());
  process.on('message', (plan: LoadPlan) => {
    runLoad(plan).then(
      (result) => reply({ kind: 'done', result }),
      (error: Error) => reply({ kind: 'failed', message: error.message }),
    );
  });
  reply({ kind: 'ready' });
}
