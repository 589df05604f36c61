/**
 * Where an object is in HDFS. Pure.
 *
 * | what                   | path below the base                             |
 * |------------------------|-------------------------------------------------|
 * | object `a/b/c.txt`     | `<bucket>/a/b/c.txt`                            |
 * | object with an odd key | `.headrace/overflow/<bucket>/<hash of the key>` |
 * | file being written     | `.headrace/tmp/<wall time>-<instance>-<number>` |
 *
 * A hash is the first 32 hex digits of a SHA-256. What belongs to an object is in the extended attributes of its file.
 */
import { hash } from 'node:crypto';
import { byteLength } from '../../../core/key.js';

/** Ours, below the base; never a bucket. */
export const RESERVED_NAME = '.headrace';
/** `dfs.namenode.fs-limits.max-component-length` as it is by default. */
const NAME_BYTES_MAX = 255;
/** What HDFS takes and another tool, a shell or a log, does not show. */
const CONTROL_CHARACTERS = /[\x00-\x1f\x7f]/;

/** One file. */
export interface HdfsPlace {
  readonly directory: string;
  readonly path: string;
  /** Its directory is fixed, and no foreign file is looked for. */
  readonly overflow: boolean;
}

export class HdfsPaths {
  /** Absolute, without a trailing slash; '' for the root. */
  readonly base: string;
  readonly own: string;
  readonly temporaryDirectory: string;

  constructor(base: string) {
    this.base = base;
    this.own = `${base}/${RESERVED_NAME}`;
    this.temporaryDirectory = `${this.own}/tmp`;
  }

  bucket(bucket: string): string {
    return `${this.base}/${bucket}`;
  }

  overflowOf(bucket: string): string {
    return `${this.own}/overflow/${bucket}`;
  }

  /** The file whose path is the key; undefined when no file can have that path. */
  natural(bucket: string, key: string): HdfsPlace | undefined {
    if (!isCarriable(key)) return undefined;
    const path = `${this.bucket(bucket)}/${key}`;
    return { directory: path.slice(0, path.lastIndexOf('/')), path, overflow: false };
  }

  overflow(bucket: string, key: string): HdfsPlace {
    return this.overflowFile(bucket, hash('sha256', key, 'hex').slice(0, 32));
  }

  overflowFile(bucket: string, name: string): HdfsPlace {
    const directory = this.overflowOf(bucket);
    return { directory, path: `${directory}/${name}`, overflow: true };
  }
}

/** Whether a file can have the key as its path. */
export function isCarriable(key: string): boolean {
  if (key === RESERVED_NAME || key.startsWith(`${RESERVED_NAME}/`)) return false;
  return key.split('/').every(isCarriableName);
}

/** Whether a directory of this name is a bucket. Names that begin with a dot are a person's or HDFS's own business. */
export function isBucketName(name: string): boolean {
  return !name.startsWith('.') && !name.includes('/') && isCarriableName(name);
}

/** What HDFS takes as a name (`DFSUtil.isValidName`), but for its own `.snapshot`. */
function isCarriableName(name: string): boolean {
  if (name === '' || name === '.' || name === '..' || name === '.snapshot') return false;
  if (name.includes(':') || CONTROL_CHARACTERS.test(name)) return false;
  return name.length * 3 <= NAME_BYTES_MAX || byteLength(name) <= NAME_BYTES_MAX;
}
