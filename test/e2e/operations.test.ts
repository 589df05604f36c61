/**
 * What an operator does, by the command line with --json, on the real server in front of a real S3 store: stopping, loading,
 * mounting.
 */
import t, { type Test } from 'tap';
import { FaultyUfs } from '../support/faulty-ufs.js';
import { eventually, TestServer } from '../support/headrace-process.js';
import { makeBody } from '../support/object-model.js';
import { S3Client, xmlTexts } from '../support/s3-client.js';

const OBJECTS = 20;
const EXIT_TIMEOUT = 4;

t.setTimeout(180_000);

const started = await FaultyUfs.start(t);
const skip = 'skip' in started ? started.skip : false;

interface World {
  readonly ufs: FaultyUfs;
  readonly server: TestServer;
  readonly client: S3Client;
  /** One command with --json: its exit code, and what it printed. */
  readonly cli: (...words: string[]) => Promise<{ code: number; json: unknown; stderr: string }>;
}

async function start(t: Test, bucket: string): Promise<World> {
  if ('skip' in started) throw new Error(started.skip);
  const ufs = started;
  ufs.proxy.weather = () => undefined;
  const server = await TestServer.start(t, { ufs: 's3://', environment: ufs.environment });
  const client = new S3Client(server.process.s3Port);
  t.teardown(() => client.close());
  await client.expect('PUT', `/${bucket}`);
  await server.process.setPolicies('WRITE_BACK');
  const cli: World['cli'] = async (...words) => {
    const { code, stdout, stderr } = await server.cli(...words, '--json');
    return { code, json: stdout.trim() === '' ? undefined : JSON.parse(stdout), stderr };
  };
  return { ufs, server, client, cli };
}

/** Uploads to a bucket wait until the returned function is called. */
function holdUploads({ proxy }: FaultyUfs, bucket: string): () => void {
  let release = (): void => undefined;
  const until = new Promise<void>((resolve) => (release = resolve));
  proxy.weather = (method, url) =>
    method !== 'GET' && method !== 'HEAD' && url.startsWith(`/${bucket}/`)
      ? { kind: 'delay', until }
      : undefined;
  return () => {
    proxy.weather = () => undefined;
    release();
  };
}

async function write({ client }: World, prefix: string): Promise<void> {
  for (let i = 0; i < OBJECTS; i++) await client.expect('PUT', `${prefix}${i}`, makeBody(i, 5000));
}

void t.test(
  'stop waits for the store when it is asked to, and what its time was too short for goes on later',
  { skip },
  async (t) => {
    const world = await start(t, 'stopped');
    const { ufs, server, cli } = world;
    const release = holdUploads(ufs, 'stopped');
    await write(world, '/stopped/a/');
    const short = await cli('stop', '--drain-timeout', '200ms');
    t.equal(short.code, EXIT_TIMEOUT, short.stderr);
    t.match(short.json, { drain: { outcome: 'TIMEOUT', objects: OBJECTS } });
    t.equal(await server.process.exited(), 0);
    t.same(await ufs.keys('stopped'), []);
    const unreachable = await cli('status');
    t.equal(unreachable.code, 3, 'no server is there');

    await server.restart();
    t.equal((await server.status()).pendingObjects, OBJECTS, 'nothing was lost');
    const stopping = cli('stop', '--drain-timeout', '60s');
    await eventually(
      async () => (await server.process.admin('GET', '/readyz')).status === 503,
      () => 'it does not stop',
    );
    release();
    const drained = await stopping;
    t.equal(drained.code, 0, drained.stderr);
    t.match(drained.json, { drain: { outcome: 'PERSISTED', objects: 0 } });
    t.equal(await server.process.exited(), 0);
    t.equal((await ufs.keys('stopped')).length, OBJECTS);
  },
);

void t.test('job that loads goes on after kill -9, and ends when it is cancelled', { skip }, async (t) => {
  const world = await start(t, 'loaded');
  const { ufs, server, client, cli } = world;
  for (let i = 0; i < OBJECTS; i++) await ufs.put('loaded', `in/${i}`, makeBody(i, 3000));
  const isFetch = (method: string, url: string) => method === 'GET' && url.startsWith('/loaded/in/');
  let fetches = 0;
  const held = () => {
    let release = (): void => undefined;
    const until = new Promise<void>((resolve) => (release = resolve));
    fetches = 0;
    ufs.proxy.weather = (method, url) =>
      isFetch(method, url) && ++fetches > 5 ? { kind: 'delay', until } : undefined;
    return () => {
      ufs.proxy.weather = () => undefined;
      release();
    };
  };
  const releaseFirst = held();
  const begun = await cli('job', 'load', '/loaded/in/', '--detach', '--concurrency', '2');
  t.equal(begun.code, 0, begun.stderr);
  t.match(begun.json, { id: '1', state: 'RUNNING', concurrency: 2 });
  await eventually(
    async () => fetches > 5,
    () => `${fetches} were fetched`,
  );
  await server.process.kill();
  releaseFirst();
  await server.restart();
  await eventually(
    async () => JSON.stringify((await cli('job', 'list')).json).includes('"DONE"'),
    async () => JSON.stringify((await cli('job', 'list')).json),
  );
  const [job] = (await cli('job', 'list')).json as { objects: number; skippedObjects: number }[];
  t.equal((job?.objects ?? 0) + (job?.skippedObjects ?? 0), OBJECTS, 'all were seen');
  ufs.proxy.weather = (method, url) => (isFetch(method, url) ? { kind: 'status', status: 503 } : undefined);
  for (let i = 0; i < OBJECTS; i++)
    t.ok((await client.expect('GET', `/loaded/in/${i}`)).body.equals(makeBody(i, 3000)));

  t.equal((await cli('job', 'free')).code, 0);
  const releaseSecond = held();
  t.equal((await cli('job', 'load', '/loaded/in/', '--detach')).code, 0);
  await eventually(
    async () => fetches > 5,
    () => `${fetches} were fetched`,
  );
  const cancelled = await cli('job', 'cancel', '2');
  t.equal(cancelled.code, 0, cancelled.stderr);
  t.match(cancelled.json, { id: '2', state: 'CANCELLED' });
  releaseSecond();
  const unknown = await cli('job', 'cancel', '77');
  t.equal(unknown.code, 1);
  t.match(JSON.parse(unknown.stderr), {
    error: { code: 'INVALID_ARGUMENT', message: 'there is no job "77"' },
  });
  const wrong = await cli('job', 'cancel', 'x');
  t.equal(wrong.code, 2);
});

