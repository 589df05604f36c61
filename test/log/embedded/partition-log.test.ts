import t from 'tap';
import { FrameBuilder } from '../../../log/frame.js';
import type { PartitionLog } from '../../../log/log-store.js';
import { LogWorld, PARTITION_DIRECTORY, range, readAll, readNumbers } from '../log-world.js';
import { numberedEvent, numberedEvents } from '../sample-events.js';

/** Appends about 5 KiB at a time until there are so many segments. */
async function fill(world: LogWorld, log: PartitionLog, segments: number): Promise<void> {
  while ((await world.segments()).length < segments)
    await world.run(() => log.append(numberedEvents(log.nextOffset, 10, 500)));
}

function files(world: LogWorld): Promise<string[]> {
  return world.run(() => world.disk.list(PARTITION_DIRECTORY));
}

/** Lets background work and idle seals come to their end. */
async function rest(world: LogWorld): Promise<void> {
  await world.scheduler.run(world.scheduler.nowMs + 1000);
}

void t.test('log: rolls to a segment named by the offset of its first event', async (t) => {
  const world = new LogWorld();
  const log = await world.open();
  await fill(world, log, 4);
  const names = (await world.segments()).map((path) => path.slice(PARTITION_DIRECTORY.length + 1));
  t.match(names[0], /^0{10}-0{16}\.log$/);
  for (const [sequence, name] of names.entries()) {
    const firstOffset = Number(name.slice(11, 27));
    t.equal(Number(name.slice(0, 10)), sequence);
    const batches = await world.run(() => readAll(log, firstOffset));
    t.equal(batches[0]?.firstOffset, firstOffset, 'no frame crosses the edge');
  }
  t.strictSame(await world.run(() => readNumbers(log, 0)), range(0, log.nextOffset));
});

void t.test('log: the next segment is ready before it is needed', async (t) => {
  const world = new LogWorld();
  const log = await world.open();
  t.notOk(
    (await files(world)).some((name) => name.startsWith('spare')),
    'not while the first is empty',
  );
  for (let i = 0; i < 8; i++) await world.run(() => log.append(numberedEvents(i, 10, 500)));
  await rest(world);
  t.equal((await world.segments()).length, 1);
  const spare = (await files(world)).find((name) => name.startsWith('spare'));
  t.match(spare, /^spare-\d+\.log$/);
  const content = await world.content(`${PARTITION_DIRECTORY}/${spare}`);
  t.equal(content.length, 64 * 1024);
  t.ok(
    content.every((byte) => byte === 0),
    'it is written in full, with zeros',
  );
});

void t.test('log: trimmed segments are written again, and what they held is never read again', async (t) => {
  const world = new LogWorld();
  let log = await world.open();
  const created = new Set<string>();
  for (let round = 0; round < 8; round++) {
    await fill(world, log, 3);
    await world.run(() => log.append([numberedEvent(log.nextOffset)]));
    await world.run(() => log.trim(log.durableOffset));
    t.equal((await world.segments()).length, 1);
    for (const name of await files(world)) if (name.startsWith('spare')) created.add(name);
    const { oldestOffset, nextOffset } = log;
    t.strictSame(await world.run(() => readNumbers(log, oldestOffset)), range(oldestOffset, nextOffset));
    if (round % 2 === 1) {
      world.kill();
      log = await world.open();
      t.equal(log.nextOffset, nextOffset);
      t.strictSame(await world.run(() => readNumbers(log, oldestOffset)), range(oldestOffset, nextOffset));
    }
  }
  t.ok((await files(world)).length <= 4, 'no file is left behind');
  t.ok(created.size > 4, 'spares came from trimmed segments');
});

void t.test('log: a segment that holds nothing but seals is not written again', async (t) => {
  const world = new LogWorld();
  let log = await world.open();
  await world.run(() => log.append([numberedEvent(0)]));
  await world.run(() => log.close());
  // As if the log had been opened often and never used.
  const storeId = (await world.content(await world.newestSegment())).readBigUInt64LE(48);
  const builder = new FrameBuilder();
  const seals = range(2, 1026).map((epoch) => {
    builder.reset();
    return Buffer.from(builder.finish({ partition: 1, storeId, epoch, firstOffset: 1, wallTimeMs: 1 }));
  });
  await world.run(async () => {
    const file = await world.disk.create(`${PARTITION_DIRECTORY}/0000000001-0000000000000001.log`);
    await file.write(0, Buffer.concat(seals));
    await file.close();
  });
  log = await world.open();
  t.equal(log.epoch, 1026);
  t.equal((await world.segments()).length, 3, 'the seal of the new epoch did not fit');
  await world.run(() => log.append([numberedEvent(1)]));
  await world.run(() => log.trim(1));
  t.equal((await world.segments()).length, 1);
  const spares = (await files(world)).filter((name) => name.startsWith('spare'));
  t.equal(spares.length, 1, 'only the file with events was kept');
  t.strictSame(await world.run(() => readNumbers(log, 1)), [1]);
});

void t.test('log: spares of another size, and those not finished, are removed at the start', async (t) => {
  const world = new LogWorld();
  await world.open();
  world.kill();
  await world.run(async () => {
    for (const name of ['spare-7.log', 'spare-8.tmp', 'notes.txt'])
      await (await world.disk.create(`${PARTITION_DIRECTORY}/${name}`)).close();
  });
  await world.open();
  t.strictSame(
    (await files(world)).filter((name) => !name.endsWith('0.log')),
    ['notes.txt'],
  );
  t.equal(world.warnings.length, 1, 'a file that is not of the log is left alone, with a warning');
});

