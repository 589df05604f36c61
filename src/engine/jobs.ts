/**
 * `JobService`: begins jobs, remembers how far they are, and takes them up again after a restart.
 *
 * A job's document is an event of the control stream when it begins, from time to time, and when it ends. The control stream is
 * kept for ever, so progress is logged sparsely: a restart repeats at most that much, and what was loaded is then found in the
 * cache.
 */
import { HeadraceError } from '../core/errors.js';
import { SECOND_MS } from '../core/units.js';
import type { EngineCore } from './engine-core.js';
import { aborted, JobFailure, LoadJob, type LoadParts } from './job-load.js';
import type { JobInfo, JobService, JobState, StartJobRequest } from './job-service.js';
import { parseMountPath } from './mount-table.js';

const RUNNING_MAX = 16;
const JOB_CONCURRENCY_MAX = 256;
/** Progress is logged when this much time has passed, and tells those who follow it at the shorter one. */
const LOG_INTERVAL_MS = 60 * SECOND_MS;
const SHOW_INTERVAL_MS = SECOND_MS / 4;

interface Running {
  info: JobInfo;
  readonly controller: AbortController;
  readonly followers: Set<(job: JobInfo) => void>;
  loggedMs: number;
  shownMs: number;
  done: Promise<void>;
}

export interface JobsParts extends LoadParts {
  /** `NO_SUCH_BUCKET`. */
  readonly requireBucket: (bucket: string) => Promise<void> | undefined;
}

export class Jobs implements JobService {
  readonly #core: EngineCore;
  readonly #parts: JobsParts;
  readonly #running = new Map<string, Running>();
  #isStopped = false;

  constructor(parts: JobsParts) {
    this.#core = parts.core;
    this.#parts = parts;
  }

  /** Takes up what ran when the process ended. */
  resume(): void {
    for (const info of this.list()) if (info.state === 'RUNNING') this.#begin(info);
  }

