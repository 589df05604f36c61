/**
 * Somebody else who works in the under-store: puts and deletes objects there behind the back of the cache, while clients write the
 * same keys here and an operator decides what is in conflict.
 *
 * | bucket here | persists    | what must hold                                                                       |
 * |-------------|-------------|--------------------------------------------------------------------------------------|
 * | `shared`    | conditional | what somebody put there after a version was acknowledged is not overwritten by that version, unless the operator says so |
 * | `plain`     | plain       | the last writer wins, and nothing is ever in conflict                                |
 *
 * Both are mounts with buckets of their own in the under-store, so that no model of the other clients is concerned.
 */
import { HeadraceError } from '../../src/core/errors.js';
import { singleContent, bytesOfContent, bodyOf, bytesOf } from '../content.js';
import type { SimRandom } from '../sim-random.js';
import type { Simulation } from '../simulation.js';

const HEADERS = { system: {}, user: {} };
const PLACES = [
  { bucket: 'shared', ufsBucket: 'shared-ufs', options: { 'safe.persist': 'conditional' } },
  { bucket: 'plain', ufsBucket: 'plain-ufs', options: {} },
] as const;
type Place = (typeof PLACES)[number];
const KEYS = ['a', 'b', 'c'];
const SIZE_BYTES_MAX = 4000;
/** Of one life. */
const PAUSE_MS_MAX = 25;
/** Rounds in which everything is decided and deleted at the end. */
const ROUNDS_MAX = 10;
/** Errors of calls that no fault of the under-store or the disk explains. */
const UNEXPECTED_KINDS: ReadonlySet<string> = new Set(['CLOSED', 'FENCED']);

export class ForeignChanges {
  readonly #run: Simulation;
  /** When each of our versions was acknowledged, by ETag; Infinity when it was not. */
  readonly #acknowledgedMs = new Map<string, number>();
  /** When the last delete of a key was acknowledged; Infinity while one is not. */
  readonly #deletedMs = new Map<string, number>();
  /** When the operator last chose our version. */
  readonly #keptMs = new Map<string, number>();
  #seeds = 1_000_000;
  #stopping = false;

  constructor(run: Simulation) {
    this.#run = run;
  }

  async mount(): Promise<void> {
    const { world } = this.#run;
    for (const { bucket, ufsBucket, options } of PLACES) {
      await world.run(world.objects.createBucket(bucket));
      await world.run(world.admin.addMount({ path: `/${bucket}`, ufs: `sim://${ufsBucket}/`, options }));
    }
  }

  /** Works until `stop`; `share` of its steps are of somebody else. Never resolves in a process that dies before. */
  async work(random: SimRandom, share: number): Promise<void> {
    this.#stopping = false;
    const { clock } = this.#run.world;
    while (!this.#stopping) {
      const place = random.pick(PLACES);
      const key = `${place.bucket}-${random.pick(KEYS)}`;
      if (random.chance(share)) this.#foreign(place, key, random);
      else await this.#ours(place, key, random);
      await clock.sleep(random.between(0, PAUSE_MS_MAX));
    }
  }

  stop(): void {
    this.#stopping = true;
  }

