/**
 * What simulated clients do: activities, drawn by their weights. Each works on few keys, so that clients meet; together they
 * cover what the product is used for and what it may be hurt by.
 */
import { isErrorCode } from '../../src/core/errors.js';
import { KIB, MIB } from '../../src/core/units.js';
import type { PathConfigDocument } from '../../src/engine/path-config.js';
import { roundedSize, type Content } from '../content.js';
import type { Recorder } from '../recorder.js';
import type { SimRandom } from '../sim-random.js';
import type { SimWorld } from '../world.js';
import type { Calls } from './calls.js';

export const ACTIVITIES = {
  reads: 'GET and HEAD of anything',
  smallObjects: 'a storm of small objects, some read at once',
  checkpointBursts: 'a step of a training job: several files at once, the one before deleted',
  overwriteRaces: 'overwrites and deletes of few keys',
  conditionalWrites: 'If-None-Match and If-Match on few keys',
  multipart: 'uploads in parts: parts sent again, uploads abandoned, bad completions',
  listings: 'listings by pages of few keys while others write',
  brokenBodies: 'clients that go away in the middle of a body',
  capacityPressure: 'large objects until the cache is full',
  policyChanges: 'the path configuration changes below shift/',
  freeSpace: '`job free`: evicts what is persisted',
} as const;
export type Activity = keyof typeof ACTIVITIES;
export type Workload = Readonly<Partial<Record<Activity, number>>>;

export interface SizeRange {
  readonly min: number;
  readonly max: number;
}

export interface WorkloadSetup {
  readonly workload: Workload;
  /** Of the bodies of single objects. */
  readonly sizes: SizeRange;
  /** Below which keys are made, with the slash. */
  readonly prefixes: readonly string[];
  readonly thinkMs: SizeRange;
  /** Replaced while it runs, when policies change. */
  readonly pathConfig: PathConfigDocument;
  readonly bucket: string;
  /** Flips armed now and then: `readFlips` of all steps. */
  readonly readFlips: number;
  /** For how many bytes one simulated byte stands. */
  readonly scale: number;
}

const HOT_KEYS = ['a', 'b', 'c', 'd/e', 'd/f', 'g'];
const SMALL_KEYS = 16;
const CHECKPOINT_STEPS = 3;
const CHECKPOINT_RANKS = 2;
const TRAINING_JOBS = 3;
/** Where policies change. */
const SHIFTING = 'shift/';
const SHIFTS = ['WRITE_BACK', 'WRITE_THROUGH', 'READ_ONLY', 'NO_CACHE'] as const;
const PART_BYTES_MIN = 5 * MIB;
/** So that few of the uploads have several parts: all but the last have 5 MiB. */
const SEVERAL_PARTS = 0.015;

export class Client {
  readonly #world: SimWorld;
  readonly #recorder: Recorder;
  readonly #calls: Calls;
  readonly #random: SimRandom;
  readonly #setup: WorkloadSetup;
  readonly #activities: readonly Activity[];
  readonly #weights: readonly number[];
  /** Which training job it belongs to. */
  readonly #group: number;
  #step = 0;
  #stopping = false;

  constructor(
    parts: { world: SimWorld; recorder: Recorder; calls: Calls; random: SimRandom },
    setup: WorkloadSetup,
  ) {
    this.#world = parts.world;
    this.#recorder = parts.recorder;
    this.#calls = parts.calls;
    this.#random = parts.random;
    this.#setup = setup;
    this.#activities = (Object.keys(setup.workload) as Activity[]).sort();
    this.#weights = this.#activities.map((activity) => setup.workload[activity] ?? 0);
    this.#group = parts.random.below(TRAINING_JOBS);
  }

  /** Resolves when it has ended after `stop`; never in a process that dies before. */
  async run(): Promise<void> {
    while (!this.#stopping) {
      const activity = this.#draw();
      if (this.#random.chance(this.#setup.readFlips)) this.#world.disk.arm('READ_FLIP', 'segments/');
      await this.#perform(activity);
      const { min, max } = this.#setup.thinkMs;
      await this.#world.clock.sleep(this.#random.between(min, max));
    }
  }

  stop(): void {
    this.#stopping = true;
  }

  #draw(): Activity {
    let at = this.#random.unit() * this.#weights.reduce((sum, weight) => sum + weight, 0);
    for (const [index, weight] of this.#weights.entries()) {
      at -= weight;
      if (at < 0) return this.#activities[index] ?? 'reads';
    }
    return 'reads';
  }

