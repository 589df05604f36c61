/** `TreeService` over the merged listing. Works page by page and keeps no list of what it has seen. */
import { HeadraceError } from '../core/errors.js';
import type { Buckets } from './buckets.js';
import { durableRecord, type EngineCore } from './engine-core.js';
import type { ListPath } from './list-path.js';
import type { ListEntry, ObjectService } from './object-service.js';
import { checkLease } from './read-lease.js';
import type { RemoveProgress, RemoveReport, TreeService, TreeUsage, UsageReport } from './tree-service.js';

const PAGE_KEYS = 1000;
/** Entries of a usage report that are told apart. */
const ENTRIES_MAX = 10_000;
const FAILURES_MAX = 20;

type Mutable<Value> = { -readonly [Name in keyof Value]: Value[Name] };
type ObjectEntry = Extract<ListEntry, { kind: 'object' }>;

export interface TreeParts {
  readonly lists: ListPath;
  readonly buckets: Buckets;
  readonly objects: Pick<ObjectService, 'deleteObject' | 'deleteObjects' | 'headObject'>;
}

export class TreeTools implements TreeService {
  readonly #core: EngineCore;
  readonly #parts: TreeParts;

  constructor(core: EngineCore, parts: TreeParts) {
    this.#core = core;
    this.#parts = parts;
  }

  async usage({
    path,
    depth,
    onProgress,
    signal,
  }: Parameters<TreeService['usage']>[0]): Promise<UsageReport> {
    const { bucket, key } = split(path);
    const total = emptyUsage(path);
    const entries = new Map<string, Mutable<TreeUsage>>();
    let truncated = false;
    const buckets = bucket === '' ? (await this.#parts.buckets.list()).map(({ name }) => name) : [bucket];
    for (const name of buckets) {
      const prefix = bucket === '' ? '' : key;
      for await (const page of this.#pages(name, prefix, signal)) {
        for (const entry of page) {
          const place = placeOf(`/${name}/${entry.key}`, path, depth);
          let at = entries.get(place);
          if (at === undefined && entries.size < ENTRIES_MAX) entries.set(place, (at = emptyUsage(place)));
          if (at === undefined) truncated = true;
          else this.#count(at, name, entry);
          this.#count(total, name, entry);
        }
        onProgress?.({ ...total });
      }
    }
    checkLease(this.#core);
    return { total, entries: [...entries.values()], truncated };
  }

  async remove({
    path,
    recursive,
    onProgress,
    signal,
  }: Parameters<TreeService['remove']>[0]): Promise<RemoveReport> {
    const { bucket, key } = split(path);
    if (!recursive) return this.#removeOne(path, bucket, key);
    if (bucket === '')
      throw new HeadraceError(
        'INVALID_ARGUMENT',
        'the path "/" is everything: name a bucket or a directory in one',
      );
    const removed: Mutable<RemoveProgress> & { failures: RemoveReport['failures'][number][] } = {
      objects: 0,
      bytes: 0,
      failed: 0,
      failures: [],
    };
    const prefix = key === '' || key.endsWith('/') ? key : `${key}/`;
    for await (const page of this.#pages(bucket, prefix, signal)) {
      const keys = page.map((entry) => entry.key);
      const { errors } = await this.#parts.objects.deleteObjects(bucket, keys);
      for (const [at, entry] of page.entries()) {
        const error = errors[at];
        if (error === undefined) {
          removed.objects += 1;
          removed.bytes += entry.size;
          continue;
        }
        removed.failed += 1;
        if (removed.failures.length >= FAILURES_MAX) continue;
        const code = error instanceof HeadraceError ? error.code : 'INTERNAL';
        removed.failures.push({ path: `/${bucket}/${entry.key}`, code, message: error.message });
      }
      const { objects, bytes, failed } = removed;
      onProgress?.({ objects, bytes, failed });
    }
    return removed;
  }

  /** Deleting what is not there succeeds in S3; an operator who mistyped a name wants to be told. */
  async #removeOne(path: string, bucket: string, key: string): Promise<RemoveReport> {
    if (key === '' || key.endsWith('/'))
      throw new HeadraceError(
        'INVALID_ARGUMENT',
        `"${path}" is not an object but a directory: to remove everything below it, say recursive`,
      );
    const { size } = await this.#parts.objects.headObject({ bucket, key });
    await this.#parts.objects.deleteObject(bucket, key);
    return { objects: 1, bytes: size, failed: 0, failures: [] };
  }

  /** Objects below a prefix in the order of their keys; ends when the signal aborts. */
  async *#pages(
    bucket: string,
    prefix: string,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<readonly ObjectEntry[], void, undefined> {
    await this.#parts.buckets.require(bucket);
    for (let startAfter: string | undefined = ''; startAfter !== undefined;) {
      signal?.throwIfAborted();
      const page: Awaited<ReturnType<ListPath['list']>> = await this.#parts.lists.list({
        bucket,
        prefix,
        delimiter: '',
        startAfter,
        maxKeys: PAGE_KEYS,
      });
      const objects = page.entries.filter((entry) => entry.kind === 'object');
      if (objects.length > 0) yield objects;
      startAfter = page.truncated ? page.nextStartAfter : undefined;
    }
  }

  #count(usage: Mutable<TreeUsage>, bucket: string, entry: ObjectEntry): void {
    const record = durableRecord(this.#core, bucket, entry.key);
    usage.objects += 1;
    usage.bytes += entry.size;
    if (record?.kind === 'object') usage.cachedBytes += record.size;
    if (entry.persisted) usage.persistedBytes += entry.size;
    else usage.dirtyBytes += entry.size;
  }
}

function emptyUsage(path: string): Mutable<TreeUsage> {
  return { path, objects: 0, bytes: 0, cachedBytes: 0, dirtyBytes: 0, persistedBytes: 0 };
}

/** The first `depth` names of `path` below `root`: a directory with its slash, or the object itself. */
function placeOf(path: string, root: string, depth: number): string {
  const below = root.endsWith('/') ? root.length : root.lastIndexOf('/') + 1;
  let end = below - 1;
  for (let i = 0; i < depth; i++) {
    end = path.indexOf('/', end + 1);
    if (end < 0) return path;
  }
  return path.slice(0, end + 1);
}

function split(path: string): { bucket: string; key: string } {
  const match = /^\/([^/]*)(?:\/(.*))?$/s.exec(path);
  if (match === null)
    throw new HeadraceError('INVALID_ARGUMENT', `the path "${path}" is not of the form /<bucket>/<key>`);
  return { bucket: match[1] ?? '', key: match[2] ?? '' };
}
