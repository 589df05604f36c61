/** One test, at least, for each row of the decision table in `recovery.ts`. */
import t from 'tap';
import { continuesLog } from '../../../log/embedded/recovery.js';
import { FRAME_HEADER_BYTES, FrameBuilder, frameBytesAt } from '../../../log/frame.js';
import { xxhash64 } from '../../../src/core/hashing.js';
import { LogWorld, PARTITION, range, readNumbers } from '../log-world.js';
import { numberedEvents } from '../sample-events.js';

interface FoundFrame {
  readonly position: number;
  readonly bytes: number;
  readonly firstOffset: number;
  readonly count: number;
}

/** The frames from the start of a segment on, as their headers tell. */
function framesOf(content: Buffer): FoundFrame[] {
  const frames: FoundFrame[] = [];
  let position = 0;
  while (position + FRAME_HEADER_BYTES <= content.length) {
    const bytes = frameBytesAt(content, position);
    if (bytes === undefined) break;
    const firstOffset = Number(content.readBigUInt64LE(position + 32));
    frames.push({ position, bytes, firstOffset, count: content.readUInt32LE(position + 56) });
    position += bytes;
  }
  return frames;
}

/** A log of `appends` frames of two events each, whose process was killed before a seal followed. */
async function killedLog(appends: number): Promise<{ world: LogWorld; path: string; frames: FoundFrame[] }> {
  const world = new LogWorld();
  const log = await world.open();
  for (let i = 0; i < appends; i++) await world.run(() => log.append(numberedEvents(i * 2, 2)));
  world.kill();
  const path = await world.newestSegment();
  return { world, path, frames: framesOf(await world.content(path)) };
}

async function reopen(world: LogWorld): Promise<{ decision: string; cutBytes: number; numbers: number[] }> {
  const log = await world.open();
  const numbers = await world.run(() => readNumbers(log, 0));
  await world.run(() => log.close());
  return { decision: log.recovery.decision, cutBytes: log.recovery.cutBytes, numbers };
}

void t.test('recovery 1: an empty directory is a fresh log of epoch 1', async (t) => {
  const world = new LogWorld();
  const log = await world.open();
  t.equal(log.recovery.decision, 'FRESH');
  t.equal(log.epoch, 1);
});

void t.test('recovery 2: zeros behind the last frame are its clean end', async (t) => {
  const { world, frames } = await killedLog(3);
  t.equal(frames.at(-1)?.count, 2, 'the last frame is not a seal');
  t.strictSame(await reopen(world), { decision: 'CLEAN_END', cutBytes: 0, numbers: range(0, 6) });
});

void t.test('recovery 2: a segment filled to its last byte ends cleanly', async (t) => {
  const { world, path, frames } = await killedLog(3);
  const end = frames.at(-1) as FoundFrame;
  await world.run(async () => {
    const file = await world.disk.open(path);
    await file.truncate(end.position + end.bytes);
    await file.sync();
    await file.close();
  });
  t.strictSame(await reopen(world), { decision: 'CLEAN_END', cutBytes: 0, numbers: range(0, 6) });
  t.equal((await world.segments()).length, 2, 'the seal of the new epoch went to the next segment');
});

void t.test('recovery 3: bytes of an earlier life of the file are not taken for new ones', async (t) => {
  const world = new LogWorld();
  let log = await world.open();
  let next = 0;
  const append = async (count: number, padding: number): Promise<void> => {
    await world.run(() => log.append(numberedEvents(next, count, padding)));
    next += count;
  };
  while ((await world.segments()).length < 3) await append(3, 500);
  await world.run(() => log.trim(log.durableOffset));
  while ((await world.segments()).length < 3) await append(2, 300);
  for (let i = 0; i < 10; i++) {
    await append(1, i * 7);
    const { oldestOffset } = log;
    world.kill();
    log = await world.open();
    t.equal(log.recovery.decision, 'STALE_END');
    t.equal(log.nextOffset, next);
    t.strictSame(await world.run(() => readNumbers(log, oldestOffset)), range(oldestOffset, next));
  }
});

