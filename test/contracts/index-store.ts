/** What every `IndexStore` does, on a disk or simulated. */
import t, { type Test } from 'tap';
import { AssertionError } from '../../src/core/assert.js';
import { isErrorCode } from '../../src/core/errors.js';
import type { IndexStore } from '../../src/core/index-store.js';
import {
  ALL,
  compareWithModel,
  contentOf,
  type IndexStoreSubject,
  type Item,
  item,
  META,
} from './index-store-model.js';

type MakeSubject = (t: Test) => IndexStoreSubject;
type Claim = (what: string, work: (t: Test, subject: IndexStoreSubject) => Promise<void>) => void;

export function indexStoreContract(name: string, make: MakeSubject): void {
  const claim: Claim = (what, work) => {
    void t.test(`${name}: ${what}`, async (t) => {
      const subject = make(t);
      await subject.run(() => work(t, subject));
    });
  };
  readClaims(claim);
  scanClaims(claim);
  checkpointClaims(claim);
  crashClaims(claim);
  viewClaims(claim);
  void t.test(`${name}: behaves as a sorted map that a crash takes back to its last checkpoint`, (t) =>
    compareWithModel(() => make(t)),
  );
}

function readClaims(claim: Claim): void {
  claim('a new one is empty and has no checkpoint', async (t, subject) => {
    const { store, checkpoint } = await subject.open();
    t.equal(checkpoint, undefined);
    t.same(store.checkpoints, []);
    t.equal(store.changes, 0);
    t.equal(store.get('a'), undefined);
    t.same(contentOf(store), []);
    await store.close();
  });
  claim('the newest value is read, before and after checkpoints', async (t, subject) => {
    const { store } = await subject.open();
    for (const text of ['1', '2', '3']) {
      store.set('a', item(text));
      t.same(store.get('a'), item(text));
      await store.checkpoint(1, META);
      t.same(store.get('a'), item(text));
    }
    await store.close();
  });
  claim('a deleted key is gone until it is set again', async (t, subject) => {
    const { store } = await subject.open();
    store.set('a', item('1'));
    await store.checkpoint(1, META);
    store.delete('a');
    store.delete('never there');
    t.equal(store.get('a'), undefined);
    await store.checkpoint(2, META);
    t.equal(store.get('a'), undefined);
    store.set('a', item('2'));
    t.same(store.get('a'), item('2'));
    await store.close();
  });
  claim('an empty key, an empty value and a value of 300 KB come back', async (t, subject) => {
    const { store } = await subject.open();
    const values = { '': 'empty key', a: '', b: 'x'.repeat(300_000), c: 'behind' };
    for (const [key, text] of Object.entries(values)) store.set(key, item(text));
    await store.checkpoint(1, META);
    for (const [key, text] of Object.entries(values)) t.ok(store.get(key)?.text === text, `'${key}'`);
    t.equal(contentOf(store).length, 4);
    await store.close();
  });
  claim('after close every call is refused', async (t, subject) => {
    const { store } = await subject.open();
    await store.close();
    const isRefused = (call: () => unknown): void => {
      try {
        call();
        t.fail('CLOSED was expected');
      } catch (error) {
        t.ok(isErrorCode(error, 'CLOSED'));
      }
    };
    isRefused(() => store.get('a'));
    isRefused(() => store.set('a', item('1')));
    isRefused(() => store.delete('a'));
    isRefused(() => store.scan(...ALL));
    await t.rejects(store.checkpoint(1, META), { code: 'CLOSED' });
    await store.close();
  });
}

function scanClaims(claim: Claim): void {
  claim('a scan is in the order of bytes, with its start and without its end', async (t, subject) => {
    const { store } = await subject.open();
    const keys = ['', '\x00', '\x00\x00', 'a', 'a\x00', 'a\xff', 'b', '\x7f', '\x80', '\xff'];
    for (const key of keys.toReversed()) store.set(key, item('v'));
    for (const _ of ['in memory', 'on disk']) {
      t.same(
        Array.from(store.scan(...ALL), ([key]) => key),
        keys,
      );
      t.same(contentOf(store, 'a', 'b'), ['a=v', 'a\x00=v', 'a\xff=v']);
      t.same(contentOf(store, 'a\x01', '\x80'), ['a\xff=v', 'b=v', '\x7f=v']);
      t.same(contentOf(store, 'c', 'c'), []);
      t.same(contentOf(store, 'd', 'a'), []);
      await store.checkpoint(1, META);
    }
    await store.close();
  });
  claim('a scan sees the newest of each key across checkpoints, and no deleted one', async (t, subject) => {
    const { store } = await subject.open();
    for (const key of ['a', 'b', 'c', 'd']) store.set(key, item('1'));
    await store.checkpoint(1, META);
    store.set('b', item('2'));
    store.delete('c');
    await store.checkpoint(2, META);
    store.set('c', item('3'));
    store.delete('d');
    store.set('e', item('3'));
    t.same(contentOf(store), ['a=1', 'b=2', 'c=3', 'e=3']);
    await store.checkpoint(3, META);
    t.same(contentOf(store), ['a=1', 'b=2', 'c=3', 'e=3']);
    await store.close();
  });
  claim('a lookup during a scan does not disturb it', async (t, subject) => {
    const { store } = await subject.open();
    for (let i = 100; i < 200; i++) store.set(`k${i}`, item(`${i}`));
    await store.checkpoint(1, META);
    for (const [key, value] of store.scan(...ALL)) {
      t.equal(`k${value.text}`, key);
      store.get(`k${300 - Number(value.text)}`);
    }
    await store.close();
  });
  claim('a change during a scan is a mistake that is noticed', async (t, subject) => {
    const { store } = await subject.open();
    store.set('a', item('1'));
    store.set('b', item('1'));
    const scan = store.scan(...ALL);
    scan.next();
    store.set('c', item('1'));
    t.throws(() => scan.next(), AssertionError);
    await store.close();
  });
}

