/**
 * What must hold when the faults have stopped and nothing is asked for any more: everything drains in time, the under-store
 * holds the latest versions, log, index and bytes agree; and when everything was deleted, everything was given back.
 */
import { KIB, MIB, MINUTE_MS } from '../../src/core/units.js';
import { ABSENT } from './register.js';
import { recount } from './state-rules.js';
import { checkVersionOrder } from './store-rules.js';
import { checkBytesHeld, decideConflicts, heldByKey } from '../incident-end.js';
import type { Scenario } from '../scenario.js';
import type { Simulation } from '../simulation.js';
import { Violation } from '../violation.js';

/** The segment that small bodies go to, and the one that comes after it. */
const KEPT_BYTES_MAX = 2 * MIB;
/** Headers and tables of the files that are kept. */
const USED_BYTES_MAX = 64 * KIB;
const RETRIES_TO_DRAIN = 3;
/** Uploads that a violation names. */
const WAITING_SHOWN_MAX = 5;
const LAST_KEY = '\xff';
/** Uploads in parts that a crash left at the under-store are looked for when their beginning has surely arrived. */
const FORGOTTEN_WITHIN_MS = 10 * MINUTE_MS;

export async function checkQuiescence(run: Simulation): Promise<void> {
  run.recorder.trace.line('faults have stopped');
  const beganMs = run.world.scheduler.nowMs;
  await drain(run);
  run.drainedMs = run.world.scheduler.nowMs - beganMs;
  run.observer.drained?.();
  await run.foreign?.settle();
  if (await decideConflicts(run)) await drain(run);
  await abortUploads(run);
  checkConverged(run);
  checkBytesHeld(run);
  checkVersionOrder(run.recorder, run.events, run.world.ufs.history);
  await checkState(run);
  await checkEmptied(run);
}

/** In virtual milliseconds: a few of the longest waits between attempts, and the time that the bytes take. */
function drainBoundMs({ scenario, world }: Simulation): number {
  if (scenario.drainWithinMs !== undefined) return scenario.drainWithinMs;
  const { persistRetryMaxMs, ufsTimeoutMs, capacityBytes } = world.engine.core.options;
  const transferMs =
    scenario.ufs.bytesPerS === undefined ? 0 : (capacityBytes / scenario.ufs.bytesPerS) * 1000;
  return (
    RETRIES_TO_DRAIN * (persistRetryMaxMs + ufsTimeoutMs) + 2 * MINUTE_MS + transferMs + waitMs(scenario)
  );
}

/** How long an incident's last upload has yet to wait for its next attempt. */
function waitMs({ incident }: Scenario): number {
  if (incident === undefined) return 0;
  let latestMs = incident.atMs;
  for (const record of incident.records)
    if ('failure' in record && record.failure !== undefined && !record.failure.quarantined)
      latestMs = Math.max(latestMs, record.failure.nextAttemptAtMs);
  return latestMs - incident.atMs;
}

/** The first few that wait, and why. */
function waitingUploads({ world }: Simulation): string {
  const waiting: string[] = [];
  for (const [, record] of world.partition.index.scan('q', 'r')) {
    if (record.kind !== 'queued' || record.quarantined) continue;
    const { action, key, attempt, cause, nextAttemptAtMs } = record;
    const next = nextAttemptAtMs === 0 ? '' : `, next in ${nextAttemptAtMs - world.clock.wallTimeMs()} ms`;
    const why = attempt === 0 ? 'never tried' : `attempt ${attempt}: ${cause}${next}`;
    waiting.push(`${action} ${key} (${why})`);
    if (waiting.length === WAITING_SHOWN_MAX) break;
  }
  return waiting.join('; ');
}

async function drain(run: Simulation): Promise<void> {
  const { world, recorder } = run;
  const boundMs = drainBoundMs(run);
  const beganMs = world.scheduler.nowMs;
  const wait = async (): Promise<void> => {
    try {
      await world.drained(boundMs);
    } catch (error) {
      if (error instanceof Violation) throw error;
      const { pending, quarantined } = world.state.uploads;
      throw new Violation(
        'drains-in-time',
        `${pending - quarantined} uploads are pending ${boundMs} ms after the last fault: ${waitingUploads(run)}`,
        undefined,
        error,
      );
    }
  };
  await wait();
  // The UFS refused some of it while it was faulty, as an operator sees and mends.
  await world.run(world.admin.persists.retry({}));
  await wait();
  recorder.trace.line(`drained in ${Math.round(world.scheduler.nowMs - beganMs)} ms`);
}

async function abortUploads({ world, scenario }: Simulation): Promise<void> {
  const { bucket } = scenario;
  const { uploads } = await world.run(
    world.objects.listUploads({
      bucket,
      prefix: '',
      delimiter: '',
      keyMarker: '',
      uploadIdMarker: '',
      maxUploads: 1000,
    }),
  );
  // What was open when its path became READ_ONLY is closed to clients too, until an operator opens the path again.
  const isClosed = ({ key }: { readonly key: string }): boolean =>
    world.admin.testPath(`/${bucket}/${key}`).policyMode === 'READ_ONLY';
  if (uploads.some(isClosed)) await world.run(world.admin.setPathConfig(scenario.pathConfig));
  for (const { key, uploadId } of uploads) await world.run(world.objects.abortUpload(bucket, key, uploadId));
}

