/**
 * `ObjectStore` on a directory: a bucket is a directory in the root, the object `a/b/c.txt` is the file `a/b/c.txt` in it, so
 * that people see and use their files with any tool. What a file system cannot carry is described in `places.ts`,
 * what it does not keep in `side-file.ts`, and how a write stays whole in `object-writer.ts`; `docs/ufs.md` has the
 * reader's view of all three.
 *
 * Symbolic links, pipes and sockets are not objects. One process writes a key at a time (its partition's owner); readers and
 * other tools may be anywhere.
 */
import { HeadraceError, isErrorCode } from '../../../core/errors.js';
import { byteLength, fromByteString } from '../../../core/key.js';
import type { Logger } from '../../../core/logger.js';
import type {
  ByteRange,
  ObjectStore,
  StoredBucket,
  StoredObject,
  StoreGetResult,
  StoreListPage,
  StoreListRequest,
  StoreCondition,
  StorePutRequest,
} from '../../../core/object-store.js';
import { checkStoreCondition } from '../../../core/store-condition.js';
import { KEY_BYTES_MAX } from '../../../core/object.js';
import type { Clock, Random } from '../../../core/ports.js';
import { isSystemError } from '../../system-call.js';
import { runAbortable, type AbortGate } from '../abortable.js';
import { TreeLister } from '../tree-lister.js';
import { DirectoryNames } from '../directory-names.js';
import { noSuchBucket, notABucketName, notEmpty } from './bucket-errors.js';
import { DirectorySync } from './directory-sync.js';
import { FileBody, rangeWithin } from './file-body.js';
import { closeFile, makeDirectory, readNames, statPath } from './file-calls.js';
import { ObjectFiles } from './object-files.js';
import { ObjectWriter } from './object-writer.js';
import { DirectoryTree, FILE_NAMES } from './directory-tree.js';
import { absoluteRoot, isBucketName, type Place, Places } from './places.js';
import { prepareRoot } from './prepare-root.js';
import { removeAside, removeEmptyTree } from './remove-tree.js';
import { RootGuard, type KnownRoots } from './root-guard.js';
import { storeError } from './system-errors.js';
import { TemporaryFiles } from './temporary-files.js';

export interface DirectoryObjectStoreOptions {
  /** Where the buckets are; made when it is missing and was never used. A relative path starts at the working directory. */
  readonly root: string;
  /** What was used before this start; absent where nothing is remembered. */
  readonly knownRoots?: KnownRoots | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export class DirectoryObjectStore implements ObjectStore {
  readonly description: string;
  readonly conditions = 'compared';
  readonly #places: Places;
  readonly #guard: RootGuard;
  readonly #temporary: TemporaryFiles;
  readonly #sync = new DirectorySync();
  readonly #names: DirectoryNames;
  readonly #logger: Logger;
  readonly #files: ObjectFiles;
  readonly #writer: ObjectWriter;
  readonly #lister: TreeLister<Place>;
  /** Set while the root is being made ready and once it is; not after a failure, so that the next call tries again. */
  #ready: Promise<void> | undefined;
  #closed = false;
  readonly #inFlight = new Set<Promise<unknown>>();

  /** Touches nothing: a root that cannot be reached yet is an error of the first call, not of the start. */
  constructor(options: DirectoryObjectStoreOptions) {
    const root = absoluteRoot(options.root);
    this.description = `directory ${root === '' ? '/' : root}`;
    this.#places = new Places(root);
    this.#guard = new RootGuard(root, options.knownRoots);
    this.#temporary = new TemporaryFiles(this.#places.temporaryDirectory, options);
    this.#logger = options.logger;
    this.#names = new DirectoryNames(options.clock, FILE_NAMES);
    this.#files = new ObjectFiles(this.#places);
    const onChange = (directory: string): void => this.#names.forget(directory);
    const [places, files, names] = [this.#places, this.#files, this.#names];
    this.#writer = new ObjectWriter({
      places,
      files,
      sync: this.#sync,
      temporary: this.#temporary,
      onChange,
    });
    this.#lister = new TreeLister(new DirectoryTree(places, files, names));
  }

