/** What an orderly stop is asked for, and what it reports: by the admin API and the command line. */
import type { FlushResult } from './admin-service.js';

export interface StopRequest {
  /** How long to wait for everything to be in the UFS; undefined leaves it to the setting `shutdown.drain.timeout`. */
  readonly drainTimeoutMs?: number;
}

export interface StopReport {
  /** Absent when nothing was drained, or the drain was given up. */
  readonly drain?: FlushResult;
}
