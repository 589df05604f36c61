/**
 * The admin API as the commands call it. One method per route; errors of the server come out as `CliFailure`s with the
 * server's code and message.
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
import { readLines } from './json-lines.js';

/** What ends all requests of a client. */
export interface ClientLimits {
  /** The user's wish to stop. */
  readonly stop?: AbortSignal | undefined;
  /** Aborts when `--timeout` has passed. */
  readonly deadline?: AbortSignal | undefined;
}

interface RequestOptions {
  readonly method?: 'GET' | 'PUT' | 'POST' | 'DELETE';
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Which entries of the upload stream. */
interface Filter {
  readonly path?: string | undefined;
  readonly state?: PersistPhase | undefined;
  readonly cause?: string | undefined;
}

const PAGE_ENTRIES = 1000;
const LINES_TYPE = 'application/x-ndjson';

export class AdminClient implements LogReader {
  readonly endpoint: string;
  readonly inspection: LogInspection = {
    history: ({ bucket, key, limit }) =>
      this.#json('/api/v1/log/history', { query: { path: `/${bucket}/${key}`, limit } }),
    explain: ({ bucket, key }) => this.#json('/api/v1/log/explain', { query: { path: `/${bucket}/${key}` } }),
    exportLog: (request) => this.#download('/api/v1/log/export', { ...request }),
  };
  readonly #fetch: typeof globalThis.fetch;
  readonly #limits: ClientLimits;
  readonly #signal: AbortSignal | undefined;

  /** `endpoint` without a slash at its end. */
  constructor(endpoint: string, fetch: typeof globalThis.fetch, limits: ClientLimits = {}) {
    this.endpoint = endpoint;
    this.#fetch = fetch;
    this.#limits = limits;
    const signals = [limits.stop, limits.deadline].filter((signal) => signal !== undefined);
    this.#signal = signals.length > 1 ? AbortSignal.any(signals) : signals[0];
  }

  async status(): Promise<EngineStatus> {
    return this.#json('/api/v1/status');
  }

