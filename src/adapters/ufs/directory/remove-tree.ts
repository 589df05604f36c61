/**
 * Removes trees: that of an empty bucket, which must not take a file with it, and those of ours behind it.
 */
import { fromByteString } from '../../../core/key.js';
import { isSystemError } from '../../system-call.js';
import { readNames, removeEmptyDirectory, removeTree, rename, statPath } from './file-calls.js';

/** Times a tree is looked through while somebody puts directories into it. */
const ATTEMPTS_MAX = 8;

/**
 * Removes a directory in which there are only directories; false when there is anything else. `onRemove` is called before a
 * directory may go.
 */
export async function removeEmptyTree(
  directory: string,
  onRemove: (directory: string) => void,
): Promise<boolean> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    onRemove(directory);
    if (await removeEmptyDirectory(directory)) return true;
    if ((await statPath(directory)) === undefined) return true;
    for (const name of await readNames(directory)) {
      if (!name.endsWith('/')) return false;
      const below = `${directory}/${fromByteString(name.slice(0, -1))}`;
      if (!(await removeEmptyTree(below, onRemove))) return false;
    }
  }
  return false;
}

/** Moves a tree away in one step, out of the way of whoever makes it anew, and removes it then. */
export async function removeAside(directory: string, temporary: string): Promise<void> {
  try {
    await rename(directory, temporary);
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return;
    throw error;
  }
  await removeTree(temporary);
}
