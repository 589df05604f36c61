/**
 * The thread that uploads small objects: stores of its own, with their own connections, and nothing of the engine.
 *
 * An error that is not of the port is a mistake of the program: it ends the thread, and `upload-thread.ts` tells what becomes of
 * the uploads that were on their way.
 */
import { platform, setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { assert } from '../../../core/assert.js';
import { HeadraceError } from '../../../core/errors.js';
import type { ObjectHeaders } from '../../../core/object.js';
import { S3ObjectStore } from './s3-object-store.js';
import { told, type UploadAnswer, type UploadOrder, type UploadPut } from './upload-messages.js';

/**
 * A tenth of the weight of a thread with the usual 0: on processors that others never leave idle it still uploads a thousand small objects a
 * second. With 5 clients were seen to wait for it, with 19 it would starve.
 */
const NICENESS = 10;
const GATHER_MS = 4;
const ANSWERS_MAX = 8;
const NO_HEADERS: ObjectHeaders = { system: {}, user: {} };

assert(parentPort !== null, 'upload-worker is the entry of a thread');
const port = parentPort;
const stores = new Map<number, S3ObjectStore>();
const slots: SharedArrayBuffer[] = [];
/** By slot: not in a map, see `core/places.ts`. */
const uploads: ({ readonly id: number; readonly controller: AbortController } | undefined)[] = [];
let uploadCount = 0;
let answers: UploadAnswer[] = [];

port.on('message', (orders: readonly UploadOrder[]) => {
  for (const order of orders) follow(order);
});
yieldToClients();
// It takes a good part of a second, which no upload has to wait for.
await import('@aws-sdk/client-s3');
answer({ kind: 'ready' });

/** On a machine that is short of processors, the threads that answer clients go first. */
function yieldToClients(): void {
  // Elsewhere the priority is that of the whole process (setpriority(2), "C library/kernel differences").
  if (platform() !== 'linux') return;
  try {
    setPriority(0, NICENESS);
  } catch (error) {
    // Some sandboxes refuse it: then all threads are equal.
    if ((error as NodeJS.ErrnoException).code !== 'ERR_SYSTEM_ERROR') throw error;
  }
}

function follow(order: UploadOrder): void {
  if (isPut(order)) return void put(order);
  switch (order.kind) {
    case 'open':
      stores.set(order.store, new S3ObjectStore(order.options));
      return;
    case 'slot':
      slots[order.slot] = order.memory;
      return;
    case 'abort':
      uploads.find((upload) => upload?.id === order.id)?.controller.abort();
      return;
    case 'close': {
      const store = stores.get(order.store);
      stores.delete(order.store);
      void store?.close();
      return;
    }
    case 'end':
      port.close();
      return;
  }
}

function isPut(order: UploadOrder): order is UploadPut {
  return Array.isArray(order);
}

async function put(order: UploadPut): Promise<void> {
  const [id, number, slot, size, bucket, key, etag, lastModifiedMs, headers = NO_HEADERS, more] = order;
  const store = stores.get(number);
  const memory = slots[slot];
  assert(store !== undefined && memory !== undefined, `upload ${id} is of no store or has no body`);
  const controller = new AbortController();
  uploads[slot] = { id, controller };
  uploadCount++;
  const bytes = Buffer.from(memory, 0, size);
  async function* open(): AsyncGenerator<Uint8Array, void, undefined> {
    yield bytes;
  }
  const request = { bucket, key, size, headers, lastModifiedMs, bytes, open, ...more };
  const putting = store.put(etag === undefined ? request : { ...request, etag }, controller.signal);
  const answered = await putting.then(
    (stored): UploadAnswer =>
      stored.etag === etag && stored.storeEtag === etag
        ? slot
        : { kind: 'stored', slot, etag: stored.etag, storeEtag: stored.storeEtag },
    (error: unknown): UploadAnswer => {
      if (!(error instanceof HeadraceError)) throw error;
      return { kind: 'failed', slot, error: told(error) };
    },
  );
  uploads[slot] = undefined;
  uploadCount--;
  answer(answered);
}

/** What comes within a moment goes together: each message interrupts the thread that answers clients. */
function answer(given: UploadAnswer): void {
  answers.push(given);
  if (uploadCount === 0 || answers.length >= ANSWERS_MAX) setImmediate(send);
  else if (answers.length === 1) setTimeout(send, GATHER_MS);
}

function send(): void {
  if (answers.length === 0) return;
  const all = answers;
  answers = [];
  port.postMessage(all);
}
