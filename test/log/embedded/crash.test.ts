/**
 * Crashes at random moments of appending, rolling, sealing and trimming, on a disk that loses, tears and
 * reorders what was not synced. What was acknowledged is there afterwards; what was not is there or not,
 * without holes.
 */
import t from 'tap';
import type { PartitionLog } from '../../../log/log-store.js';
import type { SimRandom } from '../../../simulations/sim-random.js';
import { LogWorld, range, readNumbers } from '../log-world.js';
import { numberedEvents } from '../sample-events.js';

const SEEDS = 60;
const CRASHES = 12;

interface Ledger {
  /** Every event below it was acknowledged. */
  acknowledged: number;
  /** Every event below it was handed to the log. */
  appended: number;
  trimmed: number;
}

function startLoad(log: PartitionLog, ledger: Ledger, random: SimRandom): void {
  const appendOn = async (): Promise<void> => {
    for (;;) {
      const count = 1 + random.below(8);
      const first = ledger.appended;
      ledger.appended += count;
      await log.append(numberedEvents(first, count, random.below(800)));
      ledger.acknowledged = Math.max(ledger.acknowledged, first + count);
      if (random.chance(0.02)) {
        ledger.trimmed = ledger.acknowledged;
        await log.trim(ledger.trimmed);
      }
    }
  };
  for (let i = 0; i < 4; i++)
    appendOn().catch((error: unknown) => {
      throw error;
    });
}

void t.test(
  `log: no crash loses an acknowledged event (${SEEDS} seeds, ${CRASHES} crashes each)`,
  async (t) => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const world = new LogWorld(seed);
      const random = world.random.fork('load');
      const ledger: Ledger = { acknowledged: 0, appended: 0, trimmed: 0 };
      let epoch = 0;
      for (let crash = 0; crash < CRASHES; crash++) {
        const log = await world.open();
        const { oldestOffset, nextOffset } = log;
        const found = `seed ${seed}, crash ${crash}: ${log.recovery.decision}, offset ${nextOffset}`;
        if (log.epoch <= epoch) t.fail(`${found}: epoch ${log.epoch} after ${epoch}`);
        if (nextOffset < ledger.acknowledged || nextOffset > ledger.appended)
          t.fail(`${found}: not from ${ledger.acknowledged} to ${ledger.appended}`);
        if (oldestOffset > ledger.trimmed) t.fail(`${found}: trimmed up to ${oldestOffset}`);
        const numbers = await world.run(() => readNumbers(log, oldestOffset));
        if (String(numbers) !== String(range(oldestOffset, nextOffset))) t.fail(`${found}: other events`);
        epoch = log.epoch;
        ledger.acknowledged = ledger.appended = nextOffset;
        startLoad(log, ledger, random.fork(`run ${crash}`));
        // Most crashes strike in the middle of a run, some during or right after the opening of the next one.
        await world.scheduler.run(world.scheduler.nowMs + random.between(0, random.chance(0.2) ? 2 : 60));
        if (random.chance(0.5)) world.crash();
        else world.kill();
        if (random.chance(0.3)) {
          void world
            .store()
            .openPartition(1)
            .catch(() => undefined);
          await world.scheduler.run(world.scheduler.nowMs + random.between(0, 5));
          world.crash();
        }
      }
    }
    t.pass(`${SEEDS * CRASHES} crashes`);
  },
);
