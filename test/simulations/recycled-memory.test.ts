import t from 'tap';
import { takeMemory } from '../../src/core/memory.js';
import { withRecycledMemory } from '../../simulations/recycled-memory.js';

const SIZE_BYTES = 100_000;

void t.test('recycled memory: buffers of one run do not overlap', async (t) => {
  await withRecycledMemory(async () => {
    const buffers = Array.from({ length: 100 }, (_, number) => takeMemory(SIZE_BYTES + number).fill(number));
    for (const [number, buffer] of buffers.entries()) {
      t.equal(buffer.length, SIZE_BYTES + number);
      t.ok(
        buffer.every((byte) => byte === number),
        `buffer ${number} holds what was put into it`,
      );
    }
  });
});

void t.test('recycled memory: the next run takes the memory of the last one', async (t) => {
  const take = async (): Promise<ArrayBuffer> => takeMemory(SIZE_BYTES).buffer;
  const first = await withRecycledMemory(take);
  t.equal(await withRecycledMemory(take), first);
});

void t.test('recycled memory: nothing is taken again while another run may hold it', async (t) => {
  let held = Buffer.alloc(0);
  let end = (): void => undefined;
  const longer = withRecycledMemory(async () => {
    held = takeMemory(SIZE_BYTES).fill(1);
    await new Promise<void>((resolve) => (end = resolve));
  });
  for (let run = 0; run < 3; run++) await withRecycledMemory(async () => void takeMemory(SIZE_BYTES).fill(2));
  t.ok(held.every((byte) => byte === 1));
  end();
  await longer;
});

void t.test(
  'recycled memory: a run that takes more than there is gets the rest from the system',
  async (t) => {
    await withRecycledMemory(async () => {
      const buffers = Array.from({ length: 80 }, (_, number) => takeMemory(2 ** 21).fill(number));
      t.same(
        buffers.map((buffer) => buffer[buffer.length - 1]),
        buffers.map((_, number) => number),
      );
      t.equal(takeMemory(2 ** 23).length, 2 ** 23, 'and buffers larger than a slab as well');
    });
  },
);

void t.test(
  'recycled memory: behind the last run, also one that fails, memory comes from the system',
  async (t) => {
    const run = withRecycledMemory(async () => {
      throw new Error('it broke');
    });
    await t.rejects(run, { message: 'it broke' });
    t.equal(takeMemory(SIZE_BYTES).buffer.byteLength, SIZE_BYTES);
  },
);
