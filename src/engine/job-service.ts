/** Jobs: long work on the server that outlives the request that began it, and a restart. */

export type JobState = 'RUNNING' | 'DONE' | 'FAILED' | 'CANCELLED';

/** What a job does and how far it is; also the document in the log. */
export interface JobInfo {
  readonly id: string;
  /** `load`: takes what only the UFS holds into the cache. */
  readonly kind: 'load';
  readonly path: string;
  readonly concurrency: number;
  readonly state: JobState;
  readonly startedMs: number;
  readonly endedMs?: number;
  /** All keys up to here were seen. */
  readonly cursor: string;
  /** Taken into the cache. */
  readonly objects: number;
  readonly bytes: number;
  /** Were there already, or are not to be cached by their path's rule. */
  readonly skippedObjects: number;
  readonly skippedBytes: number;
  readonly failedObjects: number;
  /** Of everything below the path; absent while it is being counted. */
  readonly totalObjects?: number;
  readonly totalBytes?: number;
  /** The last error, or why it ended. */
  readonly message?: string;
}

export interface StartJobRequest {
  readonly kind: 'load';
  /** `/<bucket>` or `/<bucket>/<prefix>`. */
  readonly path: string;
  readonly concurrency?: number;
}

export interface JobService {
  /** Durable on return: the job goes on after a restart. `INVALID_ARGUMENT`, `NO_SUCH_BUCKET`, `SLOW_DOWN` when too many run. */
  start(request: StartJobRequest): Promise<JobInfo>;
  /** Those that run, and the newest that have ended; the newest first. */
  list(): JobInfo[];
  /** `INVALID_ARGUMENT` when there is none. */
  get(id: string): JobInfo;
  /** Ends a job; what it did stays. Nothing happens when it has ended. Durable on return. */
  cancel(id: string): Promise<JobInfo>;
  /** Resolves when the job has ended, or with how far it is when the signal aborts. */
  follow(
    id: string,
    options: { readonly signal?: AbortSignal; readonly onProgress?: (job: JobInfo) => void },
  ): Promise<JobInfo>;
}
