/**
 * The sorted names in a directory, remembered for a short while so that the pages of a long listing do not read a
 * large directory again and again.
 *
 * Invariant: what is remembered is what is on disk. It is dropped by each change made here, also while it is being read,
 * and it is used only while the directory's modification time stands still and was old when the names were read: a change
 * by somebody else moves that time, unless it comes within one tick of the file system's clock.
 */
import type { Clock } from '../../core/ports.js';

const DIRECTORIES_MAX = 16;
/** Smaller directories are read again: that costs about as much as asking whether they changed. */
const NAMES_MIN = 256;
const NAMES_MAX = 4_000_000;
/** How old a modification time must be to tell that nothing changed since; FAT has ticks of 2 s. */
const SETTLED_MS = 2500;

/** Asks the file system. */
export interface NamesSource {
  /** Undefined when there is no such directory. */
  modifiedMs(directory: string): Promise<number | undefined>;
  /** Byte strings (`src/core/key.ts`), those of directories with a slash behind. Empty when there is no such directory. */
  readNames(directory: string): Promise<string[]>;
}

interface Remembered {
  readonly names: readonly string[];
  readonly mtimeMs: number;
}

export class DirectoryNames {
  /** Least recently used first. */
  readonly #remembered = new Map<string, Remembered>();
  /** Reads in flight whose result may be remembered. */
  readonly #reading = new Map<string, object>();
  readonly #clock: Clock;
  readonly #source: NamesSource;

  constructor(clock: Clock, source: NamesSource) {
    this.#clock = clock;
    this.#source = source;
  }

  /**
   * Byte strings (`src/core/key.ts`), sorted; those of directories end with a slash, so that they stand where their
   * keys do. Empty when there is no such directory. `readNames` takes the place of the source's, when they are not at hand.
   */
  async read(
    directory: string,
    readNames: NamesSource['readNames'] = (asked) => this.#source.readNames(asked),
  ): Promise<readonly string[]> {
    const found = this.#remembered.get(directory);
    if (found !== undefined) {
      const mtimeMs = await this.#source.modifiedMs(directory);
      if (mtimeMs === found.mtimeMs && this.#remembered.delete(directory)) {
        this.#remembered.set(directory, found);
        return found.names;
      }
      this.#remembered.delete(directory);
    }
    const token = {};
    this.#reading.set(directory, token);
    try {
      const startMs = this.#clock.wallTimeMs();
      const mtimeMs = await this.#source.modifiedMs(directory);
      const names = (await readNames(directory)).sort();
      const settled = mtimeMs !== undefined && startMs - mtimeMs > SETTLED_MS;
      if (settled && this.#reading.get(directory) === token) {
        this.#remember(directory, { names, mtimeMs });
      }
      return names;
    } finally {
      if (this.#reading.get(directory) === token) this.#reading.delete(directory);
    }
  }

  /** The names in `directory` change, or may just have changed. */
  forget(directory: string): void {
    this.#remembered.delete(directory);
    this.#reading.delete(directory);
  }

  #remember(directory: string, entry: Remembered): void {
    if (entry.names.length < NAMES_MIN || entry.names.length > NAMES_MAX) return;
    this.#remembered.set(directory, entry);
    if (this.#remembered.size <= DIRECTORIES_MAX) return;
    for (const oldest of this.#remembered.keys()) {
      this.#remembered.delete(oldest);
      return;
    }
  }
}
