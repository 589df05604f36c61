/** Going on from an export: the simulated process finds what the real one left, and keeps to its retry schedule. */
import t from 'tap';
import { readIncident, type Incident } from '../../simulations/incident.js';
import { simulate, type SimulationResult } from '../../simulations/simulation.js';
import { openSimulator } from '../../src/composition/simulator.js';
import { incidentScenario } from '../../src/composition/sim-incident.js';
import { KIB, MIB, SECOND_MS } from '../../src/core/units.js';
import type { ExportRequest } from '../../src/engine/inspection/log-inspection.js';
import { BUCKET, EngineWorld, WORLD_PARTS } from '../support/engine-world.js';
import { makeBody } from '../support/object-model.js';

t.setTimeout(240_000);

const KEPT = { log: { retention: { bytes: 1e9, timeMs: 1e12 } } };

async function exported(world: EngineWorld, request: ExportRequest = {}): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  const read = async (): Promise<void> => {
    for await (const piece of world.admin.inspection.exportLog(request)) pieces.push(piece);
  };
  await world.run(read());
  return Buffer.concat(pieces);
}

function opening(bytes: Buffer): () => AsyncIterable<Uint8Array> {
  return async function* () {
    yield bytes;
  };
}

function attemptsOf(world: EngineWorld, key: string): number {
  for (const [, record] of world.partition.index.scan('q', 'r'))
    if (record.kind === 'queued' && record.key === key) return record.attempt;
  return 0;
}

/** An under-store that went away: persisted, pending, failed, quarantined, deleted, transient and unfinished. */
async function incidentWorld(): Promise<EngineWorld> {
  const world = await EngineWorld.open({
    ...KEPT,
    policies: { default: 'WRITE_BACK', [`/${BUCKET}/tmp/**`]: 'TRANSIENT' },
  });
  await world.put('done', makeBody(1, 10 * KIB));
  await world.put('gone', makeBody(2, 10 * KIB));
  await world.drained();
  world.ufs.arm('denied', { keyPrefix: 'refused', times: 100 });
  await world.put('refused', makeBody(3, 5 * KIB));
  await world.until(() => world.state.uploads.quarantined === 1);
  for (const keyPrefix of ['stuck', 'gone']) world.ufs.arm('reset', { keyPrefix, times: 1000 });
  await world.put('stuck', makeBody(4, 300 * KIB));
  await world.delete('gone');
  await world.put('tmp/scratch', makeBody(5, 3 * KIB));
  await world.until(() => attemptsOf(world, 'stuck') >= 2);
  const uploadId = await world.createUpload('big');
  await world.putPart('big', uploadId, 1, makeBody(6, 20 * KIB));
  return world;
}

async function continued(
  bytes: Buffer,
  document?: string,
): Promise<SimulationResult & { incident: Incident }> {
  const open = opening(bytes);
  const source = {
    name: 'swarm',
    isQuiet: document === undefined,
    ...(document === undefined ? {} : { document: { path: 'faults.yaml', text: document } }),
  };
  const { scenario } = await incidentScenario(source, open, 'test');
  const result = await simulate(WORLD_PARTS, { scenario, seed: '1', keepsTrace: true });
  return { ...result, incident: await readIncident(open) };
}

/** When the trace first says so, in virtual milliseconds. */
function momentOf({ trace = [] }: SimulationResult, what: RegExp): number {
  const line = trace.find((candidate) => what.test(candidate));
  return line === undefined ? Number.NaN : Number.parseFloat(line);
}

void t.test(
  'incident: objects, pins, quarantine, deletes, uploads and the schedule are as they were',
  async (t) => {
    const world = await incidentWorld();
    const incident = await readIncident(opening(await exported(world)));
    t.equal(incident.complete, true);
    t.match(incident.offsets, [{ partition: 1, offset: world.partition.appliedOffset }]);
    const byKey = new Map(incident.records.map((record) => [record.key, record]));
    t.match(byKey.get(`${BUCKET}/done`), { kind: 'object', state: 'PERSISTED', sizeBytes: 10 * KIB });
    t.match(byKey.get(`${BUCKET}/refused`), { state: 'PENDING', failure: { quarantined: true } });
    const stuck = byKey.get(`${BUCKET}/stuck`);
    t.match(stuck, { state: 'PENDING', sizeBytes: 300 * KIB, failure: { quarantined: false } });
    t.ok(stuck?.kind === 'object' && (stuck.failure?.attempt ?? 0) >= 1);
    t.match(byKey.get(`${BUCKET}/gone`), { kind: 'delete' });
    t.match(byKey.get(`${BUCKET}/tmp/scratch`), { state: 'TRANSIENT', policy: 'TRANSIENT' });
    t.match(byKey.get(`${BUCKET}/big`), { kind: 'upload', parts: [{ number: 1, sizeBytes: 20 * KIB }] });
    t.match(incident.pathConfig, { pathRules: [{ path: `/${BUCKET}/tmp/**` }] });
  },
);

