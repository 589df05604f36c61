import fs from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { DirectoryObjectStore } from '../../../../src/adapters/ufs/directory/directory-object-store.js';
import { SystemClock } from '../../../../src/adapters/system-clock.js';
import { SystemRandom } from '../../../../src/adapters/system-random.js';
import { SILENT_LOGGER } from '../../../../src/core/logger.js';
import {
  contentOf,
  failsWith,
  listAll,
  md5Hex,
  nameOf,
  putRequest,
} from '../../../contracts/object-store-subject.js';

interface World {
  readonly root: string;
  readonly store: DirectoryObjectStore;
  /** A path in the bucket `b`. */
  readonly at: (key: string) => string;
  /** Another process on the same directory. */
  readonly reopen: () => DirectoryObjectStore;
}

async function makeWorld(t: Test): Promise<World> {
  const root = t.testdir();
  const reopen = (): DirectoryObjectStore => {
    const parts = { clock: new SystemClock(), random: new SystemRandom(), logger: SILENT_LOGGER };
    const store = new DirectoryObjectStore({ root, ...parts });
    t.teardown(() => store.close());
    return store;
  };
  const store = reopen();
  await store.createBucket('b');
  return { root, store, at: (key) => path.join(root, 'b', key), reopen };
}

/** Every file below a directory, as relative paths. */
function filesBelow(directory: string): string[] {
  return fs
    .readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(directory, path.join(entry.parentPath, entry.name)));
}

void t.test('directory: an object is the file of that name, with the time of the object', async (t) => {
  const { store, at } = await makeWorld(t);
  await store.put(putRequest('b', 'a/b/c.txt', 'hello'));
  t.equal(fs.readFileSync(at('a/b/c.txt'), 'utf8'), 'hello');
  t.equal(Math.floor(fs.statSync(at('a/b/c.txt')).mtimeMs), 1_700_000_000_123);
});

void t.test('directory: our own directory is no bucket and no key', async (t) => {
  const { store, root } = await makeWorld(t);
  await store.put(putRequest('b', '.headrace/x', 'mine'));
  fs.mkdirSync(path.join(root, 'b', '.headrace'), { recursive: true });
  fs.writeFileSync(path.join(root, 'b', '.headrace', 'foreign'), 'x');
  t.same(
    (await store.listBuckets()).map(({ name }) => name),
    ['b'],
  );
  for (const bucket of ['.headrace', '..', '.', '', 'a/b', '../b']) {
    t.equal(await store.bucketExists(bucket), false);
    t.equal(await store.head(bucket, 'tmp'), undefined);
    await failsWith(t, ['UFS_REJECTED'], () => store.createBucket(bucket));
    await failsWith(t, ['NO_SUCH_BUCKET'], () => store.put(putRequest(bucket, 'k', 'x')));
    await failsWith(t, ['NO_SUCH_BUCKET'], () => listAll(store, bucket));
  }
  t.same((await listAll(store, 'b')).map(nameOf), ['.headrace/x']);
  t.equal(await contentOf(store, 'b', '.headrace/x'), 'mine');
});

void t.test('directory: a file that somebody else put there is an object', async (t) => {
  const { store, at } = await makeWorld(t);
  fs.mkdirSync(at('deep/er'), { recursive: true });
  fs.writeFileSync(at('deep/er/file'), 'foreign');
  const head = await store.head('b', 'deep/er/file');
  t.match(head, { size: 7, headers: { system: {}, user: {} } });
  t.match(head?.etag, /^[0-9a-f]{32}-0$/);
  t.equal(head?.etag, head?.storeEtag);
  t.equal(await contentOf(store, 'b', 'deep/er/file'), 'foreign');
  t.same((await listAll(store, 'b')).map(nameOf), ['deep/er/file']);
  fs.writeFileSync(at('deep/er/file'), 'changed');
  t.not((await store.head('b', 'deep/er/file'))?.etag, head?.etag);
});

void t.test('directory: a file of ours that somebody else changed is foreign from then on', async (t) => {
  const { store, at } = await makeWorld(t);
  const headers = { system: { 'content-type': 'image/png' }, user: { a: 'b' } };
  await store.put({ ...putRequest('b', 'k', 'ours'), headers });
  fs.writeFileSync(at('k'), 'them');
  const head = await store.head('b', 'k');
  t.match(head?.etag, /-0$/);
  t.same(head?.headers, { system: {}, user: {} });
  await store.put(putRequest('b', 'k', 'back'));
  t.equal((await store.head('b', 'k'))?.etag, md5Hex(Buffer.from('back')));
});

