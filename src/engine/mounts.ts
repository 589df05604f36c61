/**
 * Adding and removing mounts while the cache is in use.
 *
 * What a path means in the UFS changes with its mounts, so nothing dirty may lie below the path at that moment: it would be
 * persisted, or deleted, in the wrong store. Clean copies of the store that was meant before are given up, and an event says
 * when they are: a start finishes what a crash left, before anything is read.
 */
import { HeadraceError, isErrorCode } from '../core/errors.js';
import type { ObjectStore } from '../core/object-store.js';
import { SECOND_MS } from '../core/units.js';
import type { Mount } from '../../projections/control.js';
import { afterPrefix } from '../core/key.js';
import { objectKey, parseObjectKey, queueVersion, type QueueRecord } from '../../projections/records.js';
import type { FlushProgress, MountInfo, MountRemoval } from './admin-service.js';
import { appendBatches, type EvictionTarget } from './append-batches.js';
import { decideEvict } from './decide.js';
import { decideDiscard } from './decide-persists.js';
import type { EngineCore } from './engine-core.js';
import { parseMountPath } from './mount-table.js';
import type { Partition } from './partition.js';
import type { PersistBarriers } from './persist-barrier.js';
import { ufsCall } from './ufs-calls.js';

const EVICT_BATCH = 256;
/** How long a new mount waits for its store to answer: one that is away may be mounted. */
const CONFIRM_MS_MAX = 5 * SECOND_MS;
/** Drains that follow each other while clients go on writing. */
const DRAINS_MAX = 100;

export interface RemoveMountRequest {
  readonly path: string;
  /** Gives up what is not persisted. */
  readonly force?: boolean;
  /** Waits until everything is persisted. */
  readonly drain?: boolean;
  /** How long to wait at most. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: FlushProgress) => void;
}

interface Dirty {
  readonly partition: Partition;
  readonly version: number;
  readonly record: QueueRecord;
}

export class Mounts {
  readonly #core: EngineCore;
  readonly #barriers: Pick<PersistBarriers, 'flush'>;
  /** One change at a time: each looks at what the one before left. */
  #tail: Promise<unknown> = Promise.resolve();

  constructor(core: EngineCore, barriers: Pick<PersistBarriers, 'flush'>) {
    this.#core = core;
    this.#barriers = barriers;
  }

  list(): MountInfo[] {
    return [...this.#core.control.state.mounts.values()];
  }

  /**
   * `INVALID_ARGUMENT` for a path that is mounted already, or that has something dirty below it; `INVALID_SETTING` for a UFS
   * that is none; `NO_SUCH_BUCKET` for a bucket that the store says it does not have, and that is not made here. Durable on
   * return.
   */
  add(mount: Mount): Promise<void> {
    return this.#inTurn(() => this.#add({ ...mount, path: canonicalPath(mount.path) }));
  }

  /**
   * `INVALID_ARGUMENT` when nothing is mounted there, or something below it is not persisted, unless it is to be drained or
   * given up. Resolves with what was lost.
   */
  remove(request: RemoveMountRequest): Promise<MountRemoval> {
    return this.#inTurn(() => this.#remove(request));
  }

  /**
   * Gives up what an earlier change, or another process, left to be given up. To be called at the start, before anything is
   * read.
   */
  async settle(): Promise<void> {
    for (const path of [...this.#core.control.state.unsettledMounts]) await this.#settle(path);
  }

  #inTurn<Result>(action: () => Promise<Result>): Promise<Result> {
    const done = this.#tail.then(async () => {
      await this.settle();
      return action();
    });
    this.#tail = done.catch(() => undefined);
    return done;
  }

