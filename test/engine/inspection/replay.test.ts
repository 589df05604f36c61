/** An export, folded elsewhere, comes to the state that the engine had. */
import t from 'tap';
import { KIB, SECOND_MS } from '../../../src/core/units.js';
import type { ExportRequest } from '../../../src/engine/inspection/log-inspection.js';
import { hashBucket, hashKey } from '../../../src/engine/inspection/export-scope.js';
import { readExport } from '../../../src/engine/inspection/export-reader.js';
import {
  replayExport,
  type ReplayOptions,
  type ReplayResult,
} from '../../../src/engine/inspection/replay.js';
import {
  changesBetween,
  countsOf,
  objectView,
  orphansView,
  pinnedView,
  uploadsView,
} from '../../../src/engine/inspection/replay-views.js';
import { BUCKET, EngineWorld } from '../../support/engine-world.js';
import { makeBody } from '../../support/object-model.js';

const body = (seed: number, size = 10 * KIB): Buffer => makeBody(seed, size);
const KEPT = { log: { retention: { bytes: 1e9, timeMs: 1e12 } } };

async function exported(world: EngineWorld, request: ExportRequest = {}): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  await world.run(
    (async () => {
      for await (const piece of world.admin.inspection.exportLog(request)) pieces.push(piece);
    })(),
  );
  return Buffer.concat(pieces);
}

/** Gives the bytes in pieces of so many. */
async function* inPieces(bytes: Buffer, pieceBytes: number): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

function replay(bytes: Buffer, options: ReplayOptions = {}, pieceBytes = 4096): Promise<ReplayResult> {
  return replayExport(readExport(inPieces(bytes, pieceBytes)), options);
}

/** Puts, overwrites, deletes, failures, multipart uploads and open writes. */
async function live(world: EngineWorld, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    await world.put(`dir/key-${round % 5}`, body(round, 100 + round));
    if (round % 4 === 3) await world.delete(`dir/key-${(round + 1) % 5}`);
    if (round % 6 === 5) await world.read(`dir/key-${round % 5}`);
  }
  const uploadId = await world.createUpload('big');
  await world.putPart('big', uploadId, 1, body(1, 20 * KIB));
  await world.put(`other-${rounds}`, body(2));
}

void t.test(
  'export and replay: the whole log comes to the state of the engine, in pieces of any size',
  async (t) => {
    const world = await EngineWorld.open(KEPT);
    world.ufs.setFaults({ throttled: 0.3 });
    await live(world, 40);
    await world.run(world.partition.checkpoint());
    await live(world, 21);
    world.ufs.setFaults({ unavailable: 1 });
    await world.put('stuck', body(5));
    await world.until(() => world.logged.some(({ message }) => message === 'a persist failed'));
    const { stateHash } = await world.run(world.admin.verify({ data: false }));
    const bytes = await exported(world);
    const results = await Promise.all([1, 7, 4096, 1e6].map((size) => replay(bytes, {}, size)));
    for (const { replayed } of results) {
      t.equal(replayed.complete, true);
      t.equal(replayed.checkpoints.length, 2, 'both kept checkpoints are compared');
      for (const checkpoint of replayed.checkpoints) t.equal(checkpoint.replayed, checkpoint.recorded);
      if (replayed.offset === world.partition.checkpointOffset) t.equal(replayed.stateHash, stateHash);
    }
    const [first] = results;
    t.same(new Set(results.map(({ replayed }) => replayed.stateHash)).size, 1);
    const last = first?.snapshots.at(-1);
    if (last === undefined) throw new Error('no snapshot');
    t.same(countsOf(last)['pending uploads'], world.state.uploads.pending);
    t.same(countsOf(last)['objects'], world.state.cache.objects);
  },
);

void t.test('export and replay: of a trimmed log it begins with the state at a checkpoint', async (t) => {
  const world = await EngineWorld.open({ log: { segmentBytes: 64 * KIB, firstSegmentBytes: 64 * KIB } });
  for (let round = 0; round < 6; round++) {
    await live(world, 60);
    await world.run(world.partition.checkpoint());
  }
  t.ok(world.partition.log.oldestOffset > 0, 'the log does not begin at 0 any more');
  await live(world, 10);
  const bytes = await exported(world);
  const { replayed } = await replay(bytes);
  t.equal(replayed.complete, true);
  t.equal(replayed.checkpoints.length, 2);
  for (const checkpoint of replayed.checkpoints) t.equal(checkpoint.replayed, checkpoint.recorded);
  const early = await replay(bytes, { stops: [replayed.from] });
  const newest = world.partition.index.checkpoints.at(-1)?.offset ?? 0;
  const suffix = await replay(await exported(world, { from: newest }));
  t.equal(suffix.replayed.stateHash, replayed.stateHash, 'a suffix comes to the same');
  t.equal(suffix.replayed.from, newest);
  t.equal(early.snapshots[0]?.offset, replayed.from);
  await t.rejects(exported(world, { from: 0 }), { code: 'LOG_TRIMMED' });
  await t.rejects(exported(world, { to: 1e9 }), { code: 'INVALID_ARGUMENT', message: /behind its end/ });
  await t.rejects(exported(world, { prefix: 'x' }), { code: 'INVALID_ARGUMENT', message: /needs a bucket/ });
});

