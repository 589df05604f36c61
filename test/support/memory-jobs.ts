/** `JobService` for tests of routes and commands: a job that is followed makes a step and ends. */
import { HeadraceError } from '../../src/core/errors.js';
import type { JobInfo, JobService, StartJobRequest } from '../../src/engine/job-service.js';

export class MemoryJobs implements JobService {
  readonly #jobs = new Map<string, JobInfo>();

  async start({ kind, path, concurrency = 16 }: StartJobRequest): Promise<JobInfo> {
    const job: JobInfo = {
      id: String(this.#jobs.size + 1),
      kind,
      path,
      concurrency,
      state: 'RUNNING',
      startedMs: 0,
      cursor: '',
      objects: 0,
      bytes: 0,
      skippedObjects: 1,
      skippedBytes: 1024,
      failedObjects: 0,
    };
    this.#jobs.set(job.id, job);
    return job;
  }

  list(): JobInfo[] {
    return [...this.#jobs.values()].toReversed();
  }

  get(id: string): JobInfo {
    const job = this.#jobs.get(id);
    if (job === undefined) throw new HeadraceError('INVALID_ARGUMENT', `there is no job "${id}"`);
    return job;
  }

  async cancel(id: string): Promise<JobInfo> {
    return this.#set({ ...this.get(id), state: 'CANCELLED', endedMs: 1 });
  }

  async follow(id: string, { onProgress }: Parameters<JobService['follow']>[1]): Promise<JobInfo> {
    const half = { ...this.get(id), objects: 1, bytes: 1024, totalObjects: 4, totalBytes: 4096 };
    onProgress?.(half);
    const failed = half.path.endsWith('/bad/');
    return this.#set({
      ...half,
      objects: failed ? 1 : 3,
      bytes: failed ? 1024 : 3072,
      state: failed ? 'FAILED' : 'DONE',
      endedMs: 1,
      ...(failed ? { failedObjects: 2, message: 'the store answers 503' } : {}),
    });
  }

  #set(job: JobInfo): JobInfo {
    this.#jobs.set(job.id, job);
    return job;
  }
}
