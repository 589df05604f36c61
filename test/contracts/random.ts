/** What every `Random` does, real or simulated. */
import t from 'tap';
import { AssertionError } from '../../src/core/assert.js';
import type { Random } from '../../src/core/ports.js';

/** Six standard deviations: a right generator fails once in some hundred million runs. */
const DEVIATIONS_MAX = 6;

export function randomContract(name: string, make: () => Random): void {
  void t.test(`${name}: every bit of a number is set in half of all numbers`, async (t) => {
    const random = make();
    const count = 20_000;
    const set = Array.from({ length: 32 }, () => 0);
    for (let i = 0; i < count; i++) {
      const value = random.uint32();
      if (!Number.isInteger(value) || value < 0 || value >= 2 ** 32) t.fail(`${value} is out of range`);
      for (let bit = 0; bit < 32; bit++) set[bit] = (set[bit] ?? 0) + ((value >>> bit) & 1);
    }
    const toleranceCount = DEVIATIONS_MAX * Math.sqrt(count / 4);
    for (const [bit, times] of set.entries()) {
      t.ok(Math.abs(times - count / 2) < toleranceCount, `bit ${bit} was set ${times} times in ${count}`);
    }
  });

  void t.test(`${name}: bytes have the length that was asked for and every value`, async (t) => {
    const random = make();
    for (const length of [0, 1, 3, 16, 511, 512, 513, 10_000]) t.equal(random.bytes(length).length, length);
    const counts = Array.from({ length: 256 }, () => 0);
    for (let i = 0; i < 400; i++)
      for (const byte of random.bytes(256)) counts[byte] = (counts[byte] ?? 0) + 1;
    for (const [byte, times] of counts.entries()) {
      if (Math.abs(times - 400) > DEVIATIONS_MAX * 20)
        t.fail(`byte ${byte} came ${times} times in place of 400`);
    }
  });

  void t.test(`${name}: nothing is handed out twice, whatever the caller does with it`, async (t) => {
    const random = make();
    const seen = new Set<string>();
    for (let i = 0; i < 2000; i++) {
      const bytes = random.bytes(16);
      seen.add(Buffer.from(bytes).toString('hex'));
      bytes.fill(0);
      if (i % 3 === 0) random.uint32();
    }
    t.equal(seen.size, 2000);
  });

  void t.test(`${name}: a length that cannot be is a mistake of the program`, async (t) => {
    const random = make();
    for (const length of [-1, 1.5, NaN]) t.throws(() => random.bytes(length), AssertionError);
  });
}
