/**
 * One file of the simulated disk: what a reader sees, what is durable, and the changes between the two.
 *
 * Invariants: `visible` is what a process sees that never crashes; a change is in `#unsynced` from the moment it is
 * visible until a sync covers it; what a durable write stored cannot be undone by an older change that a crash applies late.
 *
 * What a crash makes of each unsynced write is drawn anew: whole, torn at the sectors of a disk, only its length (zeros
 * where data was not stored), or nothing; and in any order between two truncations. Real file systems do less: the
 * code above must not depend on what POSIX does not promise (Pillai et al., "All File Systems Are Not Created Equal",
 * OSDI 2014).
 */
import { KIB } from '../src/core/units.js';
import type { SimRandom } from './sim-random.js';
import { SparseBytes, isZero } from './sparse-bytes.js';

/** What a disk writes whole or not at all. */
export const SECTOR_BYTES = 512;

/** Shares of the fates of an unsynced write in a crash; what remains vanishes. */
const WHOLE_RATIO = 0.35;
const TORN_RATIO = 0.35;
const LENGTH_ONLY_RATIO = 0.05;

type Change =
  | {
      readonly kind: 'write';
      readonly number: number;
      readonly position: number;
      readonly length: number;
      /** Undefined for zeros: a preallocated file must not be kept twice. */
      bytes: Uint8Array | undefined;
    }
  | { readonly kind: 'truncate'; readonly number: number; readonly size: number };

export class SimFile {
  #visible = new SparseBytes();
  #durable = new SparseBytes();
  #unsynced: Change[] = [];
  #changes = 0;

  get size(): number {
    return this.#visible.size;
  }

  get allocatedBytes(): number {
    return this.#visible.allocatedBytes;
  }

  /** Counts the changes: a sync covers those up to the count at its start. */
  get changes(): number {
    return this.#changes;
  }

  lengthThatFits(position: number, length: number, freeBytes: number): number {
    return this.#visible.lengthThatFits(position, length, freeBytes);
  }

  read(position: number, target: Uint8Array): number {
    return this.#visible.read(position, target);
  }

  /** Takes over `bytes`: nobody may change them any more. */
  write(position: number, bytes: Uint8Array, isDurable: boolean): void {
    if (bytes.length === 0) return;
    this.#visible.write(position, bytes, true);
    if (isDurable) this.#storeDurably(position, bytes);
    else {
      const kept = isZero(bytes) ? undefined : bytes;
      const number = ++this.#changes;
      this.#unsynced.push({ kind: 'write', number, position, length: bytes.length, bytes: kept });
    }
  }

  truncate(size: number): void {
    this.#visible.truncate(size);
    this.#unsynced.push({ kind: 'truncate', number: ++this.#changes, size });
  }

  /** Makes the changes up to `lastChange` durable. */
  commit(lastChange: number): void {
    const rest = this.#unsynced.findIndex((change) => change.number > lastChange);
    const covered = this.#unsynced.splice(0, rest === -1 ? this.#unsynced.length : rest);
    for (const change of covered) applyChange(this.#durable, change);
  }

  /**
   * What the kernel does when a sync fails: the changes stay visible, but are no longer known as unsynced, so that a
   * later sync succeeds without them.
   */
  forget(lastChange: number): void {
    this.#unsynced = this.#unsynced.filter((change) => change.number > lastChange);
  }

  /** Flips one bit of what is stored and of what is cached. */
  flipBit(position: number, bit: number): void {
    for (const bytes of [this.#visible, this.#durable]) {
      const byte = new Uint8Array(1);
      if (bytes.read(position, byte) === 0) continue;
      byte[0] = (byte[0] ?? 0) ^ (1 << bit);
      bytes.write(position, byte);
      if (bytes === this.#visible) this.#correctUnsynced(position, byte);
    }
  }

  /** Loses or tears what was not synced; what survives is all there is. */
  crash(random: SimRandom): void {
    let group: Change[] = [];
    for (const change of this.#unsynced) {
      if (change.kind === 'write') {
        group.push(change);
        continue;
      }
      this.#surviveCrash(group, random);
      group = [];
      if (random.chance(0.5)) this.#durable.truncate(change.size);
    }
    this.#surviveCrash(group, random);
    this.#unsynced = [];
    this.#visible = this.#durable.clone();
  }

  #storeDurably(position: number, bytes: Uint8Array): void {
    // O_DSYNC also makes the size durable that the data needs, and with it every earlier truncation.
    const truncation = this.#unsynced.findLast((change) => change.kind === 'truncate');
    if (truncation !== undefined) this.commit(truncation.number);
    this.#durable.write(position, bytes, true);
    this.#correctUnsynced(position, bytes);
  }

  /** Puts newer bytes into the older unsynced writes that they overlap. */
  #correctUnsynced(position: number, bytes: Uint8Array): void {
    for (const change of this.#unsynced) {
      if (change.kind !== 'write') continue;
      const start = Math.max(change.position, position);
      const end = Math.min(change.position + change.length, position + bytes.length);
      if (start >= end) continue;
      change.bytes ??= new Uint8Array(change.length);
      change.bytes.set(bytes.subarray(start - position, end - position), start - change.position);
    }
  }

  #surviveCrash(writes: readonly Change[], random: SimRandom): void {
    for (const change of random.shuffle(writes)) {
      if (change.kind !== 'write') continue;
      const draw = random.unit();
      if (draw < WHOLE_RATIO) applyChange(this.#durable, change);
      else if (draw < WHOLE_RATIO + TORN_RATIO) tearChange(this.#durable, change, random);
      else if (draw < WHOLE_RATIO + TORN_RATIO + LENGTH_ONLY_RATIO) {
        const end = change.position + change.length;
        if (end > this.#durable.size) this.#durable.truncate(end);
      }
    }
  }
}

function applyChange(target: SparseBytes, change: Change): void {
  if (change.kind === 'truncate') target.truncate(change.size);
  else target.write(change.position, change.bytes ?? zeros(change.length), true);
}

/** Stores some of the sectors: those up to one point, or each with the same chance. */
function tearChange(target: SparseBytes, change: Change & { kind: 'write' }, random: SimRandom): void {
  const bytes = change.bytes ?? zeros(change.length);
  const end = change.position + change.length;
  const sectors = Math.ceil(end / SECTOR_BYTES) - Math.floor(change.position / SECTOR_BYTES);
  const isPrefix = random.chance(0.5);
  const prefixSectors = random.below(sectors + 1);
  let sector = 0;
  for (let at = change.position; at < end; sector++) {
    const stop = Math.min((Math.floor(at / SECTOR_BYTES) + 1) * SECTOR_BYTES, end);
    if (isPrefix ? sector < prefixSectors : random.chance(0.5)) {
      target.write(at, bytes.subarray(at - change.position, stop - change.position));
    }
    at = stop;
  }
}

let zeroBytes = new Uint8Array(64 * KIB);

/** So many zeros, which nobody may change. */
function zeros(length: number): Uint8Array {
  if (zeroBytes.length < length) zeroBytes = new Uint8Array(length);
  return zeroBytes.subarray(0, length);
}
