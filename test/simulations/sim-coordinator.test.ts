/** The simulated coordinator keeps the contract; and with faults, its safety. */
import t from 'tap';
import { Scheduler } from '../../simulations/scheduler.js';
import { SimClock } from '../../simulations/sim-clock.js';
import { SimCoordination, SimCoordinator } from '../../simulations/sim-coordinator.js';
import { SimRandom } from '../../simulations/sim-random.js';
import { SECOND_MS } from '../../src/core/units.js';
import { coordinatorContract, type CoordinatorSubject } from '../contracts/coordinator.js';
import { checkLeasesUnderFaults } from '../support/lease-race.js';

const TTL_MS = 5 * SECOND_MS;

function makeSubject(seed: number): CoordinatorSubject & {
  readonly scheduler: Scheduler;
  readonly coordination: SimCoordination;
} {
  const scheduler = new Scheduler();
  const random = new SimRandom(seed);
  const coordination = new SimCoordination(scheduler, random.fork('coordination'));
  return {
    scheduler,
    coordination,
    ttlMs: TTL_MS,
    join: (workerId) => {
      const clock = new SimClock(scheduler, { driftRatio: (random.unit() - 0.5) / 100 });
      return { clock, coordinator: new SimCoordinator({ coordination, clock, workerId, ttlMs: TTL_MS }) };
    },
    run: (work) => scheduler.complete(work()),
  };
}

coordinatorContract('simulated coordinator', () => makeSubject(1));

void t.test('simulated coordinator: with faults no two leases are valid, and epochs rise', async (t) => {
  for (let seed = 1; seed <= 20; seed++) {
    const { coordination, scheduler, ...subject } = makeSubject(seed);
    coordination.setFaults({ lost: 0.1, done: 0.1, late: 0.1 });
    await checkLeasesUnderFaults(t, subject, scheduler, seed);
  }
});
