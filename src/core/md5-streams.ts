/**
 * MD5 of large bodies that stream in at the same time: each is a lane of the SIMD kernel (`md5-kernel.ts`), so that four cost
 * little more than one.
 *
 * Pieces are copied into a slot of the kernel's memory. A body whose slot is full waits for the end of the turn, in which others
 * fill theirs: a fast client sends megabytes in one turn. Then all slots advance together, as far as enough of them have
 * something to hash; what is left waits for the next time. A body that is alone when its first slot is full goes through
 * node:crypto, which is a fifth faster for one, as do those that find no slot, and all where there is no SIMD.
 *
 * Limits: `SLOTS_MAX` slots of `SLOT_BYTES`, created as they are needed and kept.
 */
import crypto from 'node:crypto';
import { assert } from './assert.js';
import {
  BLOCK_BYTES,
  GROUPS_MAX,
  LANES_PER_GROUP,
  MESSAGES_ADDRESS,
  Md5Kernel,
  type LaneState,
} from './md5-kernel.js';
import { KIB } from './units.js';

export interface Md5Stream {
  /** One piece at a time. The bytes may be reused when it resolves, or at once when nothing is returned; it never rejects. */
  update(bytes: Uint8Array): Promise<void> | undefined;
  /** Ends the stream, after its last piece; 16 bytes. */
  digest(): Promise<Uint8Array>;
  /** Ends the stream without a digest. Does nothing after `digest`. */
  abandon(): void;
}

const SLOT_BYTES = 256 * KIB;
const SLOTS_MAX = 64;
/** Room for the padding; and slots do not begin at multiples of a power of two, where their lines would compete in the cache. */
const SLOT_STRIDE_BYTES = SLOT_BYTES + 5 * BLOCK_BYTES;
const LANES_MAX = GROUPS_MAX * LANES_PER_GROUP;
/** Two lanes save little over one after the other, and may be three soon. */
const LANES_WORTHWHILE = 3;
/** A lane with less than this keeps others from running long; it waits, unless its body has ended. */
const RUN_BLOCKS_MIN = 64;
/** A full slot is hashed until this much of it is free, also when it is alone. */
const ROOM_BYTES_MIN = 128 * KIB;
/** One bit, then zeros, then the length in bits in the last eight bytes (RFC 1321, 3.1 and 3.2). */
const PADDING_BYTES_MIN = 9;

interface Slot {
  readonly address: number;
  /** Of what is still to be hashed, in the slot. */
  start: number;
  end: number;
  /** Of the whole body so far. */
  sizeBytes: number;
  readonly state: LaneState;
  /** Of a piece that waits because the slot is full. */
  waiting: (() => void) | undefined;
  ended: ((md5: Uint8Array) => void) | undefined;
}

export class Md5Streams {
  readonly #nextTurn: (callback: () => void) => void;
  readonly #kernel: Md5Kernel | undefined;
  readonly #free: number[] = [];
  readonly #slots = new Set<Slot>();
  #slotCount = 0;
  /** Streams that node:crypto hashes. */
  #others = 0;
  #scheduled = false;

  /** `nextTurn` is that of the `Clock`. `simd: false` is for comparison. */
  constructor(nextTurn: (callback: () => void) => void, options: { readonly simd?: boolean } = {}) {
    this.#nextTurn = nextTurn;
    this.#kernel = options.simd === false ? undefined : loadKernel();
  }

  /** Every stream must be ended, by `digest` or `abandon`. */
  open(): Md5Stream {
    const kernel = this.#kernel;
    const address = kernel === undefined ? undefined : this.#takeSlot(kernel);
    if (kernel === undefined || address === undefined) return this.#openOther();
    const slot: Slot = {
      address,
      start: 0,
      end: 0,
      sizeBytes: 0,
      state: kernel.newState(),
      waiting: undefined,
      ended: undefined,
    };
    this.#slots.add(slot);
    let other: Md5Stream | undefined;
    return {
      update: (bytes) => {
        if (other === undefined && slot.end + bytes.length > SLOT_BYTES) other = this.#takeOut(kernel, slot);
        return other === undefined ? this.#add(kernel, slot, bytes) : other.update(bytes);
      },
      digest: () => {
        other ??= this.#takeOut(kernel, slot);
        return other === undefined ? this.#end(kernel, slot) : other.digest();
      },
      abandon: () => {
        if (other !== undefined) other.abandon();
        else if (slot.ended === undefined) this.#release(slot);
      },
    };
  }

