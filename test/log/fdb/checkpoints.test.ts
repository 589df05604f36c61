/** Checkpoints in FoundationDB: whole or the one before, whatever breaks off, and only by the owner. */
import t from 'tap';
import { FdbCheckpoints } from '../../../log/fdb/checkpoints.js';
import { CHUNK_BYTES_MAX, PartitionKeys } from '../../../log/fdb/schema.js';
import { MIB, SECOND_MS } from '../../../src/core/units.js';
import { range } from '../log-world.js';
import { FdbWorld, PARTITION, type FdbProcess } from './fdb-world.js';

function stateOf(number: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32LE((number * 1_000_003 + at) >>> 0, at);
  return bytes;
}

async function openCheckpoints(
  world: FdbWorld,
  process: FdbProcess = world.process(),
): Promise<FdbCheckpoints> {
  return world.run(async () => process.store.checkpointsOf(await process.store.openPartition(PARTITION)));
}

void t.test('a checkpoint is read back whole, by the next owner too, whatever its size', async (t) => {
  const world = new FdbWorld();
  let checkpoints = await openCheckpoints(world);
  t.equal(await world.run(() => checkpoints.load()), undefined);
  const sizes = [0, 1, CHUNK_BYTES_MAX - 1, CHUNK_BYTES_MAX, CHUNK_BYTES_MAX + 1, 3 * MIB, 20 * MIB, 100];
  for (const [number, size] of sizes.entries()) {
    const state = stateOf(number, size);
    await world.run(() => checkpoints.save(number * 10, [state]));
    const loaded = await world.run(() => checkpoints.load());
    t.equal(loaded?.offset, number * 10);
    t.ok(loaded?.state.equals(state), `${size} bytes`);
    checkpoints = await openCheckpoints(world);
    t.ok((await world.run(() => checkpoints.load()))?.state.equals(state));
  }
  // Identity, head, epoch, pointer, and one piece.
  t.equal(world.database.keyCount, 5, 'nothing is left of the ones before');
});

void t.test('an older offset and a state that is too large are refused', async (t) => {
  const world = new FdbWorld();
  const checkpoints = await openCheckpoints(world);
  await world.run(() => checkpoints.save(100, [stateOf(1, 10)]));
  await t.rejects(
    world.run(() => checkpoints.save(99, [stateOf(2, 10)])),
    { code: 'INVALID_ARGUMENT', message: /at offset 99 of partition 1 is older than the one at 100/ },
  );
  await world.run(() => checkpoints.save(100, [stateOf(3, 10)]));
  t.ok((await world.run(() => checkpoints.load()))?.state.equals(stateOf(3, 10)));
});

void t.test('an owner that was fenced writes no checkpoint', async (t) => {
  const world = new FdbWorld();
  const old = await openCheckpoints(world);
  await world.run(() => old.save(1, [stateOf(1, 3 * MIB)]));
  const taken = await openCheckpoints(world);
  await t.rejects(
    world.run(() => old.save(2, [stateOf(2, 3 * MIB)])),
    { code: 'LOG_FENCED' },
  );
  t.ok((await world.run(() => taken.load()))?.state.equals(stateOf(1, 3 * MIB)));
  const keys = world.database.keyCount;
  const saving = world.run(async () => {
    const first = taken.save(2, [stateOf(2, 3 * MIB)]);
    first.catch(() => undefined);
    const next = await world.process().store.openPartition(PARTITION);
    t.equal(next.epoch, 3);
    return first;
  });
  await saving.catch((error: unknown) => t.match(error, { code: 'LOG_FENCED' }));
  const last = await openCheckpoints(world);
  await world.run(() => last.save(3, [stateOf(3, 3 * MIB)]));
  t.equal(world.database.keyCount, keys, 'what broke off is gone');
});

void t.test(
  'a process that dies at any commit leaves the old checkpoint or the new one, whole',
  async (t) => {
    const seen = new Set<number>();
    for (const seed of range(0, 60)) {
      const world = new FdbWorld(`kill ${seed}`);
      const process = world.process();
      const checkpoints = await openCheckpoints(world, process);
      const [before, after] = [stateOf(1, 2.5 * MIB), stateOf(2, 3 * MIB)];
      await world.run(() => checkpoints.save(10, [before]));
      void checkpoints.save(20, [after]).catch(() => undefined);
      // Seven commits or so, each with a read before it.
      await world.scheduler.run(world.scheduler.nowMs + (seed / 60) * 30);
      process.kill();
      await world.scheduler.run(world.scheduler.nowMs + SECOND_MS);
      const next = await openCheckpoints(world);
      const loaded = await world.run(() => next.load());
      seen.add(loaded?.offset ?? -1);
      t.ok(
        loaded?.state.equals(loaded.offset === 10 ? before : after),
        `seed ${seed}: offset ${loaded?.offset}`,
      );
      await world.run(() => next.save(30, [stateOf(3, 100)]));
      t.equal(world.database.keyCount, 5, `seed ${seed}: nothing is left of what broke off`);
    }
    t.same(
      [...seen].sort((a, b) => a - b),
      [10, 20],
    );
  },
);

