import t from 'tap';
import type { Disk } from '../../src/core/ports.js';
import { type World, contentOf, createDurably, makeWorld } from './disk-world.js';

const SEEDS = 60;
const SECTOR = 512;

/** Runs the story for many seeds, crashes, and collects what is left. */
async function fates(
  story: (world: World) => Promise<void>,
  look: (disk: Disk) => Promise<string>,
): Promise<Set<string>> {
  const seen = new Set<string>();
  for (let seed = 0; seed < SEEDS; seed++) {
    const world = makeWorld(seed);
    await world.run(() => story(world));
    const after = world.disk.crash(world.random.fork('crash'));
    seen.add(await world.run(() => look(after)));
  }
  return seen;
}

void t.test('simulated disk: what was synced survives a crash', async (t) => {
  for (let seed = 0; seed < SEEDS; seed++) {
    const { disk, random, run } = makeWorld(seed);
    const content = Buffer.from(random.bytes(5000));
    await run(async () => {
      const synced = await createDurably(disk, 'synced');
      await synced.write(0, content);
      await synced.sync();
      const durable = await createDurably(disk, 'durable', { durableWrites: true });
      await durable.write(100, content);
    });
    const after = disk.crash(random);
    t.ok((await run(() => contentOf(after, 'synced')))?.equals(content));
    t.ok((await run(() => contentOf(after, 'durable')))?.subarray(100).equals(content));
  }
});

void t.test(
  'simulated disk: a crash leaves an unsynced write whole, torn at sectors, or not at all',
  async (t) => {
    const length = 6 * SECTOR;
    const sectorsOf = (content: Buffer | undefined): string => {
      let map = `${content?.length}:`;
      for (let at = 0; at < length; at += SECTOR) {
        const sector = content?.subarray(at, at + SECTOR) ?? Buffer.alloc(0);
        const isOld = sector.every((byte) => byte === 1);
        map += sector.every((byte) => byte === 2) ? 'n' : isOld ? 'o' : '?';
      }
      return map;
    };
    const seen = await fates(
      async ({ disk }) => {
        const file = await createDurably(disk, 'file');
        await file.write(0, Buffer.alloc(length, 1));
        await file.sync();
        await file.write(0, Buffer.alloc(length, 2));
      },
      async (disk) => sectorsOf(await contentOf(disk, 'file')),
    );
    t.ok(seen.has('3072:nnnnnn'), 'whole');
    t.ok(seen.has('3072:oooooo'), 'not at all');
    t.ok(seen.has('3072:nnnooo'), 'a first part');
    t.ok(seen.size > 10, 'any sectors');
    t.notOk(
      [...seen].some((map) => map.includes('?')),
      'never half a sector',
    );
  },
);

void t.test('simulated disk: unsynced writes may survive without those before them', async (t) => {
  const seen = await fates(
    async ({ disk }) => {
      const file = await createDurably(disk, 'file');
      await file.write(0, Buffer.alloc(SECTOR, 'a'));
      await file.write(SECTOR, Buffer.alloc(SECTOR, 'b'));
    },
    async (disk) => {
      const content = await contentOf(disk, 'file');
      return `${content?.length} ${content?.[0]} ${content?.[SECTOR]}`;
    },
  );
  t.ok(seen.has('1024 97 98'), 'both');
  t.ok(seen.has('512 97 undefined'), 'the first only');
  t.ok(seen.has('1024 0 98'), 'the second only, behind a hole');
  t.ok(seen.has('0 undefined undefined'), 'none');
});

void t.test('simulated disk: a durable write is not undone by an older unsynced one', async (t) => {
  const seen = await fates(
    async ({ disk }) => {
      const loose = await createDurably(disk, 'file');
      await loose.write(0, Buffer.alloc(4 * SECTOR, 'o'));
      await loose.truncate(3 * SECTOR);
      const durable = await disk.open('file', { durableWrites: true });
      await durable.write(100, Buffer.alloc(SECTOR, 'n'));
    },
    async (disk) => String((await contentOf(disk, 'file'))?.subarray(100, 100 + SECTOR)),
  );
  t.strictSame([...seen], ['n'.repeat(SECTOR)]);
});

