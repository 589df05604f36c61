/**
 * An operator and clients who work on keys of their own, below `wild/`: policies that change, mounts that come and go, versions
 * that are given up or tried again, load jobs. What such a key may hold is not modelled: checked is that in the end the cache
 * shows what the under-store holds, and that calls fail only as they may.
 */
import { HeadraceError } from '../../src/core/errors.js';
import { KIB } from '../../src/core/units.js';
import type { PolicyMode } from '../../src/core/object.js';
import type { SimRandom } from '../../simulations/sim-random.js';
import { BUCKET, bodyOf, type EngineWorld } from './engine-world.js';
import { makeBody } from './object-model.js';

export const WILD = 'wild/';
const MOUNTED = `${WILD}m/`;
const MOUNT_PATH = `/${BUCKET}/${WILD}m`;
const KEYS = ['a', 'b', 'm/a', 'm/b', 'm/c'].map((name) => WILD + name);
const MODES: readonly PolicyMode[] = ['WRITE_BACK', 'WRITE_BACK', 'WRITE_THROUGH', 'NO_CACHE', 'READ_ONLY'];
const HEADERS = { system: {}, user: {} };

export class OperatorLoad {
  readonly problems: string[] = [];
  readonly #world: EngineWorld;
  readonly #random: SimRandom;
  readonly #policies: Readonly<Record<string, PolicyMode>>;

  /** `policies`: those of all other keys. */
  constructor(world: EngineWorld, policies: Readonly<Record<string, PolicyMode>>, random: SimRandom) {
    this.#world = world;
    this.#policies = policies;
    this.#random = random;
  }

  /** Never resolves: the process dies. */
  async run(): Promise<void> {
    await Promise.all([
      this.#repeat(() => this.#client()),
      this.#repeat(() => this.#client()),
      this.#repeat(() => this.#operate()),
    ]);
  }

  async #repeat(step: () => Promise<unknown>): Promise<void> {
    for (;;) {
      try {
        await step();
      } catch (error) {
        // Whatever code it has: what must not happen is an error that is none of ours.
        if (!(error instanceof HeadraceError)) this.problems.push(`${WILD}: ${String(error)}`);
      }
      await this.#world.clock.sleep(this.#random.between(0, 60));
    }
  }

  #client(): Promise<unknown> {
    const key = this.#random.pick(KEYS);
    const { objects } = this.#world;
    const draw = this.#random.unit();
    if (draw < 0.5) {
      const body = bodyOf(makeBody(this.#random.below(2 ** 30), this.#random.below(40 * KIB)));
      const isAcknowledged = this.#random.chance(0.2);
      const ack = isAcknowledged ? ({ level: 'persisted', timeoutMs: 100 } as const) : undefined;
      return objects.putObject({ bucket: BUCKET, key, body, headers: HEADERS, ack });
    }
    if (draw < 0.6) return objects.deleteObject(BUCKET, key);
    if (draw < 0.7) return objects.setObjectTags(BUCKET, key, { seed: String(this.#random.below(100)) });
    return this.#world.beginGet(key);
  }

  #operate(): Promise<unknown> {
    const { admin } = this.#world;
    const draw = this.#random.unit();
    if (draw < 0.2) return this.setPolicy(this.#random.pick(MODES));
    if (draw < 0.4) return admin.addMount({ path: MOUNT_PATH, ufs: 'sim://other/x/', options: {} });
    if (draw < 0.6) {
      const how = this.#random.pick([{}, { force: true }, { drain: true, timeoutMs: 200 }]);
      return admin.removeMount({ path: MOUNT_PATH, ...how });
    }
    if (draw < 0.7) return admin.persists.retry({ path: `/${BUCKET}/${WILD}` });
    if (draw < 0.85)
      return admin.persists.discard({ bucket: BUCKET, key: this.#random.pick(KEYS), reason: 'a simulation' });
    return admin.jobs.start({ kind: 'load', path: `/${BUCKET}/${WILD}` });
  }

  async setPolicy(mode: PolicyMode): Promise<void> {
    const { default: defaultMode = 'WRITE_BACK', ...rules } = {
      ...this.#policies,
      [`/${BUCKET}/${WILD}**`]: mode,
    };
    await this.#world.admin.setPathConfig({
      apiVersion: 'v1.0',
      defaultRule: { policyMode: defaultMode },
      pathRules: Object.entries(rules).map(([path, policyMode]) => ({ path, policyMode })),
    });
  }
}

/** With everything persisted, the cache shows what the under-store holds; findings. */
export async function checkWild(world: EngineWorld): Promise<string[]> {
  const problems: string[] = [];
  const { mounts } = world.engine.core;
  for (const key of KEYS) {
    const located = mounts.locate(BUCKET, key);
    const held = world.ufs.contents(located.bucket).get(located.key);
    const read = await world.get(key);
    const inUfs = held === undefined ? 'nothing' : `${held.size} bytes with ETag ${held.etag}`;
    const here = read === undefined ? 'nothing' : `${read.object.size} bytes with ETag ${read.object.etag}`;
    if (inUfs !== here) problems.push(`${key}: the cache shows ${here}, the UFS holds ${inUfs}`);
    else if (held !== undefined && read?.body.equals(held.bytes) !== true)
      problems.push(`${key}: other bytes`);
    else if (
      held !== undefined &&
      JSON.stringify(held.headers.tags ?? {}) !== JSON.stringify(read?.object.headers.tags ?? {})
    )
      problems.push(`${key}: other tags`);
  }
  return problems;
}

/** Removes all that this load left, for those who count what is there. */
export async function clearWild(world: EngineWorld): Promise<void> {
  for (const key of KEYS) await world.delete(key);
  await world.drained();
  if ((await world.run(world.admin.mounts())).length > 0) {
    await world.run(world.admin.removeMount({ path: MOUNT_PATH }));
    for (const key of KEYS) if (key.startsWith(MOUNTED)) await world.delete(key);
    await world.drained();
  }
}