void t.test('replay: the state at every offset is the fold of what is below, forward and back', async (t) => {
  const world = await EngineWorld.open(KEPT);
  await live(world, 12);
  await world.drained();
  const bytes = await exported(world);
  const end = (await replay(bytes)).replayed.offset;
  const stops = Array.from({ length: end + 1 }, (_, offset) => offset);
  const { snapshots } = await replay(bytes, { stops });
  t.same(
    snapshots.map(({ offset }) => offset),
    stops,
  );
  for (const offset of [end, 3, 1, 0]) {
    const alone = (await replay(bytes, { stops: [offset] })).snapshots[0];
    const among = snapshots[offset];
    if (alone === undefined || among === undefined) throw new Error('no snapshot');
    t.same(changesBetween(alone, among), [], `offset ${offset}`);
  }
  const [empty] = snapshots;
  const last = snapshots.at(-1);
  if (empty === undefined || last === undefined) throw new Error('no snapshot');
  const changes = changesBetween(empty, last);
  t.match(
    changes.find(({ what }) => what === `s3://${BUCKET}/dir/key-1`),
    { after: /^version \d+, \d+ bytes, PERSISTED$/ },
  );
  t.match(
    changes.find(({ what }) => what === 'objects'),
    { before: '0' },
  );
  t.same(changesBetween(last, last), []);
  await t.rejects(replay(bytes, { stops: [end + 1] }), {
    code: 'INVALID_ARGUMENT',
    message: /not among them/,
  });
  await t.rejects(replay(bytes, { partition: 7 }), {
    code: 'INVALID_ARGUMENT',
    message: /no data partition 7/,
  });
});

void t.test('replay: shows what is pinned, open and waiting, and one object', async (t) => {
  const world = await EngineWorld.open(KEPT);
  world.ufs.setFaults({ unavailable: 1 });
  await world.put('small', body(1, 10));
  await world.put('large', body(1, 1000));
  const uploadId = await world.createUpload('big');
  await world.putPart('big', uploadId, 1, body(1, 500));
  await world.until(() => world.logged.filter(({ message }) => message === 'a persist failed').length >= 2);
  const last = (await replay(await exported(world))).snapshots[0];
  if (last === undefined) throw new Error('no snapshot');
  t.match(pinnedView(last), [
    { kind: 'object', key: 'large', bytes: 1000, state: 'PENDING' },
    { kind: 'part', key: 'big', bytes: 500, state: 'part 1' },
    { kind: 'object', key: 'small', bytes: 10 },
  ]);
  t.match(uploadsView(last), [
    { key: 'small', action: 'put', cause: 'UFS_UNAVAILABLE', quarantined: false },
    { key: 'large' },
  ]);
  t.match(orphansView(last), [{ kind: 'upload', id: uploadId, key: 'big', bytes: 500 }]);
  t.match(objectView(last, BUCKET, 'small'), {
    record: { kind: 'object', size: 10 },
    upload: { action: 'put' },
  });
  t.equal(objectView(last, BUCKET, 'none'), undefined);
});

void t.test('export: of a prefix it holds nothing else, and its counts are those of that part', async (t) => {
  const world = await EngineWorld.open({ log: { segmentBytes: 64 * KIB, firstSegmentBytes: 64 * KIB } });
  world.ufs.setFaults({ unavailable: 1 });
  for (let round = 0; round < 3; round++) {
    await live(world, 60);
    await world.run(world.partition.checkpoint());
  }
  await live(world, 5);
  const bytes = await exported(world, { bucket: BUCKET, prefix: 'dir/' });
  t.notOk(bytes.includes('other-'));
  const { replayed, snapshots, description } = await replay(bytes);
  t.match(description, { bucket: BUCKET, prefix: 'dir/', hashed: false, selected: true });
  t.equal(replayed.complete, true);
  t.equal(replayed.stateHash, undefined, 'it is not the state that checkpoints have the hash of');
  t.equal(replayed.partHash, (await replay(bytes, {}, 777)).replayed.partHash);
  const frames = await exported(world, { bucket: 'elsewhere' });
  t.equal((await replay(frames)).snapshots[0]?.state.uploads.pending, 0);
  const [last] = snapshots;
  if (last === undefined) throw new Error('no snapshot');
  const pinned = pinnedView(last);
  t.ok(pinned.length > 0 && pinned.every(({ key }) => key.startsWith('dir/')));
  t.equal(
    countsOf(last)['pinned bytes'],
    pinned.reduce((sum, entry) => sum + entry.bytes, 0),
  );
  t.equal(countsOf(last)['pending uploads'], uploadsView(last).length);
});

