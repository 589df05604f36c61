/**
 * `Disk` in memory, with a model that is stricter than a real one.
 *
 * Invariants: only what was synced is sure to survive a crash (`sim-file.ts`, `sim-names.ts`); operations complete in
 * any order and handles of a dead process never settle (`sim-device.ts`). Every choice is drawn from one `SimRandom`.
 *
 * A process is one generation of the disk: `crash` and `kill` end it and return the next one.
 */
import { assert } from '../src/core/assert.js';
import type { Disk, DiskFile, OpenOptions } from '../src/core/ports.js';
import { TIB } from '../src/core/units.js';
import type { Scheduler } from './scheduler.js';
import { type DiskFault, type DiskFaults, NO_FAULTS, type Range, SimDevice } from './sim-device.js';
import { SimDiskFile, ioFailed } from './sim-disk-file.js';
import { SimFile } from './sim-file.js';
import type { NameRefusal } from './sim-names.js';
import type { SimRandom } from './sim-random.js';

export interface SimDiskOptions {
  readonly capacityBytes?: number;
  readonly latencyMs?: Range;
  readonly syncLatencyMs?: Range;
  readonly faults?: Partial<DiskFaults>;
}

export class SimDisk implements Disk {
  readonly #device: SimDevice;
  readonly #succeed: (device: SimDevice) => SimDisk;

  /** Makes an empty disk, or with `device` the next generation of one. */
  constructor(scheduler: Scheduler, random: SimRandom, options: SimDiskOptions = {}, device?: SimDevice) {
    this.#device =
      device ??
      new SimDevice(
        scheduler,
        random,
        {
          capacityBytes: options.capacityBytes ?? TIB,
          latencyMs: options.latencyMs ?? { min: 0.02, max: 0.2 },
          syncLatencyMs: options.syncLatencyMs ?? { min: 0.1, max: 1 },
        },
        { ...NO_FAULTS, ...options.faults },
      );
    this.#succeed = (next) => new SimDisk(scheduler, random, options, next);
  }

  /** Replaces the shares of operations that fail; `{}` heals the disk. */
  setFaults(faults: Partial<DiskFaults>): void {
    this.#device.faults = { ...NO_FAULTS, ...faults };
  }

  /** Lets a fault strike the next operation it fits on a file whose path starts with `pathPrefix`. */
  arm(fault: DiskFault, pathPrefix = ''): void {
    this.#device.arm(fault, pathPrefix);
  }

  /** Flips one bit of a stored byte, as an ageing medium does. Nothing happens behind the end of the file. */
  flipAtRest(path: string, position: number, bit: number): void {
    const file = this.#device.names.files.get(resolve(path));
    assert(file !== undefined, `there is no file '${path}'`);
    file.flipBit(position, bit);
  }

  /** Power fails: this generation ends, and what was not synced is lost, torn or kept. */
  crash(random: SimRandom): SimDisk {
    return this.#succeed(this.#device.end(random, true));
  }

  /** The process is killed: this generation ends; what it wrote stays with the kernel, still not synced. */
  kill(random: SimRandom): SimDisk {
    return this.#succeed(this.#device.end(random, false));
  }

  create(path: string, options: OpenOptions = {}): Promise<DiskFile> {
    assert(options.readOnly !== true, `'${path}' cannot be created for reading only`);
    const file = new SimFile();
    return this.#changeNames(path, 'create', (name) => this.#device.names.create(name, file)).then(
      () => new SimDiskFile(this.#device, file, path, options),
    );
  }

  open(path: string, options: OpenOptions = {}): Promise<DiskFile> {
    const name = resolve(path);
    return this.#look(() => {
      const file = this.#device.names.files.get(name);
      if (file !== undefined) return new SimDiskFile(this.#device, file, path, options);
      throw ioFailed('open', path, this.#device.names.isDirectory(name) ? 'EISDIR' : 'ENOENT');
    });
  }

  sizeOf(path: string): Promise<number | undefined> {
    const name = resolve(path);
    return this.#look(() => this.#device.names.files.get(name)?.size);
  }

  list(directory: string): Promise<string[]> {
    const name = resolve(directory);
    return this.#look(() => {
      if (this.#device.names.files.has(name)) throw ioFailed('list', directory, 'ENOTDIR');
      return this.#device.names.list(name);
    });
  }

  makeDirectory(path: string): Promise<void> {
    return this.#changeNames(path, 'make the directory', (name) => this.#device.names.makeDirectory(name));
  }

  rename(from: string, to: string): Promise<void> {
    const target = resolve(to);
    return this.#changeNames(from, 'rename', (name) => this.#device.names.rename(name, target));
  }

  remove(path: string): Promise<void> {
    return this.#changeNames(path, 'remove', (name) => this.#device.names.remove(name));
  }

  syncDirectory(path: string): Promise<void> {
    const name = resolve(path);
    const { names, options } = this.#device;
    const covered = names.changes;
    return this.#device.perform(
      options.syncLatencyMs,
      () => {
        if (!names.isDirectory(name)) throw ioFailed('sync the directory', path, 'ENOENT');
        if (this.#device.strikes('SYNC_FAILURE', path)) throw ioFailed('sync the directory', path, 'EIO');
        names.commit(name, covered);
      },
      () => undefined,
    );
  }

  space(): Promise<{ freeBytes: number; totalBytes: number }> {
    return this.#look(() => ({
      freeBytes: this.#device.freeBytes,
      totalBytes: this.#device.options.capacityBytes,
    }));
  }

  #look<Value>(effect: () => Value): Promise<Value> {
    return this.#device.perform(this.#device.options.latencyMs, effect, () => undefined);
  }

  #changeNames(
    path: string,
    action: string,
    change: (name: string) => NameRefusal | undefined,
  ): Promise<void> {
    const name = resolve(path);
    return this.#device.perform(
      this.#device.options.latencyMs,
      () => {
        const refusal = change(name);
        if (refusal !== undefined) throw ioFailed(action, path, refusal);
      },
      (random) => {
        if (random.chance(0.5)) change(name);
      },
    );
  }
}

/** Paths that were resolved: a process uses the same few again and again. */
const resolved = new Map<string, string>();
const RESOLVED_MAX = 10_000;

/** The path in the form that the names are kept in: '' for the root, `a/b` below it. */
function resolve(path: string): string {
  let name = resolved.get(path);
  if (name === undefined) {
    name = nameOf(path);
    if (resolved.size >= RESOLVED_MAX) resolved.clear();
    resolved.set(path, name);
  }
  return name;
}

function nameOf(path: string): string {
  const names = path.split('/').filter((name) => name !== '' && name !== '.');
  assert(!path.startsWith('/') && !path.includes('\0'), `'${path}' is not a path below the root`);
  assert(!names.includes('..'), `'${path}' leaves the root`);
  return names.join('/');
}
