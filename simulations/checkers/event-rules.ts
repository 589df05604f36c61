/**
 * What must hold of the log, seen from outside the engine: each durable event once, in order, over all processes of a world.
 *
 * Events are taken from the log itself as they become durable, before the engine folds them; what became durable while nobody
 * looked (its process died first) is read when the next process opens the log. From the events it is known which version of an
 * object has which ETag, and so in which order the under-store must get them.
 */
import type { Event } from '../../log/events.js';
import type { ObjectCommitted } from '../../log/object-events.js';
import type { DurableBatch, LogStore, PartitionLog } from '../../log/log-store.js';
import { probeOf } from '../probes.js';
import type { Recorder } from '../recorder.js';
import type { StoreChange } from '../sim-stored-objects.js';

/** What is known of one version of an object. */
interface Version {
  readonly etag: string;
  readonly isTransient: boolean;
  isPersisted: boolean;
}

interface KeyHistory {
  readonly versions: Map<number, Version>;
  /** Undefined when it was deleted, or was never there. */
  current: number | undefined;
  /** The newest version, or the newest delete. */
  latest: number;
}

interface StreamPosition {
  epoch: number;
  nextOffset: number;
}

/** When a failed upload may be tried again. */
export interface UploadSchedule {
  readonly version: number;
  readonly etag: string | undefined;
  readonly dueMs: number;
}

export class EventRules {
  readonly #recorder: Recorder;
  /** Every change of the under-store, to compare with what events say. */
  readonly #history: () => readonly StoreChange[];
  readonly #positions = new Map<number, StreamPosition>();
  readonly #keys = new Map<string, KeyHistory>();
  readonly #schedules = new Map<string, UploadSchedule>();
  /** ETags that the under-store took, by key; as far as its history was read. */
  readonly #taken = new Map<string, Set<string>>();
  #historyRead = 0;
  /** While a process is started that is not meant to live: nothing is learned from what it sees. */
  isSuspended = false;

  constructor(recorder: Recorder, history: () => readonly StoreChange[]) {
    this.#recorder = recorder;
    this.#history = history;
  }