  /** When nobody works any more: decides all conflicts, deletes everything, and checks what happened in the under-store. */
  async settle(): Promise<void> {
    const { world } = this.#run;
    for (let round = 0; round < ROUNDS_MAX; round++) {
      for (const place of PLACES)
        for (const key of KEYS.map((name) => `${place.bucket}-${name}`)) {
          if (this.#isConflict(key)) await world.run(this.#resolve(place, key, 'ours'));
          await world.run(this.#delete(place, key));
        }
      await world.drained();
      const left = PLACES.some(({ ufsBucket }) => world.ufs.contents(ufsBucket).size > 0);
      if (!left && world.state.uploads.pending === 0) break;
    }
    this.#checkHistory();
  }

  #foreign({ ufsBucket }: Place, key: string, random: SimRandom): void {
    const { world, recorder } = this.#run;
    recorder.statistics.count('faults', 'ufsForeign');
    if (random.chance(0.25)) {
      recorder.trace.line(`somebody deletes ${key} in the under-store`, key);
      return world.ufs.deleteOutOfBand(ufsBucket, key);
    }
    recorder.trace.line(`somebody puts ${key} into the under-store`, key);
    const { etag } = world.ufs.putOutOfBand(ufsBucket, key, random.bytes(1 + random.below(SIZE_BYTES_MAX)));
    recorder.trace.line(`theirs is "${etag}"`, key);
  }

  async #ours(place: Place, key: string, random: SimRandom): Promise<void> {
    if (place.bucket === 'plain' && this.#isConflict(key))
      this.#run.recorder.report(
        'foreign-kept',
        `${key} is in conflict where persists are not conditional`,
        key,
      );
    if (this.#isConflict(key) && random.chance(0.5))
      return this.#resolve(place, key, random.chance(0.5) ? 'ours' : 'theirs');
    if (random.chance(0.2)) return this.#delete(place, key);
    if (random.chance(0.3)) return this.#read(place, key);
    return this.#put(place, key, random);
  }

  async #put({ bucket }: Place, key: string, random: SimRandom): Promise<void> {
    const { world, recorder } = this.#run;
    const content = singleContent(++this.#seeds, 1 + random.below(SIZE_BYTES_MAX));
    const etag = content.etag.slice(1, -1);
    this.#acknowledgedMs.set(etag, Infinity);
    recorder.trace.line(`put ${key} ${content.etag}`, key);
    await this.#attempt(key, async () => {
      const body = bodyOf(bytesOfContent(content));
      await world.objects.putObject({ bucket, key, body, headers: HEADERS });
      this.#acknowledgedMs.set(etag, world.scheduler.nowMs);
    });
  }

  async #delete({ bucket }: Place, key: string): Promise<void> {
    const { world } = this.#run;
    this.#deletedMs.set(key, Infinity);
    await this.#attempt(key, async () => {
      await world.objects.deleteObject(bucket, key);
      this.#deletedMs.set(key, world.scheduler.nowMs);
    });
  }

  async #read({ bucket }: Place, key: string): Promise<void> {
    const { world } = this.#run;
    await this.#attempt(key, async () => {
      const { body } = await world.objects.getObject({ bucket, key });
      await bytesOf(body);
    });
  }

  async #resolve({ bucket }: Place, key: string, keep: 'ours' | 'theirs'): Promise<void> {
    const { world, recorder } = this.#run;
    recorder.trace.line(`operator keeps ${keep} of ${key}`, key);
    await this.#attempt(key, async () => {
      await world.admin.persists.resolve({ bucket, key, keep });
      recorder.statistics.count('operations', `conflict ${keep}`);
      if (keep === 'ours') this.#keptMs.set(key, world.scheduler.nowMs);
    });
  }

  /** A call may fail in any way that a faulty world explains. */
  async #attempt(key: string, call: () => Promise<void>): Promise<void> {
    const { recorder } = this.#run;
    try {
      await call();
    } catch (error) {
      if (error instanceof HeadraceError && !UNEXPECTED_KINDS.has(error.kind)) return;
      recorder.report('expected-errors', `${key}: ${String(error)}`, key, error);
    }
  }

  #isConflict(key: string): boolean {
    for (const [, record] of this.#run.world.partition.index.scan('q', 'r'))
      if (record.kind === 'queued' && record.key === key)
        return record.quarantined && record.cause === 'UFS_CONFLICT';
    return false;
  }

  #checkHistory(): void {
    const { world, recorder } = this.#run;
    const theirs = new Map<string, number>();
    for (const { bucket, key, kind, etag, generation, atMs } of world.ufs.history) {
      if (bucket !== 'shared-ufs') continue;
      if (generation === 0) {
        if (kind === 'put') theirs.set(key, atMs);
        else theirs.delete(key);
        continue;
      }
      const putMs = theirs.get(key);
      theirs.delete(key);
      if (putMs === undefined || (this.#keptMs.get(key) ?? -1) >= putMs) continue;
      const ourMs =
        (kind === 'put' ? this.#acknowledgedMs.get(etag ?? '') : this.#deletedMs.get(key)) ?? Infinity;
      if (ourMs < putMs)
        recorder.report(
          'foreign-kept',
          `${kind} of ${key} at ${atMs} ms, acknowledged at ${ourMs} ms, took the place of what somebody else put there at ${putMs} ms`,
          key,
        );
    }
  }
}
