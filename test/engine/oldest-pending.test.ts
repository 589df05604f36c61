/** The age of the oldest change that waits for the UFS. */
import t from 'tap';
import { oldestPendingMs } from '../../src/engine/oldest-pending.js';
import { EngineWorld } from '../support/engine-world.js';

void t.test('oldest pending: the first that waits, whatever was persisted before it', async (t) => {
  const world = await EngineWorld.open();
  const oldest = (): number | undefined => oldestPendingMs([world.partition]);
  t.equal(oldest(), undefined);
  await world.put('done', Buffer.from('1'));
  await world.drained();
  t.equal(oldest(), undefined);
  world.ufs.setFaults({ unavailable: 1 });
  const firstMs = world.clock.wallTimeMs();
  await world.put('first', Buffer.from('2'));
  await world.sleep(5000);
  await world.put('second', Buffer.from('3'));
  const found = oldest() ?? 0;
  t.ok(found >= firstMs && found < firstMs + 5000, `${found - firstMs} ms after it was written`);
  t.equal(oldest(), found, 'asked again');
  await world.put('first', Buffer.from('4'));
  t.ok((oldest() ?? 0) > found, 'the second is the oldest, now that the first is newer');
  world.ufs.setFaults({});
  await world.drained();
  t.equal(oldest(), undefined);
});
