/** Workers that race for partitions while calls fail, workers die, and wall clocks step: what must hold all the same. */
import type { Test } from 'tap';
import type { Scheduler } from '../../simulations/scheduler.js';
import { SimClock } from '../../simulations/sim-clock.js';
import { SimRandom } from '../../simulations/sim-random.js';
import { HeadraceError } from '../../src/core/errors.js';
import type { Lease } from '../../src/core/coordinator.js';
import type { CoordinatorSubject, CoordinatorWorker } from '../contracts/coordinator.js';
import { range } from '../log/log-world.js';

const WORKERS = 4;
const PARTITIONS = 3;
const DURATION_TTLS = 60;

/** Safety at every look, and at the end that each partition changed hands. */
export async function checkLeasesUnderFaults(
  t: Test,
  subject: CoordinatorSubject,
  scheduler: Scheduler,
  seed: number,
): Promise<void> {
  const random = new SimRandom(`lease race ${seed}`);
  const { ttlMs } = subject;
  const endMs = scheduler.nowMs + DURATION_TTLS * ttlMs;
  const leases: Lease[] = [];
  const wrong: string[] = [];
  const look = (): void => {
    for (const partition of range(0, PARTITIONS)) {
      const valid = leases.filter((lease) => lease.partition === partition && lease.isValid);
      if (valid.length > 1)
        wrong.push(`partition ${partition}: epochs ${valid.map(({ epoch }) => epoch).join()}`);
    }
  };
  const take = (lease: Lease): void => {
    if (leases.includes(lease)) return;
    const newer = leases.filter(
      ({ partition, epoch }) => partition === lease.partition && epoch > lease.epoch,
    );
    if (newer.length > 0) wrong.push(`partition ${lease.partition}: epoch ${lease.epoch} after a newer one`);
    leases.push(lease);
  };
  await subject.run(() =>
    Promise.all(
      range(0, WORKERS).map(async (number) => {
        let worker: CoordinatorWorker = subject.join(`worker-${number}`);
        while (scheduler.nowMs < endMs) {
          const partition = random.below(PARTITIONS);
          const draw = random.unit();
          const { coordinator, clock } = worker;
          try {
            const lease = draw < 0.4 ? await coordinator.acquire(partition) : undefined;
            if (lease !== undefined) take(lease);
            if (draw >= 0.4 && draw < 0.85) await coordinator.renew();
            if (draw >= 0.85 && draw < 0.9) await coordinator.release(partition);
            if (draw >= 0.9 && draw < 0.94) take(await coordinator.bump(partition));
          } catch (error) {
            if (!(error instanceof HeadraceError)) throw error;
            // Refused, or of unknown outcome: the next call finds out.
          }
          look();
          if (draw >= 0.99) {
            coordinator.close();
            worker = subject.join(`worker-${number}`);
          } else if (draw >= 0.97) await clock.sleep(random.unit() * 3 * ttlMs);
          if (clock instanceof SimClock && draw >= 0.95) clock.stepWallTime((random.unit() - 0.5) * 1e9);
          await clock.sleep(random.unit() * 0.2 * ttlMs);
          look();
        }
        worker.coordinator.close();
      }),
    ),
  );
  t.same(wrong, [], `seed ${seed}`);
  const highest = range(0, PARTITIONS).map((partition) =>
    Math.max(0, ...leases.filter((lease) => lease.partition === partition).map(({ epoch }) => epoch)),
  );
  t.ok(
    highest.every((epoch) => epoch >= 2),
    `seed ${seed}: every partition changed hands (${highest.join()})`,
  );
}
