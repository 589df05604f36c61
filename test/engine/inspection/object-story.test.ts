/** What the log tells of one object, through the lives that objects have. */
import t from 'tap';
import { KIB } from '../../../src/core/units.js';
import type { Explanation, ObjectHistory } from '../../../src/engine/inspection/log-inspection.js';
import { explain as explainEvents } from '../../../src/engine/inspection/explain.js';
import type { DataEvent } from '../../../log/events.js';
import { BUCKET, EngineWorld } from '../../support/engine-world.js';
import { makeBody } from '../../support/object-model.js';

const body = (seed: number, size = 10 * KIB): Buffer => makeBody(seed, size);
/** So that nothing is forgotten. */
const KEPT = { log: { retention: { bytes: 1e9, timeMs: 1e12 } } };

async function history(world: EngineWorld, key: string, limit = 1000): Promise<ObjectHistory> {
  return world.run(world.admin.inspection.history({ bucket: BUCKET, key, limit }));
}

async function words(world: EngineWorld, key: string): Promise<string> {
  return (await history(world, key)).entries.map((entry) => entry.words).join('\n');
}

function explain(world: EngineWorld, key: string): Promise<Explanation> {
  return world.run(world.admin.inspection.explain({ bucket: BUCKET, key }));
}

void t.test(
  'history: put, failed attempt, persisted, evicted, read back, overwritten, deleted',
  async (t) => {
    const world = await EngineWorld.open(KEPT);
    await world.put('other', body(0));
    await world.drained();
    world.ufs.arm('throttled', { operation: 'put', times: 1 });
    await world.put('key', body(1));
    await world.drained();
    await world.run(world.admin.free({ path: `/${BUCKET}/` }));
    await world.read('key');
    await world.sleep(1000);
    await world.put('key', body(2, 5));
    await world.delete('key');
    await world.drained();
    const told = await words(world, 'key');
    const inOrder = [
      'put by one request: 10 KiB, ETag [0-9a-f]{32}, policy WRITE_BACK; committed as version \\d+, durable here, still to be persisted',
      'upload attempt 1 of version \\d+ failed because .*\\(UFS_THROTTLED\\); the next attempt is due \\d+ m?s later',
      'persisted: the UFS holds version \\d+ with ETag .*, \\d+ m?s after it was asked for, at attempt 2',
      'evicted on request \\(job free\\): 10 KiB; the UFS still holds version \\d+',
      'read back from the UFS and cached as version \\d+: 10 KiB',
      'put by one request: 5 bytes, .*; it overwrites version \\d+, which was persisted',
      'deleted, with version \\d+, which was',
      'the delete is persisted: the UFS holds the object no more',
    ];
    t.match(told, new RegExp(inOrder.map((line) => `^${line}`).join('[\\s\\S]*\\n'), 'm'));
    const { entries, oldestOffset, omitted } = await history(world, 'key');
    t.equal(oldestOffset, 0);
    t.equal(omitted, 0);
    t.ok(
      entries.every(({ event }) => event['key'] === 'key'),
      'nothing of another object',
    );
    t.same(
      entries.map(({ offset }) => offset),
      entries.map(({ offset }) => offset).toSorted((a, b) => a - b),
    );
    const newest = await history(world, 'key', 2);
    t.same(newest.entries.length, 2);
    t.same(newest.omitted, entries.length - 2);
    t.same(newest.entries.at(-1)?.offset, entries.at(-1)?.offset);
  },
);

void t.test('history: a multipart upload is told from its begin to its end', async (t) => {
  const world = await EngineWorld.open(KEPT);
  const uploadId = await world.createUpload('big');
  const part = await world.putPart('big', uploadId, 1, body(1, 300 * KIB));
  await world.completeUpload('big', uploadId, [part]);
  const told = await words(world, 'big');
  t.match(told, `multipart upload ${uploadId} was begun`);
  t.match(told, `part 1 of multipart upload ${uploadId} was stored: 300 KiB`);
  t.match(told, `put by multipart upload ${uploadId} of 1 parts: 300 KiB`);
});