  /** In the text format of Prometheus; undefined when the server serves none. */
  async metrics(): Promise<string | undefined> {
    try {
      return await (await this.#send('/metrics', {})).text();
    } catch (error) {
      if (error instanceof CliFailure && error.code === 'NOT_FOUND') return undefined;
      throw this.#unreachable(error);
    }
  }

  async settings(): Promise<SettingDescription[]> {
    return (await this.#json<{ settings: SettingDescription[] }>('/api/v1/settings')).settings;
  }

  /** The document, and the ETag to send back with a change of it. */
  async pathConfig(at?: number): Promise<{ document: PathConfigDocument; etag: string }> {
    const response = await this.#send('/api/v1/conf', { query: { at } });
    const document = await this.#parse<PathConfigDocument>(response);
    return { document, etag: response.headers.get('etag') ?? '*' };
  }

  async setPathConfig(document: unknown, ifMatch?: string): Promise<{ offset: number }> {
    const headers: Record<string, string> = ifMatch === undefined ? {} : { 'if-match': ifMatch };
    return this.#json('/api/v1/conf', { method: 'PUT', body: document, headers });
  }

  async testPath(path: string): Promise<PathTest> {
    return this.#json('/api/v1/conf/test', { query: { path } });
  }

  /** Pages of the upload stream, until all were seen. */
  async *persistPages(filter: Filter = {}): AsyncGenerator<readonly PersistEntry[], void, undefined> {
    let after: string | undefined;
    do {
      const query = { ...filter, after, limit: PAGE_ENTRIES };
      const page: PersistPage = await this.#json('/api/v1/async-persist', { query });
      yield page.entries;
      after = page.nextAfter;
    } while (after !== undefined);
  }

  async retryPersists(request: PersistRetryRequest): Promise<{ retried: number }> {
    return this.#json('/api/v1/async-persist/retry', { method: 'POST', body: request });
  }

  async discardPersist(request: {
    readonly path: string;
    readonly reason: string;
    readonly version?: number;
    readonly confirm: boolean;
  }): Promise<DiscardedPersist> {
    return this.#json('/api/v1/async-persist/discard', { method: 'POST', body: request });
  }

  async resolvePersist(path: string, keep: 'ours' | 'theirs'): Promise<ResolvedPersist> {
    return this.#json('/api/v1/async-persist/resolve', { method: 'POST', body: { path, keep } });
  }

  /** What an un-persisted object is, and its bytes. */
  async exportPersist(
    path: string,
  ): Promise<{ object: Omit<DirtyObject, 'body'>; bytes: AsyncIterable<Uint8Array> }> {
    const response = await this.#send('/api/v1/async-persist/export', { query: { path } });
    const header = response.headers.get('x-headrace-object') ?? '';
    const object = JSON.parse(Buffer.from(header, 'base64').toString('utf8')) as Omit<DirtyObject, 'body'>;
    return { object, bytes: this.#bodyOf(response) };
  }

  async objectStat(path: string): Promise<ObjectStat> {
    return this.#json('/api/v1/objects', { query: { path } });
  }

  /** Pages, until all were seen. */
  async *listPages(path: string, recursive: boolean): AsyncGenerator<FsEntry[], void, undefined> {
    let startAfter: string | undefined;
    do {
      const query = { path, recursive, startAfter, limit: PAGE_ENTRIES };
      const page = await this.#json<{ entries: FsEntry[]; nextStartAfter?: string }>('/api/v1/fs', { query });
      yield page.entries;
      startAfter = page.nextStartAfter;
    } while (startAfter !== undefined);
  }

  /** Resolves when it is decided, also when that is TIMEOUT or BLOCKED. */
  async flush(request: FlushRequest, onProgress: (progress: FlushProgress) => void): Promise<FlushResult> {
    return this.#job<FlushResult, FlushProgress>('/api/v1/flush', request, onProgress);
  }

  /** Resolves when the server is closing. */
  async stop(request: StopRequest, onProgress: (progress: FlushProgress) => void): Promise<StopReport> {
    return this.#job<StopReport, FlushProgress>('/api/v1/stop', request, onProgress);
  }

  async usage(path: string, depth: number, onProgress: (total: TreeUsage) => void): Promise<UsageReport> {
    return this.#job<UsageReport, TreeUsage>('/api/v1/fs/usage', { path, depth }, onProgress);
  }

  async remove(
    path: string,
    recursive: boolean,
    onProgress: (removed: RemoveProgress) => void,
  ): Promise<RemoveReport> {
    return this.#job<RemoveReport, RemoveProgress>('/api/v1/fs/remove', { path, recursive }, onProgress);
  }

  async free(path: string | undefined, onProgress: (freed: FreeResult) => void): Promise<FreeResult> {
    return this.#job<FreeResult, FreeResult>('/api/v1/free', { path }, onProgress);
  }

  async verify(request: Parameters<LogReader['verify']>[0]): Promise<VerifyReport> {
    const { data, onProgress } = request;
    return this.#job<VerifyReport, { done: number; total: number }>(
      '/api/v1/log/verify',
      { data },
      (progress) => onProgress?.(progress.done, progress.total),
    );
  }

  async logHead(): Promise<LogHead[]> {
    return (await this.#json<{ heads: LogHead[] }>('/api/v1/log/head')).heads;
  }

  async logRead(request: { partition: number; from: number; limit: number }): Promise<LoggedEvent[]> {
    return (await this.#json<{ events: LoggedEvent[] }>('/api/v1/log', { query: request })).events;
  }

  /**
   * Events from an offset on, as they become durable. The HTTP client gives up on an answer that is idle for minutes; the
   * tail then goes on where it was.
   */
  async *logTail(partition: number, from: number): AsyncGenerator<LoggedEvent, void, undefined> {
    for (let next = from; ;) {
      const response = await this.#send('/api/v1/log/tail', { query: { partition, from: next } });
      try {
        for await (const line of readLines(response)) {
          refuseError(line);
          const event = line as LoggedEvent;
          next = event.offset + 1;
          yield event;
        }
      } catch (error) {
        if (this.#limits.stop?.aborted === true) return;
        if (causeCode(error) !== 'UND_ERR_BODY_TIMEOUT') throw this.#unreachable(error);
        continue;
      }
      throw new CliFailure('NO_SERVER', `the server at ${this.endpoint} has stopped`);
    }
  }

  async mounts(): Promise<MountInfo[]> {
    return (await this.#json<{ mounts: MountInfo[] }>('/api/v1/mounts')).mounts;
  }

  async addMount(mount: MountInfo): Promise<void> {
    await this.#json('/api/v1/mounts', { method: 'POST', body: mount });
  }

  async removeMount(
    query: { path: string; force?: boolean; drain?: boolean; timeoutMs?: number },
    onProgress: (progress: FlushProgress) => void,
  ): Promise<MountRemoval> {
    return this.#lines<MountRemoval, FlushProgress>(
      '/api/v1/mounts',
      { method: 'DELETE', query },
      onProgress,
    );
  }

  async jobs(): Promise<JobInfo[]> {
    return (await this.#json<{ jobs: JobInfo[] }>('/api/v1/jobs')).jobs;
  }

  async startJob(body: StartJobRequest): Promise<JobInfo> {
    return this.#json('/api/v1/jobs', { method: 'POST', body });
  }

  /** Resolves when the job has ended. */
  async followJob(id: string, onProgress: (job: JobInfo) => void): Promise<JobInfo> {
    return this.#lines<JobInfo, JobInfo>(`/api/v1/jobs/${encodeURIComponent(id)}`, {}, onProgress);
  }

  async cancelJob(id: string): Promise<JobInfo> {
    return this.#json(`/api/v1/jobs/${encodeURIComponent(id)}`, { method: 'DELETE' });
  }

  async users(): Promise<UserInfo[]> {
    return (await this.#json<{ users: UserInfo[] }>('/api/v1/users')).users;
  }

  async user(name: string): Promise<UserInfo> {
    return this.#json(userPath(name));
  }

  async addUser(name: string, grants: readonly string[], accessKey?: KeyPair): Promise<NewAccessKey> {
    return this.#json('/api/v1/users', { method: 'POST', body: { name, grants, accessKey } });
  }

  async rotateUser(name: string, accessKey?: KeyPair): Promise<NewAccessKey> {
    return this.#json(`${userPath(name)}/rotate`, { method: 'POST', body: { accessKey } });
  }

  async changeGrants(name: string, change: 'grant' | 'revoke', grants: readonly string[]): Promise<UserInfo> {
    return this.#json(`${userPath(name)}/${change}`, { method: 'POST', body: { grants } });
  }

  async setUserEnabled(name: string, enabled: boolean, accessKeyId?: string): Promise<UserInfo> {
    const body = accessKeyId === undefined ? {} : { accessKeyId };
    return this.#json(`${userPath(name)}/${enabled ? 'enable' : 'disable'}`, { method: 'POST', body });
  }

  async removeUser(name: string, accessKeyId?: string): Promise<void> {
    await this.#json(userPath(name), { method: 'DELETE', query: { accessKeyId } });
  }

  /** Runs a long job: progress comes as lines, the result is the last one. */
  async #job<Result, Progress>(
    path: string,
    body: object,
    onProgress: (value: Progress) => void,
  ): Promise<Result> {
    return this.#lines(path, { method: 'POST', body }, onProgress);
  }

  async #lines<Result, Progress>(
    path: string,
    options: RequestOptions,
    onProgress: (value: Progress) => void,
  ): Promise<Result> {
    const response = await this.#send(path, { ...options, headers: { accept: LINES_TYPE } });
    try {
      for await (const line of readLines(response)) {
        refuseError(line);
        if (hasMember(line, 'progress')) onProgress(line.progress as Progress);
        if (hasMember(line, 'result')) return line.result as Result;
      }
    } catch (error) {
      throw this.#unreachable(error);
    }
    throw new CliFailure('NO_SERVER', `the server at ${this.endpoint} stopped before the job was done`);
  }

  /** The bytes of an answer, as they arrive. */
  async *#download(
    path: string,
    query: RequestOptions['query'],
  ): AsyncGenerator<Uint8Array, void, undefined> {
    yield* this.#bodyOf(await this.#send(path, query === undefined ? {} : { query }));
  }

  async *#bodyOf(response: Response): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      if (response.body !== null) for await (const chunk of response.body) yield chunk as Uint8Array;
    } catch (error) {
      throw this.#unreachable(error);
    }
  }

  async #json<Result>(path: string, options: RequestOptions = {}): Promise<Result> {
    return this.#parse<Result>(await this.#send(path, options));
  }

  /** Client and server are of one release, so the shape of an answer is what the types say. */
  async #parse<Result>(response: Response): Promise<Result> {
    try {
      return (await response.json()) as Result;
    } catch (error) {
      if (error instanceof SyntaxError) throw this.#foreign(response);
      throw this.#unreachable(error);
    }
  }

