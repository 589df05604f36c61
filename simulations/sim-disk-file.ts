/**
 * `DiskFile` of the simulated disk.
 *
 * Invariants: a write stores what the buffer held when it was called, and the program stops when the buffer changed
 * before the write resolved; a closed handle refuses everything, and closing waits for what is in flight.
 */
import { assert } from '../src/core/assert.js';
import { HeadraceError } from '../src/core/errors.js';
import { takeMemory } from '../src/core/memory.js';
import type { DiskFile, OpenOptions } from '../src/core/ports.js';
import type { Interruption, Range, SimDevice } from './sim-device.js';
import { SECTOR_BYTES, type SimFile } from './sim-file.js';
import type { SimRandom } from './sim-random.js';

export class SimDiskFile implements DiskFile {
  readonly path: string;
  readonly #device: SimDevice;
  readonly #file: SimFile;
  readonly #options: OpenOptions;
  #operations = 0;
  #closing: Promise<void> | undefined;
  #idle: (() => void) | undefined;

  constructor(device: SimDevice, file: SimFile, path: string, options: OpenOptions) {
    this.#device = device;
    this.#file = file;
    this.path = path;
    this.#options = options;
  }

  write(position: number, bytes: Uint8Array): Promise<void> {
    assertPosition(position);
    const isDurable = this.#options.durableWrites === true;
    const { latencyMs, syncLatencyMs } = this.#device.options;
    // Memory of its own, which the file takes over. Not `slice`, which makes a view when it is a Buffer's.
    const given = takeMemory(bytes.length);
    given.set(bytes);
    return this.#perform(
      isDurable ? syncLatencyMs : latencyMs,
      () => {
        if (Buffer.compare(given, bytes) !== 0)
          assert(false, `the buffer of a write to ${this.path} at ${position} changed before it resolved`);
        this.#write(position, given, isDurable);
      },
      (random) => this.#interruptWrite(position, given, random),
    );
  }

  sync(): Promise<void> {
    const covered = this.#file.changes;
    return this.#perform(
      this.#device.options.syncLatencyMs,
      () => {
        if (this.#device.strikes('SYNC_FAILURE', this.path)) {
          this.#file.forget(covered);
          throw ioFailed('sync', this.path, 'EIO');
        }
        this.#file.commit(covered);
      },
      () => undefined,
    );
  }

  read(position: number, target: Uint8Array): Promise<number> {
    assertPosition(position);
    return this.#perform(
      this.#device.options.latencyMs,
      () => this.#read(position, target),
      () => undefined,
    );
  }

  readSync(position: number, target: Uint8Array): number {
    assertPosition(position);
    // A dead process cannot wait for ever in a synchronous call: it must not come that far, and learns it here.
    if (this.#closing !== undefined || this.#device.isDead) throw this.#closedError();
    return this.#read(position, target);
  }

  truncate(size: number): Promise<void> {
    assertPosition(size);
    return this.#perform(
      this.#device.options.latencyMs,
      () => {
        this.#refuseReadOnly('truncate');
        this.#file.truncate(size);
      },
      (random) => {
        if (this.#options.readOnly !== true && random.chance(0.5)) this.#file.truncate(size);
      },
    );
  }

  size(): Promise<number> {
    return this.#perform(
      this.#device.options.latencyMs,
      () => this.#file.size,
      () => undefined,
    );
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      const close = (): void => {
        void this.#device.perform(this.#device.options.latencyMs, resolve, () => undefined);
      };
      if (this.#operations === 0) close();
      else this.#idle = close;
    });
    return this.#closing;
  }

  #perform<Value>(latencyMs: Range, effect: () => Value, interrupt: Interruption): Promise<Value> {
    if (this.#closing !== undefined && !this.#device.isDead) return Promise.reject(this.#closedError());
    this.#operations++;
    const countedEffect = (): Value => {
      this.#operations--;
      try {
        return effect();
      } finally {
        if (this.#operations === 0) this.#idle?.();
      }
    };
    return this.#device.perform(latencyMs, countedEffect, interrupt);
  }

  #write(position: number, bytes: Uint8Array, isDurable: boolean): void {
    this.#refuseReadOnly('write');
    const { random, freeBytes } = this.#device;
    if (this.#device.strikes('WRITE_FAILURE', this.path)) {
      this.#file.write(position, bytes.subarray(0, random.below(bytes.length + 1)), false);
      throw ioFailed('write', this.path, 'EIO');
    }
    const fitting = this.#file.lengthThatFits(position, bytes.length, freeBytes);
    if (fitting < bytes.length) {
      this.#file.write(position, bytes.subarray(0, fitting), false);
      throw new HeadraceError(
        'DISK_FULL',
        `cannot write ${bytes.length} bytes at ${position} of ${this.path}`,
        {
          cause: systemError('ENOSPC'),
        },
      );
    }
    const sectors = Math.floor(this.#file.size / SECTOR_BYTES);
    const isMisdirected = sectors > 0 && this.#device.strikes('MISDIRECTED_WRITE', this.path);
    this.#file.write(isMisdirected ? random.below(sectors) * SECTOR_BYTES : position, bytes, isDurable);
  }

  /** All of it, its first sectors, or nothing. */
  #interruptWrite(position: number, bytes: Uint8Array, random: SimRandom): void {
    if (this.#options.readOnly === true) return;
    const sectors = random.below(Math.ceil(bytes.length / SECTOR_BYTES) + 1);
    const length = random.pick([0, sectors * SECTOR_BYTES, bytes.length]);
    const fitting = this.#file.lengthThatFits(position, bytes.length, this.#device.freeBytes);
    this.#file.write(position, bytes.subarray(0, Math.min(length, fitting)), false);
  }

  #read(position: number, target: Uint8Array): number {
    const count = this.#file.read(position, target);
    if (count > 0 && this.#device.strikes('READ_FLIP', this.path)) {
      const at = this.#device.random.below(count);
      target[at] = (target[at] ?? 0) ^ (1 << this.#device.random.below(8));
    }
    return count;
  }

  #refuseReadOnly(action: string): void {
    if (this.#options.readOnly === true) throw ioFailed(action, this.path, 'EBADF');
  }

  #closedError(): HeadraceError {
    return new HeadraceError('CLOSED', `${this.path} was closed`);
  }
}

/** The error that a real disk gives for the system's `code`. */
export function ioFailed(action: string, path: string, code: string): HeadraceError {
  return new HeadraceError('IO_FAILED', `cannot ${action} ${path}: ${code}`, { cause: systemError(code) });
}

function systemError(code: string): Error {
  return Object.assign(new Error(code), { code });
}

function assertPosition(position: number): void {
  if (!(Number.isSafeInteger(position) && position >= 0))
    assert(false, `${position} is not a position in a file`);
}