void t.test('explain: says for every situation whether and why not an object is persisted', async (t) => {
  const world = await EngineWorld.open({
    ...KEPT,
    policies: { default: 'WRITE_BACK', '/bucket/tmp/**': 'TRANSIENT' },
  });
  t.match(await explain(world, 'none'), {
    persisted: undefined,
    situation: 'UNKNOWN',
    summary: /neither the cache nor the UFS has it/,
  });
  await world.put('tmp/key', body(1));
  t.match(await explain(world, 'tmp/key'), {
    persisted: false,
    situation: 'TRANSIENT',
    summary: /never persisted/,
    details: [/another policy/, /policy TRANSIENT now, by rule \/bucket\/tmp\/\*\*/],
  });
  await world.put('done', body(1));
  await world.drained();
  t.match(await explain(world, 'done'), {
    persisted: true,
    situation: 'PERSISTED',
    summary: /holds it with ETag/,
  });
  await world.run(world.admin.free({ path: `/${BUCKET}/done` }));
  t.match(await explain(world, 'done'), { persisted: true, situation: 'EVICTED' });
  world.ufs.setFaults({ unavailable: 1 });
  await world.put('key', body(1));
  await world.until(() => world.logged.some(({ message }) => message === 'a persist failed'));
  t.match(await explain(world, 'key'), {
    persisted: false,
    situation: 'WAITING',
    summary:
      /version \d+ \(10 KiB\) is not persisted for .*: upload attempt \d+ failed because .*\(UFS_UNAVAILABLE\)/,
    details: [
      /its UFS \(simulated\) does not answer: .* goes on by itself/,
      /the next attempt is due in \d+ m?s$/,
      /policy WRITE_BACK now, by rule default/,
    ],
  });
  world.ufs.setFaults({});
  await world.drained();
  await world.delete('done');
  await world.drained();
  t.match(await explain(world, 'done'), { persisted: false, situation: 'DELETED' });
});

