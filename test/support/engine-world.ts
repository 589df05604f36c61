/**
 * A whole engine on a simulated machine: virtual time, a disk that keeps only what was synced, an under-store with faults, and
 * ways to kill the process and to cut its power.
 *
 * Everything but the ports is what production runs. A generation of the world is a process: calls of a dead one never
 * settle.
 */
import { EmbeddedLogStore, type EmbeddedLogOptions } from '../../log/embedded/log-store.js';
import { RECORD_CODEC } from '../../projections/record-codec.js';
import type { IndexRecord } from '../../projections/records.js';
import { Scheduler } from '../../simulations/scheduler.js';
import { SimClock } from '../../simulations/sim-clock.js';
import { SimDisk, type SimDiskOptions } from '../../simulations/sim-disk.js';
import { SimObjectStore, type SimObjectStoreOptions } from '../../simulations/sim-object-store.js';
import { SimRandom } from '../../simulations/sim-random.js';
import { openIndexStore } from '../../src/adapters/index-store/open-index-store.js';
import { HeadraceError, isErrorCode, type ErrorCode } from '../../src/core/errors.js';
import type { Logger } from '../../src/core/logger.js';
import type { ObjectStore } from '../../src/core/object-store.js';
import type { ObjectHeaders, ObjectVersion, PolicyMode } from '../../src/core/object.js';
import { HOUR_MS, KIB, MIB, MINUTE_MS, SECOND_MS } from '../../src/core/units.js';
import type { LoggedEvent } from '../../src/engine/admin-service.js';
import type { EngineOptions } from '../../src/engine/engine-core.js';
import { Engine } from '../../src/engine/engine.js';
import {
  SMALL_BODY_BYTES_MAX,
  type Body,
  type GetObjectRequest,
  type ListEntry,
  type ReadBody,
  type WriteConditions,
  type WriteReceipt,
} from '../../src/engine/object-service.js';
import { openSegmentStore } from '../../src/engine/segments/segment-files.js';
import { ArmedFaults, faultyDisk, faultyStore } from './faulty-ports.js';

export const BUCKET = 'bucket';
const STORE_ID = new Uint8Array(16).fill(7);
const STREAM_CHUNK_BYTES = 64 * KIB;
/** Longest virtual time that one call may take. */
const PATIENCE_MS = 30 * MINUTE_MS;

/** Small, so that a test fills the cache, several segments and several checkpoints with little data. */
const SMALL_OPTIONS: EngineOptions = {
  version: 'test',
  dataDirectory: 'simulated',
  capacityBytes: 16 * MIB,
  pinnedRatio: 0.5,
  writeCacheEnabled: true,
  persistConcurrency: 4,
  persistRetryInitialMs: SECOND_MS,
  persistRetryMaxMs: MINUTE_MS,
  orphanTimeoutMs: HOUR_MS,
  orphanScanPeriodMs: 10 * MINUTE_MS,
  danglingAfterMs: 10 * MINUTE_MS,
  ufsTimeoutMs: 20 * SECOND_MS,
  ufsMetadataTtlMs: 0,
  ufsMetadataBytes: 16 * MIB,
  ufsRevalidateMs: 0,
  rangeCacheBytes: 16 * MIB,
  loadConcurrency: 4,
  checkpointChanges: 64,
};

export interface EngineWorldOptions {
  readonly seed?: number | string;
  readonly engine?: Partial<EngineOptions>;
  readonly disk?: SimDiskOptions;
  readonly ufs?: SimObjectStoreOptions;
  readonly log?: Partial<EmbeddedLogOptions>;
  /** Policies by path pattern; `default` for the rest. WRITE_BACK everywhere unless given. */
  readonly policies?: Readonly<Record<string, PolicyMode>>;
}

export interface LogLine {
  readonly level: 'warn' | 'error';
  readonly message: string;
  readonly fields: object;
}

export interface ReadResult {
  readonly body: Buffer;
  readonly object: ObjectVersion;
}

export class EngineWorld {
  readonly scheduler = new Scheduler();
  readonly random: SimRandom;
  /** What the engine logged as warnings and errors, over all generations. */
  readonly logged: LogLine[] = [];
  readonly faults = new ArmedFaults();
  disk: SimDisk;
  ufs: SimObjectStore;
  clock: SimClock;
  #engine: Engine | undefined;
  #generation = 0;
  readonly #options: EngineWorldOptions;

