/**
 * kill -9 at a random moment under load, again and again: nothing that was acknowledged is lost, nothing that was deleted
 * comes back, nothing is half there, and no space leaks.
 *
 * `HEADRACE_TEST_SEED` repeats a run's choices; `HEADRACE_TEST_ROUNDS` makes it longer.
 */
import { randomInt } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { eventually, TestServer } from '../support/headrace-process.js';
import { describeContent, matchContent, ObjectModel } from '../support/object-model.js';
import { S3Client, xmlTexts } from '../support/s3-client.js';
import {
  abortUpload,
  checkKey,
  completeUpload,
  S3Load,
  seededRandom,
  type OpenUpload,
} from '../support/s3-load.js';

const SEED = Number(process.env['HEADRACE_TEST_SEED'] ?? randomInt(2 ** 31));
const ROUNDS = Number(process.env['HEADRACE_TEST_ROUNDS'] ?? 10);
const KEYS_PER_POLICY = 12;
const WORKERS = 12;
const LOAD_MS_MIN = 100;
const LOAD_MS_MAX = 1200;
/** The file that small bodies go to, and what is kept to be written again. */
const KEPT_BYTES_MAX = 128 * 1024 ** 2;
const POLICIES = { 'write-back': 'WRITE_BACK', 'write-through': 'WRITE_THROUGH', transient: 'TRANSIENT' };

const KEYS = Object.keys(POLICIES).flatMap((directory) =>
  Array.from({ length: KEYS_PER_POLICY }, (_, i) => `/kill/${directory}/key-${i}`),
);

const isTransient = (key: string) => key.startsWith('/kill/transient/');
const isWriteThrough = (key: string) => key.startsWith('/kill/write-through/');

t.setTimeout(60_000 + ROUNDS * 10_000);

void t.test(
  `kill -9: every acknowledged write survives, and no space leaks (HEADRACE_TEST_SEED=${SEED})`,
  async (t) => {
    const server = await TestServer.start(t, { environment: { HEADRACE_WORKER_PAGE_STORE_SIZE: '4GiB' } });
    await server.process.s3('PUT', '/kill');
    await server.process.setPolicies(
      'WRITE_BACK',
      Object.fromEntries(Object.entries(POLICIES).map(([name, mode]) => [`/kill/${name}/**`, mode])),
    );
    const model = new ObjectModel();
    const random = seededRandom(SEED);
    for (let round = 0; round < ROUNDS; round++) await killRound(t, server, model, random, round);
    await checkUfs(t, server, model);
    await checkSpace(t, server, model);
    await checkEmptied(t, server, model);
  },
);

/** One load, one kill, one restart, and a look at each key. */
async function killRound(
  t: Test,
  server: TestServer,
  model: ObjectModel,
  random: () => number,
  round: number,
): Promise<void> {
  const load = new S3Load({
    model,
    port: server.process.s3Port,
    seed: Math.floor(random() * 2 ** 31),
    keys: KEYS,
    workers: WORKERS,
  });
  load.start();
  await delay(LOAD_MS_MIN + random() * (LOAD_MS_MAX - LOAD_MS_MIN));
  load.expectDeath();
  await server.process.kill();
  await load.finished();
  t.same(load.problems, [], `round ${round}: ${load.acknowledged} acknowledged, no wrong answer`);
  await checkWrittenThrough(t, server, model, round);

  await server.restart();
  const client = new S3Client(server.process.s3Port);
  const problems: string[] = [];
  for (const key of model.keys) {
    const read = await checkKey(client, key, () => model.candidates(key, Infinity, Infinity));
    if (typeof read === 'string') problems.push(read);
    else model.settle(key, read.content);
  }
  t.same(problems, [], `round ${round}: after the restart each key holds what it may`);
  await endUploads(client, model, load.openUploads);
  client.close();
  if (problems.length > 0) throw new Error('the model is of no use from here on');
}

/** Parts that were acknowledged before the kill can be completed after the restart. */
async function endUploads(
  client: S3Client,
  model: ObjectModel,
  uploads: readonly OpenUpload[],
): Promise<void> {
  for (const upload of uploads) {
    if (upload.ending || upload.parts.length === 0) await abortUpload(client, upload);
    else model.settle(upload.target, (await completeUpload(client, model, upload)).content);
  }
}

