/**
 * A log that fails: requests get an error that says to try again, the partition recovers by itself, nothing acknowledged is
 * lost.
 */
import t, { type Test } from 'tap';
import { DAY_MS, KIB, MIB, SECOND_MS } from '../../src/core/units.js';
import { HeadraceError } from '../../src/core/errors.js';
import { BUCKET, EngineWorld, codeOf } from '../support/engine-world.js';
import { makeBody } from '../support/object-model.js';

const DATA_LOG = 'log/p0001';
const CONTROL_LOG = 'log/p0000';

async function checkWhole(t: Test, world: EngineWorld): Promise<void> {
  const report = await world.run(world.admin.verify({ data: true }));
  t.ok(report.ok, report.problems.join('; '));
  t.equal(world.engine.core.admission.reservedBytes, 0);
}

for (const size of [5 * KIB, MIB]) {
  void t.test(`a failed write of the log: a PUT of ${size} bytes happened whole or not at all`, async (t) => {
    let happened = 0;
    for (let seed = 1; seed <= 30; seed++) {
      const world = await EngineWorld.open({ seed, policies: { default: 'TRANSIENT' } });
      await world.put('key', makeBody(1, size));
      await world.put('other', makeBody(3, size));
      // A streamed PUT writes to the log when it begins and when it commits: the failure strikes either, or the PUT after it.
      const codes: string[] = [];
      while (codes.at(-1) !== 'IO_FAILED' && codes.length < 3) {
        const put = codeOf(world.beginPut('key', makeBody(2, size)));
        await world.sleep(world.random.between(0, 3));
        if (codes.length === 0) {
          // A write that fails may have stored everything. More failures keep the log from being opened again at once.
          for (let i = 0; i <= seed % 3; i++)
            if (seed % 2 === 0) world.faults.lieOnNextWrite(DATA_LOG);
            else world.disk.arm('WRITE_FAILURE', DATA_LOG);
        }
        codes.push(await world.run(put));
      }
      t.equal(codes.at(-1), 'IO_FAILED', `seed ${seed}: ${codes.join(', ')}`);
      await world.until(() => !world.partition.isRecovering);
      await world.sleep(20 * SECOND_MS);
      const read = await world.read('key');
      const isNew = read?.equals(makeBody(2, size)) === true;
      if (isNew) happened++;
      t.ok(isNew || read?.equals(makeBody(1, size)), `seed ${seed}: the old or the new version, whole`);
      t.same(await world.read('other'), makeBody(3, size));
      await world.put('key', makeBody(4, size));
      t.same(await world.read('key'), makeBody(4, size), 'and writes go on');
      await checkWhole(t, world);
      await world.sleep(11 * 60 * SECOND_MS);
      t.equal(world.state.orphans.size, 0, 'a write whose end could not be logged is cleaned up');
      await world.run(world.admin.free({}));
      t.ok(world.fileBytes < 2 * size + 64 * KIB, `${world.fileBytes} bytes of files`);
    }
    t.comment(`${happened} of 30 had happened`);
  });
}

void t.test(
  'a failed write of the log: the space of a PUT that may have happened is nobody else’s until that is known',
  async (t) => {
    const size = 5 * MIB;
    const world = await EngineWorld.open({ seed: 1, policies: { default: 'TRANSIENT' } });
    const { scheduler, clock } = world;
    const body = makeBody(1, size);
    async function* slowly(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < size; at += MIB) {
        await clock.sleep(10);
        yield body.subarray(at, at + MIB);
      }
    }
    const put = codeOf(
      world.objects.putObject({
        bucket: BUCKET,
        key: 'key',
        body: { kind: 'stream', stream: slowly(), size },
        headers: { system: {}, user: {} },
      }),
    );
    await scheduler.runUntil(scheduler.nowMs + SECOND_MS, () => world.state.orphans.size === 1);
    world.faults.lieOnNextWrite(DATA_LOG);
    t.equal(await world.run(put), 'IO_FAILED');
    t.ok(world.partition.isRecovering);
    const { admission } = world.engine.core;
    t.equal(admission.tryReserve(size), undefined, 'two of them are more than may be pinned');
    await world.until(() => !world.partition.isRecovering);
    t.ok(admission.pinnedBytes <= admission.pinnedLimitBytes);
    const rest = admission.tryReserve(2 * MIB);
    t.ok(rest !== undefined, 'what it did not take is free again');
    rest?.release();
  },
);

