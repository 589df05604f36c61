/**
 * `ObjectStore` on HDFS over WebHDFS: a bucket is a directory below the base, the object `a/b/c.txt` is the file `a/b/c.txt` in
 * it, so that every tool of the cluster sees and uses the files. Where an object is is described in `hdfs-paths.ts`, what is
 * kept beside it in `object-record.ts`, and how a write stays whole in `hdfs-writer.ts`; `docs/ufs.md` has the reader's view of
 * all three.
 *
 * One process writes a key at a time (its partition's owner); readers and other tools may be anywhere. "Durable" is what HDFS
 * means by it: the file is closed, and its replicas are with the datanodes.
 */
import { HeadraceError } from '../../../core/errors.js';
import { byteLength } from '../../../core/key.js';
import type {
  ByteRange,
  ObjectStore,
  StoreCondition,
  StoredBucket,
  StoredObject,
  StoreGetResult,
  StoreListPage,
  StoreListRequest,
  StorePutRequest,
} from '../../../core/object-store.js';
import { KEY_BYTES_MAX } from '../../../core/object.js';
import type { Clock, Random } from '../../../core/ports.js';
import { type AbortGate, runAbortable } from '../abortable.js';
import { AnswerBody } from '../answer-body.js';
import { DirectoryNames } from '../directory-names.js';
import { OverflowKeys } from '../overflow-keys.js';
import { TreeLister } from '../tree-lister.js';
import { HdfsFiles } from './hdfs-files.js';
import { HdfsPaths, isBucketName, RESERVED_NAME } from './hdfs-paths.js';
import { HdfsTree } from './hdfs-tree.js';
import { HdfsWriter } from './hdfs-writer.js';
import { Namenode, type NamenodeOptions } from './namenode.js';
import { removeEmptyTree } from './remove-tree.js';
import { TemporaryNames } from './temporary-names.js';
import { isRefusal, noSuchBucket, webHdfsError } from './webhdfs-errors.js';

export interface WebHdfsObjectStoreOptions extends NamenodeOptions {
  /** Where the buckets are, absolute; made when it is missing. */
  readonly base: string;
  /** Copies of each block; undefined: as HDFS is configured. */
  readonly replication?: number;
  /** Undefined: as HDFS is configured. */
  readonly blockSizeBytes?: number;
  readonly clock: Clock;
  readonly random: Random;
}

export class WebHdfsObjectStore implements ObjectStore {
  readonly description: string;
  readonly conditions = 'compared';
  readonly #namenode: Namenode;
  readonly #paths: HdfsPaths;
  readonly #files: HdfsFiles;
  readonly #names: DirectoryNames;
  readonly #overflow: OverflowKeys;
  readonly #temporary: TemporaryNames;
  readonly #writer: HdfsWriter;
  /** Set while the base is being made ready and once it is; not after a failure, so that the next call tries again. */
  #ready: Promise<void> | undefined;
  #closed = false;
  readonly #inFlight = new Set<Promise<unknown>>();

