/**
 * Listing and deleting by the thousand, in a bucket that is all in the cache.
 *
 * The objects are TRANSIENT, so that a million of them needs no under-store; that is asked for its part of each page all the
 * same, and answers with nothing. The tokens are those that a client gets: the bucket is listed from end to end first, which
 * also tells whether it is all there.
 */
import { hash } from 'node:crypto';
import { BUCKET, startGenerator, startHeadrace, type BenchContext, type Cleanup } from '../context.js';
import type { HeadraceProcess } from '../headrace-process.js';
import { countFrames, logHead } from '../log-frames.js';
import { scatteredName } from '../load-plan.js';
import {
  loadSide,
  median,
  medianOf,
  medianRatio,
  measureInTurn,
  type LoadGenerator,
} from '../measurement.js';
import { atMost, atMostTimes, information, type Row } from '../report.js';

const FILL_BYTES = 64;
const FILL_CONCURRENCY = 256;
const FOLDER = 'transient';
/** Of what page 1 costs. */
const LAST_PAGE_TIMES_MAX = 1.1;
const PAGE_KEYS_MAX = 1000;
const DELETED_KEYS_MAX = 1000;

export async function measureListing(context: BenchContext, cleanup: Cleanup): Promise<Row[]> {
  const { scale } = context;
  const generator = await startGenerator(cleanup);
  const server = await startHeadrace(context, cleanup, 'listing', 'held');
  context.progress(`s3: filling a bucket with ${scale.manyObjects} objects`);
  await generator.ask({
    port: server.s3Port,
    method: 'PUT',
    targets: { kind: 'numbered', prefix: `${BUCKET}/${FOLDER}/`, first: 0 },
    bodyBytes: FILL_BYTES,
    concurrency: FILL_CONCURRENCY,
    operationsMax: scale.manyObjects,
    verifyEvery: 1000,
  });
  const pages = await listPages(context, generator, server);
  return [...pages, await deleteMany(context, server)];
}

interface Walk {
  /** Where page n + 1 begins, as a query; the first page has none. */
  readonly continuations: readonly string[];
  readonly elapsedMs: number;
}

/** Lists the bucket as a client does, page by page, and counts. */
async function walk(server: HeadraceProcess, pageKeys: number, objects: number): Promise<Walk> {
  const startedMs = performance.now();
  const continuations = [''];
  let keys = 0;
  let last = '';
  for (;;) {
    const page = await server.s3('GET', listTarget(pageKeys, continuations.at(-1) ?? ''));
    for (const [, key = ''] of page.matchAll(/<Key>([^<]*)<\/Key>/g)) {
      if (key <= last) throw new Error(`the listing has ${key} behind ${last}`);
      last = key;
      keys++;
    }
    const token = /<NextContinuationToken>([^<]*)</.exec(page)?.[1];
    if (token === undefined) break;
    continuations.push(`&continuation-token=${encodeURIComponent(token)}`);
  }
  if (keys !== objects) throw new Error(`the listing has ${keys} of ${objects} objects`);
  return { continuations, elapsedMs: performance.now() - startedMs };
}

function listTarget(pageKeys: number, continuation: string): string {
  return `/${BUCKET}?list-type=2&max-keys=${pageKeys}${continuation}`;
}

async function listPages(
  context: BenchContext,
  generator: LoadGenerator,
  server: HeadraceProcess,
): Promise<Row[]> {
  const { manyObjects, rounds, roundMs, warmUpOperations } = context.scale;
  const pageKeys = Math.min(PAGE_KEYS_MAX, manyObjects / 10);
  context.progress(`s3: listing ${manyObjects} objects from end to end`);
  const { continuations, elapsedMs } = await walk(server, pageKeys, manyObjects);
  const scenario = `ListObjectsV2 of ${pageKeys} keys among ${manyObjects} in the cache`;
  context.progress(scenario);
  const places = [0, continuations.length >> 1, continuations.length - 1];
  const plans = places.map(
    (place) =>
      ({
        port: server.s3Port,
        method: 'GET',
        targets: { kind: 'repeated', target: listTarget(pageKeys, continuations[place] ?? '') },
        bodyBytes: 0,
        concurrency: 1,
        verifyEvery: 0,
      }) as const,
  );
  for (const plan of plans)
    await generator.ask({ ...plan, operationsMax: Math.ceil(warmUpOperations / 500) });
  const sides = plans.map((plan, i) =>
    loadSide(`page ${(places[i] ?? 0) + 1}`, generator, () => server.pid, { ...plan, durationMs: roundMs }),
  );
  const measured = await measureInTurn(sides, rounds);
  const [first = []] = measured;
  return sides.map(({ name }, i) => {
    const own = measured[i] ?? [];
    const isLast = i === sides.length - 1;
    const target = isLast ? LAST_PAGE_TIMES_MAX : undefined;
    return {
      scenario,
      side: name,
      measurement: medianOf(own),
      checks:
        i === 0
          ? [information('whole bucket, page by page', `${(elapsedMs / 1000).toFixed(1)} s`)]
          : [
              atMostTimes(
                'p50 of page 1',
                medianRatio(own, first, (page) => page.p50Ms),
                target,
              ),
              atMostTimes(
                'CPU of page 1',
                medianRatio(own, first, (page) => page.cpuUsPerOperation),
                target,
              ),
            ],
    };
  });
}

/** DeleteObjects of a thousand keys that the log alone makes true. Its frames are counted, not its events. */
async function deleteMany(context: BenchContext, server: HeadraceProcess): Promise<Row> {
  const { scale } = context;
  context.progress('DeleteObjects');
  const keys = Math.min(DELETED_KEYS_MAX, Math.floor(scale.manyObjects / 10));
  const calls = Math.min(2 * scale.rounds, Math.floor(scale.manyObjects / keys));
  const elapsedMs: number[] = [];
  const from = await logHead(server);
  for (let call = 0; call < calls; call++) {
    const names = Array.from({ length: keys }, (_, i) => `${FOLDER}/${scatteredName(call * keys + i)}`);
    const document = `<Delete>${names.map((name) => `<Object><Key>${name}</Key></Object>`).join('')}</Delete>`;
    const startedMs = performance.now();
    const answer = await postDelete(server, document);
    elapsedMs.push(performance.now() - startedMs);
    const deleted = answer.match(/<Deleted>/g)?.length ?? 0;
    if (deleted !== keys)
      throw new Error(`DeleteObjects deleted ${deleted} of ${keys}: ${answer.slice(0, 500)}`);
  }
  const { frames, events } = await countFrames(server, from, await logHead(server));
  return {
    scenario: `DeleteObjects of ${keys} keys`,
    side: 'headrace',
    checks: [
      atMost('appends per call', frames / calls, 1, 'frames'),
      information('events per call', String(events / calls)),
      information('median time', `${median(elapsedMs).toFixed(1)} ms`),
    ],
  };
}

async function postDelete(server: HeadraceProcess, document: string): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${server.s3Port}/${BUCKET}?delete`, {
    method: 'POST',
    body: document,
    headers: { 'content-md5': hash('md5', document, 'base64') },
  });
  return response.text();
}
