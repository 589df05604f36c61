/** A checkpoint is there as a whole or not at all, wherever the disk fails or the power goes. */
import t from 'tap';
import { HeadraceError } from '../../../src/core/errors.js';
import type { Disk } from '../../../src/core/ports.js';
import { contentOf, item, META } from '../../contracts/index-store-model.js';
import { HookedDisk } from './hooked-disk.js';
import { IndexWorld, type ItemStore } from './world.js';

const KEYS = Array.from({ length: 40 }, (_, i) => `key/${String(i).padStart(3, '0')}`);

/** Sets or deletes some keys of each round; round and state correspond one to one. */
function change(store: ItemStore, round: number): void {
  for (const [i, key] of KEYS.entries()) {
    if ((i + round) % 5 === 0) store.delete(key);
    else if ((i + round) % 2 === 0) store.set(key, item(`round ${round} of ${key}`));
  }
}

/** What the store holds after so many rounds. */
function contentAfter(rounds: number): string[] {
  const content = new Map<string, string>();
  for (let round = 1; round <= rounds; round++)
    for (const [i, key] of KEYS.entries()) {
      if ((i + round) % 5 === 0) content.delete(key);
      else if ((i + round) % 2 === 0) content.set(key, `round ${round} of ${key}`);
    }
  return [...content].map(([key, text]) => `${key}=${text}`).sort();
}

async function makeRounds(store: ItemStore, from: number, to: number): Promise<void> {
  for (let round = from; round <= to; round++) {
    change(store, round);
    await store.checkpoint(round, META);
  }
}

/** Lets the operations from the `failAt`th on fail, or only that one; counts them. */
class FailingSteps {
  failAt = Infinity;
  isOnce = false;
  count = 0;

  readonly wrap = (disk: Disk): Disk =>
    new HookedDisk(disk, (operation, path) => {
      const isDue = ++this.count >= this.failAt && !(this.isOnce && this.count > this.failAt);
      if (isDue) throw new HeadraceError('IO_FAILED', `${operation} ${path} was made to fail`);
    });
}

/** Rounds before the one that fails: a first checkpoint, one with a predecessor, and one while merges run. */
for (const before of [0, 1, 5]) {
  const opened = async (world: IndexWorld): Promise<{ store: ItemStore; steps: FailingSteps }> => {
    const steps = new FailingSteps();
    const { store } = await world.open(steps.wrap);
    await makeRounds(store, 1, before);
    await store.settled();
    change(store, before + 1);
    steps.count = 0;
    return { store, steps };
  };

  const claim = (isOnce: boolean, seed: number): string =>
    `index store: a disk that fails ${isOnce ? 'once' : 'for good'} at any step of checkpoint ${before + 1} leaves the old or the new one (${seed})`;

  for (const [isOnce, seed] of [
    [false, 1],
    [true, 1],
    [true, 2],
    [true, 3],
  ] as const)
    void t.test(claim(isOnce, seed), async (t) => {
      let failed = true;
      for (let failAt = 1; failed; failAt++) {
        const world = new IndexWorld(`fail ${seed} ${before} ${failAt}`);
        await world.run(async () => {
          const { store, steps } = await opened(world);
          steps.failAt = failAt;
          steps.isOnce = isOnce;
          const checkpoint = store.checkpoint(before + 1, META);
          store.set('z', item('changed meanwhile'));
          failed = await checkpoint.then(
            () => false,
            () => true,
          );
          const allContent = [...contentAfter(before + 1), 'z=changed meanwhile'];
          t.same(contentOf(store), allContent, `step ${failAt}: the live store still has everything`);
          t.equal(store.checkpoints.at(-1)?.offset ?? 0, failed ? before : before + 1);
        });
        world.crash();
        await world.run(async () => {
          const { store, checkpoint } = await world.open();
          const offset = checkpoint?.offset ?? 0;
          t.ok(offset === before + 1 || (failed && offset === before), `step ${failAt}: offset ${offset}`);
          t.same(contentOf(store), contentAfter(offset), `step ${failAt}`);
          t.same(
            world.warnings.filter((warning) => warning.includes('corrupt')),
            [],
          );
          await makeRounds(store, offset + 1, before + 3);
          t.same(contentOf(store), contentAfter(before + 3));
          await store.close();
        });
      }
    });

  void t.test(`index store: checkpoint ${before + 1} succeeds after the disk has healed`, async (t) => {
    for (let failAt = 1, failed = true; failed; failAt++) {
      const world = new IndexWorld(`heal ${before} ${failAt}`);
      await world.run(async () => {
        const { store, steps } = await opened(world);
        const { changes } = store;
        steps.failAt = failAt;
        failed = await store.checkpoint(before + 1, META).then(
          () => false,
          () => true,
        );
        if (failed) t.equal(store.changes, changes, `step ${failAt}: the changes count again`);
        steps.failAt = Infinity;
        await makeRounds(store, before + 2, before + 3);
        await store.settled();
        await store.close();
      });
      world.crash();
      await world.run(async () => {
        const { store, checkpoint } = await world.open();
        t.equal(checkpoint?.offset, before + 3);
        t.same(contentOf(store), contentAfter(before + 3), `step ${failAt}`);
        await store.close();
      });
    }
  });
}

