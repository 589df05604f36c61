/** Verify beside a store that goes on: its checkpoints let the log forget what verify has not folded yet. */
import t from 'tap';
import type { DurableBatch, LogStore, PartitionLog } from '../../log/log-store.js';
import { HeadraceError } from '../../src/core/errors.js';
import { KIB } from '../../src/core/units.js';
import { EngineWorld } from '../support/engine-world.js';
import { makeBody } from '../support/object-model.js';

const SMALL_LOG = { segmentBytes: 64 * KIB, firstSegmentBytes: 64 * KIB };
const PARTITION = 1;

type Read = PartitionLog['read'];

/** A log whose reads of the data partition go through `read`. */
function withReads(log: LogStore, read: (from: number, real: Read) => ReturnType<Read>): LogStore {
  const openPartition = async (partition: number): Promise<PartitionLog> => {
    const opened = await log.openPartition(partition);
    if (partition !== PARTITION) return opened;
    const real: Read = (from) => opened.read(from);
    return new Proxy(opened, {
      get: (target, name) => {
        if (name === 'read') return (from: number) => read(from, real);
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  };
  return { openPartition, close: () => log.close() };
}

/** Clients that write while verify runs, and a log that reads only when they have. */
class Busy {
  readonly trimmedAt: number[] = [];
  #reads = 0;
  #busyReads: readonly number[] = [];
  #world: EngineWorld | undefined;

  /** A store with a few objects, whose clients will be busy before the given reads of its log, counted from 1. */
  async open(busyReads: readonly number[]): Promise<EngineWorld> {
    const observer = {
      wrapLog: (log: LogStore) => withReads(log, (from, real) => this.#read(from, real)),
    };
    const world = await EngineWorld.open({ log: SMALL_LOG, observer });
    await world.put('key', makeBody(1, KIB));
    this.#world = world;
    this.#reads = 0;
    this.#busyReads = busyReads;
    return world;
  }

  async *#read(from: number, real: Read): AsyncGenerator<DurableBatch, void, undefined> {
    this.#reads += 1;
    // So that there is always something to fold behind what was read.
    await this.#world?.beginPut('key', makeBody(this.#reads, KIB));
    if (this.#busyReads.includes(this.#reads)) await this.#forget(from);
    yield* real(from);
  }

  /** Writes and takes checkpoints until the log has forgotten the event at `offset`. */
  async #forget(offset: number): Promise<void> {
    const world = this.#world;
    if (world === undefined) throw new Error('there is no store yet');
    const { partition } = world;
    for (let round = 0; partition.log.oldestOffset <= offset; round++) {
      if (round > 1000) throw new Error(`the log still has the event at ${offset}`);
      for (let write = 0; write < 50; write++) await world.beginPut(`key-${write}`, makeBody(round, 100));
      await partition.checkpoint();
    }
    this.trimmedAt.push(offset);
  }
}

// The first read looks at every frame; the second folds from the oldest checkpoint, the third up to the newest one.
for (const [what, busyReads] of [
  ['from the oldest checkpoint', [2]],
  ['up to the checkpoint that it compares with', [3]],
  ['four times in a row', [2, 3, 4, 5]],
] as const) {
  void t.test(`verify: the log forgets what is still to be folded ${what}: it begins anew`, async (t) => {
    const busy = new Busy();
    const world = await busy.open(busyReads);
    const report = await world.run(world.admin.verify({ data: true }));
    t.same(report.problems, []);
    t.equal(report.ok, true);
    t.equal(busy.trimmedAt.length, busyReads.length, 'the log was trimmed in front of each of these reads');
    t.equal(report.stateHash, report.refoldedHash);
    t.equal(report.stateHash.split(',').length, 1, 'the partition is compared once');
    t.ok(report.fromOffset > (busy.trimmedAt.at(-1) ?? 0), 'folded from a checkpoint that the log reaches');
    t.equal(report.toOffset, world.partition.checkpointOffset);
  });
}

void t.test('verify: a log that forgets faster than it is folded, five times: LOG_TRIMMED', async (t) => {
  const busy = new Busy();
  const world = await busy.open([2, 3, 4, 5, 6, 7]);
  await t.rejects(world.run(world.admin.verify({ data: false })), { code: 'LOG_TRIMMED' });
  t.equal(busy.trimmedAt.length, 5, 'and it does not try for ever');
});

void t.test('verify: what is forgotten while all frames are read is no damage, but a gap is', async (t) => {
  for (const [code, oldestOffset, isDamage] of [
    ['LOG_TRIMMED', 4, false],
    ['LOG_TRIMMED', 0, true],
    ['CORRUPT_FRAME', 4, true],
  ] as const) {
    let armed = false;
    async function* read(from: number, real: Read): AsyncGenerator<DurableBatch, void, undefined> {
      for await (const batch of real(from)) {
        if (armed && batch.firstOffset >= 2) {
          armed = false;
          throw new HeadraceError(code, `the log ends at 2: ${code}`, { details: { oldestOffset } });
        }
        yield batch;
      }
    }
    const world = await EngineWorld.open({ observer: { wrapLog: (log) => withReads(log, read) } });
    for (let write = 0; write < 6; write++) await world.put(`key-${write}`, makeBody(write, 100));
    await world.drained();
    const whole = await world.run(world.admin.verify({ data: false }));
    armed = true;
    const report = await world.run(world.admin.verify({ data: false }));
    t.equal(armed, false);
    t.same(report.problems, isDamage ? [`partition 1: the log ends at 2: ${code}`] : [], code);
    if (!isDamage) t.equal(report.events, whole.events - 2, 'all but the two that were forgotten');
  }
});
