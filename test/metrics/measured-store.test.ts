/** Calls to an under-store, timed and counted by the name of the method. */
import t from 'tap';
import { Scheduler } from '../../simulations/scheduler.js';
import { SimClock } from '../../simulations/sim-clock.js';
import { HeadraceError } from '../../src/core/errors.js';
import type { ObjectStore, SmallPutReceiver, SmallPutRequest } from '../../src/core/object-store.js';
import { UfsMetrics } from '../../src/metrics/measured-store.js';

void t.test('measured store: small puts count as puts, with their errors, and can be cut off', async (t) => {
  const scheduler = new Scheduler();
  const clock = new SimClock(scheduler);
  const receivers: SmallPutReceiver[] = [];
  const cancelled: number[] = [];
  const store = {
    smallPuts: {
      begin: (_: SmallPutRequest, receiver: SmallPutReceiver) =>
        receivers.length === 2 ? undefined : receivers.push(receiver),
      cancel: (number: number) => void cancelled.push(number),
    },
  } as unknown as ObjectStore;
  const metrics = new UfsMetrics();
  const { smallPuts } = metrics.measure(store, clock);
  const told: unknown[] = [];
  const begin = () =>
    smallPuts?.begin({} as SmallPutRequest, {
      stored: (...etags) => told.push(etags),
      failed: (error) => told.push(error),
    });
  t.same([begin(), begin(), begin()], [1, 2, undefined]);
  await scheduler.run(20);
  receivers[0]?.stored('a', 'b');
  const error = new HeadraceError('UFS_THROTTLED', 'slower');
  receivers[1]?.failed(error);
  smallPuts?.cancel(2);
  t.same(told, [['a', 'b'], error]);
  t.same(cancelled, [2]);
  const [only, ...others] = [...metrics.durations()];
  t.same(others, []);
  t.same(only?.labels, { operation: 'put' });
  t.equal(only?.histogram.count, 2);
  t.same([...metrics.errors()], [{ labels: { operation: 'put', code: 'UFS_THROTTLED' }, value: 1 }]);
});
