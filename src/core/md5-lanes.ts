/**
 * MD5 of the small bodies that arrive together, for a third of the processor time that one after the other takes.
 *
 * Bodies are copied, with their padding, into the kernel's memory as they arrive and are hashed together: in the next turn
 * of the event loop, or at once when enough are there. The longest go first; a lane whose body ends takes the
 * next one, so that bodies of different lengths keep all lanes busy. A body that is longer than all others together would
 * leave most lanes idle and is hashed by node:crypto, as is one that is alone, and everything where there is no SIMD.
 */
import crypto from 'node:crypto';
import { assert } from './assert.js';
import { BLOCK_BYTES, GROUPS_MAX, LANES_PER_GROUP, MESSAGES_ADDRESS, Md5Kernel } from './md5-kernel.js';
import { KIB, MIB } from './units.js';

/** Largest body: that of a body that is kept in memory as a whole. */
export const MD5_LANES_BODY_BYTES_MAX = 256 * KIB;
const ARENA_BYTES = 2 * MIB;
/** This many fill all lanes twice; waiting for more saves nothing and delays the first. */
const BODIES_MAX = 2 * GROUPS_MAX * LANES_PER_GROUP;
/** Bytes behind a message: one bit, then zeros, then the length in bits in the last eight (RFC 1321, 3.1 and 3.2). */
const PADDING_BYTES_MIN = 9;

interface Body {
  readonly address: number;
  readonly size: number;
  readonly blocks: number;
  readonly callback: (md5: Uint8Array) => void;
  digest: Uint8Array | undefined;
}

interface Lane {
  readonly body: Body;
  address: number;
  blocks: number;
}

export class Md5Lanes {
  readonly #nextTurn: (callback: () => void) => void;
  readonly #kernel: Md5Kernel | undefined;
  #memory: Buffer;
  #bodies: Body[] = [];
  #used = MESSAGES_ADDRESS;
  #scheduled = false;

  /** `nextTurn` is that of the `Clock`. `simd: false` is for comparison. */
  constructor(nextTurn: (callback: () => void) => void, options: { readonly simd?: boolean } = {}) {
    this.#nextTurn = nextTurn;
    this.#kernel = options.simd === false ? undefined : loadKernel();
    this.#memory = this.#kernel?.bytes ?? Buffer.allocUnsafeSlow(MESSAGES_ADDRESS + ARENA_BYTES);
  }

  /**
   * Hashes a body of at most `MD5_LANES_BODY_BYTES_MAX` bytes, given in pieces that may be reused as soon as the call
   * returns. `callback` gets the 16 bytes of the digest, in the next turn or, when many bodies are here, within this call.
   */
  digest(chunks: readonly Uint8Array[], size: number, callback: (md5: Uint8Array) => void): void {
    // Messages are made only when they are needed: this runs for every small body.
    if (size > MD5_LANES_BODY_BYTES_MAX)
      assert(false, `a body of ${size} bytes is too large to be hashed together with others`);
    const blocks = Math.ceil((size + PADDING_BYTES_MIN) / BLOCK_BYTES);
    if (this.#used + blocks * BLOCK_BYTES > this.#memory.length) this.#makeRoom(blocks * BLOCK_BYTES);
    const address = this.#used;
    this.#used += blocks * BLOCK_BYTES;
    this.#copy(chunks, address, size);
    this.#bodies.push({ address, size, blocks, callback, digest: undefined });
    if (this.#bodies.length >= BODIES_MAX) this.#flush();
    else if (!this.#scheduled) {
      this.#scheduled = true;
      this.#nextTurn(() => {
        this.#scheduled = false;
        this.#flush();
      });
    }
  }

