/** The bytes on the disk: fixed for ever, or until the version changes. */
import t from 'tap';
import { BloomFilter, KeyHash } from '../../../src/adapters/index-store/bloom-filter.js';
import {
  decodeManifest,
  encodeManifest,
  type Manifest,
  parseName,
} from '../../../src/adapters/index-store/manifest.js';
import { resolveOptions } from '../../../src/adapters/index-store/options.js';
import { checksumOfAll } from '../../../src/adapters/index-store/checksum.js';
import { AssertionError } from '../../../src/core/assert.js';
import { item, META } from '../../contracts/index-store-model.js';
import { IndexWorld } from './world.js';

const MANIFEST: Manifest = {
  number: 7,
  offset: 2 ** 40 + 5,
  meta: new Uint8Array([1, 2, 3]),
  runs: [
    {
      number: 6,
      level: 0,
      fileBytes: 1000,
      dataBytes: 900,
      entries: 12,
      deletions: 2,
      superseded: 1,
      checksum: 2n ** 63n,
    },
    {
      number: 5,
      level: 3,
      fileBytes: 2 ** 41,
      dataBytes: 2 ** 40,
      entries: 2 ** 33,
      deletions: 0,
      superseded: 0,
      checksum: 1n,
    },
  ],
};

const GOLDEN_RUN = [
  '0008067072656669782f61666972737407010162080283012fff78787878787878787878787878787878787878787878',
  '787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878',
  '787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878',
  '787878787878787878787878000105716c617374a1160b1425c954fa0200040000800000040000240008400000040800',
  '004080000000001000000000100400000003000000000000000000000000088004000000040000a800000000ac000000',
  '000000007148524952010000000100000000000000040000000000000000000000000000004000000001000000000000',
  '0001000000ac000000000000004d66423289b5bfea',
].join('');

const GOLDEN_DELETION = [
  '0008007072656669782f6293536656d6cf74540000040000000000000000040000000000000800000000000000000000',
  '000000000000000000000000000000000000000000080000000000040000080000000013000000000000007072656669',
  '782f62485249520100000002000000000000000100000000000000010000000000000040000000010000000000000008',
  '00000013000000000000000549796d7347f854',
].join('');

const GOLDEN_MANIFEST = [
  '485249430100000007000000000000000500000000010000020000000300000006000000000000000000000000000000',
  'e80300000000000084030000000000000c00000000000000020000000000000001000000000000000000000000000080',
  '050000000000000003000000000000000000000000020000000000000001000000000000020000000000000000000000',
  '000000000000000001000000000000000102037fe8ec5e305b9111',
].join('');

async function readBytes(world: IndexWorld, name: string): Promise<Buffer> {
  return world.run(async () => {
    const file = await world.disk.open(`index/${name}`, { readOnly: true });
    const bytes = Buffer.alloc(await file.size());
    await file.read(0, bytes);
    await file.close();
    return bytes;
  });
}

async function makeGolden(): Promise<IndexWorld> {
  const world = new IndexWorld('golden');
  await world.run(async () => {
    const { store } = await world.open();
    store.set('prefix/a', item('first'));
    store.set('prefix/b', item(''));
    store.set('prefix/b/\xff', item('x'.repeat(130)));
    store.set('q', item('last'));
    await store.checkpoint(3, META);
    store.delete('prefix/b');
    await store.checkpoint(4, META);
    await store.close();
  });
  return world;
}

void t.test('index format: the bytes of a run are those of version 1', async (t) => {
  const world = await makeGolden();
  t.equal((await readBytes(world, 'run-000000000001')).toString('hex'), GOLDEN_RUN);
  t.equal((await readBytes(world, 'run-000000000002')).toString('hex'), GOLDEN_DELETION);
});

void t.test('index format: the bytes of a manifest are those of version 1', async (t) => {
  t.equal(encodeManifest(MANIFEST).toString('hex'), GOLDEN_MANIFEST);
});

void t.test('index format: a manifest of version 1 is read', async (t) => {
  t.same(decodeManifest(Buffer.from(GOLDEN_MANIFEST, 'hex'), 'index/checkpoint-000000000007', 7), MANIFEST);
});

void t.test('index format: a manifest cut at any byte, or under another name, is corrupt', async (t) => {
  const bytes = encodeManifest(MANIFEST);
  for (let length = 8; length < bytes.length; length++)
    t.throws(() => decodeManifest(bytes.subarray(0, length), 'index/m', 7), { code: 'CORRUPT_CHECKPOINT' });
  t.throws(() => decodeManifest(bytes, 'index/m', 8), { code: 'CORRUPT_CHECKPOINT' });
});

void t.test('index format: a newer version is refused, not taken for corruption', async (t) => {
  const bytes = encodeManifest(MANIFEST);
  bytes.writeUInt16LE(2, 4);
  bytes.writeBigUInt64LE(checksumOfAll(bytes.subarray(0, -8)), bytes.length - 8);
  t.throws(() => decodeManifest(bytes, 'index/m', 7), { code: 'UNSUPPORTED_FORMAT' });
  const world = await makeGolden();
  await world.run(async () => {
    const file = await world.disk.create('index/checkpoint-000000000009');
    bytes.writeBigUInt64LE(9n, 8);
    bytes.writeBigUInt64LE(checksumOfAll(bytes.subarray(0, -8)), bytes.length - 8);
    await file.write(0, bytes);
    await file.close();
    await t.rejects(world.open(), { code: 'UNSUPPORTED_FORMAT', message: /version 2/ });
  });
});

void t.test('index format: only its own names are taken for files of the index', async (t) => {
  t.same(parseName('run-000000000012'), { type: 'run', number: 12 });
  t.same(parseName('checkpoint-000000000001'), { type: 'checkpoint', number: 1 });
  t.same(parseName('checkpoint-000000000001.tmp'), { type: 'temporary', number: 1 });
  for (const name of ['run-1', 'run-000000000012.tmp', 'checkpoint-', 'notes.txt', 'xrun-000000000012'])
    t.equal(parseName(name), undefined, name);
});

void t.test('index filter: no key that was added is missed, and few others are let through', async (t) => {
  const filter = BloomFilter.forEntries(20_000, 10);
  const hash = new KeyHash();
  for (let i = 0; i < 20_000; i++) filter.add(hash.of(`o\x00bucket\x00key/${i}`));
  let missed = 0;
  let letThrough = 0;
  for (let i = 0; i < 20_000; i++) {
    if (!filter.mayContain(hash.of(`o\x00bucket\x00key/${i}`))) missed++;
    if (filter.mayContain(hash.of(`o\x00bucket\x00key/${i + 20_000}`))) letThrough++;
  }
  t.equal(missed, 0);
  t.ok(letThrough < 20_000 * 0.02, `${letThrough} of 20,000 absent keys were let through`);
});

void t.test(
  'index store: options out of range, keys that are no byte strings and values too many are mistakes',
  async (t) => {
    t.throws(() => resolveOptions({ fanIn: 1 }), AssertionError);
    const world = new IndexWorld('wide key');
    await world.run(async () => {
      const { store } = await world.open();
      t.throws(() => store.set('\u{100}', item('wide')), AssertionError);
      await store.close();
    });
  },
);
