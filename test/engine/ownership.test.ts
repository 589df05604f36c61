/** Two processes on one store: the owner that is alive keeps it, whatever their supervisors do. */
import t from 'tap';
import { Scheduler } from '../../simulations/scheduler.js';
import { SimClock } from '../../simulations/sim-clock.js';
import { SimCoordination, SimCoordinator } from '../../simulations/sim-coordinator.js';
import { SimRandom } from '../../simulations/sim-random.js';
import { HeadraceError } from '../../src/core/errors.js';
import { SILENT_LOGGER } from '../../src/core/logger.js';
import { SECOND_MS } from '../../src/core/units.js';
import { Ownership } from '../../src/engine/ownership.js';

const TTL_MS = 10 * SECOND_MS;

class Process {
  readonly clock: SimClock;
  readonly coordinator: SimCoordinator;
  readonly lost: HeadraceError[] = [];
  readonly starting: Promise<Ownership>;

  constructor(cluster: Cluster, workerId: string) {
    this.clock = new SimClock(cluster.scheduler);
    this.coordinator = new SimCoordinator({
      coordination: cluster.coordination,
      clock: this.clock,
      workerId,
      ttlMs: TTL_MS,
    });
    this.starting = Ownership.acquire({
      coordinator: this.coordinator,
      clock: this.clock,
      logger: SILENT_LOGGER,
      ttlMs: TTL_MS,
      address: `host-of-${workerId}`,
      partition: 0,
      onLost: (error) => this.lost.push(error),
    });
    this.starting.catch(() => undefined);
  }

  /** Nothing of it happens any more. */
  kill(): void {
    this.clock.stop();
  }
}

class Cluster {
  readonly scheduler = new Scheduler();
  readonly coordination: SimCoordination;

  constructor(seed: number | string = 1) {
    this.coordination = new SimCoordination(this.scheduler, new SimRandom(seed));
  }

  start(workerId: string): Process {
    return new Process(this, workerId);
  }

  run<Value>(work: Promise<Value>): Promise<Value> {
    return this.scheduler.complete(work);
  }

  async pass(durationMs: number): Promise<void> {
    await this.scheduler.run(this.scheduler.nowMs + durationMs);
  }
}

void t.test('ownership: a newcomer is refused while the owner is alive, and told who that is', async (t) => {
  const cluster = new Cluster();
  const owner = cluster.start('first');
  await cluster.run(owner.starting);
  await cluster.pass(5 * TTL_MS);
  const startedMs = cluster.scheduler.nowMs;
  await t.rejects(cluster.run(cluster.start('second').starting), {
    code: 'LOG_FENCED',
    message:
      'the log is owned by another Headrace that is alive (on host-of-first, worker first): stop that one first. ' +
      'It may be started here when that one has stopped or been silent for 10s',
  });
  const waitedMs = cluster.scheduler.nowMs - startedMs;
  t.ok(waitedMs >= 2 * TTL_MS && waitedMs < 2.2 * TTL_MS, `it waited for ${waitedMs} ms`);
  await cluster.pass(5 * TTL_MS);
  t.same(owner.lost, []);
});

void t.test(
  'ownership: processes that are restarted for ever do not take the log from each other',
  async (t) => {
    for (let seed = 0; seed < 10; seed++) {
      const cluster = new Cluster(seed);
      const owner = cluster.start('first');
      await cluster.run(owner.starting);
      let refusals = 0;
      for (let restart = 0; restart < 20; restart++) {
        const newcomer = cluster.start(restart % 2 === 0 ? 'second' : 'third');
        await cluster.run(newcomer.starting.catch(() => refusals++));
      }
      t.equal(refusals, 20, `seed ${seed}`);
      t.same(owner.lost, []);
    }
  },
);

void t.test('ownership: an owner that died is succeeded after a time to live', async (t) => {
  const cluster = new Cluster();
  const owner = cluster.start('first');
  await cluster.run(owner.starting);
  await cluster.pass(3 * TTL_MS);
  owner.kill();
  const startedMs = cluster.scheduler.nowMs;
  await cluster.run(cluster.start('second').starting);
  const waitedMs = cluster.scheduler.nowMs - startedMs;
  t.ok(waitedMs >= TTL_MS && waitedMs <= 1.3 * TTL_MS, `after ${waitedMs} ms`);
});

