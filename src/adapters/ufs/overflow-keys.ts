/**
 * The keys of the objects in the overflow area. Their files are named by a hash; the key is beside them.
 */
import { toByteString } from '../../core/key.js';

/** Keys kept at hand: a name is a hash of the key, so a known one stays true. */
const KEYS_MAX = 200_000;
const READS_IN_FLIGHT = 64;

export interface OverflowKey {
  readonly bytes: string;
  /** Of the file. */
  readonly name: string;
}

export interface OverflowSource {
  /** The names of the files; the same list as long as nothing changed, if it is remembered. */
  names(bucket: string): Promise<readonly string[]>;
  /** The key of the object in a file; undefined when there is none by now. */
  keyOf(bucket: string, name: string): Promise<string | undefined>;
}

export class OverflowKeys {
  readonly #source: OverflowSource;
  /** Byte strings by bucket and name. */
  readonly #known = new Map<string, string>();
  /** By the very list of names that they were made from. */
  readonly #sorted = new WeakMap<readonly string[], readonly OverflowKey[]>();

  constructor(source: OverflowSource) {
    this.#source = source;
  }

  /** In the order of the keys' UTF-8 bytes, as of now. */
  async read(bucket: string): Promise<readonly OverflowKey[]> {
    const names = await this.#source.names(bucket);
    const remembered = this.#sorted.get(names);
    if (remembered !== undefined) return remembered;
    const keys: OverflowKey[] = [];
    let complete = true;
    for (let start = 0; start < names.length; start += READS_IN_FLIGHT) {
      const batch = names.slice(start, start + READS_IN_FLIGHT);
      for (const key of await Promise.all(batch.map((name) => this.#keyOf(bucket, name)))) {
        if (key === undefined) complete = false;
        else keys.push(key);
      }
    }
    keys.sort((a, b) => (a.bytes < b.bytes ? -1 : 1));
    if (complete) this.#sorted.set(names, keys);
    return keys;
  }

  async #keyOf(bucket: string, name: string): Promise<OverflowKey | undefined> {
    const id = `${bucket}/${name}`;
    let bytes = this.#known.get(id);
    if (bytes === undefined) {
      const key = await this.#source.keyOf(bucket, name);
      if (key === undefined) return undefined;
      bytes = toByteString(key);
      if (this.#known.size >= KEYS_MAX) this.#known.clear();
      this.#known.set(id, bytes);
    }
    return { bytes, name };
  }
}
