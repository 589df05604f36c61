/**
 * The data directory: whose it is, which format it has, and that only one process uses it.
 *
 * | name            | content                                                                                  |
 * |-----------------|------------------------------------------------------------------------------------------|
 * | `headrace.json` | the marker: `{"format":"headrace","version":1,"createdMs":…,"storeId":"…"}`; written once |
 * | `headrace.pid`  | the lock (`process-lock.ts`)                                                              |
 * | `secrets.key`   | the key that access keys are encrypted with (`src/engine/users-secret-box.ts`)             |
 * | `log`, `segments`, `index` | the store's own directories; may be mount points                               |
 * | `ufs-roots.json` | directories that served as under-stores (`known-roots.ts`)                                 |
 * | `admin.token`   | what lets its holder administer the running server (`src/composition/admin-access.ts`)      |
 * | `readyz.probe`  | a byte that is written to see whether the disk takes writes (`src/engine/readiness.ts`)     |
 * | `ufs`           | a directory that serves as under-store; belongs to the user                               |
 *
 * Invariants: nothing is written into a directory that somebody else filled; the marker is durable before anything
 * else of the store is, so data without a marker is a sign of damage and is never taken for a new store.
 */
import { randomUUID } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { HeadraceError } from '../core/errors.js';
import { acquireProcessLock } from './process-lock.js';
import { isSystemError } from './system-call.js';

const FORMAT = 'headrace';
const MARKER = 'headrace.json';
const LOCK = 'headrace.pid';
const STORE_DIRECTORIES: readonly string[] = ['log', 'segments', 'index'];
/** May lie in a new data directory with any content: the user's under-store, and what mkfs makes. */
const TOLERATED: readonly string[] = ['ufs', 'lost+found'];
/** Beside what begins with the name of the format. */
const OWN_FILES: readonly string[] = ['secrets.key', 'ufs-roots.json', 'admin.token', 'readyz.probe'];
/** Names that a message lists before it says how many more there are. */
const LISTED_NAMES_MAX = 5;

export interface DataDirectoryOptions {
  /** The newest format version that this program reads, and the one it gives a new store. */
  readonly formatVersion: number;
}

export interface DataDirectory {
  /** Absolute. */
  readonly path: string;
  /** Unique for each store, for ever. */
  readonly storeId: string;
  /** The version in the marker: not above the one that was asked for. */
  readonly formatVersion: number;
  /** Gives the lock up. Calling it twice does no harm. */
  release(): Promise<void>;
}

interface Marker {
  readonly format: string;
  readonly version: number;
  readonly createdMs: number;
  readonly storeId: string;
}

/**
 * Creates the directory when there is none, locks it and reads its marker, or writes one. On return the directory and
 * its marker are durable.
 *
 * Throws `DATA_DIRECTORY_UNUSABLE` (cannot be written, or somebody else's), `DATA_DIRECTORY_IN_USE`,
 * `UNSUPPORTED_FORMAT` (made by a newer version).
 */
export async function openDataDirectory(
  directory: string,
  options: DataDirectoryOptions,
): Promise<DataDirectory> {
  const root = path.resolve(directory);
  try {
    await makeDirectory(root);
    await fs.access(root, fs.constants.R_OK | fs.constants.W_OK | fs.constants.X_OK);
    await refuseForeignContent(root);
    const lock = await acquireProcessLock(path.join(root, LOCK));
    if (lock.outcome === 'HELD') throw inUse(root, lock.pid);
    try {
      const marker = (await readMarker(root)) ?? (await writeMarker(root, options.formatVersion));
      refuseNewerFormat(root, marker.version, options.formatVersion);
      // Also for a marker that was found: its writer may have been killed before this.
      await syncDirectory(root);
      return describe(root, marker, lock.release);
    } catch (error) {
      await lock.release();
      throw error;
    }
  } catch (error) {
    if (error instanceof HeadraceError) throw error;
    throw unusable(root, error instanceof Error ? error.message : String(error), error);
  }
}

/** Whether a name directly in a data directory is the store's own, and no place for anything of the user's. */
export function isOwnName(name: string): boolean {
  return name.startsWith(`${FORMAT}.`) || STORE_DIRECTORIES.includes(name) || OWN_FILES.includes(name);
}

/** Whose directory it is, without a lock: for those who only look. `DATA_DIRECTORY_UNUSABLE` when it is nobody's. */
export async function readStoreId(directory: string): Promise<string> {
  const root = path.resolve(directory);
  const marker = await readMarker(root);
  if (marker === undefined) throw unusable(root, `${MARKER} is missing: name the data directory of a server`);
  return marker.storeId;
}

