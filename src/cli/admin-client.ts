/**
 * The admin API as the commands call it: one method per route. Errors of the server come out as `CliFailure`s with the
 * server's code and message (`admin-transport.ts`).
 */
import type {
  EngineStatus,
  FlushProgress,
  FlushResult,
  FreeResult,
  FsEntry,
  LoggedEvent,
  LogHead,
  MountInfo,
  MountRemoval,
  ObjectStat,
  PathTest,
  PersistEntry,
  PersistPhase,
  VerifyReport,
} from '../engine/admin-service.js';
import type { LogInspection } from '../engine/inspection/log-inspection.js';
import type { FlushRequest } from '../engine/persist-barrier.js';
import type { JobInfo, StartJobRequest } from '../engine/job-service.js';
import type {
  DirtyObject,
  DiscardedPersist,
  PersistPage,
  PersistRetryRequest,
  ResolvedPersist,
} from '../engine/persist-service.js';
import type { PathConfigDocument } from '../engine/path-config.js';
import type { KeyPair } from '../engine/users-document.js';
import type { RemoveProgress, RemoveReport, TreeUsage, UsageReport } from '../engine/tree-service.js';
import type { NewAccessKey, UserInfo } from '../engine/users-service.js';
import type { StopReport, StopRequest } from '../engine/stop-service.js';
import type { SettingDescription } from '../settings/settings.js';
import { CliFailure, type LogReader } from './context.js';
import { AdminTransport, type ClientLimits, type RequestOptions } from './admin-transport.js';

/** Which entries of the upload stream. */
interface Filter {
  readonly path?: string | undefined;
  readonly state?: PersistPhase | undefined;
  readonly cause?: string | undefined;
}

const PAGE_ENTRIES = 1000;

export class AdminClient implements LogReader {
  readonly inspection: LogInspection = {
    history: ({ bucket, key, limit }) =>
      this.#transport.json('/api/v1/log/history', { query: { path: `/${bucket}/${key}`, limit } }),
    explain: ({ bucket, key }) =>
      this.#transport.json('/api/v1/log/explain', { query: { path: `/${bucket}/${key}` } }),
    exportLog: (request) => this.#download('/api/v1/log/export', { ...request }),
    replay: ({ partition, until, show, object, diff, steps, limit }) => {
      const path = object === undefined ? undefined : `/${object.bucket}/${object.key}`;
      const query = { partition, until, show, path, from: diff?.[0], to: diff?.[1], steps, limit };
      return this.#transport.json('/api/v1/log/replay', { query });
    },
  };
  readonly #transport: AdminTransport;

  /** `endpoint` without a slash at its end. */
  constructor(endpoint: string, fetch: typeof globalThis.fetch, limits: ClientLimits = {}) {
    this.#transport = new AdminTransport(endpoint, fetch, limits);
  }

  get endpoint(): string {
    return this.#transport.endpoint;
  }

  async status(): Promise<EngineStatus> {
    return this.#transport.json('/api/v1/status');
  }

  /** In the text format of Prometheus; undefined when the server serves none. */
  async metrics(): Promise<string | undefined> {
    try {
      return await this.#transport.text('/metrics');
    } catch (error) {
      if (error instanceof CliFailure && error.code === 'NOT_FOUND') return undefined;
      throw error;
    }
  }

