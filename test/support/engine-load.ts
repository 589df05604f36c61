/**
 * Random clients for a simulated engine: each runs one call after the other and tells the model what it asked for and what it
 * was told. Every choice comes from the world's seed.
 */
import { createHash } from 'node:crypto';
import { HeadraceError, isErrorCode, type ErrorKind } from '../../src/core/errors.js';
import { KIB, MIB } from '../../src/core/units.js';
import {
  SMALL_BODY_BYTES_MAX,
  type AckRequest,
  type Body,
  type WriteConditions,
} from '../../src/engine/object-service.js';
import type { SimRandom } from '../../simulations/sim-random.js';
import { BUCKET, type EngineWorld } from './engine-world.js';
import {
  bodyOf,
  matchContent,
  multipartContent,
  singleContent,
  type Content,
  type ObjectModel,
} from './object-model.js';

/** What a call may end with when disks and stores fail: everything else is a finding. */
const EXPECTED_KINDS: ReadonlySet<ErrorKind> = new Set(['RETRY', 'UNKNOWN_OUTCOME', 'OUT_OF_SPACE']);
const EXPECTED_CODES: ReadonlySet<string> = new Set(['UFS_DENIED', 'REQUEST_TIMEOUT']);
const SIZES = [0, 1, 100, 5 * KIB, 5 * KIB, 5 * KIB, 20 * KIB, 20 * KIB, 100 * KIB, 300 * KIB];
const LARGE_SIZES = [700 * KIB, MIB];
const HEADERS = { system: {}, user: {} };

/** A client that goes away before its body has ended. */
class ClientGone extends Error {}

export class EngineLoad {
  readonly problems: string[] = [];
  acknowledged = 0;
  failed = 0;
  readonly #world: EngineWorld;
  readonly #model: ObjectModel;
  readonly #keys: readonly string[];
  readonly #random: SimRandom;
  /** Whether reads of segments return a wrong bit now and then: a read may fail, but never give wrong bytes. */
  readonly #flips: boolean;
  #seeds: number;
  #stopping = false;

  constructor(world: EngineWorld, model: ObjectModel, keys: readonly string[], random: SimRandom) {
    this.#world = world;
    this.#model = model;
    this.#keys = keys;
    this.#random = random;
    this.#flips = random.chance(0.3);
    this.#seeds = random.below(2 ** 30);
  }

  /** Resolves when every client has ended after `stop`; never in a process that dies before. */
  async run(clients: number): Promise<void> {
    await Promise.all(Array.from({ length: clients }, () => this.#client()));
  }

  stop(): void {
    this.#stopping = true;
  }

  async #client(): Promise<void> {
    while (!this.#stopping) {
      const key = this.#random.pick(this.#keys);
      if (this.#flips && this.#random.chance(0.05)) this.#world.disk.arm('READ_FLIP', 'segments/');
      await this.#attempt(key, () => this.#step(key));
      await this.#world.clock.sleep(this.#random.between(0, 30));
    }
  }

  #step(key: string): Promise<void> {
    const draw = this.#random.unit();
    if (draw < 0.3) return this.#put(key);
    if (draw < 0.34) return this.#putWhen(key);
    if (draw < 0.37) return this.#copy(key);
    if (draw < 0.4) return this.#putPersisted(key);
    if (draw < 0.5) return this.#delete(key);
    if (draw < 0.6) return this.#multipart(key);
    if (draw < 0.63) return this.#vanish(key);
    if (draw < 0.67) return this.#list();
    if (draw < 0.69) return this.#world.admin.free({}).then(() => undefined);
    if (draw < 0.71) return this.#flush();
    return this.#get(key);
  }

  async #attempt(key: string, step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      const expected =
        error instanceof HeadraceError &&
        (EXPECTED_KINDS.has(error.kind) ||
          EXPECTED_CODES.has(error.code) ||
          (this.#flips && error.kind === 'CORRUPT'));
      if (!expected && !(error instanceof ClientGone)) this.problems.push(`${key}: ${String(error)}`);
      this.failed++;
    }
  }

  #size(): number {
    return this.#random.pick(this.#random.chance(0.05) ? LARGE_SIZES : SIZES);
  }

  #content(size = this.#size()): Content {
    return singleContent(++this.#seeds, size);
  }

