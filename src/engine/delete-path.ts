/**
 * Deleting objects, by policy. WRITE_BACK: a pending delete hides the object at once and reaches the UFS behind earlier uploads.
 * TRANSIENT: only the cache knows it. WRITE_THROUGH and NO_CACHE: the local copy goes first, then the UFS's, so that a
 * crash in between leaves the UFS as the truth.
 */
import { HeadraceError } from '../core/errors.js';
import type { PolicyMode } from '../core/object.js';
import { appendBatches } from './append-batches.js';
import { withoutCopy } from './changed-in-ufs.js';
import { decideDelete } from './decide.js';
import { durableRecord, partitionOf, type EngineCore } from './engine-core.js';
import type { KeySettler } from './key-settler.js';
import type { DeleteConditions, DeletedObjects } from './object-service.js';
import type { Partition } from './partition.js';
import { ufsCall } from './ufs-calls.js';
import type { UfsKnowledge } from './ufs-knowledge.js';
import { checkDeleteConditions, currentIdentity } from './write-conditions.js';
import type { WritePath } from './write-path.js';

/** UFS deletes of one DeleteObjects call that run at the same time. */
const CONCURRENT_DELETES = 16;

/** A delete that the log alone makes true. `at` is its place in the request. */
interface LoggedDelete {
  readonly at: number;
  readonly key: string;
  readonly ufsDelete: boolean;
  readonly extentCount: number;
}

export class DeletePath {
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

  /** As `ObjectService.deleteObject`. */
  async delete(bucket: string, key: string, conditions?: DeleteConditions): Promise<{ offset?: string }> {
    const policy = this.#policyFor(bucket, key);
    if (policy === 'WRITE_THROUGH' || policy === 'NO_CACHE') {
      await this.#deleteThrough(bucket, key, conditions);
      return {};
    }
    const partition = partitionOf(this.#core, bucket, key);
    const ufsDelete = policy === 'WRITE_BACK';
    const { offset } = await this.#ufs.decideKnowing(
      bucket,
      key,
      conditions === undefined ? 'TRANSIENT' : policy,
      (known) =>
        partition.submit((view) => {
          known.stillTrue(view);
          return decideDelete(view, { bucket, key, conditions, ufsObject: known.object, ufsDelete });
        }),
    );
    return { offset: `${partition.number}:${offset}` };
  }

  /** As `ObjectService.deleteObjects`: what needs no UFS call is one append per partition, or few. */
  async deleteMany(bucket: string, keys: readonly string[]): Promise<DeletedObjects> {
    const results: (Error | undefined)[] = keys.map(() => undefined);
    const logged = new Map<Partition, LoggedDelete[]>();
    const through: number[] = [];
    for (const [at, key] of keys.entries()) {
      try {
        const policy = this.#policyFor(bucket, key);
        if (policy === 'WRITE_THROUGH' || policy === 'NO_CACHE') through.push(at);
        else {
          const partition = partitionOf(this.#core, bucket, key);
          const batch = logged.get(partition) ?? [];
          logged.set(partition, batch);
          const record = durableRecord(this.#core, bucket, key);
          const extentCount = record?.kind === 'object' ? record.extents.length : 0;
          batch.push({ at, key, ufsDelete: policy === 'WRITE_BACK', extentCount });
        }
      } catch (error) {
        results[at] = asError(error);
      }
    }
    const appends: Promise<LoggedAt | undefined>[] = [...logged].flatMap(([partition, deletes]) =>
      [...appendBatches(deletes)].map((batch) => this.#deleteLogged(bucket, partition, batch, results)),
    );
    const next = through.values();
    const workers = Array.from({ length: CONCURRENT_DELETES }, async () => {
      for (const at of next) {
        try {
          await this.#deleteThrough(bucket, keys[at] ?? '', undefined);
        } catch (error) {
          results[at] = asError(error);
        }
      }
    });
    const offsets = await Promise.all(appends);
    await Promise.all(workers);
    return { errors: results, offset: newestOffsets(offsets) };
  }

  /** One append; what goes wrong goes wrong for all in it. */
  async #deleteLogged(
    bucket: string,
    partition: Partition,
    batch: readonly LoggedDelete[],
    results: (Error | undefined)[],
  ): Promise<LoggedAt | undefined> {
    try {
      let count = 0;
      const { offset } = await partition.submit((view) => {
        const seen = new Set<string>();
        const events = batch.flatMap(({ key, ufsDelete }) => {
          if (seen.has(key)) return [];
          seen.add(key);
          return [...decideDelete(view, { bucket, key, ufsDelete }).events];
        });
        count = events.length;
        return { events, result: undefined };
      });
      return { partition: partition.number, offset: offset + Math.max(0, count - 1) };
    } catch (error) {
      for (const { at } of batch) results[at] = asError(error);
      return undefined;
    }
  }

  /** What is TRANSIENT stays so until it is deleted, whatever the rule says now. `READ_ONLY_PATH`, `KEY_TOO_LONG`. */
  #policyFor(bucket: string, key: string): Exclude<PolicyMode, 'READ_ONLY'> {
    const policy = this.#writes.writablePolicy(bucket, key);
    const record = durableRecord(this.#core, bucket, key);
    if (record?.kind === 'object' && record.state === 'TRANSIENT') return 'TRANSIENT';
    // An object that never went to the UFS under an older rule, on a path that is TRANSIENT now, is still queued for it.
    if (policy === 'TRANSIENT' && record !== undefined) return 'WRITE_BACK';
    return policy;
  }

  async #deleteThrough(bucket: string, key: string, conditions: DeleteConditions | undefined): Promise<void> {
    await this.#settler.clean(bucket, key, async () => {
      const record = durableRecord(this.#core, bucket, key);
      if (conditions !== undefined) {
        const ufsObject = record === undefined ? await this.#ufs.head(bucket, key) : undefined;
        checkDeleteConditions(conditions, currentIdentity(record, ufsObject), key);
      }
      this.#ufs.forgetFills(bucket, key);
      await withoutCopy(this.#core, { bucket, key }, async () => {
        const located = this.#core.mounts.locate(bucket, key);
        await ufsCall(this.#core, (signal) => located.store.delete(located.bucket, located.key, signal));
      });
      if (record?.kind === 'object' && record.state !== 'PERSISTED') {
        await partitionOf(this.#core, bucket, key).submit((view) =>
          decideDelete(view, { bucket, key, ufsDelete: false }),
        );
      }
    });
  }
}

interface LoggedAt {
  readonly partition: number;
  readonly offset: number;
}

/** The newest place in each partition, as a receipt has it; undefined when nothing was logged. */
function newestOffsets(places: readonly (LoggedAt | undefined)[]): string | undefined {
  const newest = new Map<number, number>();
  for (const place of places) {
    if (place === undefined) continue;
    newest.set(place.partition, Math.max(newest.get(place.partition) ?? 0, place.offset));
  }
  if (newest.size === 0) return undefined;
  return [...newest].map(([partition, offset]) => `${partition}:${offset}`).join(',');
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new HeadraceError('IO_FAILED', String(error));
}
