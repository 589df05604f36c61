/**
 * What the under-store said lately: objects (also that there is none) and pages of listings, so that it is not asked again at once.
 *
 * Only reads use it; decisions about conditional writes always ask. Invariants: whatever Headrace itself changes in the
 * under-store, or lets the under-store be the truth for (an eviction), is forgotten here, and an answer that was on its way
 * meanwhile is not kept; so an own write is seen at once, and somebody else's after the time to live at the latest. Memory is
 * bounded.
 */
import type { Clock } from '../core/ports.js';
import type { StoredObject, StoreListPage } from '../core/object-store.js';
import { objectKey } from '../../projections/records.js';

export interface UfsMetadataOptions {
  /** 0 keeps nothing. */
  readonly ttlMs: number;
  /** Roughly, of objects and pages together. */
  readonly bytesMax: number;
}

/** A question to the under-store. Its answer is kept only while nothing that it is about has changed. */
export interface Question {
  stale: boolean;
}

interface HeldObject {
  readonly object: StoredObject | undefined;
  readonly untilMs: number;
  readonly bytes: number;
}

interface HeldPage {
  readonly page: StoreListPage;
  readonly untilMs: number;
  readonly bytes: number;
}

/** Pages whose prefixes lie in one directory: what changes below it makes all of them doubtful. */
interface PageGroup {
  readonly pages: Map<string, HeldPage>;
  readonly questions: Set<Question>;
}

const ENTRY_BYTES = 400;
const LIST_ENTRY_BYTES = 160;

export class UfsMetadataCache {
  readonly #clock: Clock;
  readonly #options: UfsMetadataOptions;
  /** By index key, the least recently kept first. */
  readonly #objects = new Map<string, HeldObject>();
  readonly #asked = new Map<string, Set<Question>>();
  /** By bucket and directory. */
  readonly #groups = new Map<string, PageGroup>();
  #objectBytes = 0;
  #pageBytes = 0;
  #onClear: () => void = () => undefined;