void t.test(
  'mount with dirty data below it is removed only when that was drained or given up',
  { skip },
  async (t) => {
    const world = await start(t, 'outer');
    const { ufs, client, cli } = world;
    await client.expect('PUT', '/other');
    await ufs.put('other', 'data/there', 'was there before');
    const release = holdUploads(ufs, 'other');
    t.equal((await cli('mount', 'add', '/outer/in', 's3://other/data')).code, 0);
    t.match((await cli('mount', 'list')).json, [{ path: '/outer/in', ufs: 's3://other/data' }]);
    await client.expect('PUT', '/outer/in/written', 'dirty');
    await client.expect('PUT', '/outer/beside', 'not below it');

    const refused = await cli('mount', 'remove', '/outer/in');
    t.equal(refused.code, 1);
    t.match(
      refused.stderr,
      /data that is not persisted yet, such as .*\/outer\/in\/written.*--drain.*--force/,
    );
    const late = await cli('mount', 'remove', '/outer/in', '--drain', '--timeout', '200ms');
    t.equal(late.code, 1);
    t.match(late.stderr, 'it is still mounted');
    const usage = await cli('mount', 'remove', '/outer/in', '--timeout', '1s');
    t.equal(usage.code, 2, usage.stderr);
    const twice = await cli('mount', 'add', '/outer/in', 's3://other');
    t.equal(twice.code, 1);
    release();
    const drained = await cli('mount', 'remove', '/outer/in', '--drain');
    t.same({ code: drained.code, json: drained.json }, { code: 0, json: removal('/outer/in', 0, 0) });
    t.equal((await ufs.get('other', 'data/written'))?.body.toString(), 'dirty');
    t.equal((await client.request('GET', '/outer/in/written')).status, 404, 'it is in the other store');

    const releaseAgain = holdUploads(ufs, 'other');
    t.equal((await cli('mount', 'add', '/outer/in', 's3://other/data')).code, 0);
    await client.expect('PUT', '/outer/in/lost', 'given up');
    const forced = cli('mount', 'remove', '/outer/in', '--force');
    releaseAgain();
    const { code, json } = await forced;
    t.equal(code, 0);
    // The upload that was under way may have ended first.
    const arrived = (await ufs.get('other', 'data/lost')) !== undefined;
    t.same(json, arrived ? removal('/outer/in', 0, 0) : removal('/outer/in', 1, 8));
    t.same((await cli('mount', 'list')).json, []);
  },
);

function removal(path: string, lostObjects: number, lostBytes: number): object {
  return { path, lostObjects, lostBytes, lostDeletes: 0 };
}

void t.test(
  'mounts inside each other: each key is in the store of the longest path, and one listing shows all',
  { skip },
  async (t) => {
    const world = await start(t, 'lake');
    const { ufs, client, cli } = world;
    for (const bucket of ['ingest', 'hot']) await client.expect('PUT', `/${bucket}`);
    await ufs.put('lake', 'raw/hidden', 'x');
    t.equal((await cli('mount', 'add', '/lake/raw', 's3://ingest/raw')).code, 0);
    t.equal((await cli('mount', 'add', '/lake/raw/today', 's3://hot')).code, 0);
    for (const key of ['a', 'raw/b', 'raw/today/c', 'z']) await client.expect('PUT', `/lake/${key}`, key);
    const flushed = await cli('flush', 's3://lake/');
    t.equal(flushed.code, 0, flushed.stderr);
    t.match(flushed.json, { outcome: 'PERSISTED' });
    t.same((await ufs.keys('lake')).sort(), ['a', 'raw/hidden', 'z']);
    t.same(await ufs.keys('ingest'), ['raw/b']);
    t.same(await ufs.keys('hot'), ['c']);
    t.equal((await cli('job', 'free')).code, 0);
    const listing = (await client.expect('GET', '/lake?list-type=2')).body.toString();
    t.same(xmlTexts(listing, 'Key'), ['a', 'raw/b', 'raw/today/c', 'z']);
    for (const key of ['a', 'raw/b', 'raw/today/c', 'z'])
      t.equal((await client.expect('GET', `/lake/${key}`)).body.toString(), key);
    t.equal((await cli('mount', 'remove', '/lake/raw')).code, 0);
    t.equal((await client.expect('GET', '/lake/raw/hidden')).body.toString(), 'x');
    t.equal((await client.expect('GET', '/lake/raw/today/c')).body.toString(), 'raw/today/c');
    t.equal((await client.request('GET', '/lake/raw/b')).status, 404);
  },
);
