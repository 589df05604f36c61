/**
 * Where large buffers come from: the system, unless somebody in this process has replaced that.
 *
 * A server takes such buffers once and keeps them. A simulation starts thousands of engines one after the other, each of which takes
 * its buffers anew; fresh pages and the garbage collector, which is told of each, then cost a sixth of its time
 * (`simulations/recycled-memory.ts`).
 */

/** Gives so many bytes, with anything in them. */
export type MemorySource = (sizeBytes: number) => Buffer<ArrayBuffer>;

const fromSystem: MemorySource = (sizeBytes) => Buffer.allocUnsafeSlow(sizeBytes);

let source = fromSystem;

/** A buffer of `sizeBytes` bytes, with anything in it. It may be a part of larger memory: `buffer` and `byteOffset` say of which. */
export function takeMemory(sizeBytes: number): Buffer<ArrayBuffer> {
  return source(sizeBytes);
}

/** For simulations: where buffers come from until further notice. Undefined: from the system again. */
export function replaceMemorySource(replacement: MemorySource | undefined): void {
  source = replacement ?? fromSystem;
}
