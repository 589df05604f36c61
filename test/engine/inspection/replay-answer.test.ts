/** States that are past, told by an engine that runs: the same as a replay elsewhere comes to, within bounds. */
import t from 'tap';
import { isErrorCode } from '../../../src/core/errors.js';
import { readExport } from '../../../src/engine/inspection/export-reader.js';
import {
  answerReplay,
  type ReplayAnswer,
  type ReplayQuestion,
} from '../../../src/engine/inspection/replay-answer.js';
import { replayExport, type ReplayResult } from '../../../src/engine/inspection/replay.js';
import {
  changesBetween,
  countsOf,
  objectView,
  orphansView,
  pinnedView,
  uploadsView,
} from '../../../src/engine/inspection/replay-views.js';
import { travelTo } from '../../../src/engine/inspection/time-travel.js';
import { BUCKET, EngineWorld } from '../../support/engine-world.js';
import { makeBody } from '../../support/object-model.js';

const KEPT = { log: { retention: { bytes: 1e9, timeMs: 1e12 } } };

/** Two checkpoints, and events behind them; half of it is not persisted. */
async function openWorld(): Promise<EngineWorld> {
  const world = await EngineWorld.open({ ...KEPT, engine: { checkpointChanges: 1e6 } });
  for (let round = 0; round < 3; round++) {
    world.ufs.setFaults(round === 0 ? {} : { unavailable: 1 });
    for (let at = 0; at < 300; at++) await world.put(`key-${at}`, makeBody(round, 100 + at));
    await world.delete(`key-${round}`);
    const uploadId = await world.createUpload(`big-${round}`);
    await world.putPart(`big-${round}`, uploadId, 1, makeBody(round, 5000));
    if (round === 0) await world.drained();
    if (round < 2) await world.run(world.partition.checkpoint());
  }
  return world;
}

function ask(world: EngineWorld, question: ReplayQuestion): Promise<ReplayAnswer> {
  return world.run(world.admin.inspection.replay(question));
}

async function replayed(world: EngineWorld, stops: readonly number[]): Promise<ReplayResult['snapshots']> {
  const pieces: Uint8Array[] = [];
  const read = async (): Promise<void> => {
    for await (const piece of world.admin.inspection.exportLog({})) pieces.push(piece);
  };
  await world.run(read());
  const bytes = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    yield* pieces;
  };
  return (await replayExport(readExport(bytes()), { stops })).snapshots;
}

void t.test('replay of a running engine: each part is what a replay elsewhere shows', async (t) => {
  const world = await openWorld();
  const end = world.partition.log.durableOffset;
  const until = end - 100;
  const [then, now] = await replayed(world, [until, end]);
  if (then === undefined || now === undefined) throw new Error('no snapshot');
  t.same((await ask(world, { until })).counts, countsOf(then));
  t.same((await ask(world, {})).counts, countsOf(now));
  t.same((await ask(world, { until, show: 'uploads' })).uploads, uploadsView(then));
  t.same((await ask(world, { until, show: 'orphans' })).orphans, orphansView(then));
  const { pinned } = await ask(world, { until, show: 'pinned' });
  t.same(
    pinned?.map(({ bytes }) => bytes),
    pinnedView(then).map(({ bytes }) => bytes),
  );
  t.same(new Set(pinned?.map(({ key }) => key)), new Set(pinnedView(then).map(({ key }) => key)));
  const object = { bucket: BUCKET, key: 'key-7' };
  t.same(
    (await ask(world, { until, show: 'object', object })).object,
    objectView(then, object.bucket, object.key),
  );
  t.equal((await ask(world, { show: 'object', object: { ...object, key: 'none' } })).object, null);
  t.same((await ask(world, { diff: [until, end] })).changes, changesBetween(then, now));
  const { steps = [] } = await ask(world, { until: end, steps: -2 });
  t.match(steps, [{ offset: end - 2, changes: Array }, { offset: end - 1 }]);
  t.equal((await ask(world, { until: end - 2, steps: 2 })).steps?.[0]?.words, steps[0]?.words);
});

void t.test('replay of a running engine: rows beyond the limit are counted', async (t) => {
  const world = await openWorld();
  const all = (await ask(world, { show: 'pinned' })).pinned ?? [];
  const pinned = await ask(world, { show: 'pinned', limit: 10 });
  t.same(pinned.pinned, all.slice(0, 10), 'the largest');
  t.equal(pinned.omitted, all.length - 10);
  const uploads = await ask(world, { show: 'uploads', limit: 10 });
  t.same(uploads.uploads, (await ask(world, { show: 'uploads' })).uploads?.slice(0, 10), 'the oldest');
  t.match(uploads, { omitted: 290 });
  const [, older] = [...world.partition.index.checkpoints].reverse();
  const end = world.partition.log.durableOffset;
  const changes = await ask(world, { diff: [older?.offset ?? 0, end], limit: 5 });
  t.ok((changes.omitted ?? 0) > 300);
});

void t.test(
  'replay of a running engine: one at a time, while others write, until nobody waits',
  async (t) => {
    const world = await openWorld();
    const before = world.partition.log.durableOffset;
    const telling = world.admin.inspection.replay({ until: before, show: 'pinned' });
    await t.rejects(world.admin.inspection.replay({}), { code: 'SLOW_DOWN', message: /one at a time/ });
    const wrote = world.beginPut('meanwhile', makeBody(1, 10));
    const [{ pinned = [] }] = await world.run(Promise.all([telling, wrote]));
    t.notOk(pinned.some(({ key }) => key === 'meanwhile'));
    t.type(await ask(world, {}), 'object', 'and then the next');

    const gone = new AbortController();
    const { log, index } = world.partition;
    let turns = 0;
    const sources = {
      version: '',
      control: world.engine.core.control.log,
      partitions: [{ log, index }],
      partitionIndexOf: () => 0,
      nowMs: () => world.clock.wallTimeMs(),
      nextTurn: () => {
        turns += 1;
        if (turns === 2) gone.abort();
        return world.clock.sleep(turns > 10 ? 61_000 : 1);
      },
    };
    const first = await world.run(
      answerReplay(sources, { show: 'pinned', signal: gone.signal }).catch((error: unknown) => error),
    );
    t.ok(isErrorCode(first, 'CLOSED'), String(first));
    t.equal(turns, 2, 'no turn more than needed');
    turns = 10;
    t.match(await world.run(answerReplay(sources, { show: 'pinned' }).catch((error: unknown) => error)), {
      code: 'SLOW_DOWN',
      message: /more than 60 s .* log export -o FILE/,
    });
    t.match(await world.run(travelTo(sources, { eventsMax: 10 }).catch((error: unknown) => error)), {
      code: 'INVALID_ARGUMENT',
      message: /\d{3} events would have to be folded .* at most 10: take a file/,
    });
    t.equal((await world.read('meanwhile'))?.length, 10, 'the engine goes on');
  },
);
