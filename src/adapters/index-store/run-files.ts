/**
 * The run files of one index: numbers for new ones, and who still needs the old ones.
 *
 * A run is *used* by readers, which need it opened, and *pinned* by checkpoints that name it. It is closed with its last
 * user, and its file is removed when neither is left. Removals are not synced: a name that a crash brings back is a
 * leftover, which the next start removes.
 */
import { assert } from '../../core/assert.js';
import type { Logger } from '../../core/logger.js';
import type { Disk, DiskFile } from '../../core/ports.js';
import type { BlockCache } from './block-cache.js';
import { runName } from './manifest.js';
import { Run } from './run.js';
import type { RunDescriptor } from './run-format.js';

interface Entry {
  users: number;
  pins: number;
  /** Present while there are users. */
  run: Promise<Run> | undefined;
}

export class RunFiles {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #cache: BlockCache;
  readonly #logger: Logger;
  readonly #entries = new Map<number, Entry>();
  readonly #removals = new Set<Promise<void>>();
  #nextNumber: number;
  #removes = false;

  constructor(disk: Disk, directory: string, cache: BlockCache, logger: Logger, nextNumber: number) {
    this.#disk = disk;
    this.#directory = directory;
    this.#cache = cache;
    this.#logger = logger;
    this.#nextNumber = nextNumber;
  }

  /** Before this call nothing is removed: until recovery has ended nobody knows what is needed. */
  allowRemovals(): void {
    this.#removes = true;
  }

  /** A new file for a run. Whoever writes it ends with `adopt` or `discard`. */
  async create(): Promise<{ readonly number: number; readonly file: DiskFile }> {
    const number = this.#nextNumber++;
    return { number, file: await this.#disk.create(this.#path(number)) };
  }

  /** A run that was just written gets its first user. */
  adopt(run: Run): void {
    const { number } = run.descriptor;
    assert(!this.#entries.has(number), `run ${number} is there twice`);
    this.#entries.set(number, { users: 1, pins: 0, run: Promise.resolve(run) });
  }

  /** Gives up a file that did not become a run. Never fails: what stays is a leftover. */
  async discard(file: DiskFile): Promise<void> {
    await this.#settle(file.path, async () => {
      await file.close();
      await this.#disk.remove(file.path);
    });
  }

  /** One more user of a run; opens it when it is the first. `CORRUPT_CHECKPOINT`, `IO_FAILED`. */
  async acquire(descriptor: RunDescriptor): Promise<Run> {
    const { number } = descriptor;
    const entry = this.#entry(number);
    entry.users++;
    entry.run ??= Run.open(this.#disk, this.#path(number), descriptor);
    try {
      return await entry.run;
    } catch (error) {
      entry.users--;
      if (entry.users === 0) entry.run = undefined;
      throw error;
    }
  }

  /** All of them, or none when one fails. */
  async acquireAll(descriptors: readonly RunDescriptor[]): Promise<Run[]> {
    const results = await Promise.allSettled(descriptors.map((descriptor) => this.acquire(descriptor)));
    const failed = results.find((result) => result.status === 'rejected');
    const runs = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    if (failed === undefined) return runs;
    for (const run of runs) this.release(run);
    throw failed.reason;
  }

  release(run: Run): void {
    const { number } = run.descriptor;
    const entry = this.#entry(number);
    assert(entry.users > 0, `run ${number} is released more often than it was acquired`);
    if (--entry.users > 0) return;
    entry.run = undefined;
    this.#cache.forget(run);
    this.#track(
      this.#settle(run.path, async () => {
        await run.close();
        // It may have been acquired or pinned again meanwhile.
        await this.#removeUnlessNeeded(number, entry);
      }),
    );
  }

  /** A checkpoint that names these runs is kept, or may be on the disk. */
  pin(descriptors: readonly RunDescriptor[]): void {
    for (const { number } of descriptors) this.#entry(number).pins++;
  }

  unpin(descriptors: readonly RunDescriptor[]): void {
    for (const { number } of descriptors) {
      const entry = this.#entry(number);
      assert(entry.pins > 0, `run ${number} is unpinned more often than it was pinned`);
      entry.pins--;
      this.#track(this.#settle(this.#path(number), () => this.#removeUnlessNeeded(number, entry)));
    }
  }

  /** Resolves when the removals that are under way have ended. */
  async settled(): Promise<void> {
    while (this.#removals.size > 0) await Promise.all(this.#removals);
  }

  /** Closes all files and removes none from now on. */
  async close(): Promise<void> {
    this.#removes = false;
    await this.settled();
    const opened = [...this.#entries.values()].flatMap((entry) =>
      entry.run === undefined ? [] : [entry.run],
    );
    for (const run of opened) await (await run).close();
  }

  async #removeUnlessNeeded(number: number, entry: Entry): Promise<void> {
    if (entry.users > 0 || entry.pins > 0 || !this.#removes) return;
    // Both the last release and the last unpin come here.
    if (this.#entries.delete(number)) await this.#disk.remove(this.#path(number));
  }

  #entry(number: number): Entry {
    let entry = this.#entries.get(number);
    if (entry === undefined) this.#entries.set(number, (entry = { users: 0, pins: 0, run: undefined }));
    return entry;
  }

  #path(number: number): string {
    return `${this.#directory}/${runName(number)}`;
  }

  #track(removal: Promise<void>): void {
    this.#removals.add(removal);
    void removal.then(() => this.#removals.delete(removal));
  }

  /** Space that cannot be given back now is given back by the next start: a reason to warn, not to fail. */
  async #settle(path: string, action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      this.#logger.warn(
        { path, error },
        'an obsolete index file could not be removed; the next start will do it',
      );
    }
  }
}