void t.test('log: a segment that is being read is not trimmed under the reader', async (t) => {
  const world = new LogWorld();
  const log = await world.open();
  await fill(world, log, 4);
  const end = log.durableOffset;
  const reader = log.read(0)[Symbol.asyncIterator]();
  let next = 0;
  const first = await world.run(() => reader.next());
  if (first.done !== true) next += first.value.events.length;
  await world.run(() => log.trim(end));
  t.equal(log.oldestOffset, 0, 'the reader holds the oldest segment');
  for (;;) {
    const step = await world.run(() => reader.next());
    if (step.done === true) break;
    t.equal(step.value.firstOffset, next);
    next += step.value.events.length;
    await world.run(() => log.trim(end));
  }
  t.equal(next, end, 'the reader got everything');
  await world.run(() => log.trim(end));
  t.ok(log.oldestOffset > 0);
});

void t.test('log: a reader that leaves early lets go of its segment', async (t) => {
  const world = new LogWorld();
  const log = await world.open();
  await fill(world, log, 3);
  await world.run(async () => {
    for await (const batch of log.read(0)) if (batch.firstOffset === 0) break;
  });
  await world.run(() => log.trim(log.durableOffset));
  t.ok(log.oldestOffset > 0);
});

void t.test('log: a trim leaves history up to the limit in bytes', async (t) => {
  const world = new LogWorld();
  const log = await world.open({ retention: { bytes: 200 * 1024, timeMs: 1e9 } });
  await fill(world, log, 6);
  await world.run(() => log.trim(log.durableOffset));
  const kept = (await world.segments()).length;
  t.ok(kept >= 2 && kept <= 4, `${kept} segments`);
});

void t.test('log: a trim leaves history up to the limit in time', async (t) => {
  const world = new LogWorld();
  const log = await world.open({ retention: { bytes: 1e9, timeMs: 60_000 } });
  await fill(world, log, 3);
  await world.run(() => log.trim(log.durableOffset));
  t.equal((await world.segments()).length, 3);
  await world.scheduler.run(world.scheduler.nowMs + 61_000);
  await world.run(() => log.append([numberedEvent(0)]));
  await world.run(() => log.trim(log.durableOffset));
  t.equal((await world.segments()).length, 1);
});

void t.test('log: a failed write poisons the log: nothing is announced or taken any more', async (t) => {
  const world = new LogWorld();
  const log = await world.open();
  await world.run(() => log.append([numberedEvent(0)]));
  const announced: number[] = [];
  log.batches$.subscribe(({ firstOffset }) => announced.push(firstOffset));
  world.disk.arm('WRITE_FAILURE', PARTITION_DIRECTORY);
  await t.rejects(
    world.run(() => log.append([numberedEvent(1)])),
    { code: 'IO_FAILED' },
  );
  await t.rejects(
    world.run(() => log.append([numberedEvent(2)])),
    { code: 'IO_FAILED' },
  );
  t.strictSame(announced, []);
  t.equal(log.durableOffset, 1);
  t.strictSame(await world.run(() => readNumbers(log, 0)), [0], 'what is durable is still read');
  await world.run(() => log.close());
  const again = await world.open();
  t.equal(await world.run(() => again.append([numberedEvent(1)])), 1);
  t.strictSame(await world.run(() => readNumbers(again, 0)), [0, 1]);
});

void t.test('log: a failed preparation is only a warning, a failed roll poisons', async (t) => {
  const world = new LogWorld();
  const log = await world.open();
  world.disk.arm('WRITE_FAILURE', `${PARTITION_DIRECTORY}/spare`);
  for (let i = 0; i < 8; i++) await world.run(() => log.append(numberedEvents(i * 10, 10, 500)));
  await rest(world);
  t.match(world.warnings, ['the next log segment could not be prepared']);
  world.disk.setFaults({ writeFailureRatio: 1 });
  await rest(world);
  let failure: unknown;
  for (let i = 8; i < 20 && failure === undefined; i++)
    await world
      .run(() => log.append(numberedEvents(i * 10, 10, 500)))
      .catch((error: unknown) => {
        failure = error;
      });
  t.match(failure, { code: 'IO_FAILED' });
  world.disk.setFaults({});
  await world.run(() => log.close());
  const again = await world.open();
  const { nextOffset } = again;
  t.ok(nextOffset >= 80);
  t.strictSame(await world.run(() => readNumbers(again, 0)), range(0, nextOffset));
});

void t.test('log: a partition that is opened again under one store is closed first', async (t) => {
  const world = new LogWorld();
  const store = world.store();
  const first = await world.run(() => store.openPartition(1));
  const append = first.append([numberedEvent(0)]);
  const second = await world.run(() => store.openPartition(1));
  t.equal(await append, 0);
  await t.rejects(first.append([numberedEvent(1)]), { code: 'CLOSED' });
  t.equal(second.epoch, 2);
  t.equal(await world.run(() => second.append([numberedEvent(1)])), 1);
});

void t.test('log: the seal of an idle log is no batch, and the next append follows it', async (t) => {
  const world = new LogWorld();
  const log = await world.open();
  const announced: number[] = [];
  log.batches$.subscribe(({ firstOffset }) => announced.push(firstOffset));
  for (let i = 0; i < 3; i++) {
    await world.run(() => log.append([numberedEvent(i)]));
    await rest(world);
  }
  t.strictSame(announced, [0, 1, 2]);
  t.equal(log.statistics.frames, 7);
  t.equal(log.statistics.events, 3);
  t.strictSame(await world.run(() => readNumbers(log, 0)), [0, 1, 2]);
});
