import t from 'tap';
import { LogWorld } from '../log-world.js';

void t.test('store file: a newer format, another format and nonsense are refused by name', async (t) => {
  const documents: [string, string][] = [
    ['{"format":"headrace-log","version":2,"storeId":"00"}', 'UNSUPPORTED_FORMAT'],
    ['{"format":"other","version":1,"storeId":"0011223344556677"}', 'DATA_DIRECTORY_UNUSABLE'],
    ['{"format":"headrace-log","version":1,"storeId":"001122334455667"}', 'DATA_DIRECTORY_UNUSABLE'],
    ['{"format":"headrace', 'DATA_DIRECTORY_UNUSABLE'],
    ['null', 'DATA_DIRECTORY_UNUSABLE'],
  ];
  for (const [document, code] of documents) {
    const world = new LogWorld();
    await world.run(async () => {
      await world.disk.makeDirectory('log');
      const file = await world.disk.create('log/store.json');
      await file.write(0, Buffer.from(document));
      await file.close();
    });
    await t.rejects(world.open(), { code, message: /store\.json/ });
  }
});

void t.test('store file: a log without it is not taken over', async (t) => {
  const world = new LogWorld();
  const log = await world.open();
  await world.run(() => log.close());
  await world.run(() => world.disk.remove('log/store.json'));
  await t.rejects(world.open(), { code: 'DATA_DIRECTORY_UNUSABLE', message: /p0001/ });
});

void t.test('log store: options that cannot work stop the program', async (t) => {
  const world = new LogWorld();
  t.throws(() => world.store({ segmentBytes: 1024 }), { name: 'AssertionError' });
  t.throws(() => world.store({ firstSegmentBytes: 10 }), { name: 'AssertionError' });
  await t.rejects(world.store().openPartition(10_000), { name: 'AssertionError' });
});

void t.test('log store: partitions can be opened together, each of them once', async (t) => {
  const world = new LogWorld();
  const store = world.store();
  const logs = await world.run(() =>
    Promise.all([0, 1, 2].map((partition) => store.openPartition(partition))),
  );
  t.strictSame(
    logs.map(({ epoch }) => epoch),
    [1, 1, 1],
  );
  await world.run(() => store.close());
});

void t.test('store file: a failure to make it is not kept', async (t) => {
  const world = new LogWorld();
  const store = world.store();
  world.disk.arm('WRITE_FAILURE', 'log/store.json');
  await t.rejects(
    world.run(() => store.openPartition(1)),
    { code: 'IO_FAILED' },
  );
  t.equal((await world.run(() => store.openPartition(1))).epoch, 1);
});