void t.test(
  'ownership: an owner that stopped is succeeded at once, and so is one of the same worker',
  async (t) => {
    const cluster = new Cluster();
    const first = cluster.start('first');
    await cluster.run((await cluster.run(first.starting)).release());
    let startedMs = cluster.scheduler.nowMs;
    const second = cluster.start('second');
    await cluster.run(second.starting);
    t.ok(cluster.scheduler.nowMs - startedMs < SECOND_MS);
    second.kill();
    startedMs = cluster.scheduler.nowMs;
    await cluster.run(cluster.start('second').starting);
    t.ok(cluster.scheduler.nowMs - startedMs < SECOND_MS, 'a restart of the same worker waits for nobody');
  },
);

void t.test(
  'ownership: an owner that was silent for too long is told once, and takes nothing back',
  async (t) => {
    const cluster = new Cluster();
    const owner = cluster.start('first');
    const ownership = await cluster.run(owner.starting);
    // As when its network is cut: its renewals come to nothing, those of nobody else.
    const renew = owner.coordinator.renew.bind(owner.coordinator);
    owner.coordinator.renew = () => Promise.reject(new HeadraceError('IO_FAILED', 'simulated: cut off'));
    await cluster.pass(TTL_MS / 5);
    const next = cluster.start('second');
    await cluster.run(next.starting);
    t.same(owner.lost, [], 'it cannot know yet');
    owner.coordinator.renew = renew;
    await cluster.pass(5 * TTL_MS);
    t.match(owner.lost, [
      {
        code: 'LOG_FENCED',
        message: 'another Headrace has taken the log over (on host-of-second, worker second)',
      },
    ]);
    await cluster.run(ownership.release());
    await cluster.pass(5 * TTL_MS);
    t.same(next.lost, [], 'the next one keeps it');
  },
);

void t.test(
  'ownership: a coordinator that does not answer is asked again, and holds no stop up',
  async (t) => {
    const cluster = new Cluster();
    const owner = cluster.start('first');
    const ownership = await cluster.run(owner.starting);
    cluster.coordination.setFaults({ lost: 1 });
    await cluster.pass(5 * TTL_MS);
    t.same(owner.lost, []);
    cluster.coordination.setFaults({});
    await cluster.pass(3 * TTL_MS);
    await t.rejects(cluster.run(cluster.start('second').starting), { code: 'LOG_FENCED' });
    cluster.coordination.setFaults({ lost: 1 });
    await cluster.pass(2 * TTL_MS);
    const startedMs = cluster.scheduler.nowMs;
    await cluster.run(ownership.release());
    t.ok(cluster.scheduler.nowMs - startedMs < SECOND_MS, 'the stop waits for nobody');
  },
);

void t.test('ownership: a renewal that took too long is followed by the next at once', async (t) => {
  const cluster = new Cluster();
  const owner = cluster.start('first');
  const { lease } = await cluster.run(owner.starting);
  t.ok(lease.isValid);
  const renew = owner.coordinator.renew.bind(owner.coordinator);
  let renewals = 0;
  owner.coordinator.renew = async () => {
    const renewed = await renew();
    // The answer comes late, as from a cluster that was away for a while.
    if (renewals++ === 0) await owner.clock.sleep(0.8 * TTL_MS);
    return renewed;
  };
  await cluster.pass(0.85 * TTL_MS);
  t.notOk(lease.isValid);
  await cluster.pass(0.06 * TTL_MS);
  t.equal(renewals, 2, 'without the pause between two renewals');
  t.ok(lease.isValid);
  t.same(owner.lost, []);
});

void t.test('ownership: the lease counts for nothing once it was given up', async (t) => {
  const cluster = new Cluster();
  const ownership = await cluster.run(cluster.start('first').starting);
  await cluster.run(ownership.release());
  t.notOk(ownership.lease.isValid);
});
