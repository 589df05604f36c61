/**
 * Whether the root of a directory store is still the one that was used before.
 *
 * A disk that is not mounted leaves nothing, or the empty directory that it is mounted on. Made anew, that would take the
 * objects, fill the disk below, and answer that all others do not exist, or were deleted. So a root is made once; from then on
 * it must be there with our own directory (`RESERVED_NAME`) in it. While the process runs, our directory may also be missing
 * from the very same root: somebody tidied up.
 */
import fs from 'node:fs';
import { HeadraceError } from '../../../core/errors.js';
import { call, isSystemError } from '../../system-call.js';
import { statPath } from './file-calls.js';
import { RESERVED_NAME } from './places.js';
import { ABSENT } from './system-errors.js';

/** Roots that were used before this start. Paths are absolute. */
export interface KnownRoots {
  has(root: string): boolean;
  /** Durable on return. */
  add(root: string): Promise<void>;
}

export class RootGuard {
  readonly #root: string;
  readonly #known: KnownRoots | undefined;
  /** Device and inode, when it was last made ready. */
  #identity: string | undefined;

  /** `known` is absent where nothing outlives the process. */
  constructor(root: string, known: KnownRoots | undefined) {
    this.#root = root;
    this.#known = known;
  }

  /** `UFS_UNAVAILABLE`, with the path, when the root was used before and is gone. */
  async check(): Promise<void> {
    if (this.#identity === undefined && this.#known?.has(this.#root) !== true) return;
    if ((await statPath(`${this.#root}/${RESERVED_NAME}`))?.isDirectory() === true) return;
    const identity = await identityAt(this.#root);
    if (identity !== undefined && identity === this.#identity) return;
    const found = identity === undefined ? 'is not there' : `has no ${RESERVED_NAME} in it`;
    throw new HeadraceError(
      'UFS_UNAVAILABLE',
      `the directory ${this.#root === '' ? '/' : this.#root} was used before and ${found} now: is its disk mounted? Nothing is read or written there ` +
        `until it is back; to begin with an empty one, make ${this.#root}/${RESERVED_NAME}`,
    );
  }

  /** To be called when it is ready, before anything is stored in it. Durable on return. */
  async remember(): Promise<void> {
    this.#identity = await identityAt(this.#root);
    if (this.#known?.has(this.#root) === false) await this.#known.add(this.#root);
  }
}

/** Follows symbolic links: the root may be one. Undefined when nothing is there. */
async function identityAt(directory: string): Promise<string | undefined> {
  try {
    const { dev, ino } = await call<fs.BigIntStats>((done) =>
      fs.stat(`${directory}/.`, { bigint: true }, done),
    );
    return `${dev}:${ino}`;
  } catch (error) {
    if (isSystemError(error, ...ABSENT)) return undefined;
    throw error;
  }
}
