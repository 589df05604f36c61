/**
 * Keeps under-stores out of the data directory. A bucket that is our own log or segments would be listed, evicted and deleted like any
 * other, and the store with it.
 *
 * Allowed are directories beside the data directory, and in it those whose name is not one of ours, such as `ufs`. Symbolic links are
 * followed as far as the path is there; one that is made later is not noticed.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import { HeadraceError } from '../../../core/errors.js';
import type { Clock } from '../../../core/ports.js';
import { isOwnName } from '../../data-directory.js';
import { isSystemError } from '../../system-call.js';
import { ABSENT } from './system-errors.js';

/** A store on a network that is away may keep a look at it for ever: it is told later, by its first call. */
const LOOK_MS_MAX = 2000;

/**
 * `INVALID_SETTING` for a directory that is ours, holds what is ours or lies in it, and for a file. `given` is what the message names.
 * Ends within two seconds.
 */
export async function refuseOwnPlace(
  given: string,
  directory: string,
  { dataDirectory, clock }: { readonly dataDirectory: string; readonly clock: Clock },
): Promise<void> {
  const written = problemOf(path.resolve(directory), path.resolve(dataDirectory), dataDirectory);
  const problem = written ?? (await inTime(lookAt(directory, dataDirectory), clock));
  if (problem !== undefined)
    throw new HeadraceError('INVALID_SETTING', `"${given}" cannot be an under-store: ${problem}`);
}

/** What the directory turns out to be when links are followed. */
async function lookAt(directory: string, dataDirectory: string): Promise<string | undefined> {
  const [place, data] = await Promise.all([realPath(directory), realPath(dataDirectory)]);
  const problem = problemOf(place, data, dataDirectory);
  return problem ?? ((await isFile(place)) ? 'it is a file: name a directory' : undefined);
}

function problemOf(place: string, data: string, dataDirectory: string): string | undefined {
  const instead = `name a directory beside that, or ${path.join(dataDirectory, 'ufs')}`;
  if (place === data) return `it is the data directory: ${instead}`;
  if (isBelow(data, place)) return `it holds the data directory ${dataDirectory}: ${instead}`;
  const [name = ''] = path.relative(data, place).split(path.sep);
  const isOurs = isBelow(place, data) && isOwnName(name);
  return isOurs ? `it belongs to the data directory ${dataDirectory}: ${instead}` : undefined;
}

/** What comes of it in time. */
function inTime<Value>(look: Promise<Value>, clock: Clock): Promise<Value | undefined> {
  return new Promise((resolve, reject) => {
    const cancel = clock.schedule(LOOK_MS_MAX, () => resolve(undefined));
    look.then(resolve, reject).finally(cancel);
  });
}

function isBelow(inner: string, outer: string): boolean {
  return inner.startsWith(outer.endsWith(path.sep) ? outer : outer + path.sep);
}

/** Absolute, without links in the part that exists. */
async function realPath(directory: string): Promise<string> {
  const absolute = path.resolve(directory);
  try {
    return await fs.realpath(absolute);
  } catch (error) {
    const parent = path.dirname(absolute);
    // What cannot be looked at is told by the store itself, which may find it there later.
    if (parent === absolute || !isSystemError(error, ...ABSENT)) return absolute;
    return path.join(await realPath(parent), path.basename(absolute));
  }
}

async function isFile(place: string): Promise<boolean> {
  try {
    return (await fs.stat(place)).isFile();
  } catch {
    return false;
  }
}