void t.test(
  'recovery 3: a seal of an earlier epoch is from an earlier life, though its offset fits',
  async (t) => {
    const header = { partition: 1, storeId: 5n, epoch: 7, firstOffset: 100, count: 0, wallTimeMs: 1 };
    const segment = { sequence: 3, firstOffset: 90, path: 'f', sizeBytes: 1, readers: 0, firstWallTimeMs: 1 };
    t.ok(continuesLog(header, header, 100, 7, segment, 64));
    t.notOk(continuesLog(header, header, 100, 8, segment, 64));
    t.notOk(continuesLog(header, header, 101, 7, segment, 64));
    t.throws(() => continuesLog(header, header, 99, 7, segment, 64), { code: 'CORRUPT_FRAME' });
  },
);

void t.test('recovery 4: a torn tail is cut at the last valid frame, wherever it was torn', async (t) => {
  const { frames: whole, world: source, path: sourcePath } = await killedLog(3);
  const last = whole.at(-1) as FoundFrame;
  const content = await source.content(sourcePath);
  for (let kept = 4; kept < last.bytes; kept++) {
    if (content.subarray(last.position + kept, last.position + last.bytes).every((byte) => byte === 0))
      continue;
    const { world, path } = await killedLog(3);
    await world.patch(path, last.position + kept, Buffer.alloc(last.bytes - kept));
    const found = await reopen(world);
    t.equal(found.decision, 'TORN_TAIL_CUT', `${kept} bytes`);
    t.strictSame(found.numbers, range(0, 4));
    t.ok(found.cutBytes > 0);
    t.strictSame(world.warnings, ['the torn end of an append that was never acknowledged was cut']);
  }
});

void t.test('recovery 4: the cut is durable, and new appends take the offsets of what was cut', async (t) => {
  const { world, path, frames } = await killedLog(3);
  const last = frames.at(-1) as FoundFrame;
  await world.flip(path, last.position + last.bytes - 10);
  let log = await world.open();
  t.equal(log.recovery.cutBytes, last.bytes);
  world.crash();
  log = await world.open();
  t.equal(log.recovery.cutBytes, 0);
  t.equal(await world.run(() => log.append(numberedEvents(100, 1))), 4);
  t.strictSame(await world.run(() => readNumbers(log, 0)), [0, 1, 2, 3, 100]);
});

void t.test('recovery 4: a torn first frame of a new log is cut', async (t) => {
  const world = new LogWorld();
  await world.open();
  world.kill();
  await world.flip(await world.newestSegment(), 20);
  const log = await world.open();
  t.equal(log.recovery.decision, 'TORN_TAIL_CUT');
  t.equal(log.epoch, 1);
});

void t.test('recovery 5: an empty newest segment is used, after the frames of the one before', async (t) => {
  const world = new LogWorld();
  const log = await world.open();
  await world.run(() => log.append(numberedEvents(0, 3)));
  await world.run(() => log.close());
  await world.run(async () => {
    const file = await world.disk.create('log/p0001/0000000001-0000000000000003.log');
    await file.write(0, new Uint8Array(64 * 1024));
    await file.sync();
    await file.close();
    await world.disk.syncDirectory('log/p0001');
  });
  const again = await world.open();
  t.equal(again.recovery.decision, 'EMPTY_SEGMENT');
  t.equal(again.epoch, 2);
  t.equal(await world.run(() => again.append(numberedEvents(3, 1))), 3);
  t.strictSame(await world.run(() => readNumbers(again, 0)), range(0, 4));
});

