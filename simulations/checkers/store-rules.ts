/**
 * What must hold of the engine's calls to the under-store: a failed upload waits for its time, and versions arrive in order.
 */
import type { ObjectStore } from '../../src/core/object-store.js';
import { replaced } from '../armed-faults.js';
import type { Recorder } from '../recorder.js';
import type { StoreChange } from '../sim-stored-objects.js';
import type { EventRules } from './event-rules.js';

/** Puts itself between the engine and the under-store. `wallTimeMs` is the clock that the engine schedules by. */
export function watchStore(
  store: ObjectStore,
  parts: {
    readonly recorder: Recorder;
    readonly events: EventRules;
    readonly wallTimeMs: () => number;
    /** Whether only the persister uploads this object: a write that goes through does so at once. */
    readonly isBackground: (key: string) => boolean;
  },
): ObjectStore {
  const { recorder, events, wallTimeMs, isBackground } = parts;
  const attempt = (what: string, key: string, etag: string | undefined): void => {
    recorder.trace.line(`ufs ${what} ${key}${etag === undefined ? '' : ` "${etag}"`}`, key);
    const schedule = events.scheduleOf(key);
    if (schedule === undefined || schedule.etag !== etag || !isBackground(key)) return;
    const nowMs = wallTimeMs();
    if (nowMs < schedule.dueMs)
      recorder.report(
        'upload-when-due',
        `version ${schedule.version} of ${key} was tried at ${nowMs}, ${schedule.dueMs - nowMs} ms before its time`,
        key,
      );
  };
  const methods: Partial<ObjectStore> = {
    put: (request, signal) => {
      attempt('put', request.key, request.etag);
      return store.put(request, signal);
    },
    delete: (bucket, key, signal, condition) => {
      attempt('delete', key, undefined);
      return store.delete(bucket, key, signal, condition);
    },
  };
  const { multipart } = store;
  if (multipart === undefined) return replaced(store, methods);
  const parted = replaced(multipart, {
    begin: (request, signal) => {
      attempt('begin', request.key, request.etag);
      return multipart.begin(request, signal);
    },
    listParts: (name, signal) => {
      recorder.probe('upload in parts resumed');
      return multipart.listParts(name, signal);
    },
    abort: (name, signal) => {
      recorder.probe('upload in parts aborted');
      return multipart.abort(name, signal);
    },
  });
  return replaced(store, { ...methods, multipart: parted });
}

/** Reads what the under-store was given, in order, and reports an older version that came after a newer one. */
export function checkVersionOrder(
  recorder: Recorder,
  events: EventRules,
  history: readonly StoreChange[],
): void {
  const newest = new Map<string, number>();
  for (const { key, etag, generation } of history) {
    // Of bytes that several writes had, one may have come here whose version a crash kept from being logged.
    if (etag === undefined || generation === 0 || recorder.isRepeated(`"${etag}"`)) continue;
    // The same bytes may be those of several versions all the same, such as one with other tags: any of them will do.
    const numbers = [...events.versionsOf(key)].flatMap(([number, version]) =>
      version.etag === etag ? [number] : [],
    );
    const before = newest.get(key) ?? -1;
    if (numbers.length === 0) continue;
    const number = numbers.find((candidate) => candidate >= before) ?? Math.max(...numbers);
    if (number < before)
      recorder.report(
        'ufs-version-order',
        `the under-store got version ${number} of ${key} ("${etag}") after version ${before}`,
        key,
      );
    newest.set(key, Math.max(before, number));
  }
}
