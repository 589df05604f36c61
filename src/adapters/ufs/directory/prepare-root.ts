/**
 * Makes the root of a directory store ready: our own directory in it, and what its file system does with names.
 *
 * | path                 | lifetime                                          |
 * |----------------------|---------------------------------------------------|
 * | `.headrace/tmp`      | files being written; leftovers are removed here   |
 * | `.headrace/meta`     | side files, by bucket                             |
 * | `.headrace/overflow` | objects whose keys no path can carry, by bucket   |
 */
import fs from 'node:fs';
import path from 'node:path';
import { call } from '../../system-call.js';
import type { DirectorySync } from './directory-sync.js';
import { statPath } from './file-calls.js';
import { RESERVED_NAME, type Places } from './places.js';
import type { TemporaryFiles } from './temporary-files.js';

/** Durable on return, with the root itself where it had to be made. */
export async function prepareRoot(
  places: Places,
  temporary: TemporaryFiles,
  sync: DirectorySync,
): Promise<void> {
  const own = `${places.root}/${RESERVED_NAME}`;
  for (const name of ['tmp', 'meta', 'overflow']) await makeTree(`${own}/${name}`, sync);
  const folded = await statPath(`${places.root}/${RESERVED_NAME.toUpperCase()}`);
  places.rules = { foldsNames: folded !== undefined };
  await temporary.clean();
}

async function makeTree(directory: string, sync: DirectorySync): Promise<void> {
  const firstMade = await call<string | undefined>((done) => fs.mkdir(directory, { recursive: true }, done));
  if (firstMade === undefined) return;
  for (let made = directory; made.length >= firstMade.length; made = path.dirname(made)) {
    await sync.sync(path.dirname(made));
  }
}
