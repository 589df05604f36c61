/**
 * The simulated world with production's index and with calls that a test makes one by one.
 */
import { openIndexStore } from '../../src/adapters/index-store/open-index-store.js';
import { HeadraceError, isErrorCode, type ErrorCode } from '../../src/core/errors.js';
import type { ObjectHeaders, ObjectVersion } from '../../src/core/object.js';
import type { LoggedEvent } from '../../src/engine/admin-service.js';
import type { Engine } from '../../src/engine/engine.js';
import type {
  DeleteConditions,
  GetObjectRequest,
  ListEntry,
  WriteConditions,
  WriteReceipt,
} from '../../src/engine/object-service.js';
import { bodyOf, bytesOf } from '../../simulations/content.js';
import { BUCKET, SimWorld, type WorldOptions, type WorldParts } from '../../simulations/world.js';

export { BUCKET, bodyOf, bytesOf };
export type { LogLine } from '../../simulations/world.js';
export type EngineWorldOptions = WorldOptions;

/** What the simulator may not import itself. */
export const WORLD_PARTS: WorldParts = { openIndex: openIndexStore };

export interface ReadResult {
  readonly body: Buffer;
  readonly object: ObjectVersion;
}

export class EngineWorld extends SimWorld {
  /** A formatted store with the bucket `BUCKET` and the policies set. */
  static async open(options: EngineWorldOptions = {}): Promise<EngineWorld> {
    const world = new EngineWorld(WORLD_PARTS, options);
    await world.start();
    await world.setPolicies(options.policies ?? { default: 'WRITE_BACK' });
    await world.run(world.objects.createBucket(BUCKET));
    return world;
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

  /** Whether the cache holds the object. */
  async isCached(key: string): Promise<boolean> {
    return (await this.run(this.admin.persistStat(BUCKET, key))) !== undefined;
  }

  delete(key: string, conditions?: DeleteConditions): Promise<{ offset?: string }> {
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