function checkpointClaims(claim: Claim): void {
  claim('changes count from the beginning of the last checkpoint', async (t, subject) => {
    const { store } = await subject.open();
    store.set('a', item('1'));
    store.set('a', item('2'));
    store.delete('b');
    t.equal(store.changes, 3);
    const checkpoint = store.checkpoint(1, META);
    t.equal(store.changes, 0);
    store.set('c', item('3'));
    await checkpoint;
    t.equal(store.changes, 1);
    await store.close();
  });
  claim('the two newest checkpoints are kept, oldest first, with offset and meta', async (t, subject) => {
    const { store } = await subject.open();
    for (const offset of [10, 20, 30]) {
      store.set('a', item(`${offset}`));
      await store.checkpoint(offset, new Uint8Array([offset]));
    }
    const expected = [
      [20, [20]],
      [30, [30]],
    ];
    const seen = (one: IndexStore<Item>): unknown =>
      one.checkpoints.map((kept) => [kept.offset, [...kept.meta]]);
    t.same(seen(store), expected);
    await store.close();
    const reopened = await subject.open();
    t.same(seen(reopened.store), expected);
    t.equal(reopened.checkpoint?.offset, 30);
    t.same(contentOf(reopened.store), ['a=30']);
    await reopened.store.close();
  });
  claim('a checkpoint without changes moves the offset', async (t, subject) => {
    const { store } = await subject.open();
    await store.checkpoint(5, new Uint8Array(0));
    await store.checkpoint(6, META);
    await store.close();
    const reopened = await subject.open();
    t.equal(reopened.checkpoint?.offset, 6);
    t.same([...(reopened.checkpoint?.meta ?? [])], [...META]);
    await reopened.store.close();
  });
  claim('the meta that was given may be changed after the call', async (t, subject) => {
    const { store } = await subject.open();
    const meta = new Uint8Array([7]);
    const checkpoint = store.checkpoint(1, meta);
    meta[0] = 9;
    await checkpoint;
    t.same([...store.checkpoints[0]!.meta], [7]);
    await store.close();
  });
}

function crashClaims(claim: Claim): void {
  claim('a crash takes back what came after the last checkpoint', async (t, subject) => {
    const { store } = await subject.open();
    store.set('a', item('1'));
    store.set('b', item('1'));
    await store.checkpoint(1, META);
    store.set('a', item('2'));
    store.delete('b');
    store.set('c', item('2'));
    subject.crash();
    const reopened = await subject.open();
    t.equal(reopened.checkpoint?.offset, 1);
    t.same(contentOf(reopened.store), ['a=1', 'b=1']);
    await reopened.store.close();
  });
  claim(
    'changes made during a checkpoint are read at once and belong to the next one',
    async (t, subject) => {
      const { store } = await subject.open();
      store.set('a', item('1'));
      store.set('b', item('1'));
      const checkpoint = store.checkpoint(1, META);
      store.set('a', item('2'));
      store.delete('b');
      t.same(contentOf(store), ['a=2']);
      await checkpoint;
      t.same(contentOf(store), ['a=2']);
      subject.crash();
      const reopened = await subject.open();
      t.same(contentOf(reopened.store), ['a=1', 'b=1']);
      await reopened.store.close();
    },
  );
  claim('a crash before the first checkpoint leaves an empty one', async (t, subject) => {
    const { store } = await subject.open();
    store.set('a', item('1'));
    subject.crash();
    const reopened = await subject.open();
    t.equal(reopened.checkpoint, undefined);
    t.same(contentOf(reopened.store), []);
    await reopened.store.close();
  });
}

function viewClaims(claim: Claim): void {
  claim('a view shows its checkpoint, whatever the live one does', async (t, subject) => {
    const { store } = await subject.open();
    store.set('a', item('1'));
    store.set('b', item('1'));
    await store.checkpoint(1, META);
    const view = await store.openAt(store.checkpoints[0]!);
    for (const offset of [2, 3, 4, 5]) {
      store.set('a', item(`${offset}`));
      store.delete('b');
      await store.checkpoint(offset, META);
    }
    t.same(contentOf(view), ['a=1', 'b=1']);
    t.equal(view.checkpoints[0]?.offset, 1);
    view.set('c', item('only here'));
    view.delete('a');
    t.same(contentOf(view), ['b=1', 'c=only here']);
    t.equal(view.changes, 2);
    t.same(contentOf(store), ['a=5']);
    await view.close();
    t.throws(() => view.get('a'), { code: 'CLOSED' });
    await store.close();
  });
  claim('a view cannot be made durable, and needs a checkpoint that is kept', async (t, subject) => {
    const { store } = await subject.open();
    for (const offset of [1, 2, 3]) await store.checkpoint(offset, META);
    const view = await store.openAt(store.checkpoints[0]!);
    await t.rejects(view.checkpoint(4, META), { code: 'NOT_SUPPORTED' });
    await t.rejects(store.openAt({ offset: 1, meta: META }), { code: 'INVALID_ARGUMENT' });
    await view.close();
    await store.close();
  });
}
