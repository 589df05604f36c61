/**
 * The ports: everything through which the product touches the world. Adapters (`src/adapters`) implement them
 * for production, `simulations/` implements them for a simulated world; both pass the contract suites in
 * `test/contracts`. They are injected once, in `src/main.ts`. The log's port is in `log/log-store.ts` and the
 * under-store's in `src/core/object-store.ts`.
 */

/** Stops what it belongs to. Calling it twice does no harm. */
export type Cancel = () => void;

export interface Clock {
  /** Wall time in whole milliseconds since the Unix epoch. May step. */
  wallTimeMs(): number;
  /** Time in milliseconds, with a fraction, from an arbitrary origin. Never steps back. */
  monotonicTimeMs(): number;
  /** Time in which this thread had something to do, from an arbitrary origin; absent where nobody counts it. */
  busyTimeMs?(): number;
  /** Runs `callback` once, at least `delayMs` from now. Does not keep the process alive. */
  schedule(delayMs: number, callback: () => void): Cancel;
  /** Resolves after `delayMs`; rejects with the signal's reason when aborted first. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
  /** Runs `callback` in a later turn of the event loop, after pending input was read. */
  nextTurn(callback: () => void): void;
}

export interface Random {
  /** An integer from 0 (inclusive) to 2^32 (exclusive). */
  uint32(): number;
  /** `length` bytes that nobody can guess. */
  bytes(length: number): Uint8Array;
}

/**
 * A directory tree on one local file system. Paths are relative to its root, with `/` between names.
 *
 * Failures reject with a `HeadraceError`: `DISK_FULL` for ENOSPC and EDQUOT, `IO_FAILED` (with the system's
 * error as `cause`) for everything else. What was not synced may be lost, torn or reordered by a crash; so may
 * a created, renamed or removed name until its directory was synced.
 */
export interface Disk {
  /** Creates a new empty file; `IO_FAILED` when the name is taken. */
  create(path: string, options?: OpenOptions): Promise<DiskFile>;
  /** Opens an existing file for reading and writing. */
  open(path: string, options?: OpenOptions): Promise<DiskFile>;
  /** The size in bytes, or undefined when there is no such file. */
  sizeOf(path: string): Promise<number | undefined>;
  /** Names (not paths) in a directory, sorted; empty when there is no such directory. */
  list(directory: string): Promise<string[]>;
  /** Creates a directory and its parents; nothing happens when it is there. Durable on return. */
  makeDirectory(path: string): Promise<void>;
  /** Atomically gives `from` the name `to`, replacing what was there. Durable after `syncDirectory`. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file; nothing happens when there is none. Durable after `syncDirectory`. */
  remove(path: string): Promise<void>;
  /** Makes the names in a directory durable. */
  syncDirectory(path: string): Promise<void>;
  /** Bytes the file system can still take, and its size. */
  space(): Promise<{ freeBytes: number; totalBytes: number }>;
}

export interface OpenOptions {
  /** Every write is durable when it resolves (O_DSYNC). */
  readonly durableWrites?: boolean;
  readonly readOnly?: boolean;
}

export interface DiskFile {
  readonly path: string;
  /** Writes all of `bytes` at `position`. The buffer must not change before it resolves. */
  write(position: number, bytes: Uint8Array): Promise<void>;
  /** Makes everything written so far durable, with the file's size (fdatasync). */
  sync(): Promise<void>;
  /** Reads into `target`; resolves with the number of bytes read, less than asked only at the end of the file. */
  read(position: number, target: Uint8Array): Promise<number>;
  /** As `read`, at once. Only for small reads of data that is probably cached: index blocks. */
  readSync(position: number, target: Uint8Array): number;
  /** Cuts or extends (with a hole that reads as zeros) to `size` bytes. */
  truncate(size: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}
