/**
 * One number for the state of a partition: equal states have equal hashes, however they were reached. `log verify`, exports and
 * replays compare by it.
 *
 * It is the xxhash64, seed 0, of every index record in the order of the keys (key, then value as `projections/record-codec.ts`
 * writes it), and then of the snapshot of the small projections, as JSON with its members and lists in order.
 */
import { createXxhash64 } from '../../core/hashing.js';
import { KIB } from '../../core/units.js';
import { RECORD_CODEC } from '../../../projections/record-codec.js';
import type { IndexRecord } from '../../../projections/records.js';

/** Records are hashed together: a call of the hash costs as much as a record. */
const HELD_BYTES = 64 * KIB;

export class StateHash {
  readonly #hash = createXxhash64();
  readonly #held = Buffer.allocUnsafe(HELD_BYTES);
  #heldBytes = 0;

  /** The next record in the order of the keys. */
  add(key: string, record: IndexRecord): void {
    const value = RECORD_CODEC.encode(record);
    if (this.#heldBytes + key.length + value.length > HELD_BYTES) this.#flush();
    if (key.length + value.length > HELD_BYTES) {
      this.#hash.update(Buffer.from(key, 'latin1'));
      this.#hash.update(value);
      return;
    }
    this.#heldBytes += this.#held.write(key, this.#heldBytes, 'latin1');
    this.#held.set(value, this.#heldBytes);
    this.#heldBytes += value.length;
  }

  #flush(): void {
    this.#hash.update(this.#held.subarray(0, this.#heldBytes));
    this.#heldBytes = 0;
  }

  /** Ends it with a snapshot (`encodeSnapshot`); 16 hex digits. */
  finish(snapshot: Uint8Array): string {
    this.#flush();
    this.#hash.update(Buffer.from(canonical(snapshot)));
    return this.#hash.digest().toString(16).padStart(16, '0');
  }
}

/** The snapshot with its lists in order, so that equal states have equal text. */
function canonical(snapshot: Uint8Array): string {
  const parsed = JSON.parse(Buffer.from(snapshot).toString('utf8')) as Record<string, unknown>;
  return JSON.stringify(
    Object.entries(parsed)
      .map(([name, value]) => [
        name,
        Array.isArray(value) ? value.map((item) => JSON.stringify(item)).toSorted() : value,
      ])
      .toSorted(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
  );
}
