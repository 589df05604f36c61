/** The part of an admin service that is about the upload stream, without an engine: for the tests of routes and commands. */
import { HeadraceError } from '../../src/core/errors.js';
import type { PersistEntry } from '../../src/engine/admin-service.js';
import type {
  DirtyObject,
  DiscardedPersist,
  PersistDiscardRequest,
  PersistFilter,
  PersistListRequest,
  PersistOpenRequest,
  PersistPage,
  PersistResolveRequest,
  PersistRetryRequest,
  PersistService,
  ResolvedPersist,
} from '../../src/engine/persist-service.js';

export class MemoryPersists implements PersistService {
  readonly retries: PersistRetryRequest[] = [];
  readonly discards: PersistDiscardRequest[] = [];
  readonly resolutions: PersistResolveRequest[] = [];
  /** Bytes of the entries, by path. */
  readonly bytes = new Map<string, Uint8Array>();
  readonly #entries: () => PersistEntry[];

  constructor(entries: () => PersistEntry[]) {
    this.#entries = entries;
  }

  async list(request: PersistListRequest): Promise<PersistPage> {
    const after = request.after === undefined ? -1 : Number(request.after.split(':')[1]);
    const found = this.#fitting(request).filter(({ version }) => version > after);
    const entries = found.slice(0, request.limit);
    const last = entries.at(-1);
    return {
      entries,
      ...(found.length > entries.length && last !== undefined ? { nextAfter: `1:${last.version}` } : {}),
    };
  }

  async retry(request: PersistRetryRequest): Promise<{ retried: number }> {
    this.retries.push(request);
    return { retried: this.#fitting(request).length };
  }

  async resolve(request: PersistResolveRequest): Promise<ResolvedPersist> {
    const { version } = this.#one(request);
    this.resolutions.push(request);
    return { ...request, version };
  }

  async discard(request: PersistDiscardRequest): Promise<DiscardedPersist> {
    const { bucket, key, kind, version, size, sinceMs } = this.#one(request);
    this.discards.push(request);
    return {
      bucket,
      key,
      version,
      kind,
      size,
      etag: 'e'.repeat(32),
      lastModifiedMs: sinceMs,
      reason: request.reason,
      ufs: { size: 3, etag: 'f'.repeat(32) },
    };
  }

  async open(request: PersistOpenRequest): Promise<DirtyObject> {
    const { bucket, key, version, sinceMs } = this.#one(request);
    const bytes = this.bytes.get(`/${bucket}/${key}`) ?? new Uint8Array(0);
    return {
      bucket,
      key,
      version,
      size: bytes.length,
      etag: 'e'.repeat(32),
      lastModifiedMs: sinceMs,
      headers: { system: { 'content-type': 'text/plain' }, user: { owner: 'größe' } },
      body: (async function* () {
        yield bytes;
      })(),
    };
  }

  #one({ bucket, key, version }: PersistOpenRequest): PersistEntry {
    const found = this.#entries().find((entry) => entry.bucket === bucket && entry.key === key);
    if (found === undefined)
      throw new HeadraceError('NO_SUCH_KEY', `"/${bucket}/${key}" has nothing that waits to be persisted`);
    if (version !== undefined && version !== found.version)
      throw new HeadraceError('PRECONDITION_FAILED', `version ${version} is not the one that waits`);
    return found;
  }

  #fitting({ path = '/', state, cause }: PersistFilter): PersistEntry[] {
    return this.#entries().filter(
      (entry) =>
        `/${entry.bucket}/${entry.key}`.startsWith(path) &&
        (state ?? entry.phase) === entry.phase &&
        (cause ?? entry.cause) === entry.cause,
    );
  }
}
