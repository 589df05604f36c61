/** A root that was used and is gone: an unmounted disk is never filled, and never taken for an empty store. */
import fs from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { openKnownRoots } from '../../../../src/adapters/known-roots.js';
import { SystemClock } from '../../../../src/adapters/system-clock.js';
import { SystemRandom } from '../../../../src/adapters/system-random.js';
import { DirectoryObjectStore } from '../../../../src/adapters/ufs/directory/directory-object-store.js';
import { SILENT_LOGGER } from '../../../../src/core/logger.js';
import { contentOf, failsWith, putRequest } from '../../../contracts/object-store-subject.js';

/** A store in `root`, as a start with the data directory `data` opens it. */
async function open(t: Test, directory: string): Promise<DirectoryObjectStore> {
  const store = new DirectoryObjectStore({
    root: path.join(directory, 'root'),
    knownRoots: await openKnownRoots(path.join(directory, 'data')),
    clock: new SystemClock(),
    random: new SystemRandom(),
    logger: SILENT_LOGGER,
  });
  t.teardown(() => store.close());
  return store;
}

function everyCall(store: DirectoryObjectStore): (() => Promise<unknown>)[] {
  return [
    () => store.put(putRequest('b', 'k', 'y')),
    () => store.get('b', 'k'),
    () => store.head('b', 'k'),
    () => store.delete('b', 'k'),
    () => store.list({ bucket: 'b', prefix: '', startAfter: '', delimiter: '', limit: 10 }),
    () => store.listBuckets(),
    () => store.bucketExists('b'),
    () => store.createBucket('c'),
    () => store.deleteBucket('b'),
    () => store.check(),
  ];
}

for (const gone of ['missing', 'the empty directory that a disk is mounted on']) {
  void t.test(
    `root that was used and is ${gone}: each call says so and makes nothing, until it is back`,
    async (t) => {
      const directory = t.testdir({ data: {} });
      const root = path.join(directory, 'root');
      const unmount = (): void => {
        fs.renameSync(root, `${root}-away`);
        if (gone !== 'missing') fs.mkdirSync(root);
      };
      const mount = (): void => {
        fs.rmSync(root, { recursive: true, force: true });
        fs.renameSync(`${root}-away`, root);
      };
      const store = await open(t, directory);
      await store.createBucket('b');
      await store.put(putRequest('b', 'k', 'x'));
      for (const call of everyCall(store).keys()) {
        unmount();
        await t.rejects(everyCall(store)[call]?.() ?? Promise.resolve(), {
          code: 'UFS_UNAVAILABLE',
          message: `the directory ${root} was used before`,
        });
        t.same(fs.existsSync(root) ? fs.readdirSync(root) : [], [], 'nothing was made');
        mount();
        t.equal(await contentOf(store, 'b', 'k'), 'x', 'back, and nothing was deleted');
      }

      unmount();
      const restarted = await open(t, directory);
      for (const call of everyCall(restarted)) await failsWith(t, ['UFS_UNAVAILABLE'], call);
      t.same(fs.existsSync(root) ? fs.readdirSync(root) : [], []);
      mount();
      t.equal(await contentOf(restarted, 'b', 'k'), 'x');

      unmount();
      fs.mkdirSync(path.join(root, '.headrace'), { recursive: true });
      await restarted.createBucket('b');
      t.equal(await restarted.head('b', 'k'), undefined, 'begun anew, because somebody asked for it');
    },
  );
}

void t.test('root that is a symbolic link to a directory is one', async (t) => {
  const directory = t.testdir({ data: {}, target: {} });
  fs.symlinkSync(path.join(directory, 'target'), path.join(directory, 'root'));
  const store = await open(t, directory);
  await store.check();
  await store.createBucket('b');
  await store.put(putRequest('b', 'k', 'x'));
  t.equal(fs.readFileSync(path.join(directory, 'target/b/k'), 'utf8'), 'x');
});

void t.test('known roots: a damaged file is refused by name', async (t) => {
  const directory = t.testdir({ 'ufs-roots.json': '{"roots":"none"}' });
  await t.rejects(openKnownRoots(directory), {
    code: 'DATA_DIRECTORY_UNUSABLE',
    message: /ufs-roots\.json does not list directories/,
  });
});
