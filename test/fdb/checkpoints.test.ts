/**
 * Checkpoints on a real FoundationDB: many transactions each, replaced while they are read, refused to an owner that was
 * fenced.
 */
import t from 'tap';
import { MIB } from '../../src/core/units.js';
import { range } from '../log/log-world.js';
import { fdbSuite } from './fdb-server.js';

const PARTITION = 1;

await fdbSuite('FoundationDB checkpoints', (server) => {
  void t.test(
    'FoundationDB checkpoints: whole, whatever their size, and replaced while they are read',
    async (t) => {
      const store = server.logStore(server.prefix());
      const checkpoints = await store.checkpointsOf(await store.openPartition(PARTITION));
      t.equal(await checkpoints.load(), undefined);
      for (const [offset, size] of [0, 1, 90_000, 90_001, 2 * MIB, 30 * MIB].entries()) {
        const state = server.random.bytes(Math.min(size, 65_536));
        const whole = Buffer.alloc(size, state);
        await checkpoints.save(offset, [whole]);
        const loaded = await checkpoints.load();
        t.equal(loaded?.offset, offset);
        t.ok(loaded?.state.equals(whole), `${size} bytes`);
      }
      let stop = false;
      const writing = (async () => {
        for (const offset of range(10, 20)) await checkpoints.save(offset, [Buffer.alloc(8 * MIB, offset)]);
        stop = true;
      })();
      while (!stop) {
        const loaded = await checkpoints.load();
        if (loaded !== undefined && loaded.offset >= 10)
          t.ok(loaded.state.equals(Buffer.alloc(8 * MIB, loaded.offset)), `offset ${loaded.offset}`);
      }
      await writing;
    },
  );

  void t.test('FoundationDB checkpoints: an owner that was fenced saves none', async (t) => {
    const prefix = server.prefix();
    const [first, second] = [server.logStore(prefix), server.logStore(prefix)];
    const old = await first.checkpointsOf(await first.openPartition(PARTITION));
    await old.save(1, [Buffer.alloc(MIB, 1)]);
    const taken = await second.checkpointsOf(await second.openPartition(PARTITION));
    await t.rejects(old.save(2, [Buffer.alloc(MIB, 2)]), { code: 'LOG_FENCED' });
    t.equal((await taken.load())?.offset, 1);
  });
});
