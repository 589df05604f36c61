/**
 * Makes names in directories durable, once for all who wait.
 *
 * Invariants: `sync` resolves only after an fsync that began after the call; one is in flight per directory and everybody
 * who asks meanwhile shares the next. A directory that was made here is synced in its parent before a name in it
 * counts as durable.
 */
import path from 'node:path';
import { isSystemError } from '../../system-call.js';
import { closeFile, makeDirectory, openToRead, syncFile } from './file-calls.js';

/** A file system that cannot sync a directory says so with these (SMB, some FUSE ones). */
const NOT_SUPPORTED = ['EINVAL', 'ENOTSUP', 'EISDIR'] as const;
/** Times a directory is made again because a delete removed it as empty. */
const ATTEMPTS_MAX = 32;

export class DirectorySync {
  readonly #running = new Map<string, { current: Promise<void>; next: Promise<void> | undefined }>();
  /** Directories made here whose name is not durable in their parent yet. */
  readonly #fresh = new Set<string>();

  /** Makes every name given or removed in `directory` before the call durable, up to the directories made here. */
  async sync(directory: string): Promise<void> {
    await this.#grouped(directory);
    while (this.#fresh.has(directory)) {
      const parent = path.dirname(directory);
      await this.#grouped(parent);
      this.#fresh.delete(directory);
      directory = parent;
    }
  }

  /**
   * Makes `directory` and its parents below `base`; ENOENT when there is no `base`, ENOTDIR or EEXIST when a file is in
   * the way.
   */
  async ensure(directory: string, base: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      // Before the call, so that nobody finds the directory and takes it for durable.
      this.#fresh.add(directory);
      try {
        await makeDirectory(directory);
        return;
      } catch (error) {
        if (isSystemError(error, 'EEXIST')) return;
        this.#fresh.delete(directory);
        const parent = path.dirname(directory);
        const madeParent = isSystemError(error, 'ENOENT') && parent.length > base.length;
        if (!madeParent || attempt === ATTEMPTS_MAX) throw error;
        await this.ensure(parent, base);
      }
    }
  }

  /** To be called when a directory was removed. */
  forget(directory: string): void {
    this.#fresh.delete(directory);
  }

  #grouped(directory: string): Promise<void> {
    const state = this.#running.get(directory);
    if (state === undefined) {
      const current = this.#run(directory);
      this.#running.set(directory, { current, next: undefined });
      return current;
    }
    state.next ??= state.current.then(
      () => this.#run(directory),
      () => this.#run(directory),
    );
    return state.next;
  }

  async #run(directory: string): Promise<void> {
    try {
      await syncDirectory(directory);
    } finally {
      const state = this.#running.get(directory);
      if (state?.next === undefined) this.#running.delete(directory);
      else this.#running.set(directory, { current: state.next, next: undefined });
    }
  }
}

async function syncDirectory(directory: string): Promise<void> {
  let descriptor: number;
  try {
    // The root itself may be a symbolic link, which is not followed as a last component.
    descriptor = await openToRead(`${directory}/.`);
  } catch (error) {
    // Whoever removed the directory has removed what was in it as well.
    if (isSystemError(error, 'ENOENT')) return;
    throw error;
  }
  try {
    await syncFile(descriptor);
  } catch (error) {
    if (!isSystemError(error, ...NOT_SUPPORTED)) throw error;
  } finally {
    await closeFile(descriptor);
  }
}
