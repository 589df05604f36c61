/** A disk that asks before each operation that changes something: to let it fail, or never end, at a chosen step. */
import type { Disk, DiskFile, OpenOptions } from '../../../src/core/ports.js';

/** Throws to let the operation fail; returns a promise that never settles to end the process there. */
export type Hook = (operation: string, path: string) => Promise<void> | void;

export const NEVER = new Promise<void>(() => {});

export class HookedDisk implements Disk {
  readonly #disk: Disk;
  readonly #hook: Hook;

  constructor(disk: Disk, hook: Hook) {
    this.#disk = disk;
    this.#hook = hook;
  }

  async create(path: string, options?: OpenOptions): Promise<DiskFile> {
    await this.#hook('create', path);
    return this.#wrap(await this.#disk.create(path, options));
  }

  async open(path: string, options?: OpenOptions): Promise<DiskFile> {
    return this.#wrap(await this.#disk.open(path, options));
  }

  async makeDirectory(path: string): Promise<void> {
    await this.#hook('makeDirectory', path);
    await this.#disk.makeDirectory(path);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#hook('rename', from);
    await this.#disk.rename(from, to);
  }

  async remove(path: string): Promise<void> {
    await this.#hook('remove', path);
    await this.#disk.remove(path);
  }

  async syncDirectory(path: string): Promise<void> {
    await this.#hook('syncDirectory', path);
    await this.#disk.syncDirectory(path);
  }

  sizeOf(path: string): Promise<number | undefined> {
    return this.#disk.sizeOf(path);
  }

  list(directory: string): Promise<string[]> {
    return this.#disk.list(directory);
  }

  space(): Promise<{ freeBytes: number; totalBytes: number }> {
    return this.#disk.space();
  }

  #wrap(file: DiskFile): DiskFile {
    const hook = this.#hook;
    const { path } = file;
    return {
      path,
      async write(position, bytes) {
        await hook('write', path);
        await file.write(position, bytes);
      },
      async sync() {
        await hook('sync', path);
        await file.sync();
      },
      async truncate(size) {
        await hook('truncate', path);
        await file.truncate(size);
      },
      read: (position, target) => file.read(position, target),
      readSync: (position, target) => file.readSync(position, target),
      size: () => file.size(),
      close: () => file.close(),
    };
  }
}