  check(signal?: AbortSignal): Promise<void> {
    return this.#run('check the store', signal, async () => {
      await this.#confirmRoot();
      // The root itself may be a symbolic link.
      if ((await statPath(`${this.#places.root}/.`))?.isDirectory() !== true) {
        throw new HeadraceError('UFS_UNAVAILABLE', `${this.description} is not a directory, or not there`);
      }
    });
  }

  listBuckets(signal?: AbortSignal): Promise<StoredBucket[]> {
    return this.#run('list the buckets', signal, async () => {
      const buckets: StoredBucket[] = [];
      const names = await readNames(this.#places.root);
      const directories = names.filter((name) => name.endsWith('/')).map((name) => name.slice(0, -1));
      for (const bytes of directories.sort()) {
        const name = fromByteString(bytes);
        const stats = isBucketName(name) ? await statPath(this.#places.bucket(name)) : undefined;
        if (stats !== undefined) buckets.push({ name, createdMs: Math.floor(stats.birthtimeMs) });
      }
      await this.#confirmRoot();
      return buckets;
    });
  }

  bucketExists(bucket: string, signal?: AbortSignal): Promise<boolean> {
    return this.#run(`look for the bucket ${bucket}`, signal, async () => {
      const exists = await this.#exists(bucket);
      if (!exists) await this.#confirmRoot();
      return exists;
    });
  }

  createBucket(bucket: string, signal?: AbortSignal): Promise<void> {
    return this.#run(`create the bucket ${bucket}`, signal, async (gate) => {
      if (!isBucketName(bucket)) throw notABucketName(bucket);
      await this.#confirmRoot();
      gate.beginChange();
      try {
        await makeDirectory(this.#places.bucket(bucket));
      } catch (error) {
        if (!isSystemError(error, 'EEXIST')) throw error;
        if (!(await this.#exists(bucket))) {
          throw new HeadraceError(
            'UFS_REJECTED',
            `${this.#places.bucket(bucket)} is there and is no directory`,
          );
        }
      }
      await this.#sync.sync(this.#places.root);
    });
  }

  deleteBucket(bucket: string, signal?: AbortSignal): Promise<void> {
    return this.#run(`delete the bucket ${bucket}`, signal, async (gate) => {
      if (!(await this.#exists(bucket))) return this.#confirmRoot();
      if (!(await this.#lister.isEmpty(bucket, gate))) throw notEmpty(bucket);
      gate.beginChange();
      if (!(await removeEmptyTree(this.#places.bucket(bucket), (directory) => this.#names.forget(directory))))
        throw notEmpty(bucket);
      await this.#sync.sync(this.#places.root);
      for (const directory of [this.#places.metaOf(bucket), this.#places.overflowOf(bucket)]) {
        await removeAside(directory, this.#temporary.next());
      }
      this.#names.forget(`${this.#places.overflowOf(bucket)}/data`);
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
      return this.#writer.put(request, gate, () => this.#files.head(bucket, key));
    });
  }

  head(bucket: string, key: string, signal?: AbortSignal): Promise<StoredObject | undefined> {
    return this.#run(`head ${bucket}/${key}`, signal, async () => {
      const found = isBucketName(bucket) && key !== '' ? await this.#files.head(bucket, key) : undefined;
      if (found === undefined) await this.#confirmRoot();
      return found;
    });
  }

  get(
    bucket: string,
    key: string,
    range?: ByteRange,
    signal?: AbortSignal,
  ): Promise<StoreGetResult | undefined> {
    return this.#run(`get ${bucket}/${key}`, signal, async (gate) => {
      const opened = isBucketName(bucket) && key !== '' ? await this.#files.open(bucket, key) : undefined;
      if (opened === undefined) {
        await this.#confirmRoot();
        return undefined;
      }
      const { descriptor, object } = opened;
      try {
        gate.check();
        const bytes = rangeWithin(range, object.size, `${bucket}/${key}`);
        const body = new FileBody(`${bucket}/${key}`, descriptor, bytes, signal);
        if (object.size === 0) await body.return();
        return { object, body };
      } catch (error) {
        await closeFile(descriptor);
        throw error;
      }
    });
  }

  delete(bucket: string, key: string, signal?: AbortSignal, condition?: StoreCondition): Promise<void> {
    return this.#run(`delete ${bucket}/${key}`, signal, async (gate) => {
      if (!isBucketName(bucket) || key === '') return;
      await this.#writer.delete(bucket, key, gate, async () => {
        const found = condition === undefined ? undefined : await this.#files.head(bucket, key);
        if (found !== undefined) checkStoreCondition(condition, found, `${bucket}/${key}`);
      });
      // It may not have been there because nothing is.
      await this.#confirmRoot();
    });
  }

  list(request: StoreListRequest, signal?: AbortSignal): Promise<StoreListPage> {
    return this.#run(`list ${request.bucket}`, signal, async (gate) => {
      if (!(await this.#exists(request.bucket))) throw noSuchBucket(request.bucket);
      const page = await this.#lister.list(request, gate);
      await this.#confirmRoot();
      return page;
    });
  }

  /** Waits for what is under way, so that nothing is left half done. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#inFlight);
    this.#temporary.close();
  }

  #run<Value>(
    what: string,
    signal: AbortSignal | undefined,
    work: (gate: AbortGate) => Promise<Value>,
  ): Promise<Value> {
    return runAbortable(what, signal, (gate) => {
      const running = this.#perform(what, gate, work);
      this.#inFlight.add(running);
      const done = (): void => void this.#inFlight.delete(running);
      running.then(done, done);
      return running;
    });
  }

  async #perform<Value>(
    what: string,
    gate: AbortGate,
    work: (gate: AbortGate) => Promise<Value>,
  ): Promise<Value> {
    if (this.#closed) throw new HeadraceError('CLOSED', `cannot ${what}: ${this.description} is closed`);
    try {
      await (this.#ready ??= this.#prepare());
    } catch (error) {
      this.#ready = undefined;
      throw storeError(`use ${this.description}`, error);
    }
    try {
      gate.check();
      return await work(gate);
    } catch (error) {
      // Somebody may have removed the directory of temporary files, or the root's file system may be gone.
      if (isSystemError(error, 'ENOENT')) this.#ready = undefined;
      if (isSystemError(error, 'ENOENT') || isErrorCode(error, 'NO_SUCH_BUCKET')) await this.#confirmRoot();
      throw storeError(what, error);
    }
  }

  /** Before it is said that something is not there. `UFS_UNAVAILABLE` when it is the root that is gone. */
  async #confirmRoot(): Promise<void> {
    try {
      await this.#guard.check();
    } catch (error) {
      this.#ready = undefined;
      throw error;
    }
  }

  async #prepare(): Promise<void> {
    await this.#guard.check();
    await prepareRoot(this.#places, this.#temporary, this.#sync);
    await this.#guard.remember();
    if (!this.#places.rules.foldsNames) return;
    this.#logger.warn(
      { ufs: this.description },
      'the file system does not tell upper from lower case: objects whose keys have upper-case letters are kept under .headrace, not as files of that name',
    );
  }

  async #exists(bucket: string): Promise<boolean> {
    return isBucketName(bucket) && (await statPath(this.#places.bucket(bucket)))?.isDirectory() === true;
  }
}
