import t, { type Test } from 'tap';
import { SILENT_LOGGER } from '../../../src/core/logger.js';
import { isErrorCode } from '../../../src/core/errors.js';
import type { Extent } from '../../../src/core/object.js';
import type { SegmentStore } from '../../../src/engine/segment-store.js';
import { openSegmentStore } from '../../../src/engine/segments/segment-files.js';
import { Scheduler } from '../../../simulations/scheduler.js';
import { SimClock } from '../../../simulations/sim-clock.js';
import type { DiskFaults } from '../../../simulations/sim-device.js';
import { SimDisk } from '../../../simulations/sim-disk.js';
import { SimRandom } from '../../../simulations/sim-random.js';
import { STORE_ID, append, readAll, walkAll, writeLarge } from './fixture.js';

const MIB = 1024 ** 2;
const SEEDS = 15;

interface Acknowledged {
  readonly extent: Extent;
  readonly owner: string;
  readonly body: Uint8Array;
}

/** Small and large bodies, seals and drops in random order, until the process ends. */
class Workload {
  /** All that must be there: what earlier processes stored and what this one adds, without what was dropped. */
  readonly #expected: Set<Acknowledged>;
  readonly added: Acknowledged[] = [];
  readonly #random: SimRandom;
  readonly #store: SegmentStore;
  #operations = 0;

  constructor(store: SegmentStore, random: SimRandom, expected: Set<Acknowledged>) {
    this.#expected = expected;
    this.#store = store;
    this.#random = random;
  }

  async run(): Promise<void> {
    const clients = Array.from({ length: 6 }, async () => {
      while (this.#operations++ < 60) await this.#step();
    });
    await Promise.all(clients);
  }

  async #step(): Promise<void> {
    const owner = `owner ${this.#operations}`;
    try {
      const kind = this.#random.below(20);
      if (kind === 0) await this.#store.seal();
      else if (kind === 1) await this.#drop();
      else if (kind < 5) await this.#writeLarge(owner, this.#body(2 * MIB));
      else await this.#append(owner, this.#body(this.#random.chance(0.9) ? 20_000 : 256 * 1024));
    } catch (error) {
      if (!isErrorCode(error, 'IO_FAILED', 'DISK_FULL', 'SLOW_DOWN')) throw error;
    }
  }

  /** Half of it zeros, so that holes and cuts are tested too. */
  #body(sizeMax: number): Uint8Array {
    const body = new Uint8Array(this.#random.below(sizeMax + 1));
    if (this.#random.chance(0.5)) body.fill(1 + this.#random.below(255), this.#random.below(body.length + 1));
    return body;
  }

  async #append(owner: string, body: Uint8Array): Promise<void> {
    this.#acknowledge({ extent: await append(this.#store, owner, body), owner, body });
  }

  #acknowledge(entry: Acknowledged): void {
    this.added.push(entry);
    this.#expected.add(entry);
  }

  async #writeLarge(owner: string, body: Uint8Array): Promise<void> {
    if (this.#random.chance(0.8)) {
      this.#acknowledge({ extent: await writeLarge(this.#store, owner, body, 300_000), owner, body });
      return;
    }
    const writer = await this.#store.openWriter(owner, undefined);
    await writer.write(body).catch(() => undefined);
    await writer.abandon();
  }

  async #drop(): Promise<void> {
    const closed = this.#store.segments().filter(({ open }) => !open);
    if (closed.length === 0) return;
    const { id } = this.#random.pick(closed);
    for (const entry of this.#expected) if (entry.extent.segment === id) this.#expected.delete(entry);
    await this.#store.drop(id);
  }
}

async function checkStore(t: Test, store: SegmentStore, expected: Iterable<Acknowledged>): Promise<void> {
  const found = new Set<string>();
  for (const { id } of store.segments()) {
    for (const { owner, extent } of await walkAll(store, id)) found.add(`${owner} ${placeOf(extent)}`);
  }
  for (const { owner, extent, body } of expected) {
    const isEqual = extent.size === 0 || Buffer.compare(await readAll(store, extent), body) === 0;
    if (!isEqual) t.fail(`${owner} at ${placeOf(extent)} has other bytes`);
    if (!found.has(`${owner} ${placeOf(extent)}`)) t.fail(`walk did not find ${owner} at ${placeOf(extent)}`);
  }
}

function placeOf({ segment, position, size, checksum }: Extent): string {
  return `${segment}:${position}+${size}/${checksum}`;
}

/** Several processes, one after the other, each ended at a random time. Returns how many bodies were acknowledged. */
async function runGenerations(
  t: Test,
  seed: number,
  options: { faults?: Partial<DiskFaults>; capacityBytes?: number },
): Promise<number> {
  const random = new SimRandom(seed);
  const scheduler = new Scheduler();
  let disk = new SimDisk(scheduler, random.fork('disk'), {
    capacityBytes: options.capacityBytes ?? 1024 * MIB,
  });
  const expected = new Set<Acknowledged>();
  let highestId = 0;
  let acknowledged = 0;
  for (let generation = 0; generation < 4; generation++) {
    const clock = new SimClock(scheduler);
    disk.setFaults({});
    const store = await scheduler.complete(
      openSegmentStore({
        disk,
        clock,
        logger: SILENT_LOGGER,
        options: { storeId: STORE_ID, smallSegmentBytes: 2 * MIB, batchBytes: MIB, writeBuffersMax: 3 },
      }),
    );
    await scheduler.complete(checkStore(t, store, expected));
    disk.setFaults(options.faults ?? {});
    for (const { id } of store.segments()) highestId = Math.max(highestId, id);
    const workload = new Workload(store, random.fork(`workload ${generation}`), expected);
    workload.run().catch((error: unknown) => t.fail(String(error)));
    await scheduler.run(scheduler.nowMs + 1 + random.below(120));
    clock.stop();
    disk = random.chance(0.5) ? disk.crash(random) : disk.kill(random);
    for (const { extent } of workload.added) {
      if (extent.segment <= highestId)
        t.fail(`seed ${seed}: segment ${extent.segment} is used a second time`);
    }
    for (const { extent } of workload.added) highestId = Math.max(highestId, extent.segment);
    acknowledged += workload.added.length;
  }
  return acknowledged;
}

void t.test('segments: what was acknowledged survives crashes and kills at any moment', async (t) => {
  for (let seed = 1; seed <= SEEDS; seed++) t.ok(await runGenerations(t, seed, {}), `seed ${seed}`);
});

void t.test('segments: what was acknowledged survives failing writes and syncs', async (t) => {
  const faults = { writeFailureRatio: 0.05, syncFailureRatio: 0.05, stallRatio: 0.05, stallMs: 10 };
  for (let seed = 1; seed <= SEEDS; seed++) t.ok(await runGenerations(t, seed, { faults }), `seed ${seed}`);
});

void t.test('segments: what was acknowledged survives a disk that is full now and then', async (t) => {
  const capacityBytes = 12 * MIB;
  for (let seed = 1; seed <= SEEDS; seed++)
    t.ok(await runGenerations(t, seed, { capacityBytes }), `seed ${seed}`);
});
