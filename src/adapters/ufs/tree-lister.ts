/**
 * Lists a bucket in a file system: the files of its tree merged with the objects of the overflow area, in the order of the
 * keys' UTF-8 bytes.
 *
 * A file hides an object of the same key in the overflow area. A file that vanishes while its page is put together is
 * left out, so a page may be shorter than asked for and still have a next one.
 */
import { fromByteString, toByteString } from '../../core/key.js';
import type {
  StoredObject,
  StoreListEntry,
  StoreListPage,
  StoreListRequest,
} from '../../core/object-store.js';
import { commonPrefixOf, greatestKeyBelow, pageOf } from '../../core/store-listing.js';
import type { AbortGate } from './abortable.js';
import type { OverflowKey } from './overflow-keys.js';
import { type TreeDirectories, TreeWalk } from './tree-walk.js';

/** Where the objects of a store are in a file system; a place is one file. */
export interface ObjectTree<Place> {
  readonly directories: TreeDirectories;
  bucketDirectory(bucket: string): string;
  /** Whether a file can have the key as its path. */
  isCarriable(key: string): boolean;
  /** The file whose path is the key. */
  naturalPlace(bucket: string, key: string): Place | undefined;
  overflowPlace(bucket: string, name: string): Place;
  /** In the order of the keys' UTF-8 bytes. */
  overflowKeys(bucket: string): Promise<readonly OverflowKey[]>;
  /** The object in a place; undefined when none is there. */
  describe(place: Place): Promise<StoredObject | undefined>;
}

/** Files looked at together. */
const LOOKS_IN_FLIGHT = 64;

/** A key with its place, or a common prefix. */
interface Found<Place> {
  readonly bytes: string;
  readonly text: string;
  readonly place: Place | undefined;
}

export class TreeLister<Place> {
  readonly #tree: ObjectTree<Place>;

  constructor(tree: ObjectTree<Place>) {
    this.#tree = tree;
  }

  async list(request: StoreListRequest, gate: AbortGate): Promise<StoreListPage> {
    const natural = new NaturalSource(this.#tree, request);
    const overflow = new OverflowSource(this.#tree, request, await this.#tree.overflowKeys(request.bucket));
    const found: Found<Place>[] = [];
    let file = await natural.next();
    let odd = overflow.next();
    while (found.length <= request.limit && (file !== undefined || odd !== undefined)) {
      gate.check();
      if (odd === undefined || (file !== undefined && file.bytes <= odd.bytes)) {
        if (file !== undefined) found.push(file);
        if (odd?.bytes === file?.bytes) odd = overflow.next();
        file = await natural.next();
      } else {
        found.push(odd);
        odd = overflow.next();
      }
    }
    const page = pageOf(found.map(withoutDetails), request.limit);
    const entries = await this.#describe(found.slice(0, request.limit), gate);
    return { entries, nextStartAfter: page.nextStartAfter };
  }

  /** Whether the bucket has no object at all. */
  async isEmpty(bucket: string, gate: AbortGate): Promise<boolean> {
    const page = await this.list({ bucket, prefix: '', startAfter: '', delimiter: '', limit: 1 }, gate);
    return page.entries.length === 0 && page.nextStartAfter === undefined;
  }

  async #describe(found: readonly Found<Place>[], gate: AbortGate): Promise<StoreListEntry[]> {
    const entries: StoreListEntry[] = [];
    for (let start = 0; start < found.length; start += LOOKS_IN_FLIGHT) {
      gate.check();
      const batch = found.slice(start, start + LOOKS_IN_FLIGHT);
      for (const entry of await Promise.all(batch.map((one) => this.#describeOne(one)))) {
        if (entry !== undefined) entries.push(entry);
      }
    }
    return entries;
  }

  async #describeOne({ text, place }: Found<Place>): Promise<StoreListEntry | undefined> {
    if (place === undefined) return { kind: 'prefix', prefix: text };
    const object = await this.#tree.describe(place);
    if (object === undefined) return undefined;
    const { size, etag, lastModifiedMs } = object;
    return { kind: 'object', key: text, size, etag, lastModifiedMs };
  }
}

class NaturalSource<Place> {
  readonly #tree: ObjectTree<Place>;
  readonly #request: StoreListRequest;
  #walk: TreeWalk | undefined;

  constructor(tree: ObjectTree<Place>, request: StoreListRequest) {
    this.#tree = tree;
    this.#request = request;
    const slash = request.prefix.lastIndexOf('/');
    // No file's path starts like this; it might even lead out of the bucket.
    const none = slash >= 0 && !tree.isCarriable(request.prefix.slice(0, slash));
    this.#walk = none ? undefined : this.#walkFrom(request.startAfter);
  }

  async next(): Promise<Found<Place> | undefined> {
    const { bucket, prefix, delimiter } = this.#request;
    for (;;) {
      const bytes = await this.#walk?.next();
      if (bytes === undefined) return undefined;
      const text = fromByteString(bytes);
      const isDirectory = text.endsWith('/');
      // A name that is not UTF-8, or is ours, is no key.
      if (!this.#tree.isCarriable(isDirectory ? text.slice(0, -1) : text)) continue;
      if (toByteString(text) !== bytes) continue;
      if (isDirectory) return { bytes, text, place: undefined };
      const common = commonPrefixOf(text, prefix, delimiter);
      if (common === undefined) return { bytes, text, place: this.#tree.naturalPlace(bucket, text) };
      this.#walk = this.#walkFrom(greatestKeyBelow(common));
      return { bytes: toByteString(common), text: common, place: undefined };
    }
  }

  #walkFrom(startAfter: string): TreeWalk {
    return new TreeWalk(this.#tree.directories, {
      bucketDirectory: this.#tree.bucketDirectory(this.#request.bucket),
      prefix: toByteString(this.#request.prefix),
      startAfter: toByteString(startAfter),
      directoriesAreEntries: this.#request.delimiter === '/',
    });
  }
}

class OverflowSource<Place> {
  readonly #tree: ObjectTree<Place>;
  readonly #request: StoreListRequest;
  readonly #prefix: string;
  readonly #keys: readonly OverflowKey[];
  /** Everything up to here was returned, or is not asked for. */
  #after: string;
  #next = 0;

  constructor(tree: ObjectTree<Place>, request: StoreListRequest, keys: readonly OverflowKey[]) {
    this.#tree = tree;
    this.#request = request;
    this.#keys = keys;
    this.#prefix = toByteString(request.prefix);
    this.#after = toByteString(request.startAfter);
  }

  next(): Found<Place> | undefined {
    const { bucket, prefix, delimiter } = this.#request;
    for (let key = this.#keys[this.#next]; key !== undefined; key = this.#keys[this.#next]) {
      this.#next += 1;
      if (key.bytes <= this.#after || !key.bytes.startsWith(this.#prefix)) continue;
      const text = fromByteString(key.bytes);
      const common = commonPrefixOf(text, prefix, delimiter);
      if (common === undefined) {
        const place = this.#tree.overflowPlace(bucket, key.name);
        return { bytes: key.bytes, text, place };
      }
      this.#after = toByteString(greatestKeyBelow(common));
      return { bytes: toByteString(common), text: common, place: undefined };
    }
    return undefined;
  }
}

function withoutDetails<Place>({ text, place }: Found<Place>): StoreListEntry {
  return place === undefined
    ? { kind: 'prefix', prefix: text }
    : { kind: 'object', key: text, size: 0, etag: '', lastModifiedMs: 0 };
}
