/**
 * Memory that two threads see, in pieces that hold one small body each.
 *
 * The piece that was given back last is taken next: so as many are touched as bodies are on their way at once. There is a bound;
 * whoever finds none free has to do without.
 */
import { assert } from '../../../core/assert.js';
import { KIB } from '../../../core/units.js';

/** What the engine hands over in memory at most (`SMALL_BODY_BYTES_MAX`). */
export const SLOT_BYTES = 256 * KIB;
const SLOTS_MAX = 64;

export class SharedSlots {
  readonly #memory: Uint8Array[] = [];
  readonly #free: number[] = [];
  readonly #onNew: (slot: number, memory: SharedArrayBuffer) => void;

  /** `onNew` is told of each piece before it is first used. */
  constructor(onNew: (slot: number, memory: SharedArrayBuffer) => void) {
    this.#onNew = onNew;
  }

  /** A piece with a copy of `bytes` at its start; undefined when all are in use. */
  put(bytes: Uint8Array): number | undefined {
    assert(bytes.length <= SLOT_BYTES, `${bytes.length} bytes do not fit into a slot of ${SLOT_BYTES}`);
    const slot = this.#free.pop() ?? this.#make();
    if (slot !== undefined) this.#memory[slot]?.set(bytes);
    return slot;
  }

  give(slot: number): void {
    this.#free.push(slot);
  }

  #make(): number | undefined {
    const slot = this.#memory.length;
    if (slot === SLOTS_MAX) return undefined;
    const memory = new SharedArrayBuffer(SLOT_BYTES);
    this.#memory.push(new Uint8Array(memory));
    this.#onNew(slot, memory);
    return slot;
  }
}