  /** Connects to nothing. */
  constructor(options: WebHdfsObjectStoreOptions) {
    const { base, namenodes, secure, clock, replication, blockSizeBytes } = options;
    this.description = `hdfs ${secure ? 'https' : 'http'}://${namenodes.join(',')}${base || '/'}`;
    this.#namenode = new Namenode(options);
    this.#paths = new HdfsPaths(base);
    const [namenode, paths] = [this.#namenode, this.#paths];
    const files = new HdfsFiles(namenode, paths);
    this.#files = files;
    this.#names = new DirectoryNames(clock, {
      modifiedMs: async (directory) => (await files.status(directory, undefined))?.mtimeMs,
      readNames: (directory) => files.names(directory, undefined),
    });
    this.#overflow = new OverflowKeys({
      names: (bucket) => this.#names.read(paths.overflowOf(bucket)),
      keyOf: (bucket, name) => files.overflowKey(paths.overflowFile(bucket, name).path, undefined),
    });
    const creation: (readonly [string, string])[] = [];
    if (replication !== undefined) creation.push(['replication', String(replication)]);
    if (blockSizeBytes !== undefined) creation.push(['blocksize', String(blockSizeBytes)]);
    this.#temporary = new TemporaryNames(paths.temporaryDirectory, creation, options);
    const onChange = (directory: string): void => this.#names.forget(directory);
    this.#writer = new HdfsWriter({ namenode, paths, files, temporary: this.#temporary, clock, onChange });
  }

  check(signal?: AbortSignal): Promise<void> {
    return this.#run(`reach ${this.description}`, signal, async () => {
      if (!(await this.#files.isDirectory(this.#paths.base, signal))) {
        throw new HeadraceError('UFS_UNAVAILABLE', `${this.description} is not a directory, or not there`);
      }
    });
  }

  listBuckets(signal?: AbortSignal): Promise<StoredBucket[]> {
    return this.#run('list the buckets', signal, async () => {
      const buckets: StoredBucket[] = [];
      // HDFS keeps no time of creation.
      for await (const [name, { isDirectory, mtimeMs }] of this.#files.list(this.#paths.base, signal)) {
        if (isDirectory && isBucketName(name)) buckets.push({ name, createdMs: mtimeMs });
      }
      return buckets.sort((a, b) => (a.name < b.name ? -1 : 1));
    });
  }

  bucketExists(bucket: string, signal?: AbortSignal): Promise<boolean> {
    return this.#run(`look for the bucket ${bucket}`, signal, () => this.#exists(bucket, signal));
  }

  createBucket(bucket: string, signal?: AbortSignal): Promise<void> {
    return this.#run(`create the bucket ${bucket}`, signal, async (gate) => {
      if (!isBucketName(bucket)) throw new HeadraceError('UFS_REJECTED', notABucketName(bucket));
      gate.beginChange();
      try {
        await this.#namenode.call('PUT', this.#paths.bucket(bucket), 'MKDIRS', [], signal);
      } catch (error) {
        if (!isRefusal(error, 'FileAlreadyExistsException')) throw error;
        throw new HeadraceError(
          'UFS_REJECTED',
          `${this.#paths.bucket(bucket)} is there and is no directory`,
          { cause: error },
        );
      }
    });
  }

  deleteBucket(bucket: string, signal?: AbortSignal): Promise<void> {
    return this.#run(`delete the bucket ${bucket}`, signal, async (gate) => {
      if (!(await this.#exists(bucket, signal))) return;
      const first = { bucket, prefix: '', startAfter: '', delimiter: '', limit: 1 };
      const page = await this.#lister(signal).list(first, gate);
      if (page.entries.length > 0 || page.nextStartAfter !== undefined) throw notEmpty(bucket);
      gate.beginChange();
      const forget = (directory: string): void => this.#names.forget(directory);
      const directory = this.#paths.bucket(bucket);
      if (!(await removeEmptyTree(this.#namenode, this.#files, directory, forget, signal))) {
        throw notEmpty(bucket);
      }
      const overflow = this.#paths.overflowOf(bucket);
      forget(overflow);
      await this.#namenode.call('DELETE', overflow, 'DELETE', [['recursive', 'true']], signal);
      forget(overflow);
    });
  }

  put(request: StorePutRequest, signal?: AbortSignal): Promise<StoredObject> {
    const { bucket, key } = request;
    return this.#run(`put ${bucket}/${key}`, signal, (gate) => {
      if (!isBucketName(bucket)) throw noSuchBucket(bucket);
      if (key === '' || byteLength(key) > KEY_BYTES_MAX) {
        throw new HeadraceError(
          'UFS_REJECTED',
          `a key has 1 to ${KEY_BYTES_MAX} bytes, not ${byteLength(key)}`,
        );
      }
      return this.#writer.put(request, { gate, signal });
    });
  }

  head(bucket: string, key: string, signal?: AbortSignal): Promise<StoredObject | undefined> {
    return this.#run(`head ${bucket}/${key}`, signal, async () =>
      isBucketName(bucket) && key !== '' ? this.#files.head(bucket, key, signal) : undefined,
    );
  }

  get(
    bucket: string,
    key: string,
    range?: ByteRange,
    signal?: AbortSignal,
  ): Promise<StoreGetResult | undefined> {
    return this.#run(`get ${bucket}/${key}`, signal, async (gate) => {
      if (!isBucketName(bucket) || key === '') return undefined;
      const what = `${bucket}/${key}`;
      const opened = await this.#files.open(bucket, key, (size) => rangeWithin(range, size, what), signal);
      if (opened === undefined) return undefined;
      const { object, stream, size } = opened;
      if (stream === undefined) return { object, body: noBytes() };
      const body = new AnswerBody(what, stream, size, signal);
      try {
        gate.check();
      } catch (error) {
        body.destroy();
        throw error;
      }
      return { object, body };
    });
  }

  delete(bucket: string, key: string, signal?: AbortSignal, condition?: StoreCondition): Promise<void> {
    return this.#run(`delete ${bucket}/${key}`, signal, async (gate) => {
      if (!isBucketName(bucket) || key === '') return;
      await this.#writer.delete(bucket, key, { gate, signal }, condition);
    });
  }

  list(request: StoreListRequest, signal?: AbortSignal): Promise<StoreListPage> {
    return this.#run(`list ${request.bucket}`, signal, async (gate) => {
      if (!(await this.#exists(request.bucket, signal))) throw noSuchBucket(request.bucket);
      return this.#lister(signal).list(request, gate);
    });
  }

  /** Waits for what is under way, which its own deadlines end, so that nothing is left half done. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#inFlight);
    await this.#writer.idle();
    this.#namenode.close();
  }

  #lister(signal: AbortSignal | undefined): TreeLister<ReturnType<HdfsPaths['overflow']>> {
    const [paths, files, names, overflow] = [this.#paths, this.#files, this.#names, this.#overflow];
    return new TreeLister(new HdfsTree({ paths, files, names, overflow }, signal));
  }

  async #exists(bucket: string, signal: AbortSignal | undefined): Promise<boolean> {
    return isBucketName(bucket) && this.#files.isDirectory(this.#paths.bucket(bucket), signal);
  }

  #run<Value>(
    what: string,
    signal: AbortSignal | undefined,
    work: (gate: AbortGate) => Promise<Value>,
  ): Promise<Value> {
    return runAbortable(what, signal, (gate) => {
      const running = this.#perform(what, gate, signal, work);
      this.#inFlight.add(running);
      const done = (): void => void this.#inFlight.delete(running);
      running.then(done, done);
      return running;
    });
  }

  async #perform<Value>(
    what: string,
    gate: AbortGate,
    signal: AbortSignal | undefined,
    work: (gate: AbortGate) => Promise<Value>,
  ): Promise<Value> {
    if (this.#closed) throw new HeadraceError('CLOSED', `cannot ${what}: ${this.description} is closed`);
    try {
      await (this.#ready ??= this.#prepare());
    } catch (error) {
      this.#ready = undefined;
      throw webHdfsError(`use ${this.description}`, error, false);
    }
    try {
      gate.check();
      return await work(gate);
    } catch (error) {
      throw webHdfsError(what, error, gate.changing, signal);
    }
  }

  /** Makes the base, and removes what crashed processes left there. */
  async #prepare(): Promise<void> {
    const { temporaryDirectory } = this.#paths;
    await this.#namenode.call('PUT', temporaryDirectory, 'MKDIRS', [], undefined);
    for await (const [name] of this.#files.list(temporaryDirectory, undefined)) {
      if (!this.#temporary.isLeftover(name)) continue;
      const recursive = [['recursive', 'true']] as const;
      await this.#namenode.call('DELETE', `${temporaryDirectory}/${name}`, 'DELETE', recursive, undefined);
    }
  }
}

/** The bytes to read, as first and last. `UFS_REJECTED` when the range starts behind the end. */
function rangeWithin(range: ByteRange | undefined, size: number, what: string): ByteRange {
  if (range === undefined) return { first: 0, last: size - 1 };
  if (range.first < 0 || range.first >= size || range.last < range.first) {
    throw new HeadraceError(
      'UFS_REJECTED',
      `${what} has ${size} bytes: there are no bytes ${range.first} to ${range.last}`,
      { details: { s3Code: 'InvalidRange' } },
    );
  }
  return { first: range.first, last: Math.min(range.last, size - 1) };
}

async function* noBytes(): AsyncGenerator<Uint8Array, void, undefined> {}

function notEmpty(bucket: string): HeadraceError {
  return new HeadraceError('BUCKET_NOT_EMPTY', `the bucket "${bucket}" is not empty`);
}

function notABucketName(bucket: string): string {
  return `"${bucket}" cannot be a bucket in HDFS: a name has 1 to 255 bytes, no slash, no colon, and does not begin with a dot (${RESERVED_NAME} is ours)`;
}
