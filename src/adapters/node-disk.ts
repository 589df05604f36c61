/**
 * `Disk` on a directory of the local file system.
 *
 * Invariants: no path leaves the root; a created directory is durable before anything can be put into it.
 * The callback API of node:fs is used throughout: one promise for each call, and no FileHandle objects.
 */
import fs from 'node:fs';
import path from 'node:path';
import { assert } from '../core/assert.js';
import type { DiskMetrics } from '../core/metrics.js';
import type { Disk, DiskFile, OpenOptions } from '../core/ports.js';
import { NodeDiskFile } from './node-disk-file.js';
import { call, ioError, isSystemError } from './system-call.js';

const { O_CREAT, O_DIRECTORY, O_DSYNC, O_EXCL, O_RDONLY, O_RDWR } = fs.constants;

/** Data belongs to the user that runs the store. */
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

export class NodeDisk implements Disk {
  readonly #root: string;
  readonly #metrics: DiskMetrics | undefined;

  /** `root` is the absolute path of a directory that exists. */
  constructor(root: string, metrics?: DiskMetrics) {
    assert(path.isAbsolute(root), `the root of a disk must be an absolute path, not '${root}'`);
    this.#root = path.resolve(root);
    this.#metrics = metrics;
  }

  async create(name: string, options: OpenOptions = {}): Promise<DiskFile> {
    assert(options.readOnly !== true, `'${name}' cannot be created for reading only`);
    return await this.#open(name, O_RDWR | O_CREAT | O_EXCL, 'create', options);
  }

  async open(name: string, options: OpenOptions = {}): Promise<DiskFile> {
    return await this.#open(name, options.readOnly === true ? O_RDONLY : O_RDWR, 'open', options);
  }

  async sizeOf(name: string): Promise<number | undefined> {
    const file = this.#resolve(name);
    try {
      const stats = await call<fs.Stats>((done) => fs.stat(file, done));
      return stats.isFile() ? stats.size : undefined;
    } catch (error) {
      if (isSystemError(error, 'ENOENT', 'ENOTDIR')) return undefined;
      throw ioError('look at', file, error);
    }
  }

  async list(directory: string): Promise<string[]> {
    const resolved = this.#resolve(directory);
    try {
      const names = await call<string[]>((done) => fs.readdir(resolved, done));
      return names.sort();
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return [];
      throw ioError('list', resolved, error);
    }
  }

  /**
   * The parent of every directory on the way is synced, also of those that exist: an earlier process may have been
   * killed between the creation and the sync.
   */
  async makeDirectory(directory: string): Promise<void> {
    let parent = this.#root;
    const relative = path.relative(this.#root, this.#resolve(directory));
    for (const name of relative.split(path.sep)) {
      if (name === '') continue;
      const child = path.join(parent, name);
      await makeOneDirectory(child);
      await syncOneDirectory(parent);
      parent = child;
    }
  }

  async rename(from: string, to: string): Promise<void> {
    const [source, target] = [this.#resolve(from), this.#resolve(to)];
    try {
      await call<void>((done) => fs.rename(source, target, done));
    } catch (error) {
      throw ioError(`rename to ${target}`, source, error);
    }
  }

  async remove(name: string): Promise<void> {
    const file = this.#resolve(name);
    try {
      await call<void>((done) => fs.unlink(file, done));
    } catch (error) {
      if (!isSystemError(error, 'ENOENT')) throw ioError('remove', file, error);
    }
  }

  async syncDirectory(directory: string): Promise<void> {
    await syncOneDirectory(this.#resolve(directory));
  }

  /** Free is what a user without privileges may still take. */
  async space(): Promise<{ freeBytes: number; totalBytes: number }> {
    try {
      const stats = await call<fs.StatsFs>((done) => fs.statfs(this.#root, done));
      return { freeBytes: stats.bavail * stats.bsize, totalBytes: stats.blocks * stats.bsize };
    } catch (error) {
      throw ioError('ask for the free space of', this.#root, error);
    }
  }

  async #open(name: string, access: number, verb: string, options: OpenOptions): Promise<DiskFile> {
    const file = this.#resolve(name);
    const flags = options.durableWrites === true ? access | O_DSYNC : access;
    try {
      const descriptor = await call<number>((done) => fs.open(file, flags, FILE_MODE, done));
      return new NodeDiskFile(name, file, descriptor, {
        sync: this.#metrics?.syncSeconds,
        durableWrite: options.durableWrites === true ? this.#metrics?.durableWriteSeconds : undefined,
      });
    } catch (error) {
      throw ioError(verb, file, error);
    }
  }

  #resolve(name: string): string {
    assert(!name.includes('\0') && !path.isAbsolute(name), `'${name}' is not a path below ${this.#root}`);
    assert(!name.split('/').includes('..'), `'${name}' leaves ${this.#root}`);
    return path.join(this.#root, name);
  }
}

async function makeOneDirectory(directory: string): Promise<void> {
  try {
    await call<void>((done) => fs.mkdir(directory, DIRECTORY_MODE, done));
  } catch (error) {
    const isThere = isSystemError(error, 'EEXIST') && (await isDirectory(directory));
    if (!isThere) throw ioError('make the directory', directory, error);
  }
}

async function isDirectory(name: string): Promise<boolean> {
  try {
    return (await call<fs.Stats>((done) => fs.stat(name, done))).isDirectory();
  } catch (error) {
    throw ioError('look at', name, error);
  }
}

async function syncOneDirectory(directory: string): Promise<void> {
  try {
    const descriptor = await call<number>((done) => fs.open(directory, O_RDONLY | O_DIRECTORY, done));
    try {
      await call<void>((done) => fs.fsync(descriptor, done));
    } finally {
      await call<void>((done) => fs.close(descriptor, done));
    }
  } catch (error) {
    throw ioError('sync the directory', directory, error);
  }
}
