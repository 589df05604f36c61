/**
 * Playing large scenarios with few bytes: one simulated byte stands for many.
 *
 * What capacity questions ask for (who is pinned, for how long, what is refused) depends on how sizes, bandwidths and limits relate,
 * and not on how large they are. So all of them are divided by one number; times, counts and latencies stay. What the engine counts in
 * fixed bytes does not shrink with them: blocks and headers of segments, 5 MiB parts. Their share of the figures grows, to a
 * percent or two.
 */
import { KIB, MIB } from '../src/core/units.js';
import { formatSize, parseSize } from '../src/core/quantities.js';
import { DISK_RESERVE_BYTES } from '../src/engine/admission.js';
import type { PathConfigDocument, PathRuleProperties } from '../src/engine/path-config.js';
import type { Incident } from './incident.js';
import type { IncidentObject, IncidentRecord } from './incident-records.js';
import type { Scenario } from './scenario.js';

/** The cache, and what all jobs keep, have no more simulated bytes than this. */
const HELD_BYTES_MAX = 128 * MIB;
/** What all jobs write in the whole simulation has no more simulated bytes than this. */
const WRITTEN_BYTES_MAX = 256 * MIB;
/** Smaller caches are only a few segments. */
const CACHE_BYTES_MIN = 32 * MIB;
/** At the lowest rate at which the engine still finds an upload useful (`ufs-calls.ts`). */
const SLOWEST_BYTES_PER_MS = 256;

/** For how many bytes one must stand so that the scenario can be played: a power of two, 1 where it is small. */
export function scaleOf({ engine, checkpoints, disk, lives, lifeMs }: Scenario): number {
  const cacheBytes = engine.capacityBytes ?? disk.capacityBytes;
  const burstBytes =
    checkpoints === undefined ? 0 : checkpoints.jobs * checkpoints.files * checkpoints.sizeBytes;
  const { keep = 0, everyMs = 1 } = checkpoints ?? {};
  const writtenBytes = burstBytes * lives * Math.ceil(lifeMs.max / everyMs);
  const wanted = Math.max(
    cacheBytes / HELD_BYTES_MAX,
    (burstBytes * (keep + 1)) / HELD_BYTES_MAX,
    writtenBytes / WRITTEN_BYTES_MAX,
  );
  const possible = Math.max(1, cacheBytes / CACHE_BYTES_MIN);
  return 2 ** Math.ceil(Math.log2(Math.max(1, Math.min(wanted, possible))));
}

/** The scenario with all its bytes divided by `scale`. */
export function scaled(scenario: Scenario, scale: number): Scenario {
  if (scale === 1) return scenario;
  const { engine, disk, ufs, checkpoints, sizes } = scenario;
  const { persist } = engine;
  const largestBytes = Math.max(sizes.max, checkpoints?.sizeBytes ?? 0);
  const divided = (bytes: number): number => Math.ceil(bytes / scale);
  const optional = (bytes: number | undefined): number | undefined =>
    bytes === undefined ? undefined : Math.max(1, bytes / scale);
  return {
    ...scenario,
    scale: scenario.scale * scale,
    incident: scenario.incident && scaledIncident(scenario.incident, divided),
    sizes: { min: divided(sizes.min), max: divided(sizes.max) },
    disk: {
      ...disk,
      // What the engine keeps free for itself is the same on every disk.
      capacityBytes: Math.max(0, disk.capacityBytes - DISK_RESERVE_BYTES) / scale + DISK_RESERVE_BYTES,
    },
    ufs: { ...ufs, bytesPerS: optional(ufs.bytesPerS) },
    checkpoints: checkpoints && {
      ...checkpoints,
      sizeBytes: divided(checkpoints.sizeBytes),
      bytesPerS: optional(checkpoints.bytesPerS),
    },
    pathConfig: withScaledBudgets(scenario.pathConfig, scale),
    engine: {
      ...engine,
      ...(engine.capacityBytes === undefined ? {} : { capacityBytes: divided(engine.capacityBytes) }),
      // Uploads have time by their size: what the scale takes from it is given back.
      ...(engine.ufsTimeoutMs === undefined
        ? {}
        : { ufsTimeoutMs: engine.ufsTimeoutMs + largestBytes / SLOWEST_BYTES_PER_MS }),
      ...(persist?.bytesPerS === undefined
        ? {}
        : { persist: { ...persist, bytesPerS: persist.bytesPerS / scale } }),
    },
  };
}

/** For how many bytes one must stand so that an incident's bytes can be made. */
export function scaleOfIncident({ records }: Incident): number {
  const heldBytes = records.reduce((sum, record) => sum + bytesOfRecord(record), 0);
  return 2 ** Math.ceil(Math.log2(Math.max(1, heldBytes / HELD_BYTES_MAX)));
}

/** What a record takes in the cache. */
export function bytesOfRecord(record: IncidentRecord): number {
  switch (record.kind) {
    case 'object':
      return record.sizeBytes;
    case 'upload':
      return record.parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    case 'write':
      return record.reservedBytes;
    case 'delete':
    case 'base':
    case 'staleUpload':
      return 0;
  }
}

function scaledIncident(incident: Incident, divided: (bytes: number) => number): Incident {
  const records = incident.records.flatMap((record): IncidentRecord | IncidentRecord[] => {
    switch (record.kind) {
      case 'object': {
        const partSizes = record.partSizes.map(divided);
        const sizeBytes =
          partSizes.length > 0 ? partSizes.reduce((sum, size) => sum + size, 0) : divided(record.sizeBytes);
        const isSplit = partSizes.length === 0;
        const kept = { ...record, sizeBytes, partSizes, ufsUpload: isSplit ? undefined : record.ufsUpload };
        return isSplit ? [...givenUp(record), kept] : kept;
      }
      case 'upload':
        return {
          ...record,
          parts: record.parts.map((part) => ({ ...part, sizeBytes: divided(part.sizeBytes) })),
        };
      case 'write':
        return { ...record, reservedBytes: divided(record.reservedBytes) };
      case 'delete':
      case 'base':
      case 'staleUpload':
        return record;
    }
  });
  return { ...incident, records };
}

/** What the engine splits by a fixed size is played as whole: the upload in parts that was under way is to be aborted. */
function givenUp({ key, version, ufsUpload }: IncidentObject): IncidentRecord[] {
  if (ufsUpload === undefined) return [];
  const { isNamed, sinceMs } = ufsUpload;
  return [{ kind: 'staleUpload', key, version, atMs: sinceMs, isNamed }];
}

function withScaledBudgets(document: PathConfigDocument, scale: number): PathConfigDocument {
  const scaledRule = <Rule extends { readonly properties?: PathRuleProperties }>(rule: Rule): Rule => {
    const budgetBytes = parseSize(rule.properties?.pinnedBudget ?? '');
    if (budgetBytes === undefined) return rule;
    const pinnedBudget = formatSize(Math.max(KIB, Math.round(budgetBytes / scale)));
    return { ...rule, properties: { ...rule.properties, pinnedBudget } };
  };
  return {
    ...document,
    defaultRule: scaledRule(document.defaultRule),
    pathRules: document.pathRules.map(scaledRule),
  };
}
