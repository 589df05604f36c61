/**
 * Where an object is on disk. Pure.
 *
 * | what                    | path below the root                                                  |
 * |-------------------------|----------------------------------------------------------------------|
 * | object `a/b/c.txt`      | `<bucket>/a/b/c.txt`                                                 |
 * | its side file           | `.headrace/meta/<bucket>/<xx>/<hash of "a/b">/c.txt`                 |
 * | object with an odd key  | `.headrace/overflow/<bucket>/data/<hash of the key>`                 |
 * | its side file           | `.headrace/overflow/<bucket>/meta/<hash of the key>`                 |
 * | file being written      | `.headrace/tmp/<unique>`                                             |
 *
 * Hashes are the first 32 hex digits of a SHA-256; `<xx>` is the first two of them. Side files lie in one flat
 * directory for each directory of objects: a mirrored tree would need one name for a file and another for a directory
 * where the objects `a` and `a/b` follow each other, and would leave less than 255 bytes for a name.
 */
import crypto from 'node:crypto';
import path from 'node:path';
import { byteLength } from '../../../core/key.js';

/** Ours, in the root; never a bucket, and never the first component of a file's key. */
export const RESERVED_NAME = '.headrace';
/** Longest name of a file or directory (NAME_MAX of Linux file systems). */
export const NAME_BYTES_MAX = 255;
/** Hashes of directories kept at hand. */
const HASHES_MAX = 1024;

/** Two files: the object and what is known about it. */
export interface Place {
  readonly directory: string;
  readonly file: string;
  readonly sideDirectory: string;
  readonly sideFile: string;
  /** Its directories are fixed, and no foreign file is looked for. */
  readonly overflow: boolean;
}

/** How the file system compares names. */
export interface NameRules {
  /** Names that differ only in case, or in Unicode normalisation, are one. */
  readonly foldsNames: boolean;
}

export class Places {
  readonly root: string;
  readonly temporaryDirectory: string;
  rules: NameRules = { foldsNames: false };
  readonly #hashes = new Map<string, string>();

  constructor(root: string) {
    this.root = root;
    this.temporaryDirectory = `${root}/${RESERVED_NAME}/tmp`;
  }

  bucket(bucket: string): string {
    return `${this.root}/${bucket}`;
  }

  /** Everything we keep about a bucket beside its files. */
  metaOf(bucket: string): string {
    return `${this.root}/${RESERVED_NAME}/meta/${bucket}`;
  }

  overflowOf(bucket: string): string {
    return `${this.root}/${RESERVED_NAME}/overflow/${bucket}`;
  }

  /** The file whose path is the key; undefined when no file can have that path. */
  natural(bucket: string, key: string): Place | undefined {
    if (!this.isCarriable(key)) return undefined;
    const slash = key.lastIndexOf('/');
    const parent = slash < 0 ? '' : key.slice(0, slash);
    const name = key.slice(slash + 1);
    const hash = this.#hashOfDirectory(parent);
    const directory = parent === '' ? this.bucket(bucket) : `${this.bucket(bucket)}/${parent}`;
    const sideDirectory = `${this.metaOf(bucket)}/${hash.slice(0, 2)}/${hash}`;
    return {
      directory,
      file: `${directory}/${name}`,
      sideDirectory,
      sideFile: `${sideDirectory}/${name}`,
      overflow: false,
    };
  }

  overflow(bucket: string, key: string): Place {
    return this.overflowFile(bucket, hashOf(key));
  }

  overflowFile(bucket: string, name: string): Place {
    const directory = `${this.overflowOf(bucket)}/data`;
    const sideDirectory = `${this.overflowOf(bucket)}/meta`;
    return {
      directory,
      file: `${directory}/${name}`,
      sideDirectory,
      sideFile: `${sideDirectory}/${name}`,
      overflow: true,
    };
  }

  /** Whether a file can have the key as its path, and no other key of ours can mean the same file. */
  isCarriable(key: string): boolean {
    if (key === RESERVED_NAME || key.startsWith(`${RESERVED_NAME}/`) || key.includes('\0')) return false;
    if (this.rules.foldsNames && (key !== key.toLowerCase() || key !== key.normalize('NFC'))) return false;
    let start = 0;
    while (start <= key.length) {
      const slash = key.indexOf('/', start);
      const end = slash < 0 ? key.length : slash;
      if (!isCarriableName(key.slice(start, end))) return false;
      start = end + 1;
    }
    return true;
  }

  #hashOfDirectory(parent: string): string {
    const known = this.#hashes.get(parent);
    if (known !== undefined) return known;
    const hash = hashOf(parent);
    if (this.#hashes.size >= HASHES_MAX) this.#hashes.clear();
    this.#hashes.set(parent, hash);
    return hash;
  }
}

/** Whether a directory of this name is a bucket. Names that begin with a dot are a person's or the system's own business. */
export function isBucketName(name: string): boolean {
  return !name.startsWith('.') && !/[/\0]/.test(name) && isCarriableName(name);
}

function isCarriableName(name: string): boolean {
  if (name === '' || name === '.' || name === '..') return false;
  return name.length * 3 <= NAME_BYTES_MAX || byteLength(name) <= NAME_BYTES_MAX;
}

function hashOf(text: string): string {
  return crypto.hash('sha256', text, 'hex').slice(0, 32);
}

/** An absolute path without a trailing slash. */
export function absoluteRoot(root: string): string {
  const absolute = path.resolve(root);
  return absolute === '/' ? '' : absolute;
}