void t.test('recovery 6: a log that never got its first frame starts afresh', async (t) => {
  const world = new LogWorld();
  await world.open();
  world.kill();
  await world.patch(await world.newestSegment(), 0, Buffer.alloc(FRAME_HEADER_BYTES));
  const log = await world.open();
  t.equal(log.recovery.decision, 'EMPTY_SEGMENT');
  t.equal(log.epoch, 1);
});

void t.test('recovery 7: an oldest segment without frames, offset above 0, is corruption', async (t) => {
  const world = await trimmedLog();
  const path = await world.newestSegment();
  await world.patch(path, 0, Buffer.alloc(64 * 1024));
  await t.rejects(world.open(), { code: 'CORRUPT_FRAME', details: { path, position: 0 } });
});

/** A log with one segment that does not begin at offset 0. */
async function trimmedLog(): Promise<LogWorld> {
  const world = new LogWorld();
  const log = await world.open();
  while (log.durableOffset < 1 || (await world.segments()).length < 2)
    await world.run(() => log.append(numberedEvents(log.nextOffset, 10, 500)));
  await world.run(() => log.append(numberedEvents(log.nextOffset, 1)));
  await world.run(() => log.trim(log.durableOffset));
  await world.run(() => log.close());
  if ((await world.segments()).length !== 1) throw new Error('the log was not trimmed');
  return world;
}

void t.test('recovery 8: damage before an intact frame is corruption, wherever it is', async (t) => {
  const { frames } = await killedLog(3);
  for (const frame of frames.slice(0, -1))
    for (let at = 0; at < frame.bytes; at += 5) {
      const { world, path } = await killedLog(3);
      await world.flip(path, frame.position + at);
      await t.rejects(world.open(), {
        code: 'CORRUPT_FRAME',
        details: { path, position: frame.position, offset: frame.firstOffset },
      });
    }
});

void t.test('recovery 8: what is found corrupt is left as it is', async (t) => {
  const { world, path, frames } = await killedLog(3);
  await world.flip(path, (frames[1] as FoundFrame).position + 70);
  const before = await world.content(path);
  await t.rejects(world.open(), { code: 'CORRUPT_FRAME' });
  await t.rejects(world.open(), { code: 'CORRUPT_FRAME' });
  t.same(await world.content(path), before);
});

void t.test('recovery 8: an idle log is sealed, so that damage to its last frame is noticed', async (t) => {
  const world = new LogWorld();
  const log = await world.open({ sealDelayMs: 50 });
  await world.run(() => log.append(numberedEvents(0, 2)));
  await world.scheduler.run(world.scheduler.nowMs + 100);
  world.kill();
  const path = await world.newestSegment();
  const frames = framesOf(await world.content(path));
  t.strictSame(
    frames.map(({ count }) => count),
    [0, 2, 0],
    'the seals of the opening and of the idle log',
  );
  await world.flip(path, (frames[1] as FoundFrame).position + 70);
  await t.rejects(world.open(), { code: 'CORRUPT_FRAME' });
});

void t.test('recovery 8: a busy log is not sealed between its appends', async (t) => {
  const world = new LogWorld();
  const log = await world.open({ sealDelayMs: 50 });
  for (let i = 0; i < 10; i++) {
    await world.run(() => log.append(numberedEvents(i, 1)));
    await world.scheduler.run(world.scheduler.nowMs + 30);
  }
  t.equal(log.statistics.frames, 11);
  await world.scheduler.run(world.scheduler.nowMs + 200);
  t.equal(log.statistics.frames, 12);
});

void t.test('recovery 8: a log that was closed is sealed', async (t) => {
  const world = new LogWorld();
  const log = await world.open();
  await world.run(() => log.append(numberedEvents(0, 2)));
  await world.run(() => log.close());
  const path = await world.newestSegment();
  const frames = framesOf(await world.content(path));
  await world.flip(path, (frames[1] as FoundFrame).position + 70);
  await t.rejects(world.open(), { code: 'CORRUPT_FRAME' });
});

