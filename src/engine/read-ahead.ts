/**
 * Which objects are read by ranges one after the other, and how far to fetch ahead of them.
 *
 * Each of a few cursors per object expects the next range where its last one ended. A range that comes there doubles the
 * distance, as a file system's read-ahead does; any other begins a cursor without one, so that random reads fetch nothing that
 * nobody asked for. Bounded in objects and cursors.
 */
import { forgetOldest } from '../core/bounded-map.js';
import type { ByteRange } from '../core/object-store.js';
import { KIB, MIB } from '../core/units.js';

const AHEAD_BYTES_MIN = MIB;
export const AHEAD_BYTES_MAX = 8 * MIB;
/** A reader may skip a little, as readers of columns do. */
const GAP_BYTES_MAX = 256 * KIB;
const CURSORS_MAX = 8;
const OBJECTS_MAX = 4096;

interface Cursor {
  next: number;
  aheadBytes: number;
}

interface ReadObject {
  readonly cursors: Cursor[];
  /** Bytes that were asked for. */
  readBytes: number;
}

export class ReadAhead {
  readonly #objects = new Map<string, ReadObject>();

  /** Bytes to fetch beyond the range, and how many of the object have been asked for in all. */
  note(id: string, { first, last }: ByteRange): { readonly aheadBytes: number; readonly readBytes: number } {
    const object = this.#objects.get(id) ?? { cursors: [], readBytes: 0 };
    this.#objects.delete(id);
    this.#objects.set(id, object);
    if (this.#objects.size > OBJECTS_MAX) forgetOldest(this.#objects);
    object.readBytes += last - first + 1;
    const at = object.cursors.findIndex(({ next }) => first >= next && first - next <= GAP_BYTES_MAX);
    const cursor = object.cursors[at] ?? { next: 0, aheadBytes: 0 };
    if (at >= 0) {
      object.cursors.splice(at, 1);
      cursor.aheadBytes = Math.min(Math.max(cursor.aheadBytes * 2, AHEAD_BYTES_MIN), AHEAD_BYTES_MAX);
    }
    cursor.next = last + 1;
    object.cursors.unshift(cursor);
    object.cursors.length = Math.min(object.cursors.length, CURSORS_MAX);
    return { aheadBytes: cursor.aheadBytes, readBytes: object.readBytes };
  }

  forget(id: string): void {
    this.#objects.delete(id);
  }
}