void t.test(
  'simulated disk: names that were not synced may be forgotten, but a rename is never half done',
  async (t) => {
    const seen = await fates(
      async ({ disk }) => {
        for (const name of ['old', 'doomed']) {
          const file = await createDurably(disk, name);
          await file.write(0, Buffer.from(name));
          await file.sync();
        }
        await disk.create('fresh');
        await disk.remove('doomed');
        await disk.rename('old', 'new');
      },
      async (disk) => (await disk.list('')).join(' '),
    );
    t.ok(seen.has('new'), 'everything happened');
    t.ok(seen.has('doomed old'), 'nothing happened');
    t.equal(seen.size, 8, 'each for itself');
    for (const names of seen) {
      const list = names.split(' ');
      t.equal(list.includes('old'), !list.includes('new'), names);
    }
  },
);

void t.test('simulated disk: a synced directory keeps its names', async (t) => {
  const seen = await fates(
    async ({ disk }) => {
      await disk.makeDirectory('a/b');
      await disk.create('a/created');
      await disk.create('a/removed');
      await disk.create('a/draft');
      await disk.remove('a/removed');
      await disk.rename('a/draft', 'a/b/final');
      await disk.syncDirectory('a');
      await disk.create('a/b/late');
    },
    async (disk) => [...(await disk.list('a')), (await disk.list('a/b'))[0]].join(' '),
  );
  t.strictSame([...seen], ['b created final']);
});

void t.test('simulated disk: a renamed file whose content was not synced may be empty', async (t) => {
  const seen = await fates(
    async ({ disk }) => {
      const file = await disk.create('draft');
      await file.write(0, Buffer.from('content'));
      await disk.rename('draft', 'final');
      await disk.syncDirectory('');
    },
    async (disk) => String(await contentOf(disk, 'final')),
  );
  t.ok(seen.has('') && seen.has('content'), [...seen].join());
});

void t.test('simulated disk: nothing of a dead process settles or takes effect', async (t) => {
  const { scheduler, disk, random, run } = makeWorld('dead');
  const file = await run(() => createDurably(disk, 'file', { durableWrites: true }));
  const settled: string[] = [];
  const watch = (name: string, promise: Promise<unknown>): void => {
    const note = (): unknown => settled.push(name);
    promise.then(note, note);
  };
  watch('write in flight', file.write(0, Buffer.from('x')));
  const after = disk.crash(random);
  const before = await run(() => contentOf(after, 'file'));
  watch('write', file.write(0, Buffer.from('zombie')));
  watch('sync', file.sync());
  watch('close', file.close());
  watch('remove', disk.remove('file'));
  await scheduler.runUntilIdle();
  t.strictSame(settled, []);
  t.throws(() => file.readSync(0, Buffer.alloc(1)), { code: 'CLOSED' });
  t.strictSame(await run(() => contentOf(after, 'file')), before);
});

void t.test('simulated disk: a write in flight at a crash may be there', async (t) => {
  const lengths = new Set<number | undefined>();
  for (let seed = 0; seed < SEEDS; seed++) {
    const { disk, random, run } = makeWorld(seed);
    const file = await run(() => createDurably(disk, 'file', { durableWrites: true }));
    void file.write(0, Buffer.alloc(8 * SECTOR, 'x'));
    const after = disk.crash(random);
    lengths.add((await run(() => contentOf(after, 'file')))?.length);
  }
  t.ok(lengths.has(0) && lengths.has(8 * SECTOR), 'nothing and everything');
  t.ok(lengths.size > 3, 'and parts of it');
});

void t.test('simulated disk: a killed process loses nothing that it wrote, until power fails', async (t) => {
  const lengths = new Set<number | undefined>();
  for (let seed = 0; seed < SEEDS; seed++) {
    const { disk, random, run } = makeWorld(seed);
    await run(async () => {
      const file = await disk.create('file');
      await file.write(0, Buffer.from('kept by the kernel'));
    });
    const killed = disk.kill(random);
    t.equal(String(await run(() => contentOf(killed, 'file'))), 'kept by the kernel');
    lengths.add((await run(() => contentOf(killed.crash(random), 'file')))?.length);
  }
  t.ok(lengths.has(undefined) && lengths.has(0) && lengths.has(18));
});
