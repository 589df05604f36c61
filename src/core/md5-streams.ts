/**
 * MD5 of large bodies that stream in at the same time: each is a lane of the SIMD kernel (`md5-kernel.ts`), so that four cost
 * little more than one.
 *
 * Pieces are copied into a slot of the kernel's memory. When a slot is full, or a body ends, all slots advance together, as
 * far as enough of them have something to hash; what is left waits for the next time. A body that is alone when it begins
 * goes through node:crypto, which is a fifth faster for one, as do those that find no slot, and all where there is no SIMD.
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
  /** The bytes may be reused when the call returns. */
  update(bytes: Uint8Array): void;
  /** Ends the stream; 16 bytes. Never resolves after `abandon`. */
  digest(): Promise<Uint8Array>;
  /** Ends the stream without a digest. Does nothing after `digest`. */
  abandon(): void;
}

const SLOT_BYTES = 256 * KIB;
const SLOTS_MAX = 64;
/** Slots do not begin at multiples of a power of two, where their lines would compete for the same places in the cache. */
const SLOT_STRIDE_BYTES = SLOT_BYTES + 5 * BLOCK_BYTES;
const LANES_MAX = GROUPS_MAX * LANES_PER_GROUP;
/** Two lanes save little over one after the other, and may be three soon. */
const LANES_WORTHWHILE = 3;
/** A lane with less than this keeps others from running long; it waits, unless its body has ended. */
const RUN_BLOCKS_MIN = 64;
/** A full slot is hashed until this much of it is free. */
const ROOM_BYTES_MIN = 64 * KIB;
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
    const isAlone = this.#slots.size === 0 && this.#others === 0;
    const kernel = this.#kernel;
    const address = isAlone || kernel === undefined ? undefined : this.#takeSlot(kernel);
    if (kernel === undefined || address === undefined) return this.#openOther();
    const slot: Slot = {
      address,
      start: 0,
      end: 0,
      sizeBytes: 0,
      state: kernel.newState(),
      ended: undefined,
    };
    this.#slots.add(slot);
    return {
      update: (bytes) => this.#add(kernel, slot, bytes),
      digest: () => this.#end(kernel, slot),
      abandon: () => {
        if (slot.ended === undefined) this.#release(slot);
      },
    };
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
      update: (bytes) => void hash.update(bytes),
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
  }

  #add(kernel: Md5Kernel, slot: Slot, bytes: Uint8Array): void {
    assert(slot.ended === undefined && this.#slots.has(slot), 'a stream that has ended takes no bytes');
    slot.sizeBytes += bytes.length;
    for (let at = 0; at < bytes.length;) {
      if (slot.end === SLOT_BYTES) this.#makeRoom(kernel, slot);
      const size = Math.min(bytes.length - at, SLOT_BYTES - slot.end);
      kernel.bytes.set(
        size === bytes.length ? bytes : bytes.subarray(at, at + size),
        slot.address + slot.end,
      );
      slot.end += size;
      at += size;
    }
  }

  /** Hashes, and moves what is left to the front. */
  #makeRoom(kernel: Md5Kernel, slot: Slot): void {
    if (slot.start < ROOM_BYTES_MIN) this.#run(kernel, slot);
    const { address, start, end } = slot;
    kernel.bytes.copyWithin(address, address + start, address + end);
    slot.end = end - start;
    slot.start = 0;
  }

  #end(kernel: Md5Kernel, slot: Slot): Promise<Uint8Array> {
    assert(slot.ended === undefined && this.#slots.has(slot), 'a stream ends once');
    const paddingBytes =
      BLOCK_BYTES - ((slot.sizeBytes + PADDING_BYTES_MIN - 1) % BLOCK_BYTES) + PADDING_BYTES_MIN - 1;
    if (slot.end + paddingBytes > SLOT_BYTES) this.#makeRoom(kernel, slot);
    const memory = kernel.bytes;
    const from = slot.address + slot.end;
    memory.fill(0, from, from + paddingBytes);
    memory[from] = 0x80;
    memory.writeBigUInt64LE(BigInt(slot.sizeBytes) * 8n, from + paddingBytes - 8);
    slot.end += paddingBytes;
    return new Promise((resolve) => {
      slot.ended = resolve;
      if (this.#scheduled) return;
      this.#scheduled = true;
      // Bodies that end in the same turn end together.
      this.#nextTurn(() => {
        this.#scheduled = false;
        this.#run(kernel, undefined);
      });
    });
  }

  /** Advances all slots together, as far as it is worthwhile, as ended ones need it, and until `full` has room. */
  #run(kernel: Md5Kernel, full: Slot | undefined): void {
    for (;;) {
      const needsRoom = full !== undefined && full.start < ROOM_BYTES_MIN ? full : undefined;
      const lanes = this.#lanes(needsRoom);
      const isNeeded = lanes.some((slot) => slot.ended !== undefined || slot === needsRoom);
      if (lanes.length === 0 || (!isNeeded && lanes.length < LANES_WORTHWHILE)) return;
      let blocks = Math.min(...lanes.map(blocksOf));
      if (needsRoom !== undefined && lanes.length < LANES_WORTHWHILE)
        blocks = Math.min(blocks, (ROOM_BYTES_MIN - needsRoom.start) / BLOCK_BYTES);
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

  /** Those that can advance, the ones that must first, then the longest. */
  #lanes(needsRoom: Slot | undefined): Slot[] {
    const lanes: Slot[] = [];
    for (const slot of this.#slots) {
      const isNeeded = slot.ended !== undefined || slot === needsRoom;
      if (blocksOf(slot) >= (isNeeded ? 1 : RUN_BLOCKS_MIN)) lanes.push(slot);
    }
    if (lanes.length <= LANES_MAX) return lanes;
    const rank = (slot: Slot): number =>
      (slot.ended !== undefined || slot === needsRoom ? SLOT_BYTES : 0) + blocksOf(slot);
    return lanes.sort((a, b) => rank(b) - rank(a)).slice(0, LANES_MAX);
  }

  #finish(slot: Slot, ended: (md5: Uint8Array) => void): void {
    this.#release(slot);
    const digest = Buffer.allocUnsafe(16);
    for (let word = 0; word < 4; word++) digest.writeUInt32LE(slot.state[word] ?? 0, word * 4);
    ended(digest);
  }
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