void t.test(
  'recovery 9: an older segment that ends too early is corruption, also for a reader',
  async (t) => {
    const world = new LogWorld();
    const log = await world.open();
    while ((await world.segments()).length < 3)
      await world.run(() => log.append(numberedEvents(log.nextOffset, 10, 500)));
    await world.run(() => log.append(numberedEvents(log.nextOffset, 1)));
    await world.run(() => log.close());
    const [oldest] = (await world.segments()) as [string];
    const last = framesOf(await world.content(oldest)).at(-1) as FoundFrame;
    await world.flip(oldest, last.position + 70);
    const again = await world.open();
    await t.rejects(
      world.run(() => readNumbers(again, 0)),
      { code: 'CORRUPT_FRAME', details: { path: oldest, position: last.position, offset: last.firstOffset } },
    );
  },
);

void t.test(
  'recovery 9: an older segment that ends too early before an empty one is corruption',
  async (t) => {
    const world = new LogWorld();
    const log = await world.open();
    await world.run(() => log.append(numberedEvents(0, 3)));
    await world.run(() => log.close());
    await world.run(async () => {
      await (await world.disk.create('log/p0001/0000000001-0000000000000004.log')).close();
      await world.disk.syncDirectory('log/p0001');
    });
    await t.rejects(world.open(), { code: 'CORRUPT_FRAME', details: { offset: 3 } });
  },
);

void t.test('recovery: a missing segment file is noticed by its name', async (t) => {
  const world = new LogWorld();
  const log = await world.open();
  while ((await world.segments()).length < 3)
    await world.run(() => log.append(numberedEvents(log.nextOffset, 10, 500)));
  await world.run(() => log.close());
  const [, middle] = (await world.segments()) as [string, string];
  await world.run(() => world.disk.remove(middle));
  await t.rejects(world.open(), { code: 'CORRUPT_FRAME', message: /missing/ });
});

void t.test('recovery 10: a frame of another store is corruption, not an end', async (t) => {
  const { world, path, frames } = await killedLog(2);
  const last = frames.at(-1) as FoundFrame;
  const builder = new FrameBuilder();
  builder.add(numberedEvents(4, 1), 4096);
  const foreign = builder.finish({
    partition: PARTITION,
    epoch: 1,
    firstOffset: 4,
    wallTimeMs: 1,
    storeId: 99n,
  });
  await world.patch(path, last.position + last.bytes, foreign);
  await t.rejects(world.open(), { code: 'CORRUPT_FRAME', message: /store 63/ });
});

void t.test('recovery 11: an intact frame that leaves offsets out is corruption', async (t) => {
  const { world, path, frames } = await killedLog(3);
  const [, second, third] = frames as [FoundFrame, FoundFrame, FoundFrame];
  const content = await world.content(path);
  await world.patch(path, second.position, content.subarray(third.position, third.position + third.bytes));
  await t.rejects(world.open(), { code: 'CORRUPT_FRAME', message: /offset 2/ });
});

void t.test('recovery 12: a frame of a newer version stops the start', async (t) => {
  const { world, path, frames } = await killedLog(2);
  const last = frames.at(-1) as FoundFrame;
  const frame = Buffer.from((await world.content(path)).subarray(last.position, last.position + last.bytes));
  frame.writeUInt16LE(2, 12);
  frame.writeBigUInt64LE(xxhash64(frame.subarray(12)), 4);
  await world.patch(path, last.position, frame);
  await t.rejects(world.open(), { code: 'UNSUPPORTED_FORMAT' });
});

void t.test('recovery: epochs go up by one with each opening, whatever its end', async (t) => {
  const world = new LogWorld();
  for (let epoch = 1; epoch <= 6; epoch++) {
    const log = await world.open();
    t.equal(log.epoch, epoch);
    if (epoch % 3 === 0) world.kill();
    else if (epoch % 3 === 1) world.crash();
    else await world.run(() => log.close());
  }
});