  private constructor(options: EngineWorldOptions) {
    this.#options = options;
    this.random = new SimRandom(options.seed ?? 1);
    this.disk = new SimDisk(this.scheduler, this.random.fork('disk'), options.disk);
    this.ufs = new SimObjectStore(this.scheduler, this.random.fork('ufs'), {
      partBytesMin: 5 * MIB,
      ...options.ufs,
    });
    this.clock = new SimClock(this.scheduler);
  }

  /** A formatted store with the bucket `BUCKET` and the policies set. */
  static async open(options: EngineWorldOptions = {}): Promise<EngineWorld> {
    const world = new EngineWorld(options);
    await world.start();
    await world.setPolicies(options.policies ?? { default: 'WRITE_BACK' });
    await world.run(world.objects.createBucket(BUCKET));
    return world;
  }

  get engine(): Engine {
    if (this.#engine === undefined) throw new Error('the engine is not running');
    return this.#engine;
  }

  get objects(): Engine['objects'] {
    return this.engine.objects;
  }

  get admin(): Engine['admin'] {
    return this.engine.admin;
  }

  get isRunning(): boolean {
    return this.#engine !== undefined;
  }

  /** Lets virtual time pass until `promise` settles. */
  run<Value>(promise: Promise<Value>): Promise<Value> {
    return this.scheduler.complete(
      new Promise<Value>((resolve, reject) => {
        const cancel = this.scheduler.schedule(PATIENCE_MS, () =>
          reject(new Error(`seed ${this.random.seed}: nothing came of a call within ${PATIENCE_MS} ms`)),
        );
        promise.then(resolve, reject).finally(cancel);
      }),
    );
  }

  /** Lets virtual time pass. */
  sleep(durationMs: number): Promise<void> {
    return this.scheduler.run(this.scheduler.nowMs + durationMs);
  }

  /** Starts a process on what the last one left. Rejects with what recovery finds. */
  async start(): Promise<Engine> {
    const engine = await this.run(this.#open());
    this.#engine = engine;
    return engine;
  }

  async #open(): Promise<Engine> {
    const { clock } = this;
    const disk = faultyDisk(this.disk, this.faults);
    const logger = this.#logger();
    const random = this.random.fork(`process ${this.#generation}`);
    const segments = await openSegmentStore({
      disk,
      clock,
      logger,
      options: { storeId: STORE_ID, smallSegmentBytes: MIB, batchBytes: 512 * KIB },
    });
    const logStore = new EmbeddedLogStore({
      disk,
      clock,
      random,
      logger,
      options: {
        segmentBytes: 256 * KIB,
        firstSegmentBytes: 64 * KIB,
        retention: { bytes: 0, timeMs: 0 },
        ...this.#options.log,
      },
    });
    const { store: index } = await openIndexStore<IndexRecord>({
      disk,
      directory: 'index/p0001',
      codec: RECORD_CODEC,
      clock,
      logger,
    });
    return Engine.open({
      options: { ...SMALL_OPTIONS, ...this.#options.engine },
      clock,
      random,
      disk,
      logger,
      logStore,
      segments,
      indexes: [index],
      root: faultyStore(this.ufs, this.faults),
      // `sim://<bucket>/<prefix>`: a part of the one simulated store.
      openMount: ({ ufs }) => {
        const [, bucket, prefix = ''] = /^sim:\/\/([^/]+)\/?(.*)$/.exec(ufs) ?? [];
        return bucket === undefined
          ? Promise.reject(new HeadraceError('INVALID_SETTING', `"${ufs}" is no part of the simulated store`))
          : Promise.resolve({ store: unclosable(faultyStore(this.ufs, this.faults)), bucket, prefix });
      },
    });
  }

  /** An orderly stop. */
  async stop(): Promise<void> {
    await this.run(this.engine.close());
    this.#end(this.disk.kill(this.random.fork(`stop ${this.#generation}`)));
  }

  /** The process dies; what it wrote stays with the kernel. */
  kill(): void {
    this.#end(this.disk.kill(this.random.fork(`kill ${this.#generation}`)));
  }

  /** The power fails: what was not synced is lost, torn or kept. */
  crash(): void {
    this.#end(this.disk.crash(this.random.fork(`crash ${this.#generation}`)));
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  #end(disk: SimDisk): void {
    this.clock.stop();
    this.disk = disk;
    this.ufs = this.ufs.kill();
    this.clock = new SimClock(this.scheduler);
    this.#engine = undefined;
    this.#generation++;
  }

  #logger(): Logger {
    const note =
      (level: LogLine['level']) =>
      (fields: object, message: string): void => {
        this.logged.push({ level, message, fields });
      };
    return { debug() {}, info() {}, warn: note('warn'), error: note('error') };
  }

  async setPolicies(policies: Readonly<Record<string, PolicyMode>>): Promise<void> {
    const { default: defaultMode = 'WRITE_BACK', ...rules } = policies;
    await this.run(
      this.admin.setPathConfig({
        apiVersion: 'v1.0',
        defaultRule: { policyMode: defaultMode },
        pathRules: Object.entries(rules).map(([path, policyMode]) => ({ path, policyMode })),
      }),
    );
  }

  /** Starts a write without waiting for its end: small bodies as chunks, others as a stream, as the S3 endpoint does. */
  beginPut(
    key: string,
    bytes: Uint8Array,
    more: { headers?: ObjectHeaders; conditions?: WriteConditions } = {},
  ): Promise<WriteReceipt> {
    const { headers = { system: {}, user: {} }, conditions } = more;
    return this.objects.putObject({ bucket: BUCKET, key, body: bodyOf(bytes), headers, conditions });
  }

  put(...parameters: Parameters<EngineWorld['beginPut']>): Promise<WriteReceipt> {
    return this.run(this.beginPut(...parameters));
  }

  /** Undefined when there is no such object. */
  get(key: string, more: Omit<GetObjectRequest, 'bucket' | 'key'> = {}): Promise<ReadResult | undefined> {
    return this.run(this.beginGet(key, more));
  }

  async beginGet(
    key: string,
    more: Omit<GetObjectRequest, 'bucket' | 'key'> = {},
  ): Promise<ReadResult | undefined> {
    try {
      const { object, body } = await this.objects.getObject({ bucket: BUCKET, key, ...more });
      return { object, body: await bytesOf(body) };
    } catch (error) {
      if (isErrorCode(error, 'NO_SUCH_KEY')) return undefined;
      throw error;
    }
  }

  async read(key: string): Promise<Buffer | undefined> {
    return (await this.get(key))?.body;
  }

  delete(key: string, conditions?: WriteConditions): Promise<{ offset?: string }> {
    return this.run(this.objects.deleteObject(BUCKET, key, conditions));
  }

  /** The whole listing, page by page. */
  async list(
    request: { prefix?: string; delimiter?: string; startAfter?: string; maxKeys?: number } = {},
  ): Promise<ListEntry[]> {
    const { prefix = '', delimiter = '', maxKeys = 1000 } = request;
    const entries: ListEntry[] = [];
    let startAfter: string | undefined = request.startAfter ?? '';
    while (startAfter !== undefined) {
      const page: Awaited<ReturnType<Engine['objects']['listObjects']>> = await this.run(
        this.objects.listObjects({ bucket: BUCKET, prefix, delimiter, startAfter, maxKeys }),
      );
      entries.push(...page.entries);
      startAfter = page.truncated ? page.nextStartAfter : undefined;
    }
    return entries;
  }

  /** Keys and common prefixes. */
  async names(request: Parameters<EngineWorld['list']>[0] = {}): Promise<string[]> {
    return (await this.list(request)).map((entry) => (entry.kind === 'object' ? entry.key : entry.prefix));
  }

  createUpload(key: string): Promise<string> {
    return this.run(
      this.objects
        .createUpload({ bucket: BUCKET, key, headers: { system: {}, user: {} } })
        .then(({ uploadId }) => uploadId),
    );
  }

  async putPart(key: string, uploadId: string, partNumber: number, bytes: Uint8Array): Promise<UploadedPart> {
    const body = bodyOf(bytes);
    const { etag } = await this.run(
      this.objects.putPart({ bucket: BUCKET, key, uploadId, partNumber, body }),
    );
    return { number: partNumber, etag };
  }

  completeUpload(
    key: string,
    uploadId: string,
    parts: readonly UploadedPart[],
    conditions?: WriteConditions,
  ): Promise<WriteReceipt> {
    return this.run(this.objects.completeUpload({ bucket: BUCKET, key, uploadId, parts, conditions }));
  }

  /** What the under-store holds for a key, without a call. */
  inUfs(key: string): Buffer | undefined {
    const held = this.ufs.contents(BUCKET).get(key);
    return held === undefined ? undefined : Buffer.from(held.bytes);
  }

  /** Lets time pass until the under-store has learned everything. */
  async drained(): Promise<void> {
    await this.until(() => this.state.uploads.pending === this.state.uploads.quarantined);
  }

  /** Lets time pass until `condition` holds. */
  async until(condition: () => boolean, withinMs = PATIENCE_MS): Promise<void> {
    const endMs = this.scheduler.nowMs + withinMs;
    while (!condition()) {
      if (this.scheduler.nowMs >= endMs)
        throw new Error(`seed ${this.random.seed}: it did not come true: ${String(condition)}`);
      await this.sleep(100);
    }
  }

  get partition(): Engine['core']['partitions'][number] {
    const [partition] = this.engine.core.partitions;
    if (partition === undefined) throw new Error('there is no partition');
    return partition;
  }

  /** The folded state of the only data partition. */
  get state(): Engine['core']['partitions'][number]['state'] {
    return this.partition.state;
  }

  get fileBytes(): number {
    return this.engine.core.segments.fileBytes;
  }

  /** Payload bytes that the index refers to. */
  get liveBytes(): number {
    let bytes = 0;
    for (const usage of this.state.segments.values()) bytes += usage.liveBytes;
    return bytes;
  }

  /** All logged events of the data partition that are still there. */
  async events(): Promise<LoggedEvent['event'][]> {
    const from = this.partition.log.oldestOffset;
    const events = await this.run(this.admin.logRead({ partition: 1, from, limit: 1_000_000 }));
    return events.map(({ event }) => event);
  }

  async eventTypes(key?: string): Promise<string[]> {
    const events = await this.events();
    return events
      .filter((event) => key === undefined || event['key'] === key)
      .map((event) => String(event['type']));
  }
}

export interface UploadedPart {
  readonly number: number;
  readonly etag: string;
}

/** A mount that is removed closes its store, which here is the root as well. */
function unclosable(store: ObjectStore): ObjectStore {
  return new Proxy(store, {
    get: (target, name) => {
      if (name === 'close') return () => Promise.resolve();
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

/** A body as the S3 endpoint hands it over. */
export function bodyOf(bytes: Uint8Array): Body {
  return bytes.length <= SMALL_BODY_BYTES_MAX
    ? { kind: 'chunks', chunks: [bytes], size: bytes.length }
    : { kind: 'stream', stream: pieces(bytes), size: bytes.length };
}

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += STREAM_CHUNK_BYTES)
    yield bytes.subarray(at, at + STREAM_CHUNK_BYTES);
}

/** Reads a body to its end. */
export async function bytesOf(body: ReadBody): Promise<Buffer> {
  if (body.kind === 'bytes') {
    const copy = Buffer.from(body.bytes);
    body.release();
    return copy;
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of body.stream) chunks.push(Uint8Array.from(chunk));
  return Buffer.concat(chunks);
}

/** A body that a client sends by and by: bytes come when the test says so. */
export class SlowBody implements AsyncIterable<Uint8Array> {
  readonly #chunks: (Uint8Array | Error | undefined)[] = [];
  #wake: (() => void) | undefined;

  send(bytes: Uint8Array): void {
    this.#push(bytes);
  }

  end(): void {
    this.#push(undefined);
  }

  /** The client goes away. */
  fail(error: Error): void {
    this.#push(error);
  }

  #push(item: Uint8Array | Error | undefined): void {
    this.#chunks.push(item);
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      while (this.#chunks.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
      const item = this.#chunks.shift();
      if (item === undefined) return;
      if (item instanceof Error) throw item;
      yield item;
    }
  }
}

/** The code of the error that a call ends with. */
export async function codeOf(call: Promise<unknown>): Promise<ErrorCode | 'success'> {
  try {
    await call;
    return 'success';
  } catch (error) {
    if (error instanceof HeadraceError) return error.code;
    throw error;
  }
}