void t.test('directory: a tree that was copied with its times keeps its metadata', async (t) => {
  const { store, root, at } = await makeWorld(t);
  await store.put({ ...putRequest('b', 'x/k', 'body'), headers: { system: {}, user: { a: 'b' } } });
  const { atime, mtimeMs } = fs.statSync(at('x/k'));
  fs.renameSync(at('x/k'), path.join(root, 'old'));
  fs.writeFileSync(at('x/k'), 'body');
  fs.utimesSync(at('x/k'), atime, (mtimeMs + 0.0005) / 1000);
  t.same((await store.head('b', 'x/k'))?.headers.user, { a: 'b' });
});

void t.test('directory: a crash before the rename leaves the old object with its own metadata', async (t) => {
  const { store, root, at, reopen } = await makeWorld(t);
  await store.put({ ...putRequest('b', 'k', 'old'), headers: { system: {}, user: { version: '1' } } });
  fs.copyFileSync(at('k'), path.join(root, 'saved'));
  const { atime, mtimeMs } = fs.statSync(at('k'));
  await store.put({ ...putRequest('b', 'k', 'new'), headers: { system: {}, user: { version: '2' } } });
  // What a crash behind the side file and before the rename leaves: the side file of the new, the file of the old.
  fs.renameSync(path.join(root, 'saved'), at('k'));
  fs.utimesSync(at('k'), atime, (mtimeMs + 0.0005) / 1000);
  const after = reopen();
  const head = await after.head('b', 'k');
  t.same(head?.headers.user, { version: '1' });
  t.equal(head?.etag, md5Hex(Buffer.from('old')));
  await after.put({ ...putRequest('b', 'k', 'new'), headers: { system: {}, user: { version: '2' } } });
  t.same((await after.head('b', 'k'))?.headers.user, { version: '2' });
});

void t.test(
  'directory: a damaged side file makes a file foreign, and is replaced by the next put',
  async (t) => {
    const { store, root } = await makeWorld(t);
    await store.put(putRequest('b', 'k', 'body'));
    const [side] = filesBelow(path.join(root, '.headrace/meta'));
    for (const text of ['', '{', 'null', '[]', '{"format":2}', '{"format":1,"key":"k","versions":[{}]}']) {
      fs.writeFileSync(path.join(root, '.headrace/meta', side ?? ''), text);
      t.match((await store.head('b', 'k'))?.etag, /-0$/);
    }
    await store.put(putRequest('b', 'k', 'body'));
    t.equal((await store.head('b', 'k'))?.etag, md5Hex(Buffer.from('body')));
  },
);

void t.test(
  'directory: what a crashed process was writing is removed at the next start, and nothing else',
  async (t) => {
    const { store, root, reopen } = await makeWorld(t);
    await store.check();
    const directory = path.join(root, '.headrace/tmp');
    await failsWith(t, ['UFS_REJECTED'], () => store.put({ ...putRequest('b', 'k', 'abc'), size: 4 }));
    t.same(fs.readdirSync(directory), [], 'a put that fails leaves nothing');
    const alive: string[] = [];
    const request = putRequest('b', 'k', 'abc');
    await store.put({
      ...request,
      bytes: undefined as never,
      open: async function* () {
        alive.push(...fs.readdirSync(directory));
        const mine = alive[0] ?? '';
        // A process that is gone: no process has this number.
        fs.writeFileSync(path.join(directory, mine.replace(/\.\d+\./, '.4194305.')), 'left');
        fs.writeFileSync(path.join(directory, 'somebody-elses'), 'kept');
        await reopen().check();
        t.same(fs.readdirSync(directory).sort(), [mine, 'somebody-elses'].sort());
        yield request.bytes ?? new Uint8Array(0);
      },
    });
    t.equal(await contentOf(store, 'b', 'k'), 'abc');
  },
);

void t.test('directory: empty parents go with the last object, the bucket stays', async (t) => {
  const { store, root, at } = await makeWorld(t);
  await store.put(putRequest('b', 'a/b/c', 'x'));
  await store.put(putRequest('b', 'a/d', 'x'));
  await store.delete('b', 'a/b/c');
  t.equal(fs.existsSync(at('a/b')), false);
  t.equal(fs.existsSync(at('a/d')), true);
  await store.delete('b', 'a/d');
  t.same(fs.readdirSync(at('')), []);
  t.same(filesBelow(path.join(root, '.headrace')), [], 'no metadata is left either');
});

void t.test('directory: puts and deletes in one directory never lose an object', async (t) => {
  const { store } = await makeWorld(t);
  const worker = async (name: string): Promise<void> => {
    for (let round = 0; round < 60; round++) {
      await store.put(putRequest('b', `x/y/${name}`, `${name} ${round}`));
      t.equal(await contentOf(store, 'b', `x/y/${name}`), `${name} ${round}`);
      await store.delete('b', `x/y/${name}`);
    }
  };
  await Promise.all(['1', '2', '3', '4'].map(worker));
  t.same(await listAll(store, 'b'), []);
});

