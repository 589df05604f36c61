/**
 * A disk that is only looked at: what opening a store tidies up on the way is left as it is, and everything that would change
 * a file is refused.
 */
import { HeadraceError } from './errors.js';
import type { Disk, DiskFile, OpenOptions } from './ports.js';

export class ReadOnlyDisk implements Disk {
  readonly #disk: Disk;

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  create(path: string): Promise<DiskFile> {
    return Promise.reject(refused(`create ${path}`));
  }

  open(path: string, options?: OpenOptions): Promise<DiskFile> {
    if (options?.durableWrites === true) return Promise.reject(refused(`write ${path}`));
    return this.#disk.open(path, { ...options, readOnly: true });
  }

  sizeOf(path: string): Promise<number | undefined> {
    return this.#disk.sizeOf(path);
  }

  list(directory: string): Promise<string[]> {
    return this.#disk.list(directory);
  }

  /** Nothing is made: what is not there reads as empty. */
  async makeDirectory(): Promise<void> {}

  rename(from: string): Promise<void> {
    return Promise.reject(refused(`rename ${from}`));
  }

  /** Leftovers stay. */
  async remove(): Promise<void> {}

  async syncDirectory(): Promise<void> {}

  space(): Promise<{ freeBytes: number; totalBytes: number }> {
    return this.#disk.space();
  }
}

function refused(what: string): HeadraceError {
  return new HeadraceError('IO_FAILED', `cannot ${what}: the data directory is only looked at`);
}
