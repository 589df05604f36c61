/**
 * Multipart uploads at the under-store that nobody will complete, because their version was replaced, deleted or given up.
 *
 * They are aborted in the background, and before anything newer of the same object goes to the store: a completion that is still
 * on its way could otherwise put the old version in the place of the new one. Of one that a crash left without a name nobody knows
 * whether its beginning is still on its way to the store: it is looked for when that has surely arrived.
 */
import type { DataEvent } from '../../log/events.js';
import type { Replaced } from '../../log/object-events.js';
import {
  namelessUploadKey,
  objectKey,
  queueKey,
  queueVersion,
  staleUploadKey,
  type StaleUploadRecord,
  type UfsUpload,
} from '../../projections/records.js';
import { MINUTE_MS, SECOND_MS } from '../core/units.js';
import { decideUfsUploadEnded } from './decide-persists.js';
import { durableRecord, type EngineCore } from './engine-core.js';
import type { Partition } from './partition.js';
import { abortBegunSince } from './persist-multipart.js';
import { ufsCall, type CutOff } from './ufs-calls.js';

const RETRY_MS = 30 * SECOND_MS;
/** After this a call has arrived or never will. */
const ARRIVED_MS = 2 * MINUTE_MS;
const STALE_END = 't';

interface Stale {
  readonly partition: Partition;
  /** Of its record. */
  readonly indexKey: string;
}

export class PersistStaleUploads {
  readonly #core: EngineCore;
  readonly #cutOff: CutOff;
  readonly #byObject = new Map<string, Stale[]>();
  #cancel: (() => void) | undefined;
  #stopped = false;

  constructor(core: EngineCore, cutOff: CutOff) {
    this.#core = core;
    this.#cutOff = cutOff;
  }

  /** Those that are still to be aborted. */
  get count(): number {
    let count = 0;
    for (const stale of this.#byObject.values()) count += stale.length;
    return count;
  }

  start(): void {
    for (const partition of this.#core.partitions) {
      for (const [key, record] of partition.index.scan(staleUploadKey(0), STALE_END))
        if (record.kind === 'staleUpload') this.#note(partition, key, record);
      partition.events$.subscribe(({ event }) => this.#look(partition, event));
    }
    this.#abortLater(0);
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  /** Whether an object has any. */
  hasAny(bucket: string, key: string): boolean {
    return this.#byObject.size > 0 && this.#byObject.has(objectKey(bucket, key));
  }

  /** Aborts those of one object; nothing newer may go to the store before. `UFS_*`. */
  async settle(bucket: string, key: string): Promise<void> {
    if (this.#byObject.size === 0) return;
    const name = objectKey(bucket, key);
    for (const stale of this.#byObject.get(name) ?? [])
      if (recordOf(stale)?.id !== '') await this.#abort(name, stale);
  }

  #look(partition: Partition, event: DataEvent): void {
    const left = leftBehind(event);
    if (left === undefined) return;
    for (const indexKey of [staleUploadKey(left), namelessUploadKey(left)]) {
      const record = recordOf({ partition, indexKey });
      if (record === undefined) continue;
      this.#note(partition, indexKey, record);
      this.#abortLater(0);
    }
  }

  #note(partition: Partition, indexKey: string, { bucket, key }: StaleUploadRecord): void {
    const name = objectKey(bucket, key);
    const noted = this.#byObject.get(name) ?? [];
    if (noted.some((stale) => stale.indexKey === indexKey)) return;
    this.#byObject.set(name, [...noted, { partition, indexKey }]);
  }

  #abortLater(delayMs: number): void {
    if (this.#stopped || this.#cancel !== undefined || this.#byObject.size === 0) return;
    this.#cancel = this.#core.clock.schedule(delayMs, () => void this.#abortAll());
  }

  async #abortAll(): Promise<void> {
    for (const [name, found] of [...this.#byObject]) {
      for (const stale of found) {
        if (this.#stopped) return;
        if (this.#isOnItsWay(stale)) continue;
        try {
          await this.#abort(name, stale);
        } catch (error) {
          if (this.#stopped) return;
          const fields = { version: queueVersion(stale.indexKey), error };
          this.#core.logger.warn(fields, 'a stale multipart upload at the UFS could not be aborted yet');
        }
      }
    }
    this.#cancel = undefined;
    this.#abortLater(RETRY_MS);
  }

  /** A beginning that may still arrive, or one of the object's that gets its name just now: the search would take it for stale. */
  #isOnItsWay(stale: Stale): boolean {
    const record = recordOf(stale);
    if (record === undefined || record.id !== '') return false;
    const { bucket, key, sinceMs, lastMs = sinceMs } = record;
    const arrivedMs = this.#core.clock.wallTimeMs() - ARRIVED_MS;
    if (arrivedMs < lastMs) return true;
    const inUse = this.#uploadInUse(stale.partition, bucket, key);
    return inUse?.id === '' && arrivedMs < inUse.sinceMs;
  }

  async #abort(name: string, stale: Stale): Promise<void> {
    const { partition, indexKey } = stale;
    const record = recordOf(stale);
    if (record !== undefined) {
      const { bucket, key, id } = record;
      const located = this.#core.mounts.locate(bucket, key);
      const { multipart } = located.store;
      // A store without multipart uploads has none of ours: the mount is another one by now.
      if (multipart !== undefined) {
        const upload = { bucket: located.bucket, key: located.key, uploadId: id };
        if (id === '') {
          const spared = this.#uploadInUse(partition, bucket, key)?.id;
          await abortBegunSince(this.#core, {
            located,
            multipart,
            upload: record,
            cutOff: this.#cutOff,
            spared,
          });
        } else
          await ufsCall(this.#core, (signal) => multipart.abort(upload, signal), { cutOff: this.#cutOff });
      }
      const target = { bucket, key, version: queueVersion(indexKey) };
      await partition.submit((view) => decideUfsUploadEnded(view, target, id));
      // Another of the version went without a name meanwhile.
      if (recordOf(stale) !== undefined) return;
    }
    const rest = (this.#byObject.get(name) ?? []).filter((other) => other !== stale);
    if (rest.length === 0) this.#byObject.delete(name);
    else this.#byObject.set(name, rest);
  }

  /** The upload that carries the object's current version. */
  #uploadInUse(partition: Partition, bucket: string, key: string): UfsUpload | undefined {
    const current = durableRecord(this.#core, bucket, key);
    if (current?.kind !== 'object') return undefined;
    const queued = partition.index.get(queueKey(current.version));
    return queued?.kind === 'queued' ? queued.upload : undefined;
  }
}

function recordOf({ partition, indexKey }: Stale): StaleUploadRecord | undefined {
  const record = partition.index.get(indexKey);
  return record?.kind === 'staleUpload' ? record : undefined;
}

/** The version whose upload an event may have made stale. */
function leftBehind(event: DataEvent): number | undefined {
  switch (event.type) {
    case 'ObjectCommitted':
    case 'ObjectDeleted':
      return isInStream(event.replaced) ? event.replaced.version : undefined;
    case 'PersistDiscarded':
    case 'UfsUploadStarted':
    case 'UfsUploadEnded':
      return event.version;
    default:
      return undefined;
  }
}

/** Nothing else can leave an upload behind. This is asked about every overwrite: a search of the index would be dear. */
function isInStream(replaced: Replaced | undefined): replaced is Replaced {
  return replaced !== undefined && replaced.state !== 'PERSISTED' && replaced.state !== 'TRANSIENT';
}