  constructor(clock: Clock, options: UfsMetadataOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  /** How much is held, roughly. */
  get bytes(): number {
    return this.#objectBytes + this.#pageBytes;
  }

  /** `object` is undefined when there is none; nothing is returned when it is not known. */
  object(bucket: string, key: string): { readonly object: StoredObject | undefined } | undefined {
    const indexKey = objectKey(bucket, key);
    const held = this.#objects.get(indexKey);
    if (held === undefined) return undefined;
    if (held.untilMs > this.#clock.monotonicTimeMs()) return held;
    this.#dropObject(indexKey, held);
    return undefined;
  }

  /** To be called before the under-store is asked for an object; `endObject` must follow. */
  askObject(bucket: string, key: string): Question {
    const indexKey = objectKey(bucket, key);
    const question = { stale: this.#options.ttlMs === 0 };
    const asked = this.#asked.get(indexKey) ?? new Set();
    this.#asked.set(indexKey, asked);
    asked.add(question);
    return question;
  }

  /** Keeps the answer, if there is one and it is still true. */
  endObject(
    bucket: string,
    key: string,
    question: Question,
    answer?: { object: StoredObject | undefined },
  ): void {
    const indexKey = objectKey(bucket, key);
    const asked = this.#asked.get(indexKey);
    asked?.delete(question);
    if (asked?.size === 0) this.#asked.delete(indexKey);
    if (question.stale || answer === undefined) return;
    const before = this.#objects.get(indexKey);
    if (before !== undefined) this.#dropObject(indexKey, before);
    const bytes = ENTRY_BYTES + 2 * indexKey.length + headerBytes(answer.object);
    this.#objects.set(indexKey, { object: answer.object, untilMs: this.#untilMs(), bytes });
    this.#objectBytes += bytes;
    this.#shrink();
  }

  /** `name` tells pages of one prefix apart. */
  page(bucket: string, prefix: string, name: string): StoreListPage | undefined {
    const group = this.#groups.get(groupKey(bucket, prefix));
    const held = group?.pages.get(`${prefix}\0${name}`);
    if (held === undefined || held.untilMs <= this.#clock.monotonicTimeMs()) return undefined;
    return held.page;
  }

  /** As `askObject`, for a page; `endPage` must follow. */
  askPage(bucket: string, prefix: string): Question {
    const key = groupKey(bucket, prefix);
    const group = this.#groups.get(key) ?? { pages: new Map(), questions: new Set() };
    this.#groups.set(key, group);
    const question = { stale: this.#options.ttlMs === 0 };
    group.questions.add(question);
    return question;
  }

  endPage(
    bucket: string,
    prefix: string,
    question: Question,
    answer?: { name: string; page: StoreListPage },
  ): void {
    const key = groupKey(bucket, prefix);
    const group = this.#groups.get(key);
    group?.questions.delete(question);
    if (group === undefined) return;
    if (!question.stale && answer !== undefined) {
      const name = `${prefix}\0${answer.name}`;
      this.#pageBytes -= group.pages.get(name)?.bytes ?? 0;
      const bytes = pageBytes(answer.page) + 2 * name.length;
      group.pages.set(name, { page: answer.page, untilMs: this.#untilMs(), bytes });
      this.#pageBytes += bytes;
      // The newest last.
      this.#groups.delete(key);
      this.#groups.set(key, group);
      this.#shrink();
    }
    if (group.pages.size === 0 && group.questions.size === 0) this.#groups.delete(key);
  }

  /** The object changes in the under-store, or the under-store is the truth for it from now on. */
  forget(bucket: string, key: string): void {
    if (this.#objects.size > 0 || this.#asked.size > 0) {
      const indexKey = objectKey(bucket, key);
      const held = this.#objects.get(indexKey);
      if (held !== undefined) this.#dropObject(indexKey, held);
      for (const question of this.#asked.get(indexKey) ?? []) question.stale = true;
    }
    if (this.#groups.size === 0) return;
    for (let end = 0; end >= 0; end = nextDirectory(key, end)) {
      const name = `${bucket}\0${key.slice(0, end)}`;
      const group = this.#groups.get(name);
      if (group !== undefined) this.#dropGroup(name, group);
    }
  }

  /** From now on `listener` is told when everything is forgotten. */
  listen(listener: () => void): void {
    this.#onClear = listener;
  }

  /** As after a change of mounts, which may concern anything. */
  clear(): void {
    this.#onClear();
    for (const asked of this.#asked.values()) for (const question of asked) question.stale = true;
    this.#objects.clear();
    this.#objectBytes = 0;
    for (const [key, group] of this.#groups) this.#dropGroup(key, group);
  }

  #untilMs(): number {
    return this.#clock.monotonicTimeMs() + this.#options.ttlMs;
  }

  #dropObject(indexKey: string, held: HeldObject): void {
    this.#objects.delete(indexKey);
    this.#objectBytes -= held.bytes;
  }

  #dropGroup(key: string, group: PageGroup): void {
    for (const question of group.questions) question.stale = true;
    for (const { bytes } of group.pages.values()) this.#pageBytes -= bytes;
    this.#groups.delete(key);
  }

  /** Of the many objects an eighth goes at once, as `BoundedMap` does it: the oldest is not found in a moment. */
  #shrink(): void {
    const limitBytes = this.#options.bytesMax / 2;
    for (const [key, group] of this.#groups) {
      if (this.#pageBytes <= limitBytes) break;
      this.#dropGroup(key, group);
    }
    if (this.#objectBytes <= limitBytes) return;
    for (const [indexKey, held] of this.#objects) {
      this.#dropObject(indexKey, held);
      if (this.#objectBytes <= (limitBytes * 7) / 8) break;
    }
  }
}

/** Where the directory behind the one that ends at `end` ends in the key; -1 when there is none. */
function nextDirectory(key: string, end: number): number {
  const slash = key.indexOf('/', end);
  return slash < 0 ? -1 : slash + 1;
}

function groupKey(bucket: string, prefix: string): string {
  return `${bucket}\0${prefix.slice(0, prefix.lastIndexOf('/') + 1)}`;
}

function headerBytes(object: StoredObject | undefined): number {
  if (object === undefined) return 0;
  let bytes = 2 * (object.etag.length + object.storeEtag.length);
  for (const values of [object.headers.system, object.headers.user, object.headers.tags ?? {}])
    for (const [name, value] of Object.entries(values)) bytes += 64 + 2 * (name.length + value.length);
  return bytes;
}

function pageBytes(page: StoreListPage): number {
  let bytes = ENTRY_BYTES;
  for (const entry of page.entries)
    bytes += LIST_ENTRY_BYTES + 2 * (entry.kind === 'object' ? entry.key.length : entry.prefix.length);
  return bytes;
}
