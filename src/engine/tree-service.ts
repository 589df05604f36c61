/** What operators do with whole directories: measure them, and remove them. */

export interface TreeService {
  /**
   * Sizes below a path, by the first `depth` names below it. `NO_SUCH_BUCKET`, `UFS_*`. Takes as long as a listing of
   * everything below.
   */
  usage(request: {
    readonly path: string;
    readonly depth: number;
    readonly onProgress?: (total: TreeUsage) => void;
    readonly signal?: AbortSignal | undefined;
  }): Promise<UsageReport>;
  /**
   * Removes one object, or with `recursive` everything below a directory, page by page: a removal that was broken off goes on
   * where it was when it is asked for again. What cannot be removed is reported, and the rest removed. `NO_SUCH_KEY`,
   * `NO_SUCH_BUCKET`, `INVALID_ARGUMENT`, `UFS_*`. What is removed is durable, in the sense of its path's policy.
   */
  remove(request: {
    readonly path: string;
    readonly recursive: boolean;
    readonly onProgress?: (removed: RemoveProgress) => void;
    readonly signal?: AbortSignal | undefined;
  }): Promise<RemoveReport>;
}

export interface TreeUsage {
  readonly path: string;
  readonly objects: number;
  /** Of all objects, wherever they are. */
  readonly bytes: number;
  /** Of those the cache holds. */
  readonly cachedBytes: number;
  /** Of those the UFS does not have: to be persisted, in quarantine, or transient. */
  readonly dirtyBytes: number;
  /** Of those the UFS has. */
  readonly persistedBytes: number;
}

export interface UsageReport {
  readonly total: TreeUsage;
  /** In the order of their paths; a directory ends with a slash. */
  readonly entries: readonly TreeUsage[];
  /** Whether there were more entries than are told apart; they count in the total. */
  readonly truncated: boolean;
}

export interface RemoveProgress {
  readonly objects: number;
  readonly bytes: number;
  readonly failed: number;
}

export interface RemoveReport extends RemoveProgress {
  /** Some of those that failed. */
  readonly failures: readonly { readonly path: string; readonly code: string; readonly message: string }[];
}
