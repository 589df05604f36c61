/**
 * What the end of a simulation has to do about an incident that it went on from: an operator decides the conflicts that were left, after
 * it was checked that nobody has before; and checkers find each object in the part of the under-store that its path leads to.
 */
import { bytesOfContent } from './content.js';
import type { QueueRecord } from '../projections/records.js';
import { INCIDENT_BUCKET } from './incident-places.js';
import { isConflict } from './incident-records.js';
import type { HeldObject } from './sim-stored-objects.js';
import type { Simulation } from './simulation.js';

/** What the under-store holds, by key: each in its place. */
export function heldByKey({ world, scenario, places }: Simulation): ReadonlyMap<string, HeldObject> {
  if (scenario.incident === undefined) return world.ufs.contents(scenario.bucket);
  const held = new Map<string, HeldObject>();
  for (const bucket of places.buckets)
    for (const [key, object] of world.ufs.contents(bucket))
      if (places.bucketOf(key) === bucket) held.set(key, object);
  return held;
}

/**
 * Keeps ours of everything that is in conflict. A conflict that the incident had must still be one: nobody decided it. Resolves with
 * whether something is to be uploaded now.
 */
export async function decideConflicts(run: Simulation): Promise<boolean> {
  const { world, recorder, scenario } = run;
  if (scenario.incident === undefined) return false;
  checkConflictsKept(run);
  const conflicts: QueueRecord[] = [];
  for (const [, record] of world.partition.index.scan('q', 'r'))
    if (record.kind === 'queued' && record.quarantined && record.cause === 'UFS_CONFLICT')
      conflicts.push(record);
  for (const { bucket, key } of conflicts) {
    recorder.trace.line(`operator keeps ours of ${key}`, key);
    await world.run(world.admin.persists.resolve({ bucket, key, keep: 'ours' }));
    recorder.statistics.count('operations', 'conflict ours');
  }
  return conflicts.length > 0;
}

/** What was planted there, and went on from, has the bytes that its ETag says: no request of this world has checked that. */
export function checkBytesHeld(run: Simulation): void {
  const { recorder, scenario } = run;
  if (scenario.incident === undefined) return;
  for (const [key, { etag, bytes }] of heldByKey(run)) {
    const content = recorder.contentOf(`"${etag}"`);
    if (content === undefined || Buffer.compare(bytesOfContent(content), bytes) === 0) continue;
    recorder.report('bytes-match-etag', `${key} has other bytes in the under-store than "${etag}"`, key);
  }
}

/** What somebody else put there is there, unless he had changed it himself. */
function checkConflictsKept({ world, recorder, scenario, places }: Simulation): void {
  for (const record of scenario.incident?.records ?? []) {
    if (record.kind !== 'object' && record.kind !== 'delete') continue;
    const { key } = record;
    const isGuarded = world.engine.core.mounts.locate(INCIDENT_BUCKET, key).conditional;
    if (!isGuarded || !isConflict(record)) continue;
    const bucket = places.bucketOf(key);
    const ours = world.ufs.history.find(
      (change) => change.key === key && change.bucket === bucket && change.generation > 0,
    );
    if (ours !== undefined)
      recorder.report(
        'foreign-kept',
        `${ours.kind} of ${key} at ${ours.atMs} ms took the place of what somebody else had put there before the incident`,
        key,
      );
  }
}