void t.test(
  'export: with hashed keys no name and no metadata leaves, and equal names stay equal',
  async (t) => {
    const world = await EngineWorld.open(KEPT);
    const headers = {
      system: { 'content-type': 'application/x-private' },
      user: { project: 'secret-project' },
    };
    await world.put('dir/secret-name', body(1), { headers });
    await world.put('dir/secret-name', body(2));
    await world.drained();
    await world.run(
      world.admin.addMount({ path: `/${BUCKET}/mounted`, ufs: 'sim://secret-store/', options: {} }),
    );
    world.ufs.arm('denied', { times: 100 });
    await world.put('mounted/secret-tail', body(3));
    await world.until(() => world.state.uploads.quarantined === 1);
    const upload = { bucket: BUCKET, headers, initiator: 'secret-user' };
    await world.run(world.objects.createUpload({ ...upload, key: 'checkpointed' }));
    await world.run(world.partition.checkpoint());
    await world.run(world.objects.createUpload({ ...upload, key: 'logged' }));
    await world.put('mounted/secret-later', body(4));
    await world.until(() => world.state.uploads.quarantined === 2);
    const salt = 'c0ffee00';
    const bytes = await exported(world, { salt });
    for (const name of ['secret-', 'x-private', BUCKET]) t.notOk(bytes.includes(name), name);
    const { snapshots, description, replayed } = await replay(bytes);
    t.match(description, { hashed: true, selected: false });
    t.equal(replayed.stateHash, undefined);
    t.type(replayed.partHash, 'string');
    const [last] = snapshots;
    if (last === undefined) throw new Error('no snapshot');
    t.match(objectView(last, hashBucket(salt, BUCKET), hashKey(salt, 'dir/secret-name')), {
      record: { size: 10 * KIB },
    });
    t.match(uploadsView(last), [
      { cause: 'UFS_DENIED', quarantined: true, message: '' },
      { cause: 'UFS_DENIED', quarantined: true, message: '' },
    ]);
    const part = await exported(world, { salt, bucket: BUCKET, prefix: 'dir/' });
    const selected = await replay(part);
    t.match(selected.description, { hashed: true, selected: true, bucket: undefined });
    t.equal(uploadsView(selected.snapshots[0] as NonNullable<(typeof snapshots)[0]>).length, 0);
    t.equal(hashKey(salt, 'dir/a').split('/')[0], hashKey(salt, 'dir/b').split('/')[0]);
  },
);

void t.test('replay: a file that is damaged at any byte or cut at any place is refused', async (t) => {
  const world = await EngineWorld.open(KEPT);
  await world.put('key', body(1, 10));
  await world.sleep(SECOND_MS);
  const bytes = await exported(world);
  const wanted = (await replay(bytes)).replayed;
  for (let at = 0; at < bytes.length; at++) {
    const flipped = Buffer.from(bytes);
    flipped[at] = (flipped[at] as number) ^ 0x10;
    try {
      const { replayed } = await replay(flipped);
      // Bytes that nothing reads: the reserved ones, and padding.
      t.same(replayed, wanted, `byte ${at}`);
      t.equal(bytes[at], 0, `byte ${at}`);
    } catch (error) {
      t.match(
        (error as { code: string }).code,
        /^(CORRUPT_FRAME|INVALID_ARGUMENT|UNSUPPORTED_FORMAT)$/,
        `byte ${at}`,
      );
    }
    await t.rejects(
      replay(bytes.subarray(0, at)),
      { code: /^(CORRUPT_FRAME|INVALID_ARGUMENT)$/ },
      `cut at ${at}`,
    );
  }
});

void t.test('export: of a bucket it has the mounts of that bucket, and not of others', async (t) => {
  const world = await EngineWorld.open(KEPT);
  for (const bucket of ['mine', 'theirs']) {
    await world.run(world.objects.createBucket(bucket));
    await world.run(world.admin.addMount({ path: `/${bucket}/x`, ufs: `sim://${bucket}-ufs/`, options: {} }));
  }
  const bytes = await exported(world, { bucket: 'mine' });
  t.ok(bytes.includes('mine-ufs'));
  t.notOk(bytes.includes('theirs'));
});