  async #send(
    path: string,
    { method = 'GET', query = {}, body, headers = {} }: RequestOptions,
  ): Promise<Response> {
    const url = new URL(this.endpoint + path);
    for (const [name, value] of Object.entries(query))
      if (value !== undefined) url.searchParams.set(name, String(value));
    const hasBody = body !== undefined;
    let response: Response;
    try {
      response = await this.#fetch(url, {
        method,
        redirect: 'error',
        headers: hasBody ? { 'content-type': 'application/json', ...headers } : headers,
        ...(hasBody ? { body: JSON.stringify(body) } : {}),
        ...(this.#signal === undefined ? {} : { signal: this.#signal }),
      });
    } catch (error) {
      throw this.#unreachable(error);
    }
    if (response.ok) return response;
    const answer: unknown = await response.json().catch(() => undefined);
    refuseError(answer);
    throw this.#foreign(response);
  }

  #foreign(response: Response): CliFailure {
    const type = response.headers.get('content-type') ?? 'nothing';
    return new CliFailure(
      'NO_SERVER',
      `what listens at ${this.endpoint} is not a Headrace admin API: it answered ${response.status} with ${type}`,
    );
  }

  #unreachable(error: unknown): Error {
    if (error instanceof CliFailure) return error;
    if (this.#limits.stop?.aborted === true) return new CliFailure('STOPPED', 'stopped');
    if (this.#limits.deadline?.aborted === true)
      return new CliFailure('TIMEOUT', `not done by ${this.endpoint} within --timeout: it may still be done`);
    const code = causeCode(error);
    if (code === 'ECONNREFUSED')
      return new CliFailure('NO_SERVER', `no server at ${this.endpoint}: start one with \`npm start\``);
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const reason = code ?? (cause instanceof Error ? cause.message : String(cause));
    return new CliFailure('NO_SERVER', `the server at ${this.endpoint} cannot be reached: ${reason}`);
  }
}

function userPath(name: string): string {
  return `/api/v1/users/${encodeURIComponent(name)}`;
}

/** Throws when the server answered with an error. */
function refuseError(answer: unknown): void {
  if (!hasMember(answer, 'error')) return;
  const { error } = answer;
  if (hasMember(error, 'code') && hasMember(error, 'message'))
    throw new CliFailure(String(error.code), String(error.message));
}

function hasMember<Name extends string>(value: unknown, name: Name): value is Record<Name, unknown> {
  return typeof value === 'object' && value !== null && name in value;
}

/** The system's error code behind a failed fetch, which may hold several errors, one per address it tried. */
function causeCode(error: unknown): string | undefined {
  const cause = hasMember(error, 'cause') ? error.cause : error;
  if (hasMember(cause, 'code') && typeof cause.code === 'string') return cause.code;
  return hasMember(cause, 'errors') && Array.isArray(cause.errors) ? causeCode(cause.errors[0]) : undefined;
}
