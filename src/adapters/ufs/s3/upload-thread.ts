/**
 * Small uploads to S3 from a thread of their own, so that the thread that answers clients neither signs them nor speaks HTTP for
 * them: that is half of what an upload costs. One thread serves all S3 stores of a process; it is started with the first upload.
 *
 * Until it is ready, while it is being started again, and when all slots are taken, `put` gives undefined and the caller
 * uploads by itself: nothing ever waits for the thread. When it ends unexpectedly, what it had is UFS_UNAVAILABLE with
 * `details.outcomeUnknown`, since a store may have taken it; after `FAILURES_MAX` such ends without an upload between them it
 * is not started any more. An upload is on its way as long as its answer has not come, and holds its slot so long.
 */
import { Worker } from 'node:worker_threads';
import { assert } from '../../../core/assert.js';
import { HeadraceError } from '../../../core/errors.js';
import type { Logger } from '../../../core/logger.js';
import type {
  SmallPutReceiver,
  SmallPutRequest,
  SmallPuts,
  StoredObject,
  StorePutRequest,
} from '../../../core/object-store.js';
import type { ObjectHeaders } from '../../../core/object.js';
import { SECOND_MS } from '../../../core/units.js';
import type { S3ObjectStoreOptions } from './s3-object-store.js';
import { SharedSlots, SLOT_BYTES } from './shared-slots.js';
import { heard, type UploadAnswer, type UploadOrder, type UploadPut } from './upload-messages.js';

const FAILURES_MAX = 3;
const END_GRACE_MS = SECOND_MS;
/** It handles bytes of others and keeps none: more would be a leak. The young part is per thread, too. */
const RESOURCE_LIMITS = { maxYoungGenerationSizeMb: 16, maxOldGenerationSizeMb: 256 };

interface Upload {
  readonly what: Pick<StorePutRequest, 'bucket' | 'key' | 'etag'>;
  readonly receiver: SmallPutReceiver;
}

/** One store's use of the thread. */
export interface UploadLane extends SmallPuts {
  /**
   * As `ObjectStore.put`; undefined when the caller has to do it. Takes what has `bytes` of up to 256 KiB that are as many as
   * `size` says, and copies them within the call.
   */
  put(request: StorePutRequest, signal?: AbortSignal): Promise<StoredObject> | undefined;
  /** Uploads on their way are cut off. The thread ends with the last lane. */
  close(): Promise<void>;
}