void t.test('index store: whenever the power goes, what was acknowledged is there', async (t) => {
  for (let moment = 1; moment <= 150; moment++) {
    const world = new IndexWorld(`power ${moment}`);
    let acknowledged = 0;
    const store = await world.run(async () => (await world.open()).store);
    const work = async (): Promise<void> => {
      for (let round = 1; ; round++) {
        change(store, round);
        await store.checkpoint(round, META);
        acknowledged = round;
      }
    };
    void work();
    await world.scheduler.run(world.scheduler.nowMs + moment * 0.37);
    world.crash();
    await world.run(async () => {
      const reopened = await world.open();
      const offset = reopened.checkpoint?.offset ?? 0;
      t.ok(
        offset === acknowledged || offset === acknowledged + 1,
        `moment ${moment}: ${acknowledged}, ${offset}`,
      );
      t.same(contentOf(reopened.store), contentAfter(offset));
      t.same(world.warnings, []);
      await reopened.store.close();
    });
  }
});

void t.test('index store: what a crash left behind is removed by the next start', async (t) => {
  for (let moment = 1; moment <= 20; moment++) {
    const world = new IndexWorld(`leftovers ${moment}`);
    const store = await world.run(async () => (await world.open()).store);
    void makeRounds(store, 1, 50);
    await world.scheduler.run(world.scheduler.nowMs + 20 + moment);
    world.crash();
    await world.run(async () => {
      const reopened = await world.open();
      const names = await world.names();
      t.ok(names.filter((name) => name.startsWith('checkpoint')).length <= 2, names.join());
      t.notOk(names.some((name) => name.endsWith('.tmp')));
      await reopened.store.settled();
      await makeRounds(reopened.store, 100, 103);
      await reopened.store.settled();
      await makeRounds(reopened.store, 104, 105);
      await reopened.store.settled();
      const { runs } = reopened.store.statistics;
      const runFiles = (await world.names()).filter((name) => name.startsWith('run'));
      t.ok(runFiles.length <= runs + 6, `${runFiles.length} files for ${runs} runs`);
      await reopened.store.close();
    });
  }
});

void t.test('index store: a full disk fails the checkpoint and leaves no partial run', async (t) => {
  const world = new IndexWorld('full');
  let isFull = false;
  await world.run(async () => {
    const { store } = await world.open(
      (disk) =>
        new HookedDisk(disk, (operation) => {
          if (isFull && operation === 'write') throw new HeadraceError('DISK_FULL', 'no space');
        }),
    );
    await makeRounds(store, 1, 1);
    const names = await world.names();
    isFull = true;
    change(store, 2);
    await t.rejects(store.checkpoint(2, META), { code: 'DISK_FULL' });
    t.same(await world.names(), names);
    isFull = false;
    await store.checkpoint(2, META);
    t.same(contentOf(store), contentAfter(2));
    await store.close();
  });
});

void t.test(
  'index store: a checkpoint whose last step failed stays possible until the next one',
  async (t) => {
    for (let seed = 0; seed < 30; seed++) {
      const world = new IndexWorld(`uncertain ${seed}`);
      let syncs = 0;
      const wrap = (disk: Disk): Disk =>
        new HookedDisk(disk, (operation) => {
          if (operation === 'syncDirectory' && ++syncs === 2)
            throw new HeadraceError('IO_FAILED', 'sync failed');
        });
      await world.run(async () => {
        const { store } = await world.open(wrap);
        change(store, 1);
        await t.rejects(store.checkpoint(1, META), { code: 'IO_FAILED' });
        t.same(await world.names(), ['checkpoint-000000000001', 'run-000000000001']);
        if (seed % 2 === 0) return;
        await makeRounds(store, 2, 3);
        await store.settled();
        t.notOk((await world.names()).includes('checkpoint-000000000001'), 'now it is gone');
        await store.close();
      });
      world.crash();
      await world.run(async () => {
        const { store, checkpoint } = await world.open();
        t.same(contentOf(store), contentAfter(checkpoint?.offset ?? 0));
        t.same(world.warnings, []);
        await store.close();
      });
    }
  },
);
