/** No byte that was changed on the disk is ever taken for data. */
import t from 'tap';
import { isErrorCode } from '../../../src/core/errors.js';
import { contentOf, item, META } from '../../contracts/index-store-model.js';
import { IndexWorld, type ItemStore } from './world.js';

const RUN = /^run-/;
const MANIFEST = /^checkpoint-/;

function fill(store: ItemStore, text: string): void {
  for (let i = 0; i < 30; i++) store.set(`key/${i}`, item(`${text} of ${i}`));
}

/** A closed index with one checkpoint for each text. */
async function makeWorld(seed: string, texts: readonly string[]): Promise<IndexWorld> {
  const world = new IndexWorld(seed);
  await world.run(async () => {
    const { store } = await world.open();
    for (const [i, text] of texts.entries()) {
      fill(store, text);
      await store.checkpoint(i + 1, META);
    }
    await store.close();
  });
  return world;
}

async function filesOf(world: IndexWorld, pattern: RegExp): Promise<string[]> {
  return (await world.run(() => world.names()))
    .filter((name) => pattern.test(name))
    .map((name) => `index/${name}`);
}

async function sizeOf(world: IndexWorld, path: string): Promise<number> {
  return (await world.run(() => world.disk.sizeOf(path))) ?? 0;
}

/** Opens and reads everything, by scan and by key. */
function readAll(world: IndexWorld): Promise<string[]> {
  return world.run(async () => {
    const { store } = await world.open();
    try {
      for (let i = 0; i < 30; i++) store.get(`key/${i}`);
      return contentOf(store);
    } finally {
      await store.close();
    }
  });
}

void t.test('index store: a changed byte anywhere in a run or a manifest is noticed', async (t) => {
  const world = await makeWorld('every byte', ['value']);
  const paths = [...(await filesOf(world, RUN)), ...(await filesOf(world, MANIFEST))];
  t.equal(paths.length, 2);
  for (const path of paths) {
    const sizeBytes = await sizeOf(world, path);
    const unnoticed: number[] = [];
    for (let position = 0; position < sizeBytes; position++) {
      world.disk.flipAtRest(path, position, position % 8);
      const error: unknown = await readAll(world).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      if (!isErrorCode(error, 'CORRUPT_CHECKPOINT') || !error.message.includes(path))
        unnoticed.push(position);
      world.disk.flipAtRest(path, position, position % 8);
    }
    t.same(unnoticed, [], path);
  }
  t.equal((await readAll(world)).length, 30, 'all bytes are as they were');
});

void t.test(
  'index store: a bad block is named with file and position, the others are still read',
  async (t) => {
    const world = await makeWorld('one block', ['value']);
    const [path = ''] = await filesOf(world, RUN);
    world.disk.flipAtRest(path, 300, 1);
    await world.run(async () => {
      const { store } = await world.open();
      t.throws(() => contentOf(store), { code: 'CORRUPT_CHECKPOINT', details: { path, position: 234 } });
      t.same(store.get('key/0'), item('value of 0'));
      await store.close();
    });
  },
);

for (const [what, pattern] of [
  ['manifest', MANIFEST],
  ['run', RUN],
] as const) {
  void t.test(`index store: the checkpoint before is used when the newest ${what} is corrupt`, async (t) => {
    const world = await makeWorld(`newest ${what}`, ['old', 'new']);
    const path = (await filesOf(world, pattern)).at(-1) ?? '';
    world.disk.flipAtRest(path, (await sizeOf(world, path)) - 20, 0);
    await world.run(async () => {
      const { store, checkpoint } = await world.open();
      t.equal(checkpoint?.offset, 1);
      t.same(store.get('key/7'), item('old of 7'));
      t.match(world.warnings, ['an index checkpoint is corrupt and is not used']);
      fill(store, 'newer');
      await store.checkpoint(3, META);
      await store.close();
      const reopened = await world.open();
      t.equal(reopened.checkpoint?.offset, 3);
      t.same(reopened.store.get('key/7'), item('newer of 7'));
      await reopened.store.close();
    });
  });
}

void t.test(
  'index store: the newest is used alone, with a warning, when the one before is corrupt',
  async (t) => {
    const world = await makeWorld('older', ['old', 'new']);
    const [path = ''] = await filesOf(world, MANIFEST);
    world.disk.flipAtRest(path, 9, 0);
    await world.run(async () => {
      const { store } = await world.open();
      t.same(
        store.checkpoints.map((kept) => kept.offset),
        [2],
      );
      t.equal(world.warnings.length, 1);
      t.same(store.get('key/7'), item('new of 7'));
      await store.close();
    });
  },
);

void t.test('index store: nothing is touched when every checkpoint is corrupt', async (t) => {
  const world = await makeWorld('all', ['old', 'new']);
  const names = await world.run(() => world.names());
  for (const path of await filesOf(world, MANIFEST)) world.disk.flipAtRest(path, 20, 3);
  await t.rejects(readAll(world), { code: 'CORRUPT_CHECKPOINT' });
  t.same(await world.run(() => world.names()), names);
});

void t.test('index store: a missing run makes its checkpoint unusable, not smaller', async (t) => {
  const world = await makeWorld('missing', ['old']);
  const [path = ''] = await filesOf(world, RUN);
  await world.run(() => world.disk.remove(path));
  await t.rejects(readAll(world), { code: 'CORRUPT_CHECKPOINT', message: /is missing/ });
});

void t.test('index store: a merge that meets a bad block leaves everything as it was', async (t) => {
  const world = await makeWorld('merge', ['1', '2']);
  const path = (await filesOf(world, RUN))[0] ?? '';
  world.disk.flipAtRest(path, 10, 1);
  await world.run(async () => {
    const { store } = await world.open();
    for (let i = 3; i <= 8; i++) {
      fill(store, `${i}`);
      await store.checkpoint(i, META);
    }
    await store.settled();
    t.match(world.warnings, ['a merge of index runs failed']);
    t.same(store.get('key/7'), item('8 of 7'));
    await store.close();
  });
});
