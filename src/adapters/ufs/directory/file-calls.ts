/**
 * The calls of node:fs that the directory store makes, as promises.
 *
 * Opening never follows a symbolic link in the last component and never waits for the other end of a pipe.
 */
import fs from 'node:fs';
import type { Stats } from 'node:fs';
import { call, isSystemError } from '../../system-call.js';
import type { FileIdentity } from './side-file.js';
import { ABSENT } from './system-errors.js';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = fs.constants;
/** Read at first from a file whose size is not known. */
const SMALL_FILE_BYTES = 2048;

export function openToRead(file: string): Promise<number> {
  return call((done) => fs.open(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, done));
}

/** EEXIST when the name is taken. */
export function createFile(file: string): Promise<number> {
  return call((done) => fs.open(file, O_WRONLY | O_CREAT | O_EXCL, 0o666, done));
}

export function closeFile(descriptor: number): Promise<void> {
  return call((done) => fs.close(descriptor, done));
}

export function syncFile(descriptor: number): Promise<void> {
  return call((done) => fs.fsync(descriptor, done));
}

export function statOpen(descriptor: number): Promise<Stats> {
  return call((done) => fs.fstat(descriptor, done));
}

/** Does not follow a symbolic link. Undefined when nothing is there. */
export async function statPath(file: string): Promise<Stats | undefined> {
  try {
    return await call<Stats>((done) => fs.lstat(file, done));
  } catch (error) {
    if (isSystemError(error, ...ABSENT)) return undefined;
    throw error;
  }
}

/**
 * Sets the modification time to a whole microsecond. Node.js takes seconds as a double and cuts what is below a
 * microsecond off: half of one more makes up for what the double lost.
 */
export function setModified(descriptor: number, mtimeMs: number): Promise<void> {
  const seconds = (mtimeMs + 0.0005) / 1000;
  return call((done) => fs.futimes(descriptor, seconds, seconds, done));
}

/** Writes all of `bytes` at `position`. */
export async function writeAll(descriptor: number, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    done += await call<number>((settle) =>
      fs.write(descriptor, bytes, done, bytes.length - done, position + done, settle),
    );
  }
}

/** As many bytes as there are, up to `length`. */
export function readSome(
  descriptor: number,
  target: Uint8Array,
  length: number,
  position: number,
): Promise<number> {
  return call((done) => fs.read(descriptor, target, 0, length, position, done));
}

/** The whole text of a file; undefined when there is none, or when it is longer than `bytesMax`. */
export async function readText(file: string, bytesMax: number): Promise<string | undefined> {
  let descriptor: number;
  try {
    descriptor = await openToRead(file);
  } catch (error) {
    if (isSystemError(error, ...ABSENT, 'ELOOP')) return undefined;
    throw error;
  }
  try {
    let bytes = Buffer.allocUnsafe(SMALL_FILE_BYTES);
    let size = 0;
    for (;;) {
      const count = await readSome(descriptor, bytes.subarray(size), bytes.length - size, size);
      size += count;
      if (count === 0 || size < bytes.length) return bytes.toString('utf8', 0, size);
      if (size > bytesMax) return undefined;
      bytes = Buffer.concat([bytes], bytes.length * 4);
    }
  } finally {
    await closeFile(descriptor);
  }
}

export function rename(from: string, to: string): Promise<void> {
  return call((done) => fs.rename(from, to, done));
}

/** False when nothing was there that could be removed so. */
export async function removeFile(file: string): Promise<boolean> {
  try {
    await call<void>((done) => fs.unlink(file, done));
    return true;
  } catch (error) {
    if (isSystemError(error, ...ABSENT, 'EISDIR')) return false;
    // A directory is refused with EPERM by POSIX, with EISDIR by Linux.
    if (isSystemError(error, 'EPERM') && (await statPath(file))?.isDirectory() === true) return false;
    throw error;
  }
}

/** False when it is not empty or not there. */
export async function removeEmptyDirectory(directory: string): Promise<boolean> {
  try {
    await call<void>((done) => fs.rmdir(directory, done));
    return true;
  } catch (error) {
    if (isSystemError(error, ...ABSENT, 'ENOTEMPTY', 'EEXIST')) return false;
    throw error;
  }
}

export async function removeTree(directory: string): Promise<void> {
  await call<void>((done) => fs.rm(directory, { recursive: true, force: true }, done));
}

export function makeDirectory(directory: string): Promise<void> {
  return call((done) => fs.mkdir(directory, done));
}

/** Names as byte strings (one character for each byte); those of directories end with a slash. Only files and directories. */
export async function readNames(directory: string): Promise<string[]> {
  const entries = await call<fs.Dirent[]>((done) =>
    fs.readdir(directory, { withFileTypes: true, encoding: 'latin1' }, done),
  );
  const names: string[] = [];
  for (const entry of entries) {
    if (entry.isFile()) names.push(entry.name);
    else if (entry.isDirectory()) names.push(`${entry.name}/`);
  }
  return names;
}

export function identityOf(stats: Stats): FileIdentity {
  return { size: stats.size, mtimeMs: stats.mtimeMs, ino: stats.ino };
}
