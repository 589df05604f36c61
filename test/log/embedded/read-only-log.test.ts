import t from 'tap';
import { openReadOnlyLog } from '../../../log/embedded/read-only-log.js';
import type { PartitionLog } from '../../../log/log-store.js';
import { LogWorld, PARTITION, PARTITION_DIRECTORY, range, readNumbers } from '../log-world.js';
import { numberedEvents } from '../sample-events.js';

async function names(world: LogWorld): Promise<string[]> {
  return world.run(() => world.disk.list(PARTITION_DIRECTORY));
}

/** What is in all files of the partition. */
async function contents(world: LogWorld): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of await names(world))
    found[name] = (await world.content(`${PARTITION_DIRECTORY}/${name}`)).toString('latin1');
  return found;
}

void t.test(
  'read-only log: shows what is durable while the writer goes on, and changes nothing',
  async (t) => {
    const world = new LogWorld();
    const log = await world.open();
    while ((await world.segments()).length < 3)
      await world.run(() => log.append(numberedEvents(log.nextOffset, 10, 500)));
    const before = await contents(world);
    const looked = await world.run(() => openReadOnlyLog(world.disk, PARTITION));
    t.equal(looked.durableOffset, log.durableOffset);
    t.equal(looked.oldestOffset, log.oldestOffset);
    t.equal(looked.epoch, log.epoch);
    t.strictSame(await world.run(() => readNumbers(looked as PartitionLog, 5)), range(5, log.durableOffset));
    t.strictSame(await contents(world), before);
    const end = log.durableOffset;
    await world.run(() => log.append(numberedEvents(end, 3)));
    t.strictSame(
      await world.run(() => readNumbers(looked as PartitionLog, end - 1)),
      [end - 1],
      'its end stays',
    );
  },
);

void t.test('read-only log: a torn tail is not part of it and stays as it is', async (t) => {
  const world = new LogWorld();
  const log = await world.open();
  await world.run(() => log.append(numberedEvents(0, 4)));
  const whole = await world.content(await world.newestSegment());
  await world.run(() => log.append(numberedEvents(4, 4)));
  world.kill();
  const path = await world.newestSegment();
  const now = await world.content(path);
  // The first byte in which the second append shows, and one inside its payload.
  const at = now.findIndex((byte, position) => byte !== whole[position]);
  await world.flip(path, at + 80);
  const before = await contents(world);
  const looked = await world.run(() => openReadOnlyLog(world.disk, PARTITION));
  t.equal(looked.durableOffset, 4);
  t.strictSame(await contents(world), before);
});

void t.test('read-only log: a directory without a log is refused and stays empty', async (t) => {
  const world = new LogWorld();
  await t.rejects(
    world.run(() => openReadOnlyLog(world.disk, PARTITION)),
    { code: 'DATA_DIRECTORY_UNUSABLE', message: /log\/store.json is missing/ },
  );
  t.strictSame(await world.run(() => world.disk.list('.')), []);
});
