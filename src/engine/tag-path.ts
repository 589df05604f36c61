/**
 * Changing the tags or the access control list of an object that exists.
 *
 * What the cache holds on a WRITE_BACK or TRANSIENT path gets a new version over the same bytes, with the same ETag and time: one
 * event and no copy. It is PENDING again, also when the UFS held the old one, so that they reach the UFS in the order of the
 * log as any other version does. Everywhere else the UFS is written first: the object goes there anew with them, and the
 * cache gives its copy up before, so that a crash in between leaves the UFS as the truth.
 */
import type { ObjectHeaders, ObjectVersion } from '../core/object.js';
import { objectKey } from '../../projections/records.js';
import { withAccessList } from './access-list.js';
import { decideEvict, replacedBy } from './decide.js';
import { durableRecord, partitionOf, type EngineCore } from './engine-core.js';
import type { KeySettler } from './key-settler.js';
import { holdExtents, readObject } from './object-bytes.js';
import type { UfsLocation } from './mount-table.js';
import type { Offset } from './object-service.js';
import type { Decision, DecisionView } from './decision.js';
import { changedMeanwhile, discard, fromStored, noSuchKey } from './stored-objects.js';
import { ufsCall } from './ufs-calls.js';
import type { UfsKnowledge } from './ufs-knowledge.js';
import type { WritePath } from './write-path.js';

type Tags = Readonly<Record<string, string>>;
/** What becomes of the headers of the current version. */
type HeaderChange = (headers: ObjectHeaders) => ObjectHeaders;

interface Target {
  readonly bucket: string;
  readonly key: string;
}

/** Other headers for the version that is current, if it is still in a state that the cache decides about; false otherwise. */
export function decideHeaders(view: DecisionView, target: Target, change: HeaderChange): Decision<boolean> {
  const current = view.records.get(objectKey(target.bucket, target.key));
  if (current?.kind !== 'object') return { events: [], result: false };
  const { size, etag, lastModifiedMs, extents, headers, policy, state, checksum, parts } = current;
  const object: ObjectVersion = {
    size,
    etag,
    lastModifiedMs,
    extents,
    headers: change(headers),
    policy,
    state: state === 'TRANSIENT' ? 'TRANSIENT' : 'PENDING',
    checksum,
    parts,
  };
  return {
    events: [
      {
        type: 'ObjectCommitted',
        atMs: view.nowMs,
        ...target,
        object,
        origin: 'TAGS',
        replaced: replacedBy(current),
      },
    ],
    result: true,
  };
}

export class TagPath {
  readonly #core: EngineCore;
  readonly #writes: WritePath;
  readonly #settler: KeySettler;
  readonly #ufs: UfsKnowledge;

  constructor(core: EngineCore, parts: { writes: WritePath; settler: KeySettler; ufs: UfsKnowledge }) {
    this.#core = core;
    this.#writes = parts.writes;
    this.#settler = parts.settler;
    this.#ufs = parts.ufs;
  }

  /** As `ObjectService.setObjectTags`. */
  set(bucket: string, key: string, tags: Tags): Promise<{ offset?: Offset }> {
    return this.#change(bucket, key, (headers) => ({ ...headers, tags }));
  }

  /** As `ObjectService.setObjectAcl`. */
  async setAcl(bucket: string, key: string, list: string): Promise<void> {
    await this.#change(bucket, key, (headers) => withAccessList(headers, list));
  }

  async #change(bucket: string, key: string, change: HeaderChange): Promise<{ offset?: Offset }> {
    const policy = this.#writes.writablePolicy(bucket, key);
    const current = durableRecord(this.#core, bucket, key);
    const record = current?.kind === 'object' ? current : undefined;
    if (record === undefined && (current !== undefined || policy === 'TRANSIENT')) throw noSuchKey(key);
    const here =
      record !== undefined &&
      (policy === 'WRITE_BACK' ||
        policy === 'TRANSIENT' ||
        record.state === 'TRANSIENT' ||
        record.state === 'QUARANTINED') &&
      (record.state !== 'PERSISTED' || this.#core.admission.canEverHold(record.size));
    const logged = here ? await this.#setHere({ bucket, key }, record, change) : undefined;
    if (logged !== undefined) return logged;
    await this.#setThrough(bucket, key, change);
    return {};
  }

  /** The bytes of a persisted object count as un-persisted again: that must be admitted. Undefined when it has left the cache. */
  async #setHere(
    target: Target,
    held: ObjectVersion,
    change: HeaderChange,
  ): Promise<{ offset: Offset } | undefined> {
    const { admission } = this.#core;
    const bytes = held.state === 'PERSISTED' ? held.size : 0;
    const reservation = admission.tryReserve(bytes) ?? (await admission.reserve(bytes));
    try {
      const partition = partitionOf(this.#core, target.bucket, target.key);
      const { result, offset } = await partition.submit((view) => decideHeaders(view, target, change));
      return result ? { offset: `${partition.number}:${offset}` } : undefined;
    } finally {
      reservation.release();
    }
  }

  #setThrough(bucket: string, key: string, change: HeaderChange): Promise<void> {
    return this.#settler.clean(bucket, key, () => this.#setLocked(bucket, key, change));
  }

  async #setLocked(bucket: string, key: string, change: HeaderChange): Promise<void> {
    const core = this.#core;
    let release: (() => void) | undefined;
    try {
      this.#ufs.forgetFills(bucket, key);
      // In the decision, so that a copy counts whose commit is queued.
      const { result: held } = await partitionOf(core, bucket, key).submit((view) => {
        const record = view.records.get(objectKey(bucket, key));
        if (record?.kind !== 'object') return { events: [], result: undefined };
        release = holdExtents(core, record.extents);
        const { version } = record;
        return { events: decideEvict(view, [{ bucket, key, version }], 'CHANGED').events, result: record };
      });
      const located = core.mounts.locate(bucket, key);
      const head = (signal: AbortSignal) => located.store.head(located.bucket, located.key, signal);
      const stored = held === undefined ? await ufsCall(core, head) : undefined;
      const object = held ?? (stored === undefined ? undefined : fromStored(stored));
      if (object === undefined) throw noSuchKey(key);
      await this.#rewrite(located, key, { ...object, headers: change(object.headers) });
    } finally {
      this.#ufs.forgetFills(bucket, key);
      release?.();
    }
  }

  /** The same object in the UFS with other headers; its bytes come from the extents, or else from the UFS itself. */
  async #rewrite(located: UfsLocation, key: string, object: ObjectVersion): Promise<void> {
    const core = this.#core;
    const local = object.extents.length > 0 || object.size === 0;
    await ufsCall(core, (signal) =>
      located.store.put(
        {
          bucket: located.bucket,
          key: located.key,
          size: object.size,
          open: () =>
            local
              ? readObject(core, object.extents, 0, object.size - 1)
              : fromUfs(located, key, object.ufsEtag, signal),
          headers: object.headers,
          etag: object.etag,
          lastModifiedMs: object.lastModifiedMs,
          partSizes: object.parts?.map((part) => part.size),
        },
        signal,
      ),
    );
  }
}

async function* fromUfs(
  located: UfsLocation,
  key: string,
  ufsEtag: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const found = await located.store.get(located.bucket, located.key, undefined, signal);
  if (found === undefined) throw noSuchKey(key);
  if (found.object.storeEtag !== ufsEtag) {
    await discard(found.body);
    throw changedMeanwhile(key);
  }
  yield* found.body;
}