  async #add(mount: Mount): Promise<void> {
    const { path } = mount;
    const before = this.#core.control.state.mounts.get(path);
    if (before !== undefined)
      throw new HeadraceError('INVALID_ARGUMENT', `${before.ufs} is mounted at "${path}": remove it first`);
    const refuseDirty = (): void =>
      this.#refuseDirty(
        path,
        (dirty) =>
          `"${path}" has data that is not persisted yet, ${dirty}: wait for it (headrace flush ${path})`,
      );
    refuseDirty();
    // Again when it is open, because clients went on writing.
    await this.#core.mounts.add(mount, {
      confirm: (store) => this.#confirm(mount, store),
      accept: refuseDirty,
    });
    try {
      await this.#core.control.submit((_state, atMs) => ({ type: 'MountAdded', atMs, ...mount }));
    } catch (error) {
      // A mount that the log may not know would be gone after the next start, with what was written through it.
      await this.#core.mounts.remove(path);
      throw error;
    }
    await this.#settle(path);
  }

  /** A store that does not answer, or does not let us look, may take objects later; one that has no such bucket never will. */
  async #confirm({ path, ufs }: Mount, store: ObjectStore): Promise<void> {
    const timeoutMs = Math.min(CONFIRM_MS_MAX, this.#core.options.ufsTimeoutMs);
    try {
      await ufsCall(this.#core, (signal) => store.check(signal), { timeoutMs });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (isErrorCode(error, 'NO_SUCH_BUCKET'))
        throw new HeadraceError('NO_SUCH_BUCKET', `${ufs} was not mounted at "${path}": ${message}`, {
          cause: error,
        });
      this.#core.logger.warn({ path, ufs, message }, 'a store is mounted that could not be checked');
    }
  }

  async #remove(request: RemoveMountRequest): Promise<MountRemoval> {
    const path = this.#core.control.state.mounts.has(request.path)
      ? request.path
      : canonicalPath(request.path);
    if (!this.#core.control.state.mounts.has(path)) {
      const mounted = [...this.#core.control.state.mounts.keys()].join(', ');
      throw new HeadraceError(
        'INVALID_ARGUMENT',
        `nothing is mounted at "${path}": ${mounted === '' ? 'there are no mounts' : `there are ${mounted}`}`,
      );
    }
    if (request.drain === true) await this.#drain(path, request);
    const lost =
      request.force === true ? await this.#giveUpDirty(path) : { objects: 0, bytes: 0, deletes: 0 };
    await this.#core.control.submit((_state, atMs) => {
      // Again, because clients went on writing.
      this.#refuseDirty(
        path,
        (dirty) =>
          `the mount "${path}" has data that is not persisted yet, ${dirty}: drain it (--drain), or give it up (--force)`,
      );
      return { type: 'MountRemoved', atMs, path };
    });
    await this.#core.mounts.remove(path);
    await this.#settle(path);
    return { path, lostObjects: lost.objects, lostBytes: lost.bytes, lostDeletes: lost.deletes };
  }

  async #drain(path: string, { timeoutMs, signal, onProgress }: RemoveMountRequest): Promise<void> {
    const { clock } = this.#core;
    const endMs = timeoutMs === undefined ? undefined : clock.monotonicTimeMs() + timeoutMs;
    for (let drains = 0; drains < DRAINS_MAX && this.#firstDirty(path) !== undefined; drains++) {
      const leftMs = endMs === undefined ? undefined : Math.max(endMs - clock.monotonicTimeMs(), 1);
      const { outcome, blocked } = await this.#barriers.flush({
        path: scopeOf(path),
        ...(leftMs === undefined ? {} : { timeoutMs: leftMs }),
        ...(signal === undefined ? {} : { signal }),
        ...(onProgress === undefined ? {} : { onProgress }),
      });
      if (outcome === 'PERSISTED') continue;
      const why =
        outcome === 'BLOCKED'
          ? `${blocked.length} objects are quarantined (headrace async-persist list --state QUARANTINED)`
          : outcome === 'TIMEOUT'
            ? 'the time is up'
            : 'the wait was ended';
      throw new HeadraceError(
        'INVALID_ARGUMENT',
        `the mount "${path}" could not be drained: ${why}; it is still mounted`,
      );
    }
  }

  async #giveUpDirty(path: string): Promise<{ objects: number; bytes: number; deletes: number }> {
    const lost = { objects: 0, bytes: 0, deletes: 0 };
    for (let found = this.#firstDirty(path); found !== undefined; found = this.#firstDirty(path)) {
      const { partition, version, record } = found;
      const { bucket, key } = record;
      // An upload that is in progress ends first: then it is not dirty any more.
      const unlock = await this.#core.locks.acquire(objectKey(bucket, key));
      try {
        const { result } = await partition.submit((view) =>
          decideDiscard(view, { bucket, key, version }, `the mount ${path} was removed by force`),
        );
        if (!result) continue;
        if (record.action === 'delete') lost.deletes += 1;
        else {
          lost.objects += 1;
          lost.bytes += record.size;
        }
      } finally {
        unlock();
      }
    }
    if (lost.objects + lost.deletes > 0)
      this.#core.logger.warn({ path, ...lost }, 'un-persisted data below a mount was given up');
    return lost;
  }

  async #settle(path: string): Promise<void> {
    await this.#giveUpCopies(path);
    await this.#core.control.submit((_state, atMs) => ({ type: 'MountSettled', atMs, path }));
  }

  /** Gives up clean copies below the path, and what was known of the UFS. */
  async #giveUpCopies(path: string): Promise<void> {
    const { bucket, prefix } = parseMountPath(path);
    const from = objectKey(bucket, prefix);
    const to = afterPrefix(from) ?? 'p';
    // What is being fetched from the store before is not kept; what was just kept is found when it is durable.
    this.#core.known.clear();
    for (const partition of this.#core.partitions) {
      await partition.submit(() => ({ events: [], result: undefined }));
      let next: string | undefined = from;
      while (next !== undefined) {
        const targets: EvictionTarget[] = [];
        let last: string | undefined;
        let looked = 0;
        for (const [indexKey, record] of partition.index.scan(next, to)) {
          last = indexKey;
          looked += 1;
          if (record.kind === 'object' && record.state === 'PERSISTED')
            targets.push({
              ...parseObjectKey(indexKey),
              version: record.version,
              extentCount: record.extents.length,
            });
          if (looked === EVICT_BATCH) break;
        }
        for (const batch of appendBatches(targets))
          await partition.submit((view) => decideEvict(view, batch, 'CHANGED'));
        next = looked === EVICT_BATCH && last !== undefined ? `${last}\0` : undefined;
      }
    }
  }

  #refuseDirty(path: string, message: (dirty: string) => string): void {
    const found = this.#firstDirty(path);
    if (found === undefined) return;
    const { bucket, key, action } = found.record;
    const what = action === 'delete' ? 'the delete of' : 'such as';
    throw new HeadraceError('INVALID_ARGUMENT', message(`${what} "/${bucket}/${key}"`));
  }

  /** The oldest thing below the path that the UFS has yet to learn. Runs in one turn, because a decision rests on it. */
  #firstDirty(path: string): Dirty | undefined {
    const { bucket, prefix } = parseMountPath(path);
    for (const partition of this.#core.partitions) {
      for (const [queueKey, record] of partition.index.scan('q', 'r')) {
        if (record.kind !== 'queued' || record.bucket !== bucket || !record.key.startsWith(prefix)) continue;
        // What belongs to a mount inside is that one's.
        if (this.#isNestedDeeper(path, bucket, record.key)) continue;
        return { partition, version: queueVersion(queueKey), record };
      }
    }
    return undefined;
  }

  #isNestedDeeper(path: string, bucket: string, key: string): boolean {
    const { mount } = this.#core.mounts.locate(bucket, key);
    return mount !== path && mount.length > path.length && mount.startsWith(path);
  }
}

/** One spelling per mount: without a slash at its end. `INVALID_ARGUMENT`. */
function canonicalPath(path: string): string {
  const { bucket, prefix } = parseMountPath(path);
  return `/${bucket}/${prefix}`.replace(/\/$/, '');
}

/** The path as flushes take it: everything below it and nothing beside it. */
function scopeOf(path: string): string {
  const { bucket, prefix } = parseMountPath(path);
  return prefix === '' ? `/${bucket}` : `/${bucket}/${prefix}`;
}
