/**
 * A hash table of keys and encoded values in memory that the garbage collector does not look at.
 *
 * A hundred thousand records as objects are copied twice while they are young and marked ever after; as bytes they cost
 * nothing until they are asked for, and take a quarter of the room (bench/index-changes.ts). Memory is taken in chunks, which
 * `clear` keeps for the next entries.
 *
 * Invariant: an entry keeps its number until `clear`; numbers are given from 0 up, in the order in which keys come.
 *
 * | word | of an entry                                                     |
 * |------|-----------------------------------------------------------------|
 * | 0    | hash of the key                                                 |
 * | 1    | chunk that holds the key                                        |
 * | 2    | where the key begins in it                                      |
 * | 3    | bytes of the key                                                |
 * | 4    | chunk that holds the value                                      |
 * | 5    | where the value begins in it                                    |
 * | 6    | 0: the key was deleted; n + 1: a value of n bytes               |
 * | 7    | bytes of room for the value                                     |
 * | 8    | 0, or 1 + the number under which the owner has something newer  |
 */
import { assert } from '../../core/assert.js';
import { takeMemory } from '../../core/memory.js';
import { KIB, MIB } from '../../core/units.js';
import type { KeyHash } from './bloom-filter.js';

const WORDS = 9;
const HASH = 0;
const KEY_CHUNK = 1;
const KEY_START = 2;
const KEY_BYTES = 3;
const VALUE_CHUNK = 4;
const VALUE_START = 5;
const TAG = 6;
const ROOM = 7;
const NEWER = 8;
const ENTRIES_MIN = 256;
/** What is larger has a chunk of its own. */
const CHUNK_BYTES = 256 * KIB;
/** More than this is given back when the table is cleared. */
const KEPT_BYTES_MAX = 64 * MIB;
/** A value has room to grow a little where it is; what one that grew more leaves behind is lost until `clear`. */
const SPARE_BYTES = 8;

export class PackedTable {
  /** Number of the entry + 1, or 0: open addressing, at most half full. */
  #slots = new Uint32Array(2 * ENTRIES_MIN);
  #words = new Uint32Array(WORDS * ENTRIES_MIN);
  #size = 0;
  #chunks: Buffer[] = [];
  /** The chunk that is being filled, and how far; -1 before the first. */
  #chunk = -1;
  #at = 0;

  /** Different keys. */
  get size(): number {
    return this.#size;
  }