/** WRITE_THROUGH promises that the UFS has it: look there while the server is dead. */
async function checkWrittenThrough(
  t: Test,
  server: TestServer,
  model: ObjectModel,
  round: number,
): Promise<void> {
  const problems: string[] = [];
  for (const key of model.keys.filter(isWriteThrough)) {
    const body = await readUfs(server, key);
    const match = matchContent(model.candidates(key, Infinity, Infinity), body && { body });
    if ('problem' in match) problems.push(`${key} in the UFS: ${match.problem}`);
  }
  t.same(problems, [], `round ${round}: the UFS holds each acknowledged WRITE_THROUGH write`);
}

function readUfs(server: TestServer, key: string): Promise<Buffer | undefined> {
  return readFile(join(server.ufsDirectory, key)).catch(() => undefined);
}

async function untilPersisted(server: TestServer): Promise<void> {
  await eventually(
    async () => (await server.status()).pendingObjects === 0,
    async () => (await server.process.admin('GET', '/api/v1/async-persist?limit=5')).text,
  );
}

/** Once everything is persisted, the UFS is the model without what is TRANSIENT, and nothing else. */
async function checkUfs(t: Test, server: TestServer, model: ObjectModel): Promise<void> {
  await untilPersisted(server);
  const problems: string[] = [];
  for (const key of model.keys) {
    const expected = isTransient(key) ? undefined : model.settled(key);
    const body = await readUfs(server, key);
    const match = matchContent([expected], body && { body });
    if ('problem' in match) problems.push(`${key}: ${match.problem}`);
  }
  t.same(problems, [], 'the UFS holds exactly what was acknowledged');
  const names = await readdir(join(server.ufsDirectory, 'kill'), { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const live = model.keys.filter((key) => !isTransient(key) && model.settled(key) !== undefined);
  t.same(files.sort(), live.map((key) => join(server.ufsDirectory, key)).sort(), 'and no other file');
  const temporary = await readdir(join(server.ufsDirectory, '.headrace', 'tmp')).catch(() => []);
  t.same(temporary, [], 'and no abandoned temporary file');
}

/** What is pinned is what is TRANSIENT, and the log, the index and the bytes agree with each other. */
async function checkSpace(t: Test, server: TestServer, model: ObjectModel): Promise<void> {
  await abortUnansweredUploads(t, server);
  const transientBytes = model.keys
    .filter(isTransient)
    .reduce((sum, key) => sum + (model.settled(key)?.size ?? 0), 0);
  const status = await server.status();
  t.equal(status.pinnedBytes, transientBytes, 'only TRANSIENT objects are pinned');
  t.equal(status.openWrites, 0, 'no write is open');
  const verified = await server.cli('log', 'verify', '--data');
  t.equal(verified.code, 0, `log verify --data: ${verified.stdout}${verified.stderr}`);
  for (const key of model.keys) t.comment(`${key}: ${describeContent(model.settled(key))}`);
}

/** What is left are uploads whose creation was cut off by a kill before its answer: known to nobody, without parts. */
async function abortUnansweredUploads(t: Test, server: TestServer): Promise<void> {
  const client = new S3Client(server.process.s3Port);
  const { body } = await client.expect('GET', '/kill?uploads');
  const keys = xmlTexts(body.toString(), 'Key');
  for (const [i, uploadId] of xmlTexts(body.toString(), 'UploadId').entries()) {
    const target = `/kill/${keys[i]}?uploadId=${encodeURIComponent(uploadId)}`;
    const parts = await client.expect('GET', target);
    t.same(xmlTexts(parts.body.toString(), 'PartNumber'), [], `an upload nobody was told of has no parts`);
    await client.expect('DELETE', target);
  }
  client.close();
}

/** When every object is deleted, everything is given back, in the figures and on the disk. */
async function checkEmptied(t: Test, server: TestServer, model: ObjectModel): Promise<void> {
  const client = new S3Client(server.process.s3Port);
  for (const key of model.keys) await client.expect('DELETE', key);
  client.close();
  await untilPersisted(server);
  const freed = await server.process.admin('POST', '/api/v1/free', {});
  t.equal(freed.status, 200, freed.text);
  const status = await server.status();
  t.equal(status.pinnedBytes, 0, 'nothing is pinned');
  t.equal(status.objects, 0, 'no object is left');
  t.equal(status.usedBytes, 0, 'nothing is used');
  const segments = join(server.dataDirectory, 'segments');
  const allocatedBytes = async () => {
    const sizes = (await readdir(segments)).map(
      async (name) => (await stat(join(segments, name))).blocks * 512,
    );
    return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  };
  await eventually(
    async () => (await allocatedBytes()) <= KEPT_BYTES_MAX,
    async () => `the segment files still take ${await allocatedBytes()} bytes`,
  );
}
