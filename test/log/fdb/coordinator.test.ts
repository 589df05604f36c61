/** The coordinator in FoundationDB, on a simulated cluster: its contract, and its safety while the cluster is troubled. */
import t from 'tap';
import { CoordinatorKeys } from '../../../log/fdb/coordinator-schema.js';
import { FdbCoordinator } from '../../../log/fdb/coordinator.js';
import { SimClock } from '../../../simulations/sim-clock.js';
import type { DatabaseFaults } from '../../../simulations/sim-database-faults.js';
import { SECOND_MS } from '../../../src/core/units.js';
import { coordinatorContract, type CoordinatorSubject } from '../../contracts/coordinator.js';
import { checkLeasesUnderFaults } from '../../support/lease-race.js';
import { FdbWorld } from './fdb-world.js';

const TTL_MS = 5 * SECOND_MS;
const KEYS = new CoordinatorKeys(Buffer.from('test/'), 42n);

function makeSubject(
  seed: number | string,
  faults: DatabaseFaults = {},
): CoordinatorSubject & { world: FdbWorld } {
  const world = new FdbWorld(seed);
  world.database.setFaults(faults);
  return {
    world,
    ttlMs: TTL_MS,
    join: (workerId) => {
      const clock = new SimClock(world.scheduler, { driftRatio: (world.random.unit() - 0.5) / 100 });
      const database = world.database.connect();
      const random = world.random.fork(`${workerId} ${world.scheduler.nowMs}`);
      const coordinator = new FdbCoordinator({
        database,
        clock,
        random,
        keys: KEYS,
        workerId,
        ttlMs: TTL_MS,
      });
      return { clock, coordinator };
    },
    run: (work) => world.run(work),
  };
}

coordinatorContract('FoundationDB coordinator on a simulated cluster', () => makeSubject(1));

coordinatorContract('FoundationDB coordinator on a cluster with small troubles', () =>
  makeSubject('troubled', {
    conflict: 0.05,
    tooOld: 0.02,
    futureVersion: 0.02,
    processBehind: 0.02,
    unknownDone: 0.05,
    unknownLost: 0.05,
  }),
);

void t.test('FoundationDB coordinator: with faults no two leases are valid, and epochs rise', async (t) => {
  for (let seed = 1; seed <= 20; seed++) {
    const { world, ...subject } = makeSubject(seed, {
      conflict: 0.05,
      unknownDone: 0.05,
      unknownLost: 0.05,
      timedOutLate: 0.05,
      versionChanged: 0.02,
      versionChangedLate: 0.03,
      timedOutLost: 0.02,
      hang: 0.02,
    });
    await checkLeasesUnderFaults(t, subject, world.scheduler, seed);
  }
});

void t.test(
  'FoundationDB coordinator: without an answer a call ends after a TTL, and the lease is not valid',
  async (t) => {
    const { world, join } = makeSubject(1);
    const { coordinator } = join('a');
    const lease = await world.run(() => coordinator.acquire(1));
    world.database.setFaults({ hang: 1 });
    const startedMs = world.scheduler.nowMs;
    await t.rejects(
      world.run(() => coordinator.renew()),
      { code: 'IO_FAILED', kind: 'RETRY', message: /did not answer the coordinator within 5000 ms/ },
    );
    t.ok(world.scheduler.nowMs - startedMs <= 1.02 * TTL_MS);
    t.equal(lease?.isValid, false);
  },
);
