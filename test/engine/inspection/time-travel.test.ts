/** The state at an offset from the nearest checkpoint is the state that a fold from the beginning comes to. */
import t from 'tap';
import { KIB } from '../../../src/core/units.js';
import { readExport } from '../../../src/engine/inspection/export-reader.js';
import { replayExport, type ReplayResult } from '../../../src/engine/inspection/replay.js';
import { changesBetween, countsOf } from '../../../src/engine/inspection/replay-views.js';
import {
  travelTo,
  type TravelRequest,
  type TravelResult,
} from '../../../src/engine/inspection/time-travel.js';
import { EngineWorld } from '../../support/engine-world.js';
import { makeBody } from '../../support/object-model.js';

const KEPT = { log: { retention: { bytes: 1e9, timeMs: 1e12 } } };

async function live(world: EngineWorld, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    await world.put(`dir/key-${round % 5}`, makeBody(round, 100 + round));
    if (round % 4 === 3) await world.delete(`dir/key-${(round + 1) % 5}`);
  }
  const uploadId = await world.createUpload('big');
  await world.putPart('big', uploadId, 1, makeBody(1, 20 * KIB));
}

function travel(world: EngineWorld, request: TravelRequest): Promise<TravelResult> {
  const { log, index } = world.partition;
  const sources = { partitions: [{ log, index }], partitionIndexOf: () => 0 };
  return world.run(travelTo(sources, request));
}

async function replayed(world: EngineWorld, stops: readonly number[]): Promise<ReplayResult> {
  const pieces: Uint8Array[] = [];
  await world.run(
    (async () => {
      for await (const piece of world.admin.inspection.exportLog({})) pieces.push(piece);
    })(),
  );
  const once = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    yield Buffer.concat(pieces);
  };
  return replayExport(readExport(once()), { stops });
}

void t.test('time travel: the state at any offset is that of a fold from the beginning', async (t) => {
  const world = await EngineWorld.open(KEPT);
  world.ufs.setFaults({ throttled: 0.3 });
  await live(world, 20);
  await world.run(world.partition.checkpoint());
  await live(world, 10);
  await world.run(world.partition.checkpoint());
  await live(world, 10);
  await world.drained();
  const end = world.partition.log.durableOffset;
  const offsets = Array.from({ length: end + 1 }, (_, offset) => offset);
  const { snapshots } = await replayed(world, offsets);
  const checkpoints = world.partition.index.checkpoints.map(({ offset }) => offset);
  t.equal(checkpoints.length, 2);
  for (const [offset, wanted] of snapshots.entries()) {
    const travelled = await travel(world, { stops: [offset] });
    const [found] = travelled.snapshots;
    if (found === undefined) throw new Error('no snapshot');
    t.same(changesBetween(wanted, found), [], `offset ${offset}`);
    t.same(countsOf(found), countsOf(wanted), `offset ${offset}`);
    const nearest = checkpoints.findLast((checkpoint) => checkpoint <= offset) ?? 0;
    t.equal(travelled.replayed.from, nearest, 'it begins at the nearest checkpoint');
    t.equal(travelled.replayed.events, offset - nearest, 'and folds no more than is behind it');
    await world.run(travelled.close());
  }
  const from = checkpoints[0] ?? 0;
  const to = end;
  const pair = await travel(world, { stops: [from, to] });
  const [before, after] = pair.snapshots;
  const [first, last] = [snapshots[from], snapshots[to]];
  if (!before || !after || !first || !last) throw new Error('no snapshot');
  t.same(
    changesBetween(before, after),
    changesBetween(first, last),
    'so are the changes between two of them',
  );
  await world.run(pair.close());
});

void t.test('time travel: of a trimmed log it goes back to the oldest checkpoint, and says so', async (t) => {
  const world = await EngineWorld.open({ log: { segmentBytes: 64 * KIB, firstSegmentBytes: 64 * KIB } });
  for (let round = 0; round < 6; round++) {
    await live(world, 60);
    await world.run(world.partition.checkpoint());
  }
  await live(world, 5);
  const { log, index } = world.partition;
  t.ok(log.oldestOffset > 0, 'the log does not begin at 0 any more');
  const earliest = index.checkpoints[0]?.offset ?? 0;
  const travelled = await travel(world, { stops: [earliest] });
  t.equal(travelled.replayed.events, 0);
  await world.run(travelled.close());
  await t.rejects(travel(world, { stops: [earliest - 1] }), {
    code: 'LOG_TRIMMED',
    message: new RegExp(`can be had at offsets ${earliest} to ${log.durableOffset}`),
  });
  await t.rejects(travel(world, { stops: [log.durableOffset + 1] }), {
    code: 'INVALID_ARGUMENT',
    message: /behind the end of its log/,
  });
  await t.rejects(travel(world, { partition: 7 }), {
    code: 'INVALID_ARGUMENT',
    message: /no data partition 7: there are 1/,
  });
  const object = { bucket: 'b', key: 'k' };
  await t.rejects(travel(world, { partition: 7, object }), {
    code: 'INVALID_ARGUMENT',
    message: /belongs to partition 1, not to 7/,
  });
});
