/**
 * The directories that served as under-stores, remembered in the data directory from start to start.
 *
 * | name             | lifetime                          | content                                            |
 * |------------------|-----------------------------------|----------------------------------------------------|
 * | `ufs-roots.json` | from the first such root, for ever | `{"roots":["/absolute/path",…]}`, replaced as a whole |
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import { HeadraceError } from '../core/errors.js';
import { isSystemError } from './system-call.js';
import type { KnownRoots } from './ufs/directory/root-guard.js';

const FILE = 'ufs-roots.json';

/** Throws `DATA_DIRECTORY_UNUSABLE` when the file is damaged. */
export async function openKnownRoots(dataDirectory: string): Promise<KnownRoots> {
  const file = path.join(dataDirectory, FILE);
  const roots = new Set(await readRoots(file));
  /** One write at a time: each replaces the file. */
  let tail: Promise<void> = Promise.resolve();
  return {
    has: (root) => roots.has(root),
    add: (root) => {
      const written = tail.then(async () => {
        await replaceFile(file, `${JSON.stringify({ roots: [...roots, root] })}\n`);
        roots.add(root);
      });
      tail = written.catch(() => undefined);
      return written;
    },
  };
}

async function readRoots(file: string): Promise<string[]> {
  let text: string;
  try {
    text = await fs.readFile(file, 'utf8');
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return [];
    throw error;
  }
  const roots = parseRoots(text);
  if (roots !== undefined) return roots;
  throw new HeadraceError(
    'DATA_DIRECTORY_UNUSABLE',
    `${file} does not list directories ({"roots":["/absolute/path"]}): correct it, or remove it if all of them are there`,
  );
}

function parseRoots(text: string): string[] | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || !('roots' in value)) return undefined;
    const { roots } = value;
    if (!Array.isArray(roots)) return undefined;
    return roots.every((root): root is string => typeof root === 'string') ? roots : undefined;
  } catch {
    return undefined;
  }
}

async function replaceFile(file: string, text: string): Promise<void> {
  const draft = `${file}.new`;
  const handle = await fs.open(draft, 'w', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await fs.rename(draft, file);
  const directory = await fs.open(path.dirname(file), 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
