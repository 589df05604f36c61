/**
 * The load job: fetches what lies below a path and is not cached, a page of the listing at a time, several objects at once.
 *
 * It shares fetches with readers (`fill-flights.ts`) and takes room as they do. It stops when what it loaded fills the cache,
 * because it would evict its own work from there on. A UFS that is away is waited for; an object that fails is counted and
 * passed over.
 */
import { isErrorCode } from '../core/errors.js';
import { SECOND_MS } from '../core/units.js';
import { durableRecord, type EngineCore } from './engine-core.js';
import type { FillFlights, LoadOutcome } from './fill-flights.js';
import type { JobInfo } from './job-service.js';
import type { ListPath } from './list-path.js';
import type { ListEntry } from './object-service.js';

const PAGE_KEYS = 1000;
const ATTEMPTS_MAX = 3;
const RETRY_MS_MIN = SECOND_MS;
const RETRY_MS_MAX = 30 * SECOND_MS;
/** Objects in a row for which there was no room. */
const NO_ROOM_MAX = 8;
/** What one job may load, of the capacity: behind it eviction begins. */
const CAPACITY_SHARE = 0.9;

export interface LoadParts {
  readonly core: EngineCore;
  readonly lists: ListPath;
  readonly flights: FillFlights;
}

export interface LoadRun {
  readonly bucket: string;
  readonly prefix: string;
  readonly signal: AbortSignal;
  readonly info: () => JobInfo;
  /** Something was done; durable by and by. */
  readonly update: (change: Partial<JobInfo>) => void;
}

/** Why a job ended before its end. */
export class JobFailure extends Error {}

type ObjectEntry = Extract<ListEntry, { kind: 'object' }>;

interface Page {
  readonly entries: readonly ObjectEntry[];
  readonly next: string | undefined;
}

export class LoadJob {
  readonly #parts: LoadParts;
  readonly #run: LoadRun;
  #noRoom = 0;

  constructor(parts: LoadParts, run: LoadRun) {
    this.#parts = parts;
    this.#run = run;
  }

  /** Resolves at the end of the listing, or when the signal aborts. Rejects with `JobFailure`. */
  async run(): Promise<void> {
    void this.#count();
    // A UFS that does not answer holds up nobody who ends the job: what is under way then ends by itself, and changes nothing.
    await Promise.race([this.#loadPages(), aborted(this.#run.signal)]);
  }

  async #loadPages(): Promise<void> {
    let startAfter: string | undefined = this.#run.info().cursor;
    while (startAfter !== undefined && !this.#run.signal.aborted) {
      const page = await this.#page(startAfter);
      if (page === undefined) return;
      await this.#loadAll(page.entries);
      const last = page.entries.at(-1);
      if (last !== undefined && !this.#run.signal.aborted) this.#run.update({ cursor: last.key });
      startAfter = page.next;
    }
  }

  /** For the progress: how much there is. */
  async #count(): Promise<void> {
    let totalObjects = 0;
    let totalBytes = 0;
    let startAfter: string | undefined = '';
    while (startAfter !== undefined && !this.#run.signal.aborted) {
      const page: Page | undefined = await this.#page(startAfter);
      if (page === undefined) return;
      totalObjects += page.entries.length;
      for (const { size } of page.entries) totalBytes += size;
      startAfter = page.next;
    }
    if (startAfter === undefined) this.#run.update({ totalObjects, totalBytes });
  }

  /** Waits for a UFS that is away. Undefined when the signal aborts. */
  async #page(startAfter: string): Promise<Page | undefined> {
    const { bucket, prefix, signal } = this.#run;
    for (let delayMs = RETRY_MS_MIN; !signal.aborted; delayMs = Math.min(2 * delayMs, RETRY_MS_MAX)) {
      try {
        const request = { bucket, prefix, delimiter: '', startAfter, maxKeys: PAGE_KEYS };
        const { entries, truncated, nextStartAfter } = await this.#parts.lists.list(request);
        const objects = entries.filter((entry): entry is ObjectEntry => entry.kind === 'object');
        return { entries: objects, next: truncated ? nextStartAfter : undefined };
      } catch (error) {
        this.#run.update({ message: messageOf(error) });
        await this.#sleep(delayMs);
      }
    }
    return undefined;
  }

  async #loadAll(entries: readonly ObjectEntry[]): Promise<void> {
    const waiting = entries.values();
    const worker = async (): Promise<void> => {
      for (const entry of waiting) {
        if (this.#run.signal.aborted) return;
        await this.#loadOne(entry);
      }
    };
    await Promise.all(Array.from({ length: Math.min(this.#run.info().concurrency, entries.length) }, worker));
  }

  async #loadOne({ key, size }: ObjectEntry): Promise<void> {
    const { core } = this.#parts;
    const { bucket, signal } = this.#run;
    const policy = core.policies.modeOf(bucket, key);
    const isSkipped =
      policy === 'NO_CACHE' || policy === 'TRANSIENT' || durableRecord(core, bucket, key) !== undefined;
    const outcome = isSkipped ? 'held' : await this.#attempt(key);
    if (signal.aborted) return;
    const info = this.#run.info();
    switch (outcome) {
      case 'loaded':
        this.#noRoom = 0;
        this.#run.update({ objects: info.objects + 1, bytes: info.bytes + size });
        this.#checkRoom();
        return;
      case 'held':
      case 'absent':
        this.#run.update({ skippedObjects: info.skippedObjects + 1, skippedBytes: info.skippedBytes + size });
        return;
      case 'noRoom':
        this.#run.update({ failedObjects: info.failedObjects + 1, message: `there is no room for "${key}"` });
        this.#noRoom += 1;
        if (this.#noRoom >= NO_ROOM_MAX)
          throw new JobFailure(`the cache has no room for more: ${info.objects} objects were loaded`);
        return;
      case 'dropped':
        this.#run.update({ failedObjects: info.failedObjects + 1 });
    }
  }

  async #attempt(key: string): Promise<LoadOutcome> {
    for (let attempt = 1; ; attempt++) {
      try {
        const outcome = await this.#parts.flights.load(this.#run.bucket, key);
        // Somebody changed it meanwhile: what is there now counts.
        if (outcome !== 'dropped' || attempt === ATTEMPTS_MAX) return outcome;
      } catch (error) {
        if (isErrorCode(error, 'NO_SUCH_KEY')) return 'absent';
        this.#run.update({ message: `"${key}": ${messageOf(error)}` });
        if (attempt === ATTEMPTS_MAX || this.#run.signal.aborted) return 'dropped';
        await this.#sleep(RETRY_MS_MIN * attempt);
      }
    }
  }

  #checkRoom(): void {
    const { bytes, objects } = this.#run.info();
    const { capacityBytes } = this.#parts.core.admission;
    if (bytes <= capacityBytes * CAPACITY_SHARE) return;
    throw new JobFailure(
      `the ${objects} objects that were loaded fill the cache of ${capacityBytes} bytes: more would evict them`,
    );
  }

  #sleep(delayMs: number): Promise<void> {
    return this.#parts.core.clock.sleep(delayMs, this.#run.signal).catch(() => undefined);
  }
}

/** Resolves when the signal aborts, which must not outlive many calls of this: each adds a listener. */
export function aborted(signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return new Promise(() => undefined);
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
