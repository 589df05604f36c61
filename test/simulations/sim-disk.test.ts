import t from 'tap';
import { AssertionError } from '../../src/core/assert.js';
import { GIB, MIB } from '../../src/core/units.js';
import { diskContract } from '../contracts/disk.js';
import { bytesOf, contentOf, createDurably, makeWorld } from './disk-world.js';

const SECTOR = 512;

diskContract('simulated disk', () => makeWorld('contract'));

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