void t.test('directory: symbolic links, pipes and names that are not UTF-8 are no objects', async (t) => {
  const { store, root, at } = await makeWorld(t);
  fs.writeFileSync(path.join(root, 'secret'), 'outside');
  fs.symlinkSync(path.join(root, 'secret'), at('link'));
  fs.symlinkSync(root, at('tree'));
  fs.writeFileSync(Buffer.concat([Buffer.from(`${at('')}/`), Buffer.from([0xff, 0xfe])]), 'x');
  t.equal(await store.head('b', 'link'), undefined);
  t.equal(await store.get('b', 'link'), undefined);
  t.same(await listAll(store, 'b'), []);
  await store.put(putRequest('b', 'link', 'inside'));
  t.equal(fs.readFileSync(path.join(root, 'secret'), 'utf8'), 'outside');
  t.equal(await contentOf(store, 'b', 'link'), 'inside');
});

void t.test('directory: keys and prefixes never lead out of the bucket', async (t) => {
  const { store, root } = await makeWorld(t);
  fs.writeFileSync(path.join(root, 'secret'), 'outside');
  for (const key of ['../secret', 'a/../../secret', './../secret', '..']) {
    t.equal(await store.head('b', key), undefined);
    await store.delete('b', key);
    await store.put(putRequest('b', key, 'inside'));
    t.same((await listAll(store, 'b', { prefix: key })).map(nameOf), [key]);
    await store.delete('b', key);
  }
  t.same(await listAll(store, 'b', { prefix: '../' }), []);
  t.equal(fs.readFileSync(path.join(root, 'secret'), 'utf8'), 'outside');
});

void t.test('directory: a bucket of empty directories is empty', async (t) => {
  const { store, at } = await makeWorld(t);
  fs.mkdirSync(at('x/y/z'), { recursive: true });
  t.same(await listAll(store, 'b', { delimiter: '/' }), []);
  await store.deleteBucket('b');
  t.equal(await store.bucketExists('b'), false);
});

void t.test('directory: nothing of a deleted bucket comes back with the next one of its name', async (t) => {
  const { store, root } = await makeWorld(t);
  await store.put({ ...putRequest('b', 'odd//key', 'x'), headers: { system: {}, user: { a: 'b' } } });
  await failsWith(t, ['BUCKET_NOT_EMPTY'], () => store.deleteBucket('b'));
  await store.delete('b', 'odd//key');
  await store.deleteBucket('b');
  t.same(filesBelow(path.join(root, '.headrace')), []);
  await store.createBucket('b');
  t.equal(await store.head('b', 'odd//key'), undefined);
});

void t.test('directory: a listing of a large directory shows each change at once', async (t) => {
  const { store, at } = await makeWorld(t);
  const keys = Array.from({ length: 400 }, (_, index) => `many/${String(index).padStart(4, '0')}`);
  fs.mkdirSync(at('many'));
  for (const key of keys) fs.writeFileSync(at(key), 'x');
  const longAgo = Date.now() / 1000 - 3600;
  const age = (): void => fs.utimesSync(at('many'), longAgo, longAgo);
  age();
  t.equal((await listAll(store, 'b', { limit: 50 })).length, 400);
  await store.put(putRequest('b', 'many/new', 'x'));
  age();
  t.equal((await listAll(store, 'b')).length, 401);
  fs.writeFileSync(at('many/foreign'), 'x');
  t.equal((await listAll(store, 'b')).length, 402);
  await store.delete('b', 'many/new');
  t.equal((await listAll(store, 'b')).length, 401);
});

void t.test('directory: a root that cannot be had is an error of the call, and heals', async (t) => {
  const root = path.join(t.testdir({ file: 'no directory' }), 'file');
  const parts = { clock: new SystemClock(), random: new SystemRandom(), logger: SILENT_LOGGER };
  const store = new DirectoryObjectStore({ root, ...parts });
  t.teardown(() => store.close());
  await failsWith(t, ['UFS_UNAVAILABLE'], () => store.check());
  fs.unlinkSync(root);
  await store.check();
  await store.createBucket('b');
  await store.put(putRequest('b', 'k', 'x'));
  fs.rmSync(path.join(root, '.headrace'), { recursive: true });
  await failsWith(t, ['UFS_UNAVAILABLE'], () => store.put(putRequest('b', 'k', 'y')));
  await store.put(putRequest('b', 'k', 'y'));
  t.equal(await contentOf(store, 'b', 'k'), 'y');
});
