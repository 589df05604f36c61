import t from 'tap';
import { Scheduler } from '../../simulations/scheduler.js';
import { SimDisk, type SimDiskOptions } from '../../simulations/sim-disk.js';
import { SimRandom } from '../../simulations/sim-random.js';
import { AssertionError } from '../../src/core/assert.js';
import type { Disk, DiskFile } from '../../src/core/ports.js';
import { GIB, MIB } from '../../src/core/units.js';
import { diskContract } from '../contracts/disk.js';

diskContract('simulated disk', () => {
  const scheduler = new Scheduler();
  return {
    disk: new SimDisk(scheduler, new SimRandom('contract')),
    run: (work) => scheduler.complete(work()),
  };
});

const SEEDS = 60;
const SECTOR = 512;

interface World {
  readonly scheduler: Scheduler;
  readonly random: SimRandom;
  readonly disk: SimDisk;
  readonly run: <Value>(work: () => Promise<Value>) => Promise<Value>;
}

function makeWorld(seed: number | string, options: SimDiskOptions = {}): World {
  const scheduler = new Scheduler();
  const random = new SimRandom(seed);
  const disk = new SimDisk(scheduler, random.fork('disk'), options);
  return { scheduler, random, disk, run: (work) => scheduler.complete(work()) };
}

async function contentOf(disk: Disk, path: string): Promise<Buffer | undefined> {
  if ((await disk.sizeOf(path)) === undefined) return undefined;
  return await bytesOf(await disk.open(path));
}

async function bytesOf(file: DiskFile): Promise<Buffer> {
  const target = Buffer.alloc(await file.size());
  await file.read(0, target);
  return target;
}

/** A file whose name is durable. */
async function createDurably(disk: Disk, path: string, options = {}): Promise<DiskFile> {
  const file = await disk.create(path, options);
  await disk.syncDirectory('');
  return file;
}

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

void t.test('simulated disk: after a failed sync the next one succeeds without the data', async (t) => {
  const { disk, random, run } = makeWorld('fsync');
  await run(async () => {
    const file = await createDurably(disk, 'file');
    await file.write(0, Buffer.from('before'));
    await file.sync();
    await file.write(0, Buffer.from('lost!!'));
    disk.arm('SYNC_FAILURE', 'file');
    await t.rejects(file.sync(), { code: 'IO_FAILED', cause: { code: 'EIO' } });
    await file.sync();
    t.equal(String(await contentOf(disk, 'file')), 'lost!!', 'still visible');
  });
  t.equal(String(await run(() => contentOf(disk.crash(random), 'file'))), 'before');
});

void t.test(
  'simulated disk: a full disk refuses, tells its space, and takes data again after a removal',
  async (t) => {
    const { disk, run } = makeWorld('full', { capacityBytes: MIB });
    await run(async () => {
      const first = await disk.create('first');
      await first.write(0, Buffer.alloc(MIB - 65_536, 'x'));
      t.strictSame(await disk.space(), { freeBytes: 65_536, totalBytes: MIB });
      const second = await disk.create('second');
      await t.rejects(second.write(0, Buffer.alloc(100_000, 'y')), {
        code: 'DISK_FULL',
        kind: 'OUT_OF_SPACE',
      });
      t.equal(await second.size(), 65_536, 'the part that fits is there');
      await first.write(0, Buffer.from('in place'));
      await disk.remove('first');
      await second.write(0, Buffer.alloc(100_000, 'y'));
    });
  },
);

void t.test('simulated disk: armed faults strike once, where they were aimed', async (t) => {
  const { disk, run } = makeWorld('armed');
  const content = Buffer.alloc(10 * SECTOR, 'x');
  await run(async () => {
    const [one, two] = [await disk.create('one'), await disk.create('two')];
    disk.arm('WRITE_FAILURE', 'two');
    await one.write(0, content);
    await t.rejects(two.write(0, content), { code: 'IO_FAILED' });
    await two.write(0, content);

    disk.arm('READ_FLIP', 'one');
    t.ok((await bytesOf(two)).equals(content));
    t.equal(bitsThatDiffer(await bytesOf(one), content), 1, 'one bit of what was read');
    t.ok((await bytesOf(one)).equals(content), 'and none of what is stored');

    disk.flipAtRest('one', 700, 3);
    t.equal(bitsThatDiffer(await bytesOf(one), content), 1);

    disk.arm('MISDIRECTED_WRITE', 'two');
    await two.write(20 * SECTOR, Buffer.alloc(SECTOR, 'n'));
    const found = await bytesOf(two);
    t.equal(found.length, content.length, 'not where it belongs');
    t.equal(found.indexOf('n') % SECTOR, 0);
    t.equal(found.lastIndexOf('n') - found.indexOf('n'), SECTOR - 1);
  });
});

function bitsThatDiffer(a: Buffer, b: Buffer): number {
  let count = 0;
  for (const [index, byte] of a.entries()) {
    for (let rest = byte ^ (b[index] ?? 0); rest !== 0; rest >>= 1) count += rest & 1;
  }
  return count;
}

void t.test('simulated disk: faults by share strike until the disk is healed', async (t) => {
  const { disk, run } = makeWorld('shares', { faults: { writeFailureRatio: 0.5 } });
  await run(async () => {
    const file = await disk.create('file');
    const attempt = async (): Promise<boolean> =>
      await file.write(0, Buffer.from('x')).then(
        () => true,
        () => false,
      );
    const results: boolean[] = [];
    for (let i = 0; i < 40; i++) results.push(await attempt());
    t.ok(results.includes(true) && results.includes(false));
    disk.setFaults({});
    for (let i = 0; i < 40; i++) t.ok(await attempt());
  });
});

void t.test('simulated disk: a buffer that changes under a write stops the program', async (t) => {
  const { disk, run, scheduler } = makeWorld('buffer');
  const file = await run(() => disk.create('file'));
  const buffer = Buffer.from('before');
  void file.write(0, buffer);
  buffer[0] = 0;
  await t.rejects(scheduler.runUntilIdle(), AssertionError);
});

void t.test('simulated disk: a preallocated gigabyte costs little memory', async (t) => {
  const { disk, random, run } = makeWorld('sparse');
  const zeros = Buffer.alloc(4 * MIB);
  const beforeBytes = process.memoryUsage.rss();
  await run(async () => {
    const file = await createDurably(disk, 'file');
    for (let position = 0; position < GIB; position += zeros.length) await file.write(position, zeros);
    await file.sync();
    await file.write(GIB / 2 + 5, Buffer.from('needle'));
    await file.sync();
    const { freeBytes, totalBytes } = await disk.space();
    t.equal(totalBytes - freeBytes, GIB, 'zeros take space on the disk');
  });
  await run(async () => {
    const file = await disk.crash(random).open('file');
    t.equal(await file.size(), GIB);
    const target = Buffer.alloc(16);
    await file.read(GIB / 2, target);
    t.equal(String(target), '\0\0\0\0\0needle\0\0\0\0\0');
  });
  t.ok(process.memoryUsage.rss() - beforeBytes < 256 * MIB);
});
