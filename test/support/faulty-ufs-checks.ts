/** What a store that failed in every way must hold in the end, by what was acknowledged and by what passed the proxy. */
import type { Test } from 'tap';
import type { Exchange } from './fault-proxy.js';
import type { FaultyUfs } from './faulty-ufs.js';
import { eventually, type TestServer } from './headrace-process.js';
import { matchContent, type ObjectModel } from './object-model.js';
import { S3Client } from './s3-client.js';
import { checkKey } from './s3-load.js';

const RUN_STARTED_MS = Date.now();
const HOUR_MS = 3_600_000;
/** An abort that failed is tried again after 30 s; what has no name is looked for after two minutes. */
const NAMED_WAIT_MS = 60_000;
const NAMELESS_WAIT_MS = 200_000;

export interface CheckedRun {
  readonly t: Test;
  readonly server: TestServer;
  readonly ufs: FaultyUfs;
  /** Of the bucket `faults`. */
  readonly model: ObjectModel;
  /** Where each version stands in the log, by its seed. */
  readonly offsets: ReadonlyMap<number, number>;
}

/** What is sent with the content of a seed. */
export function headersOf(seed: number): Record<string, string> {
  return {
    'content-type': `application/x-seed-${seed}`,
    'cache-control': `max-age=${seed % 1000}`,
    'x-amz-meta-seed': `${seed}`,
  };
}

/** The store holds what the model says: bytes, ETags, headers and metadata, and nothing else. */
export async function checkUfs(
  { t, ufs, server, model }: CheckedRun,
  waitsForNameless: boolean,
): Promise<void> {
  const problems: string[] = [];
  const client = new S3Client(server.process.s3Port);
  const live: string[] = [];
  for (const path of model.keys) {
    const key = path.slice('/faults/'.length);
    const found = await ufs.get('faults', key);
    const match = matchContent(model.candidates(path, Infinity, Infinity), found);
    if ('problem' in match) {
      problems.push(`${path} in the UFS: ${match.problem}`);
      continue;
    }
    const shown = await checkKey(client, path, () => [match.content]);
    if (typeof shown === 'string') problems.push(`the cache and the UFS differ: ${shown}`);
    if (match.content === undefined || found === undefined) continue;
    live.push(key);
    const { seed } = match.content;
    const expected = headersOf(seed);
    if (found.contentType !== expected['content-type']) problems.push(`${path}: type ${found.contentType}`);
    if (found.cacheControl !== expected['cache-control']) problems.push(`${path}: ${found.cacheControl}`);
    if (found.metadata['seed'] !== `${seed}`) problems.push(`${path}: ${JSON.stringify(found.metadata)}`);
  }
  client.close();
  t.same(
    problems,
    [],
    `each of ${model.keys.length} keys is in the UFS as it was written last, or is not there`,
  );
  t.same((await ufs.keys('faults')).sort(), live.sort(), 'and no other key');
  await checkUploads(t, ufs, waitsForNameless);
  const { pendingObjects, quarantinedObjects } = await server.status();
  t.same({ pendingObjects, quarantinedObjects }, { pendingObjects: 0, quarantinedObjects: 0 });
  const verified = await server.cli('log', 'verify', '--data');
  t.equal(verified.code, 0, `log verify --data: ${verified.stdout}${verified.stderr}`);
}

/**
 * No upload whose name Headrace ever got is left open at the store. One whose beginning was never answered has no name: it is
 * looked for two minutes later by the time of its beginning: only a long run waits for that, where the store tells it (moto says 2010).
 */
async function checkUploads(t: Test, ufs: FaultyUfs, waitsForNameless: boolean): Promise<void> {
  const named = ufs.proxy.exchanges.map(({ url }) => /[?&]uploadId=([^&]*)/.exec(url)?.[1] ?? '');
  const known = new Set(named.map((id) => decodeURIComponent(id)));
  const left = async () =>
    (await ufs.openUploads('faults')).filter(
      ({ uploadId, startedMs }) =>
        known.has(uploadId) || (waitsForNameless && startedMs > RUN_STARTED_MS - HOUR_MS),
    );
  await eventually(
    async () => (await left()).length === 0,
    async () => `uploads are left open: ${JSON.stringify(await left())} ${storyOf(ufs, await left())}`,
    waitsForNameless ? NAMELESS_WAIT_MS : NAMED_WAIT_MS,
  );
  t.pass(`of ${known.size - 1} uploads none is left open`);
}

/** What was asked about these uploads, and what the store answered. */
function storyOf(ufs: FaultyUfs, uploads: readonly { readonly uploadId: string }[]): string {
  const about = ({ url }: Exchange) => uploads.some(({ uploadId }) => url.includes(uploadId));
  return ufs.proxy.exchanges
    .filter(about)
    .map(
      ({ method, url, status, delivered }) =>
        `\n${method} ${url} ${status} ${delivered ? '' : 'not answered'}`,
    )
    .join('');
}

/** The store never took an older version of a key behind a newer one. */
export function checkOrder({ t, ufs, offsets }: CheckedRun): void {
  const newest = new Map<string, number>();
  const problems: string[] = [];
  let versions = 0;
  for (const { method, url, headers, status } of ufs.proxy.exchanges) {
    const offset = offsets.get(Number(headers['x-amz-meta-seed']));
    if (!isWrite(method, url) || status === undefined || status >= 300 || offset === undefined) continue;
    const [path = ''] = url.split('?');
    const before = newest.get(path) ?? 0;
    if (offset < before) problems.push(`${path}: ${offset} came after ${before}`);
    newest.set(path, offset);
    versions++;
  }
  t.same(
    problems,
    [],
    `${versions} versions of ${newest.size} keys arrived in the order in which they were acknowledged`,
  );
}

function isWrite(method: Exchange['method'], url: string): boolean {
  return (method === 'PUT' && !url.includes('partNumber=')) || (method === 'POST' && /[?&]uploads/.test(url));
}