  /** Puts itself between the engine and its log. */
  wrapLog(store: LogStore): LogStore {
    return {
      openPartition: async (partition) => {
        const log = await store.openPartition(partition);
        if (this.isSuspended) return log;
        await this.#opened(log);
        log.batches$.subscribe((batch) => this.#batch(batch));
        return log;
      },
      close: () => store.close(),
    };
  }

  /** The order of a version among those of its key, for the under-store; undefined for what is not known. */
  versionsOf(key: string): ReadonlyMap<number, { readonly etag: string }> {
    return this.#keys.get(key)?.versions ?? new Map<number, Version>();
  }

  /** Whether the cache is to keep the current version of a key from the under-store for ever. */
  isTransient(key: string): boolean {
    const history = this.#keys.get(key);
    const current = history?.current;
    return current !== undefined && history?.versions.get(current)?.isTransient === true;
  }

  /** When the failed upload of this object may be tried again; undefined when none failed. */
  scheduleOf(key: string): UploadSchedule | undefined {
    return this.#schedules.get(key);
  }

  /** Events that are durable, in a data partition. */
  durableOffset(partition: number): number {
    return this.#positions.get(partition)?.nextOffset ?? 0;
  }

  async #opened(log: PartitionLog): Promise<void> {
    const position = this.#positionOf(log.partition);
    if (log.durableOffset < position.nextOffset)
      this.#report(
        'log-order',
        `partition ${log.partition} ends at offset ${log.durableOffset}; ${position.nextOffset} were durable before`,
      );
    if (log.epoch <= position.epoch)
      this.#report(
        'log-order',
        `partition ${log.partition} was opened with epoch ${log.epoch} after ${position.epoch}`,
      );
    position.epoch = log.epoch;
    if (log.durableOffset === position.nextOffset) return;
    if (position.nextOffset > 0) this.#recorder.probe('durable and not acknowledged');
    for await (const batch of log.read(position.nextOffset)) this.#batch(batch);
  }

  #batch({ partition, epoch, firstOffset, events }: DurableBatch): void {
    const position = this.#positionOf(partition);
    if (firstOffset > position.nextOffset)
      this.#report(
        'log-order',
        `offsets ${position.nextOffset} to ${firstOffset - 1} of ${partition} are missing`,
      );
    if (epoch > position.epoch)
      this.#report('log-order', `a frame of epoch ${epoch} in partition ${partition} at ${position.epoch}`);
    for (const [at, event] of events.entries()) {
      const offset = firstOffset + at;
      if (offset < position.nextOffset) continue;
      position.nextOffset = offset + 1;
      this.#event(event, offset);
    }
  }

  #event(event: Event, offset: number): void {
    const { trace, statistics } = this.#recorder;
    statistics.count('events', event.type);
    this.#recorder.probe(probeOf(event));
    const key = 'key' in event ? event.key : undefined;
    const version = 'version' in event ? ` of ${event.version}` : '';
    trace.line(`event ${offset} ${event.type}${version}${key === undefined ? '' : ` ${key}`}`, key);
    switch (event.type) {
      case 'ObjectCommitted':
        return this.#committed(event, offset);
      case 'ObjectDeleted':
        Object.assign(this.#historyOf(event.key), { current: undefined, latest: offset });
        this.#schedules.delete(event.key);
        return;
      case 'ObjectPersisted':
        return this.#persisted(event.key, event.version);
      case 'DeletePersisted':
      case 'PersistRetried':
      case 'PersistDiscarded':
        this.#schedules.delete(event.key);
        return;
      case 'PersistFailed': {
        // What was replaced meanwhile says nothing of what took its place.
        if (event.version < this.#historyOf(event.key).latest) return;
        const etag = this.#keys.get(event.key)?.versions.get(event.version)?.etag;
        const dueMs = event.quarantined ? Infinity : event.nextAttemptAtMs;
        this.#schedules.set(event.key, { version: event.version, etag, dueMs });
        return;
      }
      case 'ObjectEvicted':
        return this.#evicted(event.key, event.version);
      default:
        return;
    }
  }

  #committed({ key, object }: ObjectCommitted, offset: number): void {
    const history = this.#historyOf(key);
    const isPersisted = object.state === 'PERSISTED';
    history.versions.set(offset, {
      etag: object.etag,
      isTransient: object.state === 'TRANSIENT',
      isPersisted,
    });
    history.current = offset;
    history.latest = offset;
    this.#schedules.delete(key);
    if (isPersisted && !this.#hasTaken(key, object.etag))
      this.#report(
        'persisted-in-ufs',
        `version ${offset} of ${key} was committed as persisted and is not`,
        key,
      );
  }

  #persisted(key: string, number: number): void {
    this.#schedules.delete(key);
    const version = this.#keys.get(key)?.versions.get(number);
    if (version === undefined)
      return this.#report(
        'persisted-in-ufs',
        `version ${number} of ${key} was persisted, never committed`,
        key,
      );
    if (version.isTransient)
      this.#report('evict-after-persist', `version ${number} of ${key} is TRANSIENT and was persisted`, key);
    if (!this.#hasTaken(key, version.etag))
      this.#report(
        'persisted-in-ufs',
        `version ${number} of ${key} is said to be persisted; the under-store never took "${version.etag}"`,
        key,
      );
    version.isPersisted = true;
  }

  #evicted(key: string, number: number): void {
    const history = this.#historyOf(key);
    const version = history.versions.get(number);
    if (history.current === number) history.current = undefined;
    if (version?.isPersisted === true && !version.isTransient) return;
    const what = version?.isTransient === true ? 'TRANSIENT' : 'not persisted';
    this.#report('evict-after-persist', `version ${number} of ${key} was evicted and is ${what}`, key);
  }

  #hasTaken(key: string, etag: string): boolean {
    const history = this.#history();
    for (; this.#historyRead < history.length; this.#historyRead++) {
      const change = history[this.#historyRead];
      if (change?.etag === undefined) continue;
      const taken = this.#taken.get(change.key) ?? new Set();
      taken.add(change.etag);
      this.#taken.set(change.key, taken);
    }
    return this.#taken.get(key)?.has(etag) === true;
  }

  #historyOf(key: string): KeyHistory {
    const known = this.#keys.get(key);
    if (known !== undefined) return known;
    const history: KeyHistory = { versions: new Map(), current: undefined, latest: -1 };
    this.#keys.set(key, history);
    return history;
  }

  #positionOf(partition: number): StreamPosition {
    const known = this.#positions.get(partition);
    if (known !== undefined) return known;
    const position = { epoch: -1, nextOffset: 0 };
    this.#positions.set(partition, position);
    return position;
  }

  #report(...finding: Parameters<Recorder['report']>): void {
    this.#recorder.report(...finding);
  }
}