  /** The number of the key's entry, or -1. `hash` is that of `key`. */
  find(key: string, hash: KeyHash): number {
    const slots = this.#slots;
    const words = this.#words;
    const mask = slots.length - 1;
    for (let at = hash.line & mask; ; at = (at + 1) & mask) {
      const entry = slots[at]! - 1;
      if (entry < 0) return -1;
      if (words[entry * WORDS + HASH] === hash.line && this.#hasKey(entry, key)) return entry;
    }
  }

  /** The number of the key's entry, which is new, and deleted, when there was none. `hash` is that of `key`. */
  entryOf(key: string, hash: KeyHash): number {
    const entry = this.find(key, hash);
    return entry < 0 ? this.#add(key, hash) : entry;
  }

  /** Sets the value, or marks the key as deleted when `value` is undefined. The bytes are copied. */
  setValue(entry: number, value: Uint8Array | undefined): void {
    const words = this.#words;
    const at = entry * WORDS;
    words[at + TAG] = value === undefined ? 0 : value.length + 1;
    if (value === undefined) return;
    if (value.length > words[at + ROOM]!) {
      const roomBytes = value.length + SPARE_BYTES;
      words[at + VALUE_START] = this.#reserve(roomBytes);
      words[at + VALUE_CHUNK] = this.#chunk;
      words[at + ROOM] = roomBytes;
    }
    this.valueBytes(entry).set(value, words[at + VALUE_START]!);
  }

  /** A number that the owner has set for the entry, or -1. */
  newer(entry: number): number {
    return this.#words[entry * WORDS + NEWER]! - 1;
  }

  setNewer(entry: number, number: number): void {
    this.#words[entry * WORDS + NEWER] = number + 1;
  }

  key(entry: number): string {
    const start = this.#words[entry * WORDS + KEY_START]!;
    const end = start + this.#words[entry * WORDS + KEY_BYTES]!;
    return this.#keyBytes(entry).toString('latin1', start, end);
  }

  isDeleted(entry: number): boolean {
    return this.#words[entry * WORDS + TAG] === 0;
  }

  /** What holds the value, from `valueStart` (inclusive) to `valueEnd` (exclusive), until the next change. */
  valueBytes(entry: number): Buffer {
    return this.#chunks[this.#words[entry * WORDS + VALUE_CHUNK]!]!;
  }

  valueStart(entry: number): number {
    return this.#words[entry * WORDS + VALUE_START]!;
  }

  valueEnd(entry: number): number {
    const tag = this.#words[entry * WORDS + TAG]!;
    return this.valueStart(entry) + (tag === 0 ? 0 : tag - 1);
  }

  /** Below 0 when the key of `entry` is below `key`, 0 when it is `key`. */
  compareWith(entry: number, key: string): number {
    const bytes = this.#keyBytes(entry);
    const start = this.#words[entry * WORDS + KEY_START]!;
    const keyBytes = this.#words[entry * WORDS + KEY_BYTES]!;
    const length = Math.min(keyBytes, key.length);
    for (let i = 0; i < length; i++) {
      const difference = bytes[start + i]! - key.charCodeAt(i);
      if (difference !== 0) return difference;
    }
    return keyBytes - key.length;
  }

  /** Forgets all entries. */
  clear(): void {
    if (this.#chunks.reduce((sum, chunk) => sum + chunk.length, 0) > KEPT_BYTES_MAX) {
      this.#chunks = [];
      this.#slots = new Uint32Array(2 * ENTRIES_MIN);
      this.#words = new Uint32Array(WORDS * ENTRIES_MIN);
    } else this.#slots.fill(0);
    this.#size = 0;
    this.#chunk = -1;
    this.#at = 0;
  }

  #hasKey(entry: number, key: string): boolean {
    const words = this.#words;
    if (words[entry * WORDS + KEY_BYTES] !== key.length) return false;
    const bytes = this.#keyBytes(entry);
    // From the end: names differ there, and the hash has told almost all of them apart already.
    for (let at = words[entry * WORDS + KEY_START]! + key.length, i = key.length; i > 0;)
      if (bytes[--at] !== key.charCodeAt(--i)) return false;
    return true;
  }

  #add(key: string, hash: KeyHash): number {
    if (hash.units > 0xff) assert(false, 'an index key has characters above 255: it is not a byte string');
    const entry = this.#size;
    const at = entry * WORDS;
    if (at + WORDS > this.#words.length) {
      const words = new Uint32Array(2 * this.#words.length);
      words.set(this.#words);
      this.#words = words;
    }
    if (2 * (entry + 1) > this.#slots.length) this.#rehash();
    const words = this.#words;
    const start = this.#reserve(key.length);
    words[at + HASH] = hash.line;
    words[at + KEY_START] = start;
    words[at + KEY_CHUNK] = this.#chunk;
    words[at + KEY_BYTES] = key.length;
    words[at + TAG] = 0;
    words[at + ROOM] = 0;
    words[at + NEWER] = 0;
    this.#keyBytes(entry).write(key, start, 'latin1');
    this.#size++;
    this.#link(entry);
    return entry;
  }

  #keyBytes(entry: number): Buffer {
    return this.#chunks[this.#words[entry * WORDS + KEY_CHUNK]!]!;
  }

  #link(entry: number): void {
    const mask = this.#slots.length - 1;
    let at = this.#words[entry * WORDS + HASH]! & mask;
    while (this.#slots[at] !== 0) at = (at + 1) & mask;
    this.#slots[at] = entry + 1;
  }

  #rehash(): void {
    this.#slots = new Uint32Array(2 * this.#slots.length);
    for (let entry = 0; entry < this.#size; entry++) this.#link(entry);
  }

  /** Takes so many bytes of the chunk that is being filled; returns where they begin. */
  #reserve(length: number): number {
    if (this.#chunk < 0 || this.#at + length > this.#chunks[this.#chunk]!.length) this.#nextChunk(length);
    const start = this.#at;
    this.#at += length;
    return start;
  }

  #nextChunk(lengthMin: number): void {
    this.#chunk++;
    this.#at = 0;
    if ((this.#chunks[this.#chunk]?.length ?? -1) < lengthMin)
      this.#chunks[this.#chunk] = takeMemory(Math.max(CHUNK_BYTES, lengthMin));
  }
}