  /** Pauses all jobs: the next start takes them up. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    const running = [...this.#running.values()];
    for (const { controller } of running) controller.abort();
    await Promise.all(running.map(({ done }) => done));
  }

  async start({ kind, path, concurrency }: StartJobRequest): Promise<JobInfo> {
    const { bucket } = parsePath(path);
    const { clock, options, control } = this.#core;
    const atOnce = concurrency ?? options.loadConcurrency;
    if (!Number.isInteger(atOnce) || atOnce < 1 || atOnce > JOB_CONCURRENCY_MAX)
      throw new HeadraceError(
        'INVALID_ARGUMENT',
        `the concurrency ${atOnce} is not 1 to ${JOB_CONCURRENCY_MAX}`,
      );
    await this.#parts.requireBucket(bucket);
    let info: JobInfo | undefined;
    await control.submit((state, atMs) => {
      if (this.#isStopped || this.#running.size >= RUNNING_MAX)
        throw new HeadraceError('SLOW_DOWN', `${RUNNING_MAX} jobs are running: wait for one, or cancel it`);
      const id = String(Math.max(0, ...Array.from(state.jobs.keys(), Number)) + 1);
      info = {
        id,
        kind,
        path,
        concurrency: atOnce,
        state: 'RUNNING',
        startedMs: clock.wallTimeMs(),
        cursor: '',
        objects: 0,
        bytes: 0,
        skippedObjects: 0,
        skippedBytes: 0,
        failedObjects: 0,
      };
      return { type: 'JobChanged', atMs, jobId: id, document: JSON.stringify(info), ended: false };
    });
    if (info === undefined) throw new HeadraceError('IO_FAILED', 'the job was not logged');
    this.#begin(info);
    return info;
  }

  list(): JobInfo[] {
    const jobs = Array.from(this.#core.control.state.jobs, ([id, { document }]) =>
      this.#current(id, document),
    );
    return jobs.toReversed();
  }

  get(id: string): JobInfo {
    const job = this.#core.control.state.jobs.get(id);
    if (job !== undefined) return this.#current(id, job.document);
    throw new HeadraceError('INVALID_ARGUMENT', `there is no job "${id}": \`headrace job list\` shows all`);
  }

  async cancel(id: string): Promise<JobInfo> {
    this.get(id);
    const running = this.#running.get(id);
    if (running !== undefined) {
      running.controller.abort();
      await running.done;
    }
    const job = this.get(id);
    if (job.state !== 'RUNNING') return job;
    return this.#end(job, 'CANCELLED', job.message);
  }

  async follow(
    id: string,
    { signal, onProgress = () => undefined }: Parameters<JobService['follow']>[1],
  ): Promise<JobInfo> {
    const running = this.#running.get(id);
    if (running === undefined) return this.get(id);
    running.followers.add(onProgress);
    onProgress(running.info);
    try {
      await Promise.race([running.done, aborted(signal)]);
    } finally {
      running.followers.delete(onProgress);
    }
    return this.get(id);
  }

  #current(id: string, document: string): JobInfo {
    return this.#running.get(id)?.info ?? (JSON.parse(document) as JobInfo);
  }

  #begin(info: JobInfo): void {
    const nowMs = this.#core.clock.monotonicTimeMs();
    const running: Running = {
      info,
      controller: new AbortController(),
      followers: new Set(),
      loggedMs: nowMs,
      shownMs: nowMs,
      done: Promise.resolve(),
    };
    this.#running.set(info.id, running);
    running.done = this.#run(running);
  }

  /** Never rejects. */
  async #run(running: Running): Promise<void> {
    const { controller } = running;
    const { id, path } = running.info;
    let state: JobState = 'DONE';
    let { message } = running.info;
    try {
      const load = new LoadJob(this.#parts, {
        ...parsePath(path),
        signal: controller.signal,
        info: () => running.info,
        update: (change) => this.#update(running, change),
      });
      await load.run();
      message = running.info.message;
      if (running.info.failedObjects > 0) {
        state = 'FAILED';
        message = `${running.info.failedObjects} objects were not loaded; the last error: ${message ?? 'unknown'}`;
      }
    } catch (error) {
      state = 'FAILED';
      message = error instanceof Error ? error.message : String(error);
      if (!(error instanceof JobFailure)) this.#core.logger.error({ job: id, error }, 'a job failed');
    }
    const wasAborted = controller.signal.aborted;
    // The count that may still run has nobody to tell.
    controller.abort();
    try {
      if (!wasAborted) await this.#end(running.info, state, state === 'DONE' ? undefined : message);
      else await this.#log(running.info);
    } catch (error) {
      this.#core.logger.error(
        { job: id, error },
        'the end of a job could not be logged: the next start repeats it',
      );
    } finally {
      this.#running.delete(id);
    }
  }

  #update(running: Running, change: Partial<JobInfo>): void {
    if (running.controller.signal.aborted && change.cursor === undefined) return;
    running.info = { ...running.info, ...change };
    const nowMs = this.#core.clock.monotonicTimeMs();
    if (nowMs - running.shownMs >= SHOW_INTERVAL_MS) {
      running.shownMs = nowMs;
      for (const follower of running.followers) follower(running.info);
    }
    if (nowMs - running.loggedMs < LOG_INTERVAL_MS || change.cursor === undefined) return;
    running.loggedMs = nowMs;
    this.#log(running.info).catch((error: unknown) =>
      this.#core.logger.warn({ job: running.info.id, error }, 'the progress of a job could not be logged'),
    );
  }

  async #end(info: JobInfo, state: JobState, message: string | undefined): Promise<JobInfo> {
    const { message: _before, ...rest } = info;
    const endedMs = this.#core.clock.wallTimeMs();
    const ended: JobInfo = { ...rest, state, endedMs, ...(message === undefined ? {} : { message }) };
    await this.#log(ended);
    return ended;
  }

  async #log(info: JobInfo): Promise<void> {
    await this.#core.control.submit((_state, atMs) => ({
      type: 'JobChanged',
      atMs,
      jobId: info.id,
      document: JSON.stringify(info),
      ended: info.state !== 'RUNNING',
    }));
  }
}

/** As mounts: `/<bucket>` or `/<bucket>/<prefix>`; here a prefix may end anywhere. `INVALID_ARGUMENT`. */
function parsePath(path: string): { bucket: string; prefix: string } {
  const { bucket } = parseMountPath(path);
  return { bucket, prefix: path.slice(bucket.length + 2) };
}
