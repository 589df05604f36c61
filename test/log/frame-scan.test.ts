import t from 'tap';
import { FrameBuilder } from '../../log/frame.js';
import { FrameScanner, ScanWindow } from '../../log/frame-scan.js';
import type { DiskFile } from '../../src/core/ports.js';
import { LogWorld } from './log-world.js';
import { numberedEvents } from './sample-events.js';

const WINDOW_BYTES = new ScanWindow().bytes.length;

function frame(firstOffset: number, count: number, padding = 0): Buffer {
  const builder = new FrameBuilder();
  builder.add(numberedEvents(firstOffset, count, padding), 2 ** 24);
  return Buffer.from(
    builder.finish({ partition: 1, epoch: 1, firstOffset, wallTimeMs: 1, storeId: 0xf5485246f5485246n }),
  );
}

async function withFile<Value>(
  content: Uint8Array,
  work: (scanner: FrameScanner) => Promise<Value>,
): Promise<Value> {
  const world = new LogWorld();
  return await world.run(async () => {
    const file: DiskFile = await world.disk.create('f');
    await file.write(0, content);
    return await work(new FrameScanner(file));
  });
}

void t.test('frame scan: tells frames, nothing, other bytes and damage apart', async (t) => {
  const intact = frame(0, 2);
  const damaged = frame(2, 2);
  damaged[70] = (damaged[70] as number) ^ 1;
  const content = Buffer.concat([intact, damaged, Buffer.alloc(64), Buffer.alloc(64, 7), Buffer.alloc(10)]);
  const starts = [0, intact.length, intact.length + damaged.length];
  await withFile(content, async (scanner) => {
    t.match(await scanner.at(0), { kind: 'FRAME', header: { firstOffset: 0, count: 2 } });
    t.same(await scanner.at(starts[1] as number), { kind: 'DAMAGED', bytes: damaged.length });
    t.same(await scanner.at(starts[2] as number), { kind: 'NOTHING' });
    t.same(await scanner.at((starts[2] as number) + 64), { kind: 'BYTES' });
    t.same(await scanner.at((starts[2] as number) + 128), { kind: 'NOTHING' }, 'zeros up to the end');
    t.same(await scanner.at(content.length), { kind: 'NOTHING' }, 'the end');
    t.same(await scanner.at(content.length + 1000), { kind: 'NOTHING' }, 'behind the end');
  });
});

void t.test('frame scan: a frame that the end of the file cuts is damaged, wherever it is cut', async (t) => {
  const whole = frame(0, 3);
  for (let length = 4; length < whole.length; length++) {
    const found = await withFile(whole.subarray(0, length), (scanner) => scanner.at(0));
    t.equal(found.kind, 'DAMAGED', `${length} bytes`);
  }
});

void t.test('frame scan: frames longer than the window are read', async (t) => {
  const long = frame(0, 3, WINDOW_BYTES);
  const content = Buffer.concat([long, frame(3, 1)]);
  await withFile(content, async (scanner) => {
    t.match(await scanner.at(0), { kind: 'FRAME', header: { count: 3 } });
    t.match(await scanner.at(long.length), { kind: 'FRAME', header: { firstOffset: 3 } });
  });
});

void t.test('frame scan: finds a frame wherever it lies, also across the edge of the window', async (t) => {
  const wanted = frame(5, 2);
  for (const at of [0, 8, 4096, WINDOW_BYTES - 64, WINDOW_BYTES - 8, WINDOW_BYTES, WINDOW_BYTES + 8]) {
    const content = Buffer.alloc(at + wanted.length + 100);
    wanted.copy(content, at);
    const found = await withFile(content, (scanner) => scanner.find(0, () => true));
    t.equal(found?.position, at);
    t.equal(found?.header.firstOffset, 5);
  }
});

void t.test('frame scan: passes over damaged, unaligned and unwanted frames', async (t) => {
  const damaged = frame(0, 2);
  damaged[100] = (damaged[100] as number) ^ 1;
  const content = Buffer.concat([
    damaged,
    Buffer.alloc(3),
    frame(2, 1),
    Buffer.alloc(5),
    frame(3, 1),
    frame(9, 1),
  ]);
  const found = await withFile(content, (scanner) => scanner.find(0, ({ firstOffset }) => firstOffset === 9));
  t.equal(found?.position, content.length - frame(9, 1).length);
  t.equal(await withFile(content, (scanner) => scanner.find(0, () => false)), undefined);
  t.equal(await withFile(Buffer.alloc(3), (scanner) => scanner.find(0, () => true)), undefined);
});