  #perform(activity: Activity): Promise<unknown> {
    const calls = this.#calls;
    const random = this.#random;
    const key = this.#hotKey();
    switch (activity) {
      case 'reads':
        return random.chance(0.7) ? calls.get(this.#anyKey()) : calls.head(this.#anyKey());
      case 'smallObjects':
        return this.#storm();
      case 'checkpointBursts':
        return this.#checkpoint();
      case 'overwriteRaces':
        if (random.chance(0.15)) return calls.deleteMany([key, this.#hotKey()].filter(isFirst));
        return random.chance(0.3) ? calls.delete(key) : calls.put(key, this.#content());
      case 'conditionalWrites':
        return this.#conditional(key);
      case 'multipart':
        return this.#multipart(key);
      case 'listings':
        return calls.list(random.pick(['', ...this.#setup.prefixes]), 1 + random.below(12));
      case 'brokenBodies':
        return calls.vanish(
          key,
          this.#content(this.#scaled(700 * KIB)),
          random.below(this.#scaled(500 * KIB)),
        );
      case 'capacityPressure':
        return calls.put(
          this.#anyKey(),
          this.#content(this.#scaled(roundedSize(256 * KIB + random.below(MIB)))),
        );
      case 'policyChanges':
        return this.#changePolicy();
      case 'freeSpace':
        return this.#admin('free', () => this.#world.admin.free({}));
    }
  }

  async #storm(): Promise<void> {
    const prefix = this.#random.pick(this.#setup.prefixes);
    for (let count = 1 + this.#random.below(6); count > 0 && !this.#stopping; count--) {
      const key = `${prefix}small/${this.#random.below(SMALL_KEYS)}`;
      await this.#calls.put(key, this.#content(this.#scaled(this.#random.below(4 * KIB))));
      if (this.#random.chance(0.3)) await this.#calls.get(key);
    }
  }

  async #checkpoint(): Promise<void> {
    const prefix = this.#random.pick(this.#setup.prefixes);
    const step = this.#step++ % CHECKPOINT_STEPS;
    const keysOf = (number: number): string[] =>
      Array.from(
        { length: CHECKPOINT_RANKS },
        (_, rank) => `${prefix}ckpt/${number}/job-${this.#group}-rank-${rank}`,
      );
    const size = this.#rounded(this.#random.between(this.#setup.sizes.max / 2, this.#setup.sizes.max));
    await Promise.all(keysOf(step).map((key) => this.#calls.put(key, this.#content(size))));
    if (this.#random.chance(0.5)) await this.#calls.get(keysOf(step)[0] ?? '');
    if (this.#random.chance(0.3)) await this.#calls.deleteMany(keysOf((step + 1) % CHECKPOINT_STEPS));
  }

  async #conditional(key: string): Promise<void> {
    const random = this.#random;
    if (random.chance(0.4)) {
      await this.#calls.put(key, this.#content(), { ifNoneMatch: ['*'] });
      return;
    }
    const etag = await this.#calls.head(key);
    if (etag === undefined) return;
    if (random.chance(0.2)) await this.#calls.delete(key, { ifMatch: [etag] });
    else await this.#calls.put(key, this.#content(), { ifMatch: [etag] });
  }

  async #multipart(key: string): Promise<void> {
    const random = this.#random;
    if (random.chance(0.1)) return this.#calls.completeWithMissingPart(key, this.#content());
    const sizes =
      this.#setup.scale === 1 && random.chance(SEVERAL_PARTS) ? [PART_BYTES_MIN, 10 * KIB] : [this.#size()];
    await this.#calls.multipart(
      key,
      sizes.map((size) => this.#content(size)),
      () => this.#content(),
    );
  }

  async #changePolicy(): Promise<void> {
    const { pathConfig, bucket } = this.#setup;
    const policyMode = this.#random.pick(SHIFTS);
    const path = `/${bucket}/${SHIFTING}**`;
    const pathRules = (pathConfig.pathRules ?? []).filter((rule) => rule.path !== path);
    const document = { ...pathConfig, pathRules: [...pathRules, { path, policyMode }] };
    await this.#admin(`policy ${policyMode}`, () => this.#world.admin.setPathConfig(document));
  }

  /** What an operator does may fail as any call may. */
  async #admin(name: string, action: () => Promise<unknown>): Promise<void> {
    const { trace, statistics } = this.#recorder;
    trace.line(`admin ${name}`);
    try {
      await action();
      statistics.count('operations', `${name} ok`);
    } catch (error) {
      if (!isErrorCode(error, 'IO_FAILED', 'LOG_UNKNOWN_OUTCOME', 'DISK_FULL', 'SLOW_DOWN'))
        this.#recorder.report('expected-errors', `${name}: ${String(error)}`, undefined, error);
      statistics.count('operations', `${name} failed`);
    }
  }

  #hotKey(): string {
    return `${this.#random.pick(this.#setup.prefixes)}${this.#random.pick(HOT_KEYS)}`;
  }

  #anyKey(): string {
    const known = this.#random.chance(0.5) ? this.#recorder.keys : [];
    return known.length > 0 ? this.#random.pick(known) : this.#hotKey();
  }

  /** Of a size that no scenario says. */
  #scaled(bytes: number): number {
    return Math.ceil(bytes / this.#setup.scale);
  }

  #content(size = this.#size()): Content {
    return this.#world.contents.make(size);
  }

  /** Small ones are more frequent, by their logarithm. */
  #size(): number {
    const { min, max } = this.#setup.sizes;
    if (this.#random.chance(0.05)) return min;
    const low = Math.log(Math.max(1, min));
    return this.#rounded(Math.exp(this.#random.between(low, Math.log(Math.max(1, max)))));
  }

  #rounded(size: number): number {
    return Math.max(this.#setup.sizes.min, roundedSize(Math.round(size)));
  }
}

function isFirst(key: string, at: number, keys: readonly string[]): boolean {
  return keys.indexOf(key) === at;
}