void t.test(
  'the log recovers within seconds while clients go on, and loses nothing it acknowledged',
  async (t) => {
    for (let seed = 1; seed <= 10; seed++) {
      const world = await EngineWorld.open({ seed });
      const acknowledged = new Map<string, number>();
      const errors: HeadraceError[] = [];
      const client = async (name: number): Promise<void> => {
        for (let i = 1; i <= 30; i++) {
          const key = `key-${name}-${i}`;
          try {
            await world.beginPut(key, makeBody(name * 100 + i, 3000));
            acknowledged.set(key, name * 100 + i);
          } catch (error) {
            if (!(error instanceof HeadraceError)) throw error;
            errors.push(error);
            await world.clock.sleep(300);
          }
        }
      };
      const clients = Promise.all([1, 2, 3, 4].map(client));
      for (let i = 0; i < 5; i++) {
        await world.sleep(world.random.between(5, 30));
        world.disk.arm('WRITE_FAILURE', DATA_LOG);
      }
      await world.run(clients);
      t.ok(errors.length > 0);
      t.same(
        errors.filter(({ kind }) => kind !== 'RETRY').map(({ code }) => code),
        [],
        'every error says to try again',
      );
      await world.until(() => !world.partition.isRecovering);
      for (const [key, content] of acknowledged) t.same(await world.read(key), makeBody(content, 3000));
      world.crash();
      await world.start();
      for (const [key, content] of acknowledged) t.same(await world.read(key), makeBody(content, 3000));
      await world.drained();
      for (const [key, content] of acknowledged) t.same(world.inUfs(key), makeBody(content, 3000));
      await checkWhole(t, world);
    }
  },
);

void t.test('while the log recovers reads are served and writes are refused at once', async (t) => {
  const world = await EngineWorld.open({ policies: { default: 'TRANSIENT' } });
  await world.put('key', makeBody(1, 3000));
  world.disk.setFaults({ writeFailureRatio: 1 });
  t.equal(await codeOf(world.delete('key')), 'IO_FAILED');
  await world.sleep(10 * SECOND_MS);
  t.ok(world.partition.isRecovering);
  t.same(await world.read('key'), makeBody(1, 3000));
  t.same(await world.names(), ['key']);
  const beganMs = world.scheduler.nowMs;
  t.equal(await codeOf(world.delete('key')), 'IO_FAILED');
  t.equal(world.scheduler.nowMs, beganMs, 'no client waits');
  world.disk.setFaults({});
  await world.until(() => !world.partition.isRecovering, 5 * SECOND_MS);
  await world.delete('key');
  t.equal(await world.read('key'), undefined);
});

void t.test(
  'a full disk refuses writes, keeps what is there, and takes writes again once there is room',
  async (t) => {
    const world = await EngineWorld.open({
      policies: { default: 'TRANSIENT' },
      log: { segmentBytes: 64 * KIB, sparesMax: 0 },
      disk: { capacityBytes: 200 * MIB },
    });
    const fillDisk = async (): Promise<void> => {
      const ballast = await world.disk.create('ballast');
      const zeros = Buffer.alloc(MIB, 1);
      for (let at = 0; ; at += zeros.length) {
        try {
          await ballast.write(at, zeros);
        } catch {
          break;
        }
      }
      await ballast.close();
    };
    for (let i = 0; i < 100; i++) await world.put(`key-${i}`, makeBody(i, 1000));
    await world.run(fillDisk());
    const codes = new Set<string>();
    for (let i = 0; i < 200; i++)
      codes.add(await codeOf(world.delete(`none-${i}`).then(() => world.put(`new-${i}`, makeBody(i, 1000)))));
    t.ok(
      [...codes].every((code) => ['success', 'OUT_OF_SPACE', 'DISK_FULL', 'IO_FAILED'].includes(code)),
      [...codes].join(', '),
    );
    t.ok(codes.has('OUT_OF_SPACE') || codes.has('DISK_FULL'));
    for (let i = 0; i < 100; i++) t.same(await world.read(`key-${i}`), makeBody(i, 1000));
    await world.run(world.disk.remove('ballast'));
    await world.sleep(5 * SECOND_MS);
    for (let i = 0; i < 100; i++) await world.put(`after-${i}`, makeBody(i, 1000));
    await checkWhole(t, world);
  },
);

void t.test(
  'the control log recovers too: a bucket that could not be created can be, without a restart',
  async (t) => {
    for (let seed = 1; seed <= 10; seed++) {
      const world = await EngineWorld.open({ seed });
      world.disk.arm('WRITE_FAILURE', CONTROL_LOG);
      t.equal(await codeOf(world.run(world.objects.createBucket('another'))), 'IO_FAILED');
      const again = await codeOf(world.run(world.objects.createBucket('another')));
      t.ok(again === 'success' || again === 'BUCKET_EXISTS', again);
      world.disk.arm('WRITE_FAILURE', CONTROL_LOG);
      await t.rejects(world.setPolicies({ default: 'READ_ONLY' }), { code: 'IO_FAILED' });
      await world.run(world.objects.createBucket('third').catch(() => undefined));
      const { users, core } = world.engine;
      world.disk.arm('WRITE_FAILURE', CONTROL_LOG);
      await t.rejects(world.run(users.add('alice', [])), { code: 'IO_FAILED' });
      await world.run(world.objects.createBucket('fourth').catch(() => undefined));
      t.equal(
        users.has('alice'),
        core.control.state.users.has('alice'),
        `seed ${seed}: users are those of the log`,
      );
      t.equal(users.everExisted, users.has('alice'));
      const { document } = await world.run(world.admin.pathConfig());
      t.equal(
        world.engine.core.policies.modeOf(BUCKET, 'key'),
        document.defaultRule.policyMode,
        `seed ${seed}: the rules in force are those of the log`,
      );
      world.crash();
      await world.start();
      t.equal(
        (await world.run(world.admin.pathConfig())).document.defaultRule.policyMode,
        document.defaultRule.policyMode,
      );
    }
  },
);