function checkConverged(run: Simulation): void {
  const { recorder, events } = run;
  const held = heldByKey(run);
  for (const key of recorder.keys) {
    const object = held.get(key);
    const found = object === undefined ? ABSENT : `"${object.etag}"`;
    const latest = recorder.model.settled(key)?.etag ?? ABSENT;
    const isWrong = events.isTransient(key) ? found === latest && latest !== ABSENT : found !== latest;
    if (isWrong)
      recorder.report(
        'ufs-converged',
        `${key} is ${found} in the under-store and ${latest}${events.isTransient(key) ? ', TRANSIENT,' : ''} here`,
        key,
      );
    if (object !== undefined && recorder.contentOf(`"${object.etag}"`)?.size !== object.size)
      recorder.report('ufs-converged', `${key} has ${object.size} bytes in the under-store`, key);
  }
}

async function checkState({ world, recorder, events }: Simulation): Promise<void> {
  // What was read from the UFS may still be on its way into the cache.
  await world.until(() => world.engine.core.admission.reservedBytes === 0);
  recount(recorder, world.state, world.partition.index, 'draining');
  let transientBytes = 0;
  for (const key of recorder.keys)
    if (events.isTransient(key)) transientBytes += recorder.model.settled(key)?.size ?? 0;
  const status = await world.run(world.admin.status());
  if (status.pinnedBytes !== transientBytes)
    recorder.report(
      'pinned-accounting',
      `${status.pinnedBytes} bytes are pinned with everything persisted; TRANSIENT objects have ${transientBytes}`,
    );
  if (status.openWrites > 0)
    recorder.report('no-space-leaked', `${status.openWrites} writes are open for ever`);
  const verified = await world.run(world.admin.verify({ data: true }));
  if (!verified.ok) recorder.report('refold-equals-state', verified.problems.slice(0, 3).join('; '));
  if (verified.stateHash !== verified.refoldedHash)
    recorder.report('refold-equals-state', `${verified.refoldedHash} is not ${verified.stateHash}`);
  await world.run(world.admin.free({}));
  await world.sleep(1000);
  const { fileBytes, liveBytes } = world;
  if (fileBytes > 2 * liveBytes + KEPT_BYTES_MAX)
    recorder.report('no-space-leaked', `${fileBytes} bytes of files hold ${liveBytes} live bytes`);
}

/** Lets time pass until nothing is remembered, or for so long that it never will be forgotten. */
async function forgotten({ world }: Simulation): Promise<void> {
  const endMs = world.scheduler.nowMs + FORGOTTEN_WITHIN_MS;
  while (world.scheduler.nowMs < endMs) {
    const { done } = world.partition.index.scan('', LAST_KEY).next();
    if (done === true) return;
    await world.sleep(10_000);
  }
}

/** When every object is deleted, everything is given back, in the figures and on the disk. */
async function checkEmptied(run: Simulation): Promise<void> {
  const { world, recorder, scenario } = run;
  for (const key of recorder.keys) {
    const { policyMode } = world.admin.testPath(`/${scenario.bucket}/${key}`);
    // A path that refuses writes keeps what it has, and so there is nothing to learn from the rest.
    if (policyMode === 'READ_ONLY') return;
  }
  for (const key of recorder.keys) await world.run(world.objects.deleteObject(scenario.bucket, key));
  await drain(run);
  await forgotten(run);
  await world.run(world.admin.free({}));
  await world.sleep(1000);
  const status = await world.run(world.admin.status());
  const { reservedBytes } = world.engine.core.admission;
  const left = [...heldByKey(run).keys()];
  const records = Array.from(world.partition.index.scan('', LAST_KEY), ([, record]) =>
    JSON.stringify(record),
  );
  const uploads = [...world.ufs.uploads.open.values()].map(({ key }) => key);
  const findings = [
    status.pinnedBytes > 0 ? `${status.pinnedBytes} bytes are pinned` : '',
    status.objects > 0 ? `${status.objects} objects are there` : '',
    status.usedBytes > USED_BYTES_MAX ? `${status.usedBytes} bytes are used` : '',
    reservedBytes > 0 ? `${reservedBytes} bytes are reserved` : '',
    records.length > 0 ? `the index holds ${records.slice(0, 3).join(', ')}` : '',
    uploads.length > 0 ? `the under-store keeps parts of ${uploads.slice(0, 3).join(', ')}` : '',
    left.length > 0 ? `the under-store holds ${left.slice(0, 3).join(', ')}` : '',
  ].filter((finding) => finding !== '');
  if (findings.length > 0)
    recorder.report('no-space-leaked', `when everything is deleted, ${findings.join('; ')}`);
}
