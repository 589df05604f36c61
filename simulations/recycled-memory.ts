/**
 * Memory for the large buffers of one simulation after the other.
 *
 * Every process of a simulated world takes buffers as production does, tens of megabytes in each run, and nothing of them outlives
 * the run. So they are cut from slabs, one behind the other, and all slabs are free again when no run is under way.
 *
 * Invariants: a slab is cut anew only after every run has ended that may have parts of it; what is kept from run to run, such as the
 * bodies in `content.ts`, never lies in a slab. Like memory from the system it holds anything when it is taken.
 */
import { replaceMemorySource } from '../src/core/memory.js';
import { MIB } from '../src/core/units.js';

const SLAB_BYTES = 4 * MIB;
/** What a run takes beyond these comes from the system. */
const SLABS_MAX = 32;
/** Where one part ends the next begins at a multiple of this, a line of the processor's cache. */
const ALIGNMENT_BYTES = 64;

const slabs: Buffer<ArrayBuffer>[] = [];
/** The slab that is cut, and from where on it is free. */
let current = 0;
let start = 0;
let runs = 0;

/** Plays `run` with recycled memory. What it resolves with must not refer to buffers. */
export async function withRecycledMemory<Value>(run: () => Promise<Value>): Promise<Value> {
  if (runs++ === 0) {
    current = 0;
    start = 0;
    replaceMemorySource(takeRecycled);
  }
  try {
    return await run();
  } finally {
    if (--runs === 0) replaceMemorySource(undefined);
  }
}

function takeRecycled(sizeBytes: number): Buffer<ArrayBuffer> {
  if (sizeBytes > SLAB_BYTES) return Buffer.allocUnsafeSlow(sizeBytes);
  if (start + sizeBytes > SLAB_BYTES) {
    current++;
    start = 0;
  }
  if (current >= SLABS_MAX) return Buffer.allocUnsafeSlow(sizeBytes);
  const slab = (slabs[current] ??= Buffer.allocUnsafeSlow(SLAB_BYTES));
  const taken = slab.subarray(start, start + sizeBytes);
  start += Math.ceil(sizeBytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
  return taken;
}
