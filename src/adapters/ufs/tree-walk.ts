/**
 * Walks the files of a bucket in a file system in the order of their keys' UTF-8 bytes.
 *
 * A directory stands among its siblings as its name with a slash behind, which is how its keys sort: `a-b`, `a.b`, `a/b`.
 * Invariants: a directory without a key that is asked for is never read; a directory that is one common prefix is read
 * only as far as its first file. All strings here are byte strings (`src/core/key.ts`), compared unit by unit.
 */
import { fromByteString } from '../../core/key.js';

/** The directories below a bucket. */
export interface TreeDirectories {
  /**
   * The sorted byte strings of the names in a directory, those of directories with a slash behind. Empty when there is none.
   */
  read(directory: string): Promise<readonly string[]>;
  /** Whether there is a file in the directory, or in one below. */
  holdsFile(directory: string): Promise<boolean>;
}

export interface WalkRequest {
  readonly bucketDirectory: string;
  readonly prefix: string;
  /** Keys strictly behind this one. */
  readonly startAfter: string;
  /** Whether a directory behind the prefix is one entry. */
  readonly directoriesAreEntries: boolean;
}

/** A directory that is being walked. */
interface Frame {
  readonly keyPrefix: string;
  readonly names: readonly string[];
  next: number;
}

export class TreeWalk {
  readonly #directories: TreeDirectories;
  readonly #request: WalkRequest;
  /** Nothing before this has to be looked at. */
  readonly #from: string;
  readonly #frames: Frame[] = [];
  #started = false;

  constructor(directories: TreeDirectories, request: WalkRequest) {
    this.#directories = directories;
    this.#request = request;
    this.#from = request.prefix > request.startAfter ? request.prefix : request.startAfter;
  }

  /** The next key, or a common prefix (it ends with a slash, which no key of a file does); undefined at the end. */
  async next(): Promise<string | undefined> {
    if (!this.#started) {
      this.#started = true;
      const { prefix } = this.#request;
      await this.#enter(prefix.slice(0, prefix.lastIndexOf('/') + 1));
    }
    for (let frame = this.#frames.at(-1); frame !== undefined; frame = this.#frames.at(-1)) {
      const name = frame.names[frame.next++];
      if (name === undefined) {
        this.#frames.pop();
        continue;
      }
      const full = frame.keyPrefix + name;
      if (!name.endsWith('/')) {
        if (full > this.#request.startAfter && full.startsWith(this.#request.prefix)) return full;
        if (full > this.#request.prefix && !full.startsWith(this.#request.prefix)) return undefined;
        continue;
      }
      if (!this.#mayHold(full)) continue;
      if (this.#isWholeEntry(full)) {
        if (await this.#directories.holdsFile(this.#pathOf(full))) return full;
        continue;
      }
      await this.#enter(full);
    }
    return undefined;
  }

  /** Whether keys below the directory `full` may be asked for. */
  #mayHold(full: string): boolean {
    const { prefix, startAfter } = this.#request;
    if (!full.startsWith(prefix) && !prefix.startsWith(full)) return false;
    return full > startAfter || startAfter.startsWith(full);
  }

  /** Whether all keys below are asked for, as one entry. */
  #isWholeEntry(full: string): boolean {
    const { prefix, startAfter, directoriesAreEntries } = this.#request;
    return (
      directoriesAreEntries &&
      full.length > prefix.length &&
      full.startsWith(prefix) &&
      !startAfter.startsWith(full)
    );
  }

  async #enter(keyPrefix: string): Promise<void> {
    const names = await this.#directories.read(this.#pathOf(keyPrefix));
    this.#frames.push({ keyPrefix, names, next: firstFrom(names, keyPrefix, this.#from) });
  }

  #pathOf(keyPrefix: string): string {
    if (keyPrefix === '') return this.#request.bucketDirectory;
    return `${this.#request.bucketDirectory}/${fromByteString(keyPrefix).slice(0, -1)}`;
  }
}

/** The first index whose entry is not before `from`, or is the directory that `from` lies in. */
function firstFrom(names: readonly string[], keyPrefix: string, from: string): number {
  let low = 0;
  let high = names.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (keyPrefix + (names[middle] ?? '') < from) low = middle + 1;
    else high = middle;
  }
  const before = names[low - 1];
  return before !== undefined && from.startsWith(keyPrefix + before) && before.endsWith('/') ? low - 1 : low;
}
