/**
 * `DiskFile` on a file descriptor.
 *
 * Invariants: a descriptor is closed only after its last operation has ended, so that a late write can never land in
 * another file that got the same number; a write or read that the system cut short is continued until it is whole.
 * A failed sync is reported once and never repeated here: after it the kernel may have dropped the dirty pages, so a
 * second sync that succeeds proves nothing (Rebello et al., "Can Applications Recover from fsync Failures?", USENIX
 * ATC 2020). The caller has to give the file up.
 */
import fs from 'node:fs';
import { assert } from '../core/assert.js';
import { HeadraceError } from '../core/errors.js';
import type { Histogram } from '../core/metrics.js';
import type { DiskFile } from '../core/ports.js';
import { INTERRUPTIONS_MAX, ioError, isInterruption } from './system-call.js';

type Resolve<Value> = (value: Value) => void;
type Reject = (error: unknown) => void;

/** Where the seconds of an operation go; undefined where they are of no interest. */
export interface FileTimings {
  readonly sync: Histogram | undefined;
  /** Set for files whose writes are durable when they resolve. */
  readonly durableWrite: Histogram | undefined;
}

export class NodeDiskFile implements DiskFile {
  readonly path: string;
  readonly #name: string;
  readonly #descriptor: number;
  readonly #timings: FileTimings | undefined;
  #operations = 0;
  #closing: Promise<void> | undefined;
  #idle: (() => void) | undefined;

  /** `name` is the absolute path, for messages. */
  constructor(relativePath: string, name: string, descriptor: number, timings?: FileTimings) {
    this.path = relativePath;
    this.#name = name;
    this.#descriptor = descriptor;
    this.#timings = timings;
  }

  write(position: number, bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      if (!this.#begin(position, reject)) return;
      this.#writeRest(position, bytes, 0, 0, timed(this.#timings?.durableWrite, resolve), reject);
    });
  }

  sync(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (!this.#begin(0, reject)) return;
      const done = timed(this.#timings?.sync, resolve);
      fs.fdatasync(this.#descriptor, (error) => {
        this.#end();
        if (error === null) done();
        else reject(ioError('sync', this.#name, error));
      });
    });
  }

  read(position: number, target: Uint8Array): Promise<number> {
    return new Promise((resolve, reject) => {
      if (!this.#begin(position, reject)) return;
      this.#readRest(position, target, 0, 0, resolve, reject);
    });
  }

  readSync(position: number, target: Uint8Array): number {
    assertPosition(position);
    if (this.#closing !== undefined) throw this.#closedError();
    let done = 0;
    let interruptions = 0;
    while (done < target.length) {
      try {
        const count = fs.readSync(this.#descriptor, target, done, target.length - done, position + done);
        if (count === 0) break;
        done += count;
        interruptions = 0;
      } catch (error) {
        if (isInterruption(error) && ++interruptions <= INTERRUPTIONS_MAX) continue;
        throw ioError(`read ${target.length} bytes at ${position} of`, this.#name, error);
      }
    }
    return done;
  }

  truncate(size: number): Promise<void> {
    return new Promise((resolve, reject) => {
      if (!this.#begin(size, reject)) return;
      fs.ftruncate(this.#descriptor, size, (error) => {
        this.#end();
        if (error === null) resolve();
        else reject(ioError(`truncate to ${size} bytes`, this.#name, error));
      });
    });
  }

  size(): Promise<number> {
    return new Promise((resolve, reject) => {
      if (!this.#begin(0, reject)) return;
      fs.fstat(this.#descriptor, (error, stats) => {
        this.#end();
        if (error === null) resolve(stats.size);
        else reject(ioError('look at', this.#name, error));
      });
    });
  }

  /** Refuses new operations at once, and closes when those in flight have ended. */
  close(): Promise<void> {
    this.#closing ??= new Promise((resolve, reject) => {
      const close = (): void => {
        fs.close(this.#descriptor, (error) => {
          if (error === null || error === undefined) resolve();
          else reject(ioError('close', this.#name, error));
        });
      };
      if (this.#operations === 0) close();
      else this.#idle = close;
    });
    return this.#closing;
  }

  #writeRest(
    position: number,
    bytes: Uint8Array,
    done: number,
    interruptions: number,
    resolve: Resolve<void>,
    reject: Reject,
  ): void {
    fs.write(this.#descriptor, bytes, done, bytes.length - done, position + done, (error, count) => {
      if (error !== null) {
        if (isInterruption(error) && interruptions < INTERRUPTIONS_MAX) {
          this.#writeRest(position, bytes, done, interruptions + 1, resolve, reject);
          return;
        }
      } else if (done + count < bytes.length) {
        // A write that takes nothing and names no error counts as an interruption, so that it cannot go on for ever.
        const stalled = count === 0 ? interruptions + 1 : 0;
        if (stalled <= INTERRUPTIONS_MAX) {
          this.#writeRest(position, bytes, done + count, stalled, resolve, reject);
          return;
        }
      } else {
        this.#end();
        resolve();
        return;
      }
      this.#end();
      reject(ioError(`write ${bytes.length} bytes at ${position} of`, this.#name, error));
    });
  }

  #readRest(
    position: number,
    target: Uint8Array,
    done: number,
    interruptions: number,
    resolve: Resolve<number>,
    reject: Reject,
  ): void {
    fs.read(this.#descriptor, target, done, target.length - done, position + done, (error, count) => {
      if (error !== null) {
        if (isInterruption(error) && interruptions < INTERRUPTIONS_MAX) {
          this.#readRest(position, target, done, interruptions + 1, resolve, reject);
          return;
        }
        this.#end();
        reject(ioError(`read ${target.length} bytes at ${position} of`, this.#name, error));
      } else if (count === 0 || done + count === target.length) {
        this.#end();
        resolve(done + count);
      } else {
        this.#readRest(position, target, done + count, 0, resolve, reject);
      }
    });
  }

  /** Counts an operation in, unless the file is closed: then it is rejected. */
  #begin(position: number, reject: Reject): boolean {
    assertPosition(position);
    if (this.#closing !== undefined) {
      reject(this.#closedError());
      return false;
    }
    this.#operations++;
    return true;
  }

  #end(): void {
    this.#operations--;
    if (this.#operations === 0 && this.#idle !== undefined) this.#idle();
  }

  #closedError(): HeadraceError {
    return new HeadraceError('CLOSED', `${this.#name} was closed`);
  }
}

/** `resolve`, which first notes how long it took from now on. */
function timed(histogram: Histogram | undefined, resolve: Resolve<void>): Resolve<void> {
  if (histogram === undefined) return resolve;
  const startMs = performance.now();
  return () => {
    histogram.observe((performance.now() - startMs) / 1000);
    resolve();
  };
}

function assertPosition(position: number): void {
  assert(Number.isSafeInteger(position) && position >= 0, `${position} is not a position in a file`);
}