  /** A body that turns out to be alone, and of which nothing is hashed yet, goes on with node:crypto. */
  #takeOut(kernel: Md5Kernel, slot: Slot): Md5Stream | undefined {
    const isAlone = this.#slots.size === 1 && this.#others === 0 && this.#slots.has(slot);
    if (!isAlone || slot.end !== slot.sizeBytes || slot.start > 0) return undefined;
    const other = this.#openOther();
    void other.update(kernel.bytes.subarray(slot.address, slot.address + slot.end));
    this.#release(slot);
    return other;
  }

  #openOther(): Md5Stream {
    const hash = crypto.createHash('md5');
    let isOpen = true;
    this.#others++;
    const end = (): void => {
      if (isOpen) this.#others--;
      isOpen = false;
    };
    return {
      update: (bytes) => {
        hash.update(bytes);
        return undefined;
      },
      digest: () => {
        end();
        return Promise.resolve(hash.digest());
      },
      abandon: end,
    };
  }

  #takeSlot(kernel: Md5Kernel): number | undefined {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#slotCount === SLOTS_MAX) return undefined;
    const address = MESSAGES_ADDRESS + this.#slotCount * SLOT_STRIDE_BYTES;
    if (!kernel.reach(address + SLOT_STRIDE_BYTES)) return undefined;
    this.#slotCount++;
    return address;
  }

  #release(slot: Slot): void {
    if (this.#slots.delete(slot)) this.#free.push(slot.address);
    slot.waiting?.();
  }

  #add(kernel: Md5Kernel, slot: Slot, bytes: Uint8Array): Promise<void> | undefined {
    assert(
      slot.ended === undefined && slot.waiting === undefined,
      'a stream takes one piece at a time, before its end',
    );
    slot.sizeBytes += bytes.length;
    const left = copyInto(kernel, slot, bytes);
    return left === undefined ? undefined : this.#addRest(kernel, slot, left);
  }

  async #addRest(kernel: Md5Kernel, slot: Slot, bytes: Uint8Array): Promise<void> {
    for (let left: Uint8Array | undefined = bytes; left !== undefined; left = copyInto(kernel, slot, left)) {
      await new Promise<void>((resolve) => {
        slot.waiting = resolve;
        this.#schedule(kernel);
      });
      // Abandoned meanwhile: the slot may be somebody else's.
      if (!this.#slots.has(slot)) return;
    }
  }

  #end(kernel: Md5Kernel, slot: Slot): Promise<Uint8Array> {
    assert(
      slot.ended === undefined && slot.waiting === undefined,
      'a stream ends once, after its last piece',
    );
    const tailBytes = (slot.sizeBytes + PADDING_BYTES_MIN - 1) % BLOCK_BYTES;
    const paddingBytes = BLOCK_BYTES - tailBytes + PADDING_BYTES_MIN - 1;
    const memory = kernel.bytes;
    const from = slot.address + slot.end;
    memory.fill(0, from, from + paddingBytes);
    memory[from] = 0x80;
    memory.writeBigUInt64LE(BigInt(slot.sizeBytes) * 8n, from + paddingBytes - 8);
    slot.end += paddingBytes;
    return new Promise((resolve) => {
      slot.ended = resolve;
      this.#schedule(kernel);
    });
  }

  /** Those that are full and those that end in the same turn are hashed together. */
  #schedule(kernel: Md5Kernel): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#nextTurn(() => {
      this.#scheduled = false;
      this.#run(kernel);
      for (const slot of this.#slots) if (slot.waiting !== undefined) makeRoom(kernel, slot);
    });
  }

  /** Advances all slots together, as far as it is worthwhile, and as ended and full ones need it. */
  #run(kernel: Md5Kernel): void {
    for (;;) {
      const lanes = this.#lanes();
      const isWorthwhile = lanes.length >= LANES_WORTHWHILE;
      if (lanes.length === 0 || !(isWorthwhile || lanes.some(isNeeded))) return;
      const blocks = Math.min(...lanes.map((slot) => blocksToRun(slot, isWorthwhile)));
      const groups = Math.ceil(lanes.length / LANES_PER_GROUP);
      for (let lane = 0; lane < groups * LANES_PER_GROUP; lane++) {
        // A lane without a body repeats another one's; its result is not looked at.
        const slot = lanes[lane] ?? (lanes[0] as Slot);
        kernel.load(lane, slot.state);
        kernel.point(lane, slot.address + slot.start);
      }
      kernel.run(groups, blocks);
      for (const [lane, slot] of lanes.entries()) {
        kernel.save(lane, slot.state);
        slot.start += blocks * BLOCK_BYTES;
        if (slot.ended !== undefined && slot.start === slot.end) this.#finish(slot, slot.ended);
      }
    }
  }

  /** Those that can advance; when they are too many, the ones that must first, then the longest. */
  #lanes(): Slot[] {
    const lanes: Slot[] = [];
    for (const slot of this.#slots) {
      if (blocksOf(slot) >= (isNeeded(slot) ? 1 : RUN_BLOCKS_MIN)) lanes.push(slot);
    }
    if (lanes.length <= LANES_MAX) return lanes;
    const rank = (slot: Slot): number => (isNeeded(slot) ? SLOT_BYTES : 0) + blocksOf(slot);
    return lanes.sort((a, b) => rank(b) - rank(a)).slice(0, LANES_MAX);
  }

  #finish(slot: Slot, ended: (md5: Uint8Array) => void): void {
    this.#release(slot);
    const digest = Buffer.allocUnsafe(16);
    for (let word = 0; word < 4; word++) digest.writeUInt32LE(slot.state[word] ?? 0, word * 4);
    ended(digest);
  }
}