function describe(root: string, marker: Marker, release: () => Promise<void>): DataDirectory {
  let released: Promise<void> | undefined;
  return {
    path: root,
    storeId: marker.storeId,
    formatVersion: marker.version,
    // Once only: after the first time the lock may be another process's.
    release: () => (released ??= release()),
  };
}

/** Makes the directory and what leads to it, and makes their names durable. */
async function makeDirectory(root: string): Promise<void> {
  let topmost: string | undefined;
  try {
    topmost = await fs.mkdir(root, { recursive: true, mode: 0o700 });
  } catch (error) {
    if (isSystemError(error, 'EEXIST', 'ENOTDIR')) throw unusable(root, 'it is not a directory', error);
    throw error;
  }
  if (topmost === undefined) return;
  const last = path.dirname(topmost);
  for (let parent = path.dirname(root); ; parent = path.dirname(parent)) {
    await syncDirectory(parent);
    if (parent === last) return;
  }
}

/** Lets pass: an empty directory, one with a marker, and one in which the parts of a store are prepared but empty. */
async function refuseForeignContent(root: string): Promise<void> {
  const names = (await fs.readdir(root)).sort();
  if (names.includes(MARKER)) return;
  const foreign: string[] = [];
  for (const name of names) {
    if (TOLERATED.includes(name) || name.startsWith(`${FORMAT}.`)) continue;
    if (!STORE_DIRECTORIES.includes(name)) {
      foreign.push(name);
      continue;
    }
    const content = await listOrUndefined(path.join(root, name));
    if (content === undefined) foreign.push(name);
    else if (content.some((entry) => !TOLERATED.includes(entry))) {
      // The marker may have been written since the names were read, by a process that is starting too.
      if (await hasMarker(root)) return;
      throw unusable(root, `${MARKER} is missing although ${name}/ holds data: restore it from a backup`);
    }
  }
  if (foreign.length === 0) return;
  const listed = foreign.slice(0, LISTED_NAMES_MAX).join(', ');
  const more = foreign.length > LISTED_NAMES_MAX ? ` and ${foreign.length - LISTED_NAMES_MAX} more` : '';
  throw unusable(
    root,
    `it is not empty and was not made by Headrace (found ${listed}${more}): choose an empty directory`,
  );
}

async function hasMarker(root: string): Promise<boolean> {
  return (await fs.readdir(root)).includes(MARKER);
}

/** Undefined when it is not a directory. */
async function listOrUndefined(directory: string): Promise<string[] | undefined> {
  try {
    return await fs.readdir(directory);
  } catch (error) {
    if (isSystemError(error, 'ENOTDIR')) return undefined;
    throw error;
  }
}

async function readMarker(root: string): Promise<Marker | undefined> {
  const file = path.join(root, MARKER);
  let text: string;
  try {
    text = await fs.readFile(file, 'utf8');
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return undefined;
    throw error;
  }
  const marker = parseMarker(text);
  if (marker !== undefined) return marker;
  throw unusable(root, `${MARKER} does not describe a Headrace store: restore it from a backup`);
}

function parseMarker(text: string): Marker | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { format, version, createdMs, storeId } = value as Record<string, unknown>;
  if (format !== FORMAT || typeof version !== 'number' || !Number.isSafeInteger(version)) return undefined;
  if (typeof createdMs !== 'number' || typeof storeId !== 'string' || storeId === '') return undefined;
  return { format, version, createdMs, storeId };
}

/** Under the lock. The marker appears whole, with durable content; its name becomes durable with the directory. */
async function writeMarker(root: string, version: number): Promise<Marker> {
  const marker: Marker = { format: FORMAT, version, createdMs: Date.now(), storeId: randomUUID() };
  const draft = path.join(root, `${MARKER}.new`);
  const file = await fs.open(draft, 'w', 0o600);
  try {
    await file.writeFile(`${JSON.stringify(marker)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await fs.rename(draft, path.join(root, MARKER));
  return marker;
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await fs.open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function refuseNewerFormat(root: string, found: number, supported: number): void {
  if (found <= supported) return;
  throw new HeadraceError(
    'UNSUPPORTED_FORMAT',
    `${root} has format version ${found}; this Headrace reads up to version ${supported}: run a newer Headrace`,
    { details: { found, supported } },
  );
}

function inUse(root: string, pid: number): HeadraceError {
  return new HeadraceError(
    'DATA_DIRECTORY_IN_USE',
    `${root} is in use by the running process ${pid}: stop that process first (kill ${pid}), or choose another data directory`,
    { details: { pid } },
  );
}

function unusable(root: string, reason: string, cause?: unknown): HeadraceError {
  return new HeadraceError(
    'DATA_DIRECTORY_UNUSABLE',
    `${root} cannot be used as the data directory: ${reason}`,
    cause === undefined ? {} : { cause },
  );
}