void t.test(
  'an index that stands above the end of the log is an error that says so, not a failed assertion',
  async (t) => {
    const retention = { bytes: MIB, timeMs: DAY_MS };
    const world = await EngineWorld.open({ log: { segmentBytes: 64 * KIB, retention } });
    for (let i = 0; i < 600; i++) await world.put(`key-${i}`, makeBody(1, 100));
    await world.run(world.partition.checkpoint());
    const files = (await world.run(world.disk.list(DATA_LOG))).filter((name) => !name.startsWith('spare'));
    t.ok(files.length >= 2, `${files.length} log files`);
    world.kill();
    await world.run(world.disk.remove(`${DATA_LOG}/${files.at(-1)}`));
    await t.rejects(world.start(), { code: 'CORRUPT_FRAME', message: /newest log files are lost/ });
  },
);

void t.test('an append that the log refuses is an error of that request alone', async (t) => {
  const world = await EngineWorld.open({
    policies: { default: 'TRANSIENT' },
    log: { segmentBytes: 64 * KIB },
  });
  const epoch = world.partition.log.epoch;
  const headers = { system: {}, user: { large: 'x'.repeat(100 * KIB) } };
  const small = world.beginPut('small', makeBody(1, 100));
  t.equal(await codeOf(world.put('large', makeBody(1, 100), { headers })), 'INVALID_ARGUMENT');
  await world.run(small);
  t.equal(await world.read('large'), undefined);
  await world.put('large', makeBody(1, 100), { conditions: { ifNoneMatch: ['*'] } });
  t.equal(world.partition.log.epoch, epoch, 'the log was not opened again');
  await checkWhole(t, world);
});

void t.test('segments that cannot be written are refused with an error and leave nothing', async (t) => {
  for (let seed = 1; seed <= 10; seed++) {
    const world = await EngineWorld.open({ seed, policies: { default: 'TRANSIENT' } });
    await world.put('key', makeBody(1, 5000));
    for (const size of [5000, MIB]) {
      for (const fault of ['WRITE_FAILURE', 'SYNC_FAILURE'] as const) {
        world.disk.arm(fault, 'segments/');
        const code = await codeOf(world.put('key', makeBody(2, size)));
        // A small body is written with O_DSYNC: no sync can fail.
        if (fault === 'WRITE_FAILURE' || size === MIB) t.equal(code, 'IO_FAILED');
        await world.put('key', makeBody(1, 5000));
        t.same(await world.read('key'), makeBody(1, 5000));
      }
    }
    await world.sleep(SECOND_MS);
    await world.run(world.admin.free({}));
    await checkWhole(t, world);
    t.equal(world.state.orphans.size, 0);
    t.ok(world.fileBytes < 64 * KIB, `${world.fileBytes} bytes of files`);
  }
});

void t.test('a checkpoint that fails is tried again, and a restart needs none', async (t) => {
  const world = await EngineWorld.open({ policies: { default: 'TRANSIENT' } });
  for (let i = 0; i < 10; i++) world.disk.arm('WRITE_FAILURE', 'index/');
  for (let i = 0; i < 400; i++) await world.put(`key-${i % 50}`, makeBody(i, 100));
  world.crash();
  await world.start();
  for (let i = 350; i < 400; i++) t.same(await world.read(`key-${i % 50}`), makeBody(i, 100));
  await checkWhole(t, world);
});

void t.test(
  'a stop while the log cannot be recovered ends, and the next start has everything acknowledged',
  async (t) => {
    for (let seed = 1; seed <= 10; seed++) {
      const world = await EngineWorld.open({ seed, policies: { default: 'TRANSIENT' } });
      await world.put('key', makeBody(1, 3000));
      world.disk.setFaults({ writeFailureRatio: seed % 2 === 0 ? 1 : 0.5 });
      const deleted = await codeOf(world.delete('other').then(() => world.delete('another')));
      t.match(deleted, /success|IO_FAILED/);
      await world.sleep(world.random.between(0, 2000));
      await world.stop();
      world.disk.setFaults({});
      await world.start();
      t.same(await world.read('key'), makeBody(1, 3000));
      await checkWhole(t, world);
    }
  },
);