  #makeRoom(sizeBytes: number): void {
    const kernel = this.#kernel;
    if (kernel?.reach(this.#used + sizeBytes) !== true) {
      this.#flush();
      kernel?.reach(this.#used + sizeBytes);
    }
    this.#memory = kernel?.bytes ?? this.#memory;
  }

  #copy(chunks: readonly Uint8Array[], address: number, size: number): void {
    let end = address;
    for (const chunk of chunks) {
      this.#memory.set(chunk, end);
      end += chunk.length;
    }
    if (end - address !== size) assert(false, `the chunks have ${end - address} bytes, not ${size}`);
    if (this.#kernel === undefined) return;
    this.#memory[end] = 0x80;
    this.#memory.fill(0, end + 1, this.#used);
    this.#memory.writeUInt32LE(size * 8, this.#used - 8);
  }

  #flush(): void {
    const bodies = this.#bodies;
    if (bodies.length === 0) return;
    this.#bodies = [];
    this.#used = MESSAGES_ADDRESS;
    const queue = bodies.toSorted((a, b) => a.blocks - b.blocks);
    let blocks = bodies.reduce((sum, body) => sum + body.blocks, 0);
    for (let longest = queue.at(-1); longest !== undefined; longest = queue.at(-1)) {
      // Four lanes take a quarter more time per block than node:crypto takes for one message.
      if (this.#kernel !== undefined && longest.blocks * 5 < blocks * 4) break;
      longest.digest = md5OfBytes(this.#memory.subarray(longest.address, longest.address + longest.size));
      blocks -= longest.blocks;
      queue.pop();
    }
    if (this.#kernel !== undefined && queue.length > 0) runLanes(this.#kernel, queue);
    // All digests are out of the memory before the first callback, which may bring the next body.
    for (const body of bodies) {
      assert(body.digest !== undefined, 'a body was left without a digest');
      body.callback(body.digest);
    }
  }
}

/** MD5 of bytes in one piece; 16 bytes. */
export function md5OfBytes(bytes: Uint8Array): Uint8Array {
  // `crypto.hash` came with Node 20.12; it spares the hash object.
  if (typeof crypto.hash === 'function') return crypto.hash('md5', bytes, 'buffer');
  return crypto.createHash('md5').update(bytes).digest();
}

function loadKernel(): Md5Kernel | undefined {
  try {
    return new Md5Kernel(ARENA_BYTES);
  } catch {
    // The processor has no SIMD: node:crypto hashes everything.
    return undefined;
  }
}

/** Hashes all of `queue` (ascending by length), which is emptied from its end. */
function runLanes(kernel: Md5Kernel, queue: Body[]): void {
  const lanes: (Lane | undefined)[] = [];
  const laneCount = Math.min(GROUPS_MAX * LANES_PER_GROUP, queue.length);
  for (let lane = 0; lane < laneCount; lane++) lanes.push(startNext(kernel, queue, lane));
  for (;;) {
    const blocks = runAll(kernel, lanes);
    for (const [index, lane] of lanes.entries()) {
      if (lane === undefined) continue;
      lane.blocks -= blocks;
      lane.address += blocks * BLOCK_BYTES;
      if (lane.blocks > 0) continue;
      lane.body.digest = kernel.digest(index);
      lanes[index] = startNext(kernel, queue, index);
    }
    closeGaps(kernel, lanes);
    if (lanes.length === 0) return;
  }
}

function startNext(kernel: Md5Kernel, queue: Body[], lane: number): Lane | undefined {
  const body = queue.pop();
  if (body === undefined) return undefined;
  kernel.start(lane);
  return { body, address: body.address, blocks: body.blocks };
}

/** Runs until the lane with the fewest blocks is done; returns how many that were. */
function runAll(kernel: Md5Kernel, lanes: readonly (Lane | undefined)[]): number {
  const groups = Math.ceil(lanes.length / LANES_PER_GROUP);
  const shortest = lanes.reduce((a, b) =>
    a !== undefined && b !== undefined && b.blocks < a.blocks ? b : a,
  );
  assert(shortest !== undefined, 'a lane is empty');
  for (let index = 0; index < groups * LANES_PER_GROUP; index++) {
    // A lane without a message repeats another one's; its result is not looked at.
    kernel.point(index, (lanes[index] ?? shortest).address);
  }
  kernel.run(groups, shortest.blocks);
  return shortest.blocks;
}

/** Moves lanes from the end into empty ones, so that a group that is no longer needed need not run. */
function closeGaps(kernel: Md5Kernel, lanes: (Lane | undefined)[]): void {
  for (let index = 0; index < lanes.length; index++) {
    while (lanes.length > 0 && lanes.at(-1) === undefined) lanes.pop();
    if (index >= lanes.length || lanes[index] !== undefined) continue;
    kernel.move(lanes.length - 1, index);
    lanes[index] = lanes.pop();
  }
}
