/**
 * The state that an export of a log leads to, as plain values: what a simulation begins with that continues an incident.
 *
 * The objects of all buckets and partitions (`incident-records.ts`) become those of one simulated bucket and one partition: `/<bucket>/<key>` is the path
 * `/incident/<bucket>/<key>` there, and path rules get the same prefix, so that each object keeps its rule. Exports hold no
 * payload: sizes are known and bytes are not, so checksums and ETags are left behind here and derived again from the bytes that
 * the simulation makes.
 */
import { HeadraceError } from '../src/core/errors.js';
import type { ExportDescription } from '../src/engine/inspection/export-format.js';
import { readExport } from '../src/engine/inspection/export-reader.js';
import { replayExport } from '../src/engine/inspection/replay.js';
import { parsePathConfigText } from '../src/engine/path-config-document.js';
import type { PathConfigDocument } from '../src/engine/path-config.js';
import type { ControlEvent } from '../log/events.js';
import { emptyControlState, foldControl, isControlEvent, type ControlState } from '../projections/control.js';
import { INCIDENT_BUCKET, mountsOf, type IncidentMounts } from './incident-places.js';
import { recordsOf, type IncidentRecord } from './incident-records.js';

export interface Incident {
  /** Wall time of its last event. */
  readonly atMs: number;
  /** Where each partition stood. */
  readonly offsets: readonly { readonly partition: number; readonly offset: number }[];
  /** Whether the export told the whole state, and not only what its events say. */
  readonly complete: boolean;
  /** Absent where the export does not have it: names were hashed, or it was never set. */
  readonly pathConfig: PathConfigDocument | undefined;
  readonly mounts: IncidentMounts;
  /** What the export has and the simulation does not go on with, or was left out of the export, in words. */
  readonly leftOut: readonly string[];
  /** In the order in which they were logged; uploads that are to be aborted first. */
  readonly records: readonly IncidentRecord[];
}

/** A simulation plays so many in a minute or two. */
const RECORDS_MAX = 20_000;

/** `open` gives the bytes of the export, from their start each time. `INVALID_ARGUMENT`, and what `readExport` throws. */
export async function readIncident(open: () => AsyncIterable<Uint8Array>): Promise<Incident> {
  const controlEvents: { readonly event: ControlEvent; readonly offset: number }[] = [];
  let description: ExportDescription | undefined;
  for await (const item of readExport(open())) {
    if (item.kind === 'DESCRIPTION') ({ description } = item);
    else if (item.kind === 'FRAME' && item.header.partition === 0)
      for (const [at, event] of item.events.entries())
        if (isControlEvent(event)) controlEvents.push({ event, offset: item.header.firstOffset + at });
  }
  const { createdMs = 0, partitions: exported = [] } = description ?? {};
  const records: IncidentRecord[] = [];
  const offsets: { partition: number; offset: number }[] = [];
  let complete = true;
  let atMs: number | undefined;
  for (const { partition } of exported) {
    if (partition === 0) continue;
    const { replayed, snapshots } = await replayExport(readExport(open()), { partition });
    const last = snapshots.at(-1);
    if (last === undefined) continue;
    offsets.push({ partition, offset: replayed.offset });
    complete &&= replayed.complete;
    if (replayed.atMs !== undefined) atMs = Math.max(atMs ?? 0, replayed.atMs);
    records.push(...recordsOf(last));
  }
  if (records.length > RECORDS_MAX)
    throw new HeadraceError(
      'INVALID_ARGUMENT',
      `the export leads to ${records.length} objects, uploads and open writes; a simulation takes at most ${RECORDS_MAX}: ` +
        'export less, with --bucket and --prefix',
    );
  records.sort((a, b) => Number(isOlder(b)) - Number(isOlder(a)) || a.atMs - b.atMs || a.version - b.version);
  // What was configured after the slice's end was not in force yet.
  const isCutShort = exported.some(({ to, end = to }) => to < end);
  const control = emptyControlState();
  for (const { event, offset } of controlEvents)
    if (!isCutShort || event.atMs <= (atMs ?? createdMs)) foldControl(control, event, offset);
  const { pathConfig } = control;
  return {
    atMs: atMs ?? createdMs,
    offsets,
    complete,
    pathConfig: pathConfig === undefined ? undefined : parsePathConfigText(pathConfig),
    mounts: mountsOf(control),
    leftOut: [...missingFrom(description), ...notGoneOnWith(control)],
    records,
  };
}

/** Of versions that are gone: what is current comes behind it. */
function isOlder({ kind }: IncidentRecord): boolean {
  return kind === 'staleUpload';
}

/** What a selection, or hashes in the place of names, kept out of the export. */
function missingFrom(description: ExportDescription | undefined): string[] {
  if (description === undefined) return [];
  const { bucket, prefix = '', hashed, selected = bucket !== undefined } = description;
  const missing: string[] = [];
  if (selected)
    missing.push(
      `only ${bucket === undefined ? 'a part of the objects' : `s3://${bucket}/${prefix}`} was exported: what else was pinned, ` +
        'queued and uploaded at that time is not there, and the queue is shorter for it',
    );
  if (hashed)
    missing.push(
      'names were hashed, and with them mounts and path rules stayed behind: everything is in one under-store, ' +
        "and the scenario's rules hold",
    );
  return missing;
}

function notGoneOnWith({ jobs }: ControlState): string[] {
  const running = [...jobs.values()].filter(({ ended }) => !ended).length;
  if (running === 0) return [];
  return [`${running} ${running === 1 ? 'job was' : 'jobs were'} running: simulations have no jobs`];
}

/** The same rules for the paths that objects have in the simulation. */
export function belowIncident(document: PathConfigDocument): PathConfigDocument {
  const pathRules = document.pathRules.map((rule) =>
    rule.path === undefined ? rule : { ...rule, path: `/${INCIDENT_BUCKET}${rule.path}` },
  );
  return { ...document, pathRules };
}
