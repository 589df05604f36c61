/** The checksums of a payload's chunks, in order, as they stand on disk: xxhash64, little endian. */
import { CHECKSUM_BYTES } from './segment-format.js';

const CHUNKS_AT_FIRST = 64;

export class ChunkTable {
  #bytes = Buffer.allocUnsafe(CHUNKS_AT_FIRST * CHECKSUM_BYTES);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** The table as it is written. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#count * CHECKSUM_BYTES);
  }

  get first(): bigint | undefined {
    return this.#count === 0 ? undefined : this.#bytes.readBigUInt64LE(0);
  }

  /** The checksum of chunk `index`, which was added before. */
  at(index: number): bigint {
    return this.#bytes.readBigUInt64LE(index * CHECKSUM_BYTES);
  }

  add(checksum: bigint): void {
    const at = this.#count * CHECKSUM_BYTES;
    if (at === this.#bytes.length) {
      const larger = Buffer.allocUnsafe(this.#bytes.length * 2);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes.writeBigUInt64LE(checksum, at);
    this.#count++;
  }
}