export class UploadThread {
  readonly #logger: Logger;
  readonly #lanes = new Map<number, S3ObjectStoreOptions>();
  #worker: Worker | undefined;
  #isReady = false;
  #isEnding = false;
  #failures = 0;
  #nextId = 0;
  #slots = this.#newSlots();
  /** By slot: not in a map, see `core/places.ts`. */
  readonly #uploads: (Upload | undefined)[] = [];
  #uploadCount = 0;
  #orders: UploadOrder[] = [];
  #waiting: (() => void)[] = [];

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** A lane to the store that `options` name; starts nothing. */
  open(options: S3ObjectStoreOptions): UploadLane {
    const store = this.#nextId++;
    this.#lanes.set(store, options);
    if (this.#worker !== undefined && !this.#isEnding) this.#order({ kind: 'open', store, options });
    return {
      put: (request, signal) => this.#put(store, request, signal),
      begin: (request, receiver) => this.#begin(store, request, request.bytes, receiver),
      cancel: (id) => this.#order({ kind: 'abort', id }),
      close: () => this.#close(store),
    };
  }

  get isRunning(): boolean {
    return this.#worker !== undefined;
  }

  /** Starts the thread unless it runs; resolves when it takes uploads, or is given up. */
  ready(): Promise<void> {
    this.#start();
    if (this.#isReady || this.#worker === undefined) return Promise.resolve();
    this.#worker.ref();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Ends the thread in the middle of everything, as a crash would: for tests. */
  async crash(): Promise<void> {
    await this.#worker?.terminate();
  }

  #put(
    store: number,
    request: StorePutRequest,
    signal: AbortSignal | undefined,
  ): Promise<StoredObject> | undefined {
    const { bytes, size, headers, lastModifiedMs } = request;
    if (bytes === undefined || bytes.length !== size) return undefined;
    const answered = new PromisedAnswer();
    const id = this.#begin(store, request, bytes, answered);
    if (id === undefined) return undefined;
    const onAbort = (): void => this.#order({ kind: 'abort', id });
    signal?.addEventListener('abort', onAbort, { once: true });
    return answered.promise
      .then((answer) => ({ size, headers, lastModifiedMs, ...answer }))
      .finally(() => signal?.removeEventListener('abort', onAbort));
  }

  /** The number of the upload; undefined when it is not taken. */
  #begin(
    store: number,
    request: SmallPutRequest | StorePutRequest,
    bytes: Uint8Array,
    receiver: SmallPutReceiver,
  ): number | undefined {
    if (bytes.length > SLOT_BYTES) return undefined;
    this.#start();
    const slot = this.#isReady && this.#lanes.has(store) ? this.#slots.put(bytes) : undefined;
    if (slot === undefined) return undefined;
    const id = this.#nextId++;
    if (this.#uploadCount === 0) this.#worker?.ref();
    this.#uploads[slot] = { what: request, receiver };
    this.#uploadCount++;
    const { bucket, key, headers, etag, lastModifiedMs } = request;
    const told = hasAny(headers) ? headers : undefined;
    const more = 'size' in request ? moreOf(request) : undefined;
    this.#order([id, store, slot, bytes.length, bucket, key, etag, lastModifiedMs, told, more]);
    return id;
  }

  async #close(store: number): Promise<void> {
    if (!this.#lanes.delete(store)) return;
    const worker = this.#worker;
    if (worker === undefined) return;
    this.#order({ kind: 'close', store });
    if (this.#lanes.size > 0) return;
    this.#order({ kind: 'end' });
    this.#isReady = false;
    this.#isEnding = true;
    worker.ref();
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      worker.once('exit', () => resolve());
      timer = setTimeout(() => void worker.terminate(), END_GRACE_MS);
    });
    clearTimeout(timer);
  }

  #start(): void {
    if (this.#worker !== undefined || this.#failures >= FAILURES_MAX || this.#lanes.size === 0) return;
    const worker = new Worker(new URL('./upload-worker.js', import.meta.url), {
      resourceLimits: RESOURCE_LIMITS,
    });
    worker.unref();
    this.#worker = worker;
    let reason: unknown;
    worker.on('message', (answers: readonly UploadAnswer[]) => {
      for (const answer of answers) this.#hear(answer);
      if (this.#uploadCount === 0) worker.unref();
    });
    worker.on('error', (error) => {
      reason = error;
    });
    worker.once('exit', () => this.#ended(reason));
    for (const [store, options] of this.#lanes) this.#order({ kind: 'open', store, options });
  }

  #hear(answer: UploadAnswer): void {
    if (typeof answer !== 'number' && answer.kind === 'ready') {
      this.#isReady = true;
      for (const resolve of this.#waiting.splice(0)) resolve();
      return;
    }
    const slot = typeof answer === 'number' ? answer : answer.slot;
    const upload = this.#uploads[slot];
    assert(upload !== undefined, `the answer is to no upload: slot ${slot} is free`);
    this.#uploads[slot] = undefined;
    this.#uploadCount--;
    this.#slots.give(slot);
    this.#failures = 0;
    const { receiver, what } = upload;
    if (typeof answer === 'number') receiver.stored(what.etag ?? '', what.etag ?? '');
    else if (answer.kind === 'stored') receiver.stored(answer.etag, answer.storeEtag);
    else receiver.failed(heard(answer.error));
  }

  /** Everything that the thread had is lost with it, the slots too: it may have died while it read from them. */
  #ended(reason: unknown): void {
    const lost = this.#uploads.filter((upload) => upload !== undefined);
    this.#uploads.length = 0;
    this.#uploadCount = 0;
    this.#worker = undefined;
    this.#isReady = false;
    this.#orders = [];
    this.#slots = this.#newSlots();
    if (this.#isEnding) this.#isEnding = false;
    else {
      this.#failures++;
      this.#logger.error(
        { error: reason, uploads: lost.length, failures: this.#failures, failuresMax: FAILURES_MAX },
        'the thread that uploads to S3 ended',
      );
    }
    for (const { what, receiver } of lost) {
      receiver.failed(
        new HeadraceError(
          'UFS_UNAVAILABLE',
          `the thread that uploaded ${what.bucket}/${what.key} ended before the store answered`,
          { cause: reason, details: { outcomeUnknown: true } },
        ),
      );
    }
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Told in this turn's message. */
  #order(order: UploadOrder): void {
    this.#orders.push(order);
    if (this.#orders.length > 1) return;
    setImmediate(() => {
      const orders = this.#orders;
      this.#orders = [];
      if (orders.length > 0) this.#worker?.postMessage(orders);
    });
  }

  #newSlots(): SharedSlots {
    return new SharedSlots((slot, memory) => this.#order({ kind: 'slot', slot, memory }));
  }
}

type PutAnswer = Pick<StoredObject, 'etag' | 'storeEtag'>;

class PromisedAnswer implements SmallPutReceiver {
  readonly promise: Promise<PutAnswer>;
  #resolve!: (answer: PutAnswer) => void;
  #reject!: (error: unknown) => void;

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  stored(etag: string, storeEtag: string): void {
    this.#resolve({ etag, storeEtag });
  }

  failed(error: unknown): void {
    this.#reject(error);
  }
}

function moreOf({ partSizes, condition }: StorePutRequest): UploadPut[9] {
  if (partSizes === undefined && condition === undefined) return undefined;
  return {
    ...(partSizes === undefined ? {} : { partSizes }),
    ...(condition === undefined ? {} : { condition }),
  };
}

function hasAny({ system, user, tags }: ObjectHeaders): boolean {
  if (tags !== undefined) return true;
  for (const _ in system) return true;
  for (const _ in user) return true;
  return false;
}