void t.test('incident: left alone it drains, each upload at the time at which it was due', async (t) => {
  const run = await continued(await exported(await incidentWorld()));
  t.same(run.violation, undefined);
  const stuck = run.incident.records.find(({ key }) => key === `${BUCKET}/stuck`);
  const dueMs = stuck?.kind === 'object' ? (stuck.failure?.nextAttemptAtMs ?? 0) - run.incident.atMs : 0;
  t.ok(dueMs > SECOND_MS / 2, `due in ${dueMs} ms`);
  const sentMs = momentOf(run, /ufs put bucket\/stuck/);
  t.ok(sentMs >= dueMs && sentMs < dueMs + 5 * SECOND_MS, `sent at ${sentMs} ms, due at ${dueMs} ms`);
  t.ok(run.counts.events['DeletePersisted'] ?? 0, 'the pending delete was done');
  t.ok(
    run.counts.events['PersistRetried'] ?? 0,
    'what was quarantined is tried when the faults have stopped',
  );
  t.ok(momentOf(run, /ufs put bucket\/refused/) > momentOf(run, /faults have stopped/));
  t.ok((run.counts.events['ObjectPersisted'] ?? 0) >= 2);
  t.notMatch(run.trace?.join('\n'), /ufs put bucket\/(done|tmp)/, 'what is persisted or transient stays');
  t.type(run.drainedMs, 'number');
});

void t.test('incident: a fault plan keeps it from draining until the faults stop', async (t) => {
  const bytes = await exported(await incidentWorld());
  const run = await continued(
    bytes,
    'name: away\nlife: 30s\nlives: 2\nufs: { outages: [{ at: 0ms, for: 30s }] }\nfaults: { powerCut: 1 }',
  );
  t.same(run.violation, undefined);
  t.ok((run.counts.events['PersistFailed'] ?? 0) > 3, 'it failed on');
  t.equal(run.counts.faults['power cut'], 2);
  t.notOk(run.counts.operations['put ok'], 'no client was asked for');
  const same = await continued(bytes);
  t.equal(same.traceHash, (await continued(bytes)).traceHash, 'the same seed gives the same trace');
});

void t.test('incident: large objects are played at a scale, and too small a cache is refused', async (t) => {
  const world = await EngineWorld.open(KEPT);
  world.ufs.setFaults({ unavailable: 1 });
  await world.put('a', makeBody(1, 300 * KIB));
  const open = opening(await exported(world));
  const source = { name: 'swarm', isQuiet: true };
  const small = await incidentScenario(source, open, 'test');
  t.match(small.incident, { scale: 1, pinnedBytes: 300 * KIB, pending: 1, objects: 1, quarantined: 0 });
  const tooSmall = {
    name: 'swarm',
    isQuiet: false,
    document: {
      path: 'a.yaml',
      text: 'settings: { worker.page.store: { size: 1MiB, pinned.file.capacity.limit.ratio: 0.1 } }',
    },
  };
  await t.rejects(incidentScenario(tooSmall, open, 'test'), {
    code: 'INVALID_ARGUMENT',
    message:
      /307200 bytes are pinned in the export, and the settings allow \d+: raise worker\.page\.store\.size/,
  });
  const { scenario } = small;
  const large = scenario.incident?.records.map((record) =>
    record.kind === 'object' ? { ...record, sizeBytes: 1024 * MIB } : record,
  );
  const { scaled, scaleOfIncident } = await import('../../simulations/scale-scenario.js');
  const incident = { ...(scenario.incident as Incident), records: large ?? [] };
  t.equal(scaleOfIncident(incident), 8);
  t.match(scaled({ ...scenario, incident }, 8).incident?.records, [{ sizeBytes: 128 * MIB }]);
});

void t.test('incident: hashed names and a part of the log are played as far as they tell', async (t) => {
  const world = await incidentWorld();
  const hashed = await continued(await exported(world, { salt: '0011223344556677' }));
  t.same(hashed.violation, undefined);
  t.equal(hashed.incident.pathConfig, undefined, 'rules name paths');
  t.match(hashed.incident.leftOut, [/names were hashed/]);
  const part = await continued(await exported(world, { bucket: BUCKET, prefix: 'st' }));
  t.same(part.violation, undefined);
  t.match(part.incident.records, [{ key: `${BUCKET}/stuck` }]);
  t.match(part.incident.leftOut, [/only s3:\/\/bucket\/st was exported/]);
  const both = { bucket: BUCKET, prefix: 'st', salt: '0011223344556677' };
  t.match((await continued(await exported(world, both))).incident.leftOut, [
    /only a part of the objects/,
    /hashed/,
  ]);
  const simulator = openSimulator('test');
  t.teardown(() => simulator.close());
  const source = { name: 'swarm', isQuiet: true };
  await t.rejects(simulator.prepareIncident(source, opening(Buffer.from('what?'))), {
    code: 'INVALID_ARGUMENT',
  });
  const prepared = await simulator.prepareIncident(source, opening(await exported(world)));
  t.equal((await prepared.run('1')).violation, undefined, 'in a process of its own as well');
});