void t.test('with every kind of trouble a checkpoint that was acknowledged is read back', async (t) => {
  for (const seed of range(0, 15)) {
    const world = new FdbWorld(`troubled ${seed}`);
    const checkpoints = await openCheckpoints(world);
    world.database.setFaults({
      conflict: 0.05,
      tooOld: 0.05,
      futureVersion: 0.05,
      unknownDone: 0.05,
      unknownLost: 0.05,
      timedOutLate: 0.05,
      timedOutLost: 0.05,
      hang: 0.02,
    });
    for (const number of range(1, 6)) {
      const state = stateOf(number, 1.5 * MIB);
      await world.run(() => checkpoints.save(number, [state]));
      const loaded = await world.run(() => checkpoints.load());
      t.equal(loaded?.offset, number);
      t.ok(loaded?.state.equals(state), `seed ${seed}, checkpoint ${number}`);
    }
    world.database.setFaults({});
    await world.scheduler.run(world.scheduler.nowMs + 30 * SECOND_MS);
    t.ok((await world.run(() => checkpoints.load()))?.state.equals(stateOf(5, 1.5 * MIB)), 'and later');
  }
});

void t.test('a reader that is overtaken by newer checkpoints reads one of them whole', async (t) => {
  const world = new FdbWorld();
  const writer = await openCheckpoints(world);
  await world.run(() => writer.save(0, [stateOf(0, 12 * MIB)]));
  const offsets = await world.run(async () => {
    let stop = false;
    const writing = (async () => {
      for (const number of range(1, 8)) await writer.save(number, [stateOf(number, 12 * MIB)]);
      stop = true;
    })();
    const seen: number[] = [];
    while (!stop) {
      const loaded = await writer.load();
      if (loaded === undefined || !loaded.state.equals(stateOf(loaded.offset, 12 * MIB))) seen.push(-1);
      else seen.push(loaded.offset);
    }
    await writing;
    return seen;
  });
  t.notOk(offsets.includes(-1));
  t.same(
    offsets,
    [...offsets].sort((a, b) => a - b),
  );
});

void t.test('a checkpoint that is damaged or lacks a piece is CORRUPT_CHECKPOINT', async (t) => {
  const damage = async (
    change: (keys: PartitionKeys, world: FdbWorld) => Promise<void>,
    size = 3 * MIB,
  ): Promise<void> => {
    const world = new FdbWorld();
    const process = world.process();
    const checkpoints = await openCheckpoints(world, process);
    await world.run(() => checkpoints.save(1, [stateOf(1, size)]));
    const { incarnation } = await world.run(() => process.store.identity());
    await world.run(() => change(new PartitionKeys(Buffer.from('headrace/'), incarnation, PARTITION), world));
    await t.rejects(
      world.run(() => checkpoints.load()),
      { code: 'CORRUPT_CHECKPOINT', kind: 'CORRUPT' },
    );
  };
  for (const at of [0, 1, 34])
    await damage(async (keys, world) => {
      const transaction = world.database.connect().begin();
      const pieces = await transaction.range({ begin: keys.chunksBegin, end: keys.chunksEnd, limit: 100 });
      const piece = pieces[Math.min(at, pieces.length - 1)];
      if (piece === undefined) throw new Error('there is no piece');
      if (at === 1) transaction.clear(piece.key);
      else {
        piece.value[5] = (piece.value[5] ?? 0) ^ 1;
        transaction.set(piece.key, piece.value);
      }
      await transaction.commit();
    });
  for (const at of range(4, 44))
    await damage(async (keys, world) => {
      const transaction = world.database.connect().begin();
      const pointer = await transaction.get(keys.checkpoint);
      if (pointer === undefined) throw new Error('there is no pointer');
      pointer[at] = (pointer[at] ?? 0) ^ 1;
      transaction.set(keys.checkpoint, pointer);
      await transaction.commit();
    }, 1000);
});