  async settings(): Promise<SettingDescription[]> {
    return (await this.#transport.json<{ settings: SettingDescription[] }>('/api/v1/settings')).settings;
  }

  /** The document, and the ETag to send back with a change of it. */
  async pathConfig(at?: number): Promise<{ document: PathConfigDocument; etag: string }> {
    const response = await this.#transport.send('/api/v1/conf', { query: { at } });
    const document = await this.#transport.parse<PathConfigDocument>(response);
    return { document, etag: response.headers.get('etag') ?? '*' };
  }

  async setPathConfig(document: unknown, ifMatch?: string): Promise<{ offset: number }> {
    const headers: Record<string, string> = ifMatch === undefined ? {} : { 'if-match': ifMatch };
    return this.#transport.json('/api/v1/conf', { method: 'PUT', body: document, headers });
  }

  async testPath(path: string): Promise<PathTest> {
    return this.#transport.json('/api/v1/conf/test', { query: { path } });
  }

  /** Pages of the upload stream, until all were seen. */
  async *persistPages(filter: Filter = {}): AsyncGenerator<readonly PersistEntry[], void, undefined> {
    let after: string | undefined;
    do {
      const query = { ...filter, after, limit: PAGE_ENTRIES };
      const page: PersistPage = await this.#transport.json('/api/v1/async-persist', { query });
      yield page.entries;
      after = page.nextAfter;
    } while (after !== undefined);
  }

  async retryPersists(request: PersistRetryRequest): Promise<{ retried: number }> {
    return this.#transport.json('/api/v1/async-persist/retry', { method: 'POST', body: request });
  }

  async discardPersist(request: {
    readonly path: string;
    readonly reason: string;
    readonly version?: number;
    readonly confirm: boolean;
  }): Promise<DiscardedPersist> {
    return this.#transport.json('/api/v1/async-persist/discard', { method: 'POST', body: request });
  }

  async resolvePersist(path: string, keep: 'ours' | 'theirs'): Promise<ResolvedPersist> {
    return this.#transport.json('/api/v1/async-persist/resolve', { method: 'POST', body: { path, keep } });
  }

  /** What an un-persisted object is, and its bytes. */
  async exportPersist(
    path: string,
  ): Promise<{ object: Omit<DirtyObject, 'body'>; bytes: AsyncIterable<Uint8Array> }> {
    const response = await this.#transport.send('/api/v1/async-persist/export', { query: { path } });
    const header = response.headers.get('x-headrace-object') ?? '';
    const object = JSON.parse(Buffer.from(header, 'base64').toString('utf8')) as Omit<DirtyObject, 'body'>;
    return { object, bytes: this.#transport.bodyOf(response) };
  }

  async objectStat(path: string): Promise<ObjectStat> {
    return this.#transport.json('/api/v1/objects', { query: { path } });
  }

  /** Pages, until all were seen. */
  async *listPages(path: string, recursive: boolean): AsyncGenerator<FsEntry[], void, undefined> {
    let startAfter: string | undefined;
    do {
      const query = { path, recursive, startAfter, limit: PAGE_ENTRIES };
      const page = await this.#transport.json<{ entries: FsEntry[]; nextStartAfter?: string }>('/api/v1/fs', {
        query,
      });
      yield page.entries;
      startAfter = page.nextStartAfter;
    } while (startAfter !== undefined);
  }

  /** Resolves when it is decided, also when that is TIMEOUT or BLOCKED. */
  async flush(request: FlushRequest, onProgress: (progress: FlushProgress) => void): Promise<FlushResult> {
    return this.#transport.job<FlushResult, FlushProgress>('/api/v1/flush', request, onProgress);
  }

  /** Resolves when the server is closing. */
  async stop(request: StopRequest, onProgress: (progress: FlushProgress) => void): Promise<StopReport> {
    return this.#transport.job<StopReport, FlushProgress>('/api/v1/stop', request, onProgress);
  }

  async usage(path: string, depth: number, onProgress: (total: TreeUsage) => void): Promise<UsageReport> {
    return this.#transport.job<UsageReport, TreeUsage>('/api/v1/fs/usage', { path, depth }, onProgress);
  }

