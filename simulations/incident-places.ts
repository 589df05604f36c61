/**
 * Where the objects of an incident are in the simulated under-store.
 *
 * Each mount of the incident is a bucket of its own there, and what no mount contains is in the bucket `incident`. A key is the same in all
 * of them as in the cache, so that checkers know an object by its key wherever it is.
 *
 * | path of the object                               | what was persisted of it is in                                     |
 * |--------------------------------------------------|--------------------------------------------------------------------|
 * | below no mount                                   | `incident`                                                         |
 * | below mount number n, the longest that has it    | `incident-mount-n`                                                 |
 * | below a path whose mount had just changed        | `incident-former`: a start gives the copies in the cache up        |
 */
import type { ControlEvent } from '../log/events.js';
import { SAFE_PERSIST_OPTION } from '../src/engine/mount-table.js';
import type { ControlState } from '../projections/control.js';

/** In which everything is. */
export const INCIDENT_BUCKET = 'incident';
/** For what belongs to a store that no path leads to any more. */
export const FORMER_BUCKET = 'incident-former';

export interface IncidentMount {
  /** Of the incident: `/<bucket>` or `/<bucket>/<prefix>`. */
  readonly path: string;
  /** Whether what somebody else changed in its store must not be overwritten. */
  readonly conditional: boolean;
}

export interface IncidentMounts {
  readonly mounted: readonly IncidentMount[];
  /** Paths below which the cache may hold copies of another store than the one that is meant now. */
  readonly unsettled: readonly string[];
}

export const NO_MOUNTS: IncidentMounts = { mounted: [], unsettled: [] };

export function mountsOf({ mounts, unsettledMounts }: ControlState): IncidentMounts {
  const mounted = Array.from(mounts.values(), ({ path, options }) => ({
    path,
    conditional: options[SAFE_PERSIST_OPTION] === 'conditional',
  }));
  return { mounted, unsettled: [...unsettledMounts] };
}

export class IncidentPlaces {
  readonly #mounts: IncidentMounts;
  readonly #longestFirst: readonly { readonly prefix: string; readonly bucket: string }[];
  readonly #unsettled: readonly string[];

  constructor(mounts: IncidentMounts = NO_MOUNTS) {
    this.#mounts = mounts;
    this.#longestFirst = mounts.mounted
      .map(({ path }, at) => ({ prefix: prefixOf(path), bucket: bucketOfMount(at) }))
      .toSorted((a, b) => b.prefix.length - a.prefix.length);
    this.#unsettled = mounts.unsettled.map(prefixOf);
  }

  /** All that the incident's paths lead to. */
  get buckets(): readonly string[] {
    return [INCIDENT_BUCKET, ...this.#longestFirst.map(({ bucket }) => bucket)];
  }

  /** The under-store's bucket of an object, `<bucket>/<key>` of the incident. */
  bucketOf(key: string): string {
    return this.#mountOf(key)?.bucket ?? INCIDENT_BUCKET;
  }

  /** Where the under-store has what the cache holds a persisted copy of. */
  bucketOfCopy(key: string): string {
    const within = this.#unsettled.filter((prefix) => key.startsWith(prefix));
    const mount = this.#mountOf(key);
    // A mount inside the path that changed is as it was.
    const isOther = within.some((prefix) => mount === undefined || mount.prefix.length <= prefix.length);
    return isOther ? FORMER_BUCKET : this.bucketOf(key);
  }

  /** What the control stream says of the mounts, so that a start finds them as the incident left them. */
  events(atMs: number): ControlEvent[] {
    const { mounted, unsettled } = this.#mounts;
    const isUnsettled = new Set(unsettled);
    const events: ControlEvent[] = [];
    for (const [at, { path, conditional }] of mounted.entries()) {
      const ufs = `sim://${bucketOfMount(at)}/${prefixOf(path)}`;
      const options: Record<string, string> = conditional ? { [SAFE_PERSIST_OPTION]: 'conditional' } : {};
      events.push({ type: 'MountAdded', atMs, path: simulatedPath(path), ufs, options });
      if (!isUnsettled.has(path)) events.push({ type: 'MountSettled', atMs, path: simulatedPath(path) });
      isUnsettled.delete(path);
    }
    for (const path of isUnsettled) events.push({ type: 'MountRemoved', atMs, path: simulatedPath(path) });
    return events;
  }

  #mountOf(key: string): { readonly prefix: string; readonly bucket: string } | undefined {
    return this.#longestFirst.find(({ prefix }) => key.startsWith(prefix));
  }
}

function bucketOfMount(at: number): string {
  return `incident-mount-${at + 1}`;
}

/** `/b/x` as the keys below it begin in the simulation: `b/x/`. */
function prefixOf(path: string): string {
  const prefix = path.slice(1);
  return prefix.endsWith('/') ? prefix : `${prefix}/`;
}

function simulatedPath(path: string): string {
  return `/${INCIDENT_BUCKET}${path}`.replace(/\/$/, '');
}