  /** As the S3 endpoint hands it over; a large one comes by and by. */
  #body(bytes: Buffer, breakAt = Number.POSITIVE_INFINITY): Body {
    if (bytes.length <= SMALL_BODY_BYTES_MAX && breakAt > bytes.length)
      return { kind: 'chunks', chunks: [bytes], size: bytes.length };
    const { clock } = this.#world;
    const random = this.#random;
    async function* stream(): AsyncGenerator<Uint8Array> {
      const piece = 32 * KIB + random.below(128 * KIB);
      for (let at = 0; at < bytes.length; at += piece) {
        if (at >= breakAt) throw new ClientGone('the client went away');
        if (random.chance(0.3)) await clock.sleep(random.between(0, 50));
        yield bytes.subarray(at, at + piece);
      }
    }
    const known = random.chance(0.8);
    return { kind: 'stream', stream: stream(), size: known ? bytes.length : undefined };
  }

  async #put(key: string, more: { ack?: AckRequest; conditions?: WriteConditions } = {}): Promise<void> {
    const content = this.#content();
    const write = this.#model.begin(key, content);
    const body = this.#body(bodyOf(content));
    let receipt;
    try {
      receipt = await this.#world.objects.putObject({ bucket: BUCKET, key, body, headers: HEADERS, ...more });
    } catch (error) {
      if (isErrorCode(error, 'PRECONDITION_FAILED', 'NO_SUCH_KEY', 'INVALID_ARGUMENT'))
        this.#model.refuse(write);
      throw error;
    }
    if (receipt.ack?.level === 'persisted' && !this.#wasInUfs(key, content))
      this.problems.push(`${key}: ${content.etag} was acknowledged as persisted, and never was in the UFS`);
    if (`"${receipt.etag}"` !== content.etag) this.problems.push(`${key}: acknowledged ETag ${receipt.etag}`);
    this.#model.acknowledge(write);
    this.acknowledged++;
  }

  #wasInUfs(key: string, content: Content): boolean {
    return this.#world.ufs.history.some(
      (change) => change.key === key && `"${change.etag}"` === content.etag,
    );
  }

  /** Under a condition: when that fails, it must have been false at some moment meanwhile. */
  async #putWhen(key: string): Promise<void> {
    const begunAt = this.#model.moment();
    const known = this.#random.pick(this.#model.candidates(key, begunAt, begunAt));
    const etag = known?.etag.slice(1, -1);
    const conditions: WriteConditions =
      etag === undefined || this.#random.chance(0.5) ? { ifNoneMatch: ['*'] } : { ifMatch: [etag] };
    try {
      await this.#put(key, { conditions });
    } catch (error) {
      if (!isErrorCode(error, 'PRECONDITION_FAILED', 'NO_SUCH_KEY')) throw error;
      const may = this.#model.candidates(key, begunAt, this.#model.moment());
      const isPossible =
        conditions.ifMatch === undefined
          ? may.some((content) => content !== undefined)
          : may.some((content) => content?.etag !== known?.etag);
      if (!isPossible) this.problems.push(`${key}: ${JSON.stringify(conditions)} failed, and was true`);
    }
  }

  async #putPersisted(key: string): Promise<void> {
    try {
      await this.#put(key, { ack: { level: 'persisted', timeoutMs: this.#random.between(1, 200) } });
    } catch (error) {
      // What is TRANSIENT never is.
      if (!isErrorCode(error, 'INVALID_ARGUMENT')) throw error;
    }
  }

  /** A copy of what the source was when it was read, if it still is. */
  async #copy(key: string): Promise<void> {
    const source = this.#random.pick(this.#keys);
    const begunAt = this.#model.moment();
    const read = await this.#world.beginGet(source);
    if (read === undefined) return;
    const found = { body: read.body, etag: `"${read.object.etag}"` };
    const match = matchContent(this.#model.candidates(source, begunAt, this.#model.moment()), found);
    if (!('content' in match)) return void this.problems.push(`${source}: ${match.problem}`);
    if (match.content === undefined) return;
    // A copy is one piece, whatever its source came in.
    const etag = `"${createHash('md5').update(read.body).digest('hex')}"`;
    const write = this.#model.begin(key, { ...match.content, etag });
    try {
      await this.#world.objects.copyObject({
        bucket: BUCKET,
        key,
        source: { bucket: BUCKET, key: source, conditions: { ifMatch: [read.object.etag] } },
      });
    } catch (error) {
      if (!isErrorCode(error, 'PRECONDITION_FAILED', 'NO_SUCH_KEY')) throw error;
      return this.#model.refuse(write);
    }
    this.#model.acknowledge(write);
  }

  /** Behind a flush the UFS holds nothing that was overwritten before it. */
  async #flush(): Promise<void> {
    const begunAt = this.#model.moment();
    const { outcome } = await this.#world.admin.flush({
      path: '/',
      timeoutMs: this.#random.between(10, 500),
    });
    if (outcome !== 'PERSISTED') return;
    for (const key of this.#keys.filter((of) => !of.startsWith('transient/'))) {
      const held = this.#world.ufs.contents(BUCKET).get(key);
      const may = this.#model.candidates(key, begunAt, this.#model.moment());
      if (!may.some((content) => content?.etag === (held && `"${held.etag}"`)))
        this.problems.push(`${key}: the UFS holds ${held?.etag} behind a flush`);
    }
  }

  async #delete(key: string): Promise<void> {
    const write = this.#model.begin(key, undefined);
    await this.#world.objects.deleteObject(BUCKET, key);
    this.#model.acknowledge(write);
    this.acknowledged++;
  }

  /** A body that breaks off: nothing of it may ever be seen. */
  async #vanish(key: string): Promise<void> {
    const bytes = bodyOf(this.#content(700 * KIB));
    const body = this.#body(bytes, this.#random.below(500 * KIB));
    await this.#world.objects.putObject({ bucket: BUCKET, key, body, headers: HEADERS });
  }

  async #multipart(key: string): Promise<void> {
    const { objects } = this.#world;
    const { uploadId } = await objects.createUpload({ bucket: BUCKET, key, headers: HEADERS });
    const sizes = this.#random.chance(0.02) ? [5 * MIB, 10 * KIB] : [this.#size()];
    const contents: Content[] = [];
    const parts: { number: number; etag: string }[] = [];
    for (const size of sizes) {
      const content = this.#content(size);
      const partNumber = contents.length + 1;
      const target = { bucket: BUCKET, key, uploadId, partNumber };
      // Now and then a part is sent again: the last one counts.
      if (this.#random.chance(0.2))
        await objects.putPart({ ...target, body: this.#body(bodyOf(this.#content())) });
      const { etag } = await objects.putPart({ ...target, body: this.#body(bodyOf(content)) });
      contents.push(content);
      parts.push({ number: partNumber, etag });
    }
    if (this.#random.chance(0.2)) return objects.abortUpload(BUCKET, key, uploadId);
    const write = this.#model.begin(key, multipartContent(contents));
    await objects.completeUpload({ bucket: BUCKET, key, uploadId, parts });
    this.#model.acknowledge(write);
    this.acknowledged++;
  }

  async #get(key: string): Promise<void> {
    const begunAt = this.#model.moment();
    const problem = await this.check(key, (endedAt) => this.#model.candidates(key, begunAt, endedAt));
    if (problem !== undefined) this.problems.push(problem);
  }

  /** Reads an object and compares it with what it may be; a finding, or undefined. */
  async check(
    key: string,
    candidates: (endedAt: number) => readonly (Content | undefined)[],
  ): Promise<string | undefined> {
    const read = await this.#world.beginGet(key);
    const found = read && { body: read.body, etag: `"${read.object.etag}"` };
    const match = matchContent(candidates(this.#model.moment()), found);
    return 'problem' in match ? `${key}: ${match.problem}` : undefined;
  }

  /** Every listed object is one that may be there, and none is missing that must be. */
  async #list(): Promise<void> {
    const begunAt = this.#model.moment();
    const listed = new Map<string, string>();
    let startAfter: string | undefined = '';
    while (startAfter !== undefined) {
      const page: Awaited<ReturnType<EngineWorld['objects']['listObjects']>> =
        await this.#world.objects.listObjects({
          bucket: BUCKET,
          prefix: '',
          delimiter: '',
          startAfter,
          maxKeys: 1 + this.#random.below(12),
        });
      for (const entry of page.entries)
        if (entry.kind === 'object') listed.set(entry.key, `"${entry.etag}" ${entry.size}`);
      startAfter = page.truncated ? page.nextStartAfter : undefined;
    }
    const endedAt = this.#model.moment();
    for (const key of this.#keys) {
      const may = this.#model
        .candidates(key, begunAt, endedAt)
        .map((content) => (content === undefined ? undefined : `${content.etag} ${content.size}`));
      if (!may.includes(listed.get(key)))
        this.problems.push(`${key} is listed as ${listed.get(key)}; expected ${may.join(' | ')}`);
    }
  }
}

/** Reads until it is served: faults may refuse a read, never change it. */
export async function readSurely(world: EngineWorld, key: string): ReturnType<EngineWorld['beginGet']> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await world.beginGet(key);
    } catch (error) {
      if (attempt === 10) throw error;
      await world.clock.sleep(1000);
    }
  }
}
