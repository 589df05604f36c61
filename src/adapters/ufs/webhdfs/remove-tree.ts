/**
 * Removes the tree of an empty bucket, which must not take a file with it.
 */
import type { HdfsFiles } from './hdfs-files.js';
import type { Namenode } from './namenode.js';
import { isAbsent, isRefusal } from './webhdfs-errors.js';

/** Times a tree is looked through while somebody puts directories into it. */
const ATTEMPTS_MAX = 8;

/**
 * Removes a directory in which there are only directories; false when there is anything else. `onRemove` is called before a
 * directory may go.
 */
export async function removeEmptyTree(
  namenode: Namenode,
  files: HdfsFiles,
  directory: string,
  onRemove: (directory: string) => void,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    onRemove(directory);
    try {
      await namenode.call('DELETE', directory, 'DELETE', [['recursive', 'false']], signal);
      return true;
    } catch (error) {
      if (isAbsent(error)) return true;
      if (!isRefusal(error, 'PathIsNotEmptyDirectoryException')) throw error;
    }
    const below: string[] = [];
    for await (const [name, { isDirectory }] of files.list(directory, signal)) {
      if (!isDirectory) return false;
      below.push(name);
    }
    for (const name of below) {
      if (!(await removeEmptyTree(namenode, files, `${directory}/${name}`, onRemove, signal))) return false;
    }
  }
  return false;
}