/** Returns what did not fit. */
function copyInto(kernel: Md5Kernel, slot: Slot, bytes: Uint8Array): Uint8Array | undefined {
  const size = Math.min(bytes.length, SLOT_BYTES - slot.end);
  kernel.bytes.set(size === bytes.length ? bytes : bytes.subarray(0, size), slot.address + slot.end);
  slot.end += size;
  return size === bytes.length ? undefined : bytes.subarray(size);
}

/** Moves what is left to the front, and lets the piece that waits go on. */
function makeRoom(kernel: Md5Kernel, slot: Slot): void {
  const { address, start, end, waiting } = slot;
  kernel.bytes.copyWithin(address, address + start, address + end);
  slot.start = 0;
  slot.end = end - start;
  slot.waiting = undefined;
  waiting?.();
}

function isNeeded(slot: Slot): boolean {
  return slot.ended !== undefined || (slot.waiting !== undefined && slot.start < ROOM_BYTES_MIN);
}

/** A full slot does not run further than it must without enough company. */
function blocksToRun(slot: Slot, isWorthwhile: boolean): number {
  const isFull = slot.waiting !== undefined && slot.start < ROOM_BYTES_MIN;
  const blocks = blocksOf(slot);
  return isWorthwhile || !isFull ? blocks : Math.min(blocks, (ROOM_BYTES_MIN - slot.start) / BLOCK_BYTES);
}

function blocksOf(slot: Slot): number {
  return Math.floor((slot.end - slot.start) / BLOCK_BYTES);
}

function loadKernel(): Md5Kernel | undefined {
  try {
    return new Md5Kernel(SLOTS_MAX * SLOT_STRIDE_BYTES);
  } catch {
    // The processor has no SIMD: node:crypto hashes everything.
    return undefined;
  }
}