  async remove(
    path: string,
    recursive: boolean,
    onProgress: (removed: RemoveProgress) => void,
  ): Promise<RemoveReport> {
    return this.#transport.job<RemoveReport, RemoveProgress>(
      '/api/v1/fs/remove',
      { path, recursive },
      onProgress,
    );
  }

  async free(path: string | undefined, onProgress: (freed: FreeResult) => void): Promise<FreeResult> {
    return this.#transport.job<FreeResult, FreeResult>('/api/v1/free', { path }, onProgress);
  }

  async verify(request: Parameters<LogReader['verify']>[0]): Promise<VerifyReport> {
    const { data, onProgress } = request;
    return this.#transport.job<VerifyReport, { done: number; total: number }>(
      '/api/v1/log/verify',
      { data },
      (progress) => onProgress?.(progress.done, progress.total),
    );
  }

  async logHead(): Promise<LogHead[]> {
    return (await this.#transport.json<{ heads: LogHead[] }>('/api/v1/log/head')).heads;
  }

  async logRead(request: { partition: number; from: number; limit: number }): Promise<LoggedEvent[]> {
    return (await this.#transport.json<{ events: LoggedEvent[] }>('/api/v1/log', { query: request })).events;
  }

  /** Events from an offset on, as they become durable. */
  async *logTail(partition: number, from: number): AsyncGenerator<LoggedEvent, void, undefined> {
    let next = from;
    const lines = this.#transport.endlessLines('/api/v1/log/tail', () => ({ partition, from: next }));
    for await (const line of lines) {
      const event = line as LoggedEvent;
      next = event.offset + 1;
      yield event;
    }
  }

  async mounts(): Promise<MountInfo[]> {
    return (await this.#transport.json<{ mounts: MountInfo[] }>('/api/v1/mounts')).mounts;
  }

  async addMount(mount: MountInfo): Promise<void> {
    await this.#transport.json('/api/v1/mounts', { method: 'POST', body: mount });
  }

  async removeMount(
    query: { path: string; force?: boolean; drain?: boolean; timeoutMs?: number },
    onProgress: (progress: FlushProgress) => void,
  ): Promise<MountRemoval> {
    return this.#transport.lines<MountRemoval, FlushProgress>(
      '/api/v1/mounts',
      { method: 'DELETE', query },
      onProgress,
    );
  }

  async jobs(): Promise<JobInfo[]> {
    return (await this.#transport.json<{ jobs: JobInfo[] }>('/api/v1/jobs')).jobs;
  }

  async startJob(body: StartJobRequest): Promise<JobInfo> {
    return this.#transport.json('/api/v1/jobs', { method: 'POST', body });
  }

  /** Resolves when the job has ended. */
  async followJob(id: string, onProgress: (job: JobInfo) => void): Promise<JobInfo> {
    return this.#transport.lines<JobInfo, JobInfo>(`/api/v1/jobs/${encodeURIComponent(id)}`, {}, onProgress);
  }

  async cancelJob(id: string): Promise<JobInfo> {
    return this.#transport.json(`/api/v1/jobs/${encodeURIComponent(id)}`, { method: 'DELETE' });
  }

  async users(): Promise<UserInfo[]> {
    return (await this.#transport.json<{ users: UserInfo[] }>('/api/v1/users')).users;
  }

  async user(name: string): Promise<UserInfo> {
    return this.#transport.json(userPath(name));
  }

  async addUser(name: string, grants: readonly string[], accessKey?: KeyPair): Promise<NewAccessKey> {
    return this.#transport.json('/api/v1/users', { method: 'POST', body: { name, grants, accessKey } });
  }

  async rotateUser(name: string, accessKey?: KeyPair): Promise<NewAccessKey> {
    return this.#transport.json(`${userPath(name)}/rotate`, { method: 'POST', body: { accessKey } });
  }

  async changeGrants(name: string, change: 'grant' | 'revoke', grants: readonly string[]): Promise<UserInfo> {
    return this.#transport.json(`${userPath(name)}/${change}`, { method: 'POST', body: { grants } });
  }

  async setUserEnabled(name: string, enabled: boolean, accessKeyId?: string): Promise<UserInfo> {
    const body = accessKeyId === undefined ? {} : { accessKeyId };
    return this.#transport.json(`${userPath(name)}/${enabled ? 'enable' : 'disable'}`, {
      method: 'POST',
      body,
    });
  }

  async removeUser(name: string, accessKeyId?: string): Promise<void> {
    await this.#transport.json(userPath(name), { method: 'DELETE', query: { accessKeyId } });
  }

  async *#download(
    path: string,
    query: RequestOptions['query'] & object,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    yield* this.#transport.bodyOf(await this.#transport.send(path, { query }));
  }
}

function userPath(name: string): string {
  return `/api/v1/users/${encodeURIComponent(name)}`;
}
