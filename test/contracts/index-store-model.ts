/** What the contract of `IndexStore` works with, and the model it is compared with: a map, and a copy of it at each checkpoint. */
import fc from 'fast-check';
import type { IndexCheckpoint, IndexCodec, IndexStore } from '../../src/core/index-store.js';

export interface Item {
  readonly text: string;
}

export const ITEM_CODEC: IndexCodec<Item> = {
  encode: (item) => Buffer.from(item.text, 'latin1'),
  decode: (_key, bytes) => ({ text: Buffer.from(bytes).toString('latin1') }),
};

export interface OpenedIndex {
  readonly store: IndexStore<Item>;
  readonly checkpoint: IndexCheckpoint | undefined;
}

export interface IndexStoreSubject {
  /** Starts a process on what survived; on nothing, the first time. */
  open(): Promise<OpenedIndex>;
  /** Ends the process without closing anything. */
  crash(): void;
  /** Lets `work` come to its end: in virtual time where the store lives in it. */
  run<Value>(work: () => Promise<Value>): Promise<Value>;
}

export const ALL = ['', '\xff\xff\xff'] as const;
export const META = new Uint8Array([1, 2, 3]);

export const item = (text: string): Item => ({ text });

export function contentOf(store: IndexStore<Item>, from: string = ALL[0], to: string = ALL[1]): string[] {
  return Array.from(store.scan(from, to), ([key, { text }]) => `${key}=${text}`);
}

type Step =
  | { readonly type: 'set'; readonly key: string; readonly text: string }
  | { readonly type: 'delete'; readonly key: string }
  | { readonly type: 'scan'; readonly from: string; readonly to: string }
  | { readonly type: 'checkpoint' | 'crash' | 'reopen' };

/** Few characters, so that keys are prefixes of each other and are changed again and again. */
const KEY = fc
  .array(fc.constantFrom('a', 'b', 'prefix/', '\x00', '\xff'), { maxLength: 4 })
  .map((parts) => parts.join(''));
const STEP: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      type: fc.constant('set' as const),
      key: KEY,
      text: fc.string({ maxLength: 60, unit: 'grapheme-ascii' }),
    }),
  },
  { weight: 5, arbitrary: fc.record({ type: fc.constant('delete' as const), key: KEY }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('scan' as const), from: KEY, to: KEY }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('checkpoint' as const) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constantFrom('crash' as const, 'reopen' as const) }) },
);

/** Runs random steps against the store and a map, and compares what they hold after each. */
export async function compareWithModel(make: () => IndexStoreSubject): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.array(STEP, { minLength: 20, maxLength: 150 }), async (steps) => {
      const subject = make();
      await subject.run(() => replay(subject, steps));
    }),
    { numRuns: 60 },
  );
}

async function replay(subject: IndexStoreSubject, steps: readonly Step[]): Promise<void> {
  let { store } = await subject.open();
  let model = new Map<string, string>();
  let durable = new Map<string, string>();
  const check = (from: string, to: string): void => {
    const expected = [...model]
      .filter(([key]) => key >= from && key < to)
      .sort(([a], [b]) => (a < b ? -1 : 1));
    const actual = contentOf(store, from, to);
    if (actual.join('\n') !== expected.map(([key, text]) => `${key}=${text}`).join('\n'))
      throw new Error(`scan(${JSON.stringify([from, to])}) gave ${JSON.stringify(actual)}`);
  };
  for (const [offset, step] of steps.entries()) {
    switch (step.type) {
      case 'set':
        store.set(step.key, item(step.text));
        model.set(step.key, step.text);
        break;
      case 'delete':
        store.delete(step.key);
        model.delete(step.key);
        break;
      case 'scan':
        check(step.from, step.to);
        break;
      case 'checkpoint':
        await store.checkpoint(offset, META);
        durable = new Map(model);
        break;
      case 'crash':
      case 'reopen':
        if (step.type === 'crash') subject.crash();
        else await store.close();
        ({ store } = await subject.open());
        model = new Map(durable);
        break;
    }
    if (step.type === 'set' || step.type === 'delete') {
      const text = store.get(step.key)?.text;
      if (text !== model.get(step.key)) throw new Error(`get(${JSON.stringify(step.key)}) gave ${text}`);
    } else check(...ALL);
  }
  for (const key of model.keys()) if (store.get(key)?.text !== model.get(key)) throw new Error(`lost ${key}`);
  await store.close();
}