void t.test('explain: what is not here is asked for in the UFS, and nobody waits for it long', async (t) => {
  const world = await EngineWorld.open(KEPT);
  world.ufs.putOutOfBand(BUCKET, 'theirs', body(1));
  t.match(await explain(world, 'theirs'), {
    persisted: true,
    situation: 'UFS_ONLY',
    summary: /in the UFS \(10 KiB, ETag .*\) and not in the cache/,
  });
  for (const key of ['lost', 'changed', 'gone']) await world.put(key, body(2));
  await world.drained();
  await world.run(world.admin.free({}));
  await world.delete('gone');
  await world.drained();
  world.ufs.deleteOutOfBand(BUCKET, 'lost');
  world.ufs.putOutOfBand(BUCKET, 'changed', body(3, 5));
  world.ufs.putOutOfBand(BUCKET, 'gone', body(3, 1));
  t.match(await explain(world, 'lost'), {
    persisted: false,
    situation: 'UFS_LOST',
    summary: /somebody deleted it there/,
    details: [/404/],
  });
  t.match(await explain(world, 'changed'), {
    situation: 'EVICTED',
    details: [/other bytes by now \(5 bytes/],
  });
  t.match(await explain(world, 'gone'), {
    situation: 'DELETED',
    details: [/an object of that name again \(1 byte,/],
  });
  world.ufs.setFaults({ hang: 1 });
  const askedMs = world.scheduler.nowMs;
  t.match(await explain(world, 'theirs'), {
    persisted: undefined,
    situation: 'UNKNOWN',
    summary: /whether the UFS does is not known now: the UFS did not answer within 5000 ms/,
  });
  t.ok(world.scheduler.nowMs - askedMs < 6000);
});

void t.test(
  'explain: conflicts, refused deletes, hung attempts and open uploads have words of their own',
  async (t) => {
    const world = await EngineWorld.open({
      ...KEPT,
      engine: { safePersist: 'conditional', ufsTimeoutMs: 60_000, persistConcurrency: 1 },
    });
    await world.put('refused', body(1));
    await world.drained();
    world.ufs.arm('throttled', { operation: 'put', times: 1 });
    await world.put('conflict', body(1));
    world.ufs.putOutOfBand(BUCKET, 'conflict', body(2));
    world.ufs.arm('denied', { operation: 'delete', times: 1 });
    await world.delete('refused');
    await world.until(() => world.state.uploads.quarantined === 2);
    t.match(await explain(world, 'conflict'), {
      persisted: false,
      situation: 'CONFLICT',
      summary: /parked as a conflict: somebody else changed .* now has one with ETag "sim-version-\d+"$/,
      details: [/resolve --path s3:\/\/bucket\/conflict --keep ours/, /--keep theirs gives this version/],
    });
    t.match(await explain(world, 'refused'), {
      situation: 'QUARANTINED',
      summary: /^its delete is in quarantine after attempt 1: the UFS refused it for good/,
      details: [/retry --path/, /the object is back/, /readers of the UFS do/],
    });
    world.ufs.arm('hang', { operation: 'put', times: 1 });
    await world.put('hung', body(1));
    await world.sleep(10_000);
    t.match(await explain(world, 'hung'), {
      situation: 'UPLOADING',
      summary: /not persisted for 10 s: upload attempt 1 is under way for 10 s/,
      details: [/not answer within 60 s is given up, and tried again/, /policy/],
    });
    world.ufs.setFaults({ unavailable: 1 });
    await world.put('behind', body(1));
    t.match(
      (await explain(world, 'behind')).details[0],
      /1 older entry is queued/,
      'and not what is in quarantine',
    );
    const uploadId = await world.createUpload('open');
    t.match(
      (await explain(world, 'open')).summary,
      new RegExp(`upload ${uploadId} is open for .* and has no part yet`),
    );
    await world.putPart('open', uploadId, 1, body(1, 300 * KIB));
    t.match(await explain(world, 'open'), {
      situation: 'OPEN',
      summary: /has 1 part \(300 KiB\), the last of \d+ ms ago/,
      details: [/when its client completes it; when no data comes for 10 min it is abandoned/],
    });
  },
);

const NAME = { bucket: 'b', key: 'k', atMs: 1000 };
const QUARANTINED: DataEvent = {
  ...NAME,
  type: 'PersistFailed',
  version: 7,
  attempt: 3,
  cause: 'UFS_REJECTED',
  message: 'no such bucket',
  nextAttemptAtMs: 0,
  quarantined: true,
};

void t.test('explain: from the log alone it says what it cannot know', async (t) => {
  const from = (...events: DataEvent[]): Explanation =>
    explainEvents({
      bucket: 'b',
      key: 'k',
      events: events.map((event, at) => ({ offset: 10 + at, event })),
      oldestOffset: 10,
      live: undefined,
      nowMs: 61_000,
    });
  t.match(from(QUARANTINED), {
    persisted: false,
    situation: 'QUARANTINED',
    summary:
      'version 7 is in quarantine after attempt 3: the UFS refused it for good, because no such bucket (UFS_REJECTED)',
    details: [
      /headrace async-persist retry --path s3:\/\/b\/k$/,
      /async-persist export --path s3:\/\/b\/k .* async-persist discard --path s3:\/\/b\/k/,
      /stay pinned/,
      /from the log alone/,
      /before offset 10 are no longer kept/,
    ],
  });
  t.match(from(QUARANTINED, { ...NAME, type: 'PersistRetried', version: 7 }), { situation: 'PENDING' });
  const given = {
    type: 'PersistDiscarded',
    version: 7,
    deletion: false,
    size: 5,
    extents: [],
    reason: 'stale',
  } as const;
  t.match(from(QUARANTINED, { ...NAME, ...given }), { situation: 'DISCARDED', persisted: false });
  t.match(from({ ...NAME, type: 'WriteOpened', writeId: 'w', reservedBytes: 5 }), {
    situation: 'OPEN',
    summary: 'nothing was committed yet: a write of 5 bytes is open for 60 s',
  });
});
