/**
 * The five checksums S3 keeps with an object, computed while the bytes pass, and joined for multipart objects.
 *
 * Values are base64 of the digest's bytes, most significant byte first, as in the `x-amz-checksum-*` headers. A
 * FULL_OBJECT checksum of a multipart object is possible for the CRCs only, which can be joined from those of the parts; a
 * COMPOSITE one is the checksum of the parts' digests, one after the other (S3 user guide, "Checking object integrity").
 */
import { crc32, crc32c } from '@node-rs/crc32';
import { createHash, hash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { assert } from './assert.js';
import { crc64nvme, CRC64NVME_POLYNOMIAL } from './crc64nvme.js';
import type { ChecksumAlgorithm } from './object.js';

export const CHECKSUM_ALGORITHMS = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const;

/** Those of which a FULL_OBJECT checksum can be joined from the parts'. */
export type CombinableAlgorithm = 'CRC32' | 'CRC32C' | 'CRC64NVME';

/** Bytes of a digest. */
export const CHECKSUM_BYTES: Readonly<Record<ChecksumAlgorithm, number>> = {
  CRC32: 4,
  CRC32C: 4,
  CRC64NVME: 8,
  SHA1: 20,
  SHA256: 32,
};

/** A checksum that is fed in pieces. */
export interface Checksummer {
  readonly algorithm: ChecksumAlgorithm;
  update(bytes: Uint8Array): void;
  /** Base64. Call it once, last. */
  digest(): string;
}

export function createChecksummer(algorithm: ChecksumAlgorithm): Checksummer {
  switch (algorithm) {
    case 'CRC32':
      return new Crc32Checksummer(algorithm, crc32);
    case 'CRC32C':
      return new Crc32Checksummer(algorithm, crc32c);
    case 'CRC64NVME':
      return new Crc64Checksummer();
    case 'SHA1':
    case 'SHA256':
      return new ShaChecksummer(algorithm);
  }
}

/** The checksum of a body that is in memory, in base64. */
export function checksumOf(algorithm: ChecksumAlgorithm, chunks: readonly Uint8Array[]): string {
  const [only] = chunks;
  if (only !== undefined && chunks.length === 1 && (algorithm === 'SHA1' || algorithm === 'SHA256'))
    return hash(algorithm, only, 'base64');
  const checksummer = createChecksummer(algorithm);
  for (const chunk of chunks) checksummer.update(chunk);
  return checksummer.digest();
}

/** Whether `value` is base64 of a digest of this length, written the one right way. */
export function isChecksumValue(algorithm: ChecksumAlgorithm, value: string): boolean {
  const bytes = Buffer.from(value, 'base64');
  return bytes.length === CHECKSUM_BYTES[algorithm] && bytes.toString('base64') === value;
}

/** Whether `combineChecksums` can join this algorithm's checksums. */
export function isCombinable(algorithm: ChecksumAlgorithm): algorithm is CombinableAlgorithm {
  return algorithm === 'CRC32' || algorithm === 'CRC32C' || algorithm === 'CRC64NVME';
}

/**
 * The FULL_OBJECT checksum of parts that follow each other, from theirs: no byte is read. Only for algorithms that
 * `isCombinable`; sizes in bytes. 10,000 parts of the same size take about 20 ms.
 */
export function combineChecksums(
  algorithm: ChecksumAlgorithm,
  parts: readonly { readonly value: string; readonly size: number }[],
): string {
  assert(isCombinable(algorithm), `checksums of ${algorithm} cannot be joined`);
  const field = FIELDS[algorithm];
  let joined: Residue = ZERO;
  let shiftSize = -1;
  let shift: Residue = ZERO;
  for (const { value, size } of parts) {
    if (size !== shiftSize) {
      shift = field.powerOfX(BigInt(size) * 8n);
      shiftSize = size;
    }
    const next = decodeResidue(value);
    const shifted = field.multiply(shift, joined);
    joined = { high: (shifted.high ^ next.high) >>> 0, low: (shifted.low ^ next.low) >>> 0 };
  }
  return encodeResidue(joined, CHECKSUM_BYTES[algorithm]);
}

/** The COMPOSITE checksum of parts from theirs, with `-<parts>` behind it. */
export function compositeChecksum(algorithm: ChecksumAlgorithm, values: readonly string[]): string {
  const digests = values.map((value) => Buffer.from(value, 'base64'));
  return `${checksumOf(algorithm, [Buffer.concat(digests)])}-${values.length}`;
}

class Crc32Checksummer implements Checksummer {
  readonly algorithm: ChecksumAlgorithm;
  readonly #continue: (bytes: Uint8Array, previous: number) => number;
  #crc = 0;

  constructor(algorithm: ChecksumAlgorithm, update: (bytes: Uint8Array, previous: number) => number) {
    this.algorithm = algorithm;
    this.#continue = update;
  }

  update(bytes: Uint8Array): void {
    this.#crc = this.#continue(bytes, this.#crc);
  }

  digest(): string {
    const bytes = Buffer.allocUnsafe(4);
    bytes.writeUInt32BE(this.#crc);
    return bytes.toString('base64');
  }
}

class Crc64Checksummer implements Checksummer {
  readonly algorithm = 'CRC64NVME';
  #crc = 0n;

  update(bytes: Uint8Array): void {
    this.#crc = crc64nvme(bytes, this.#crc);
  }

  digest(): string {
    const bytes = Buffer.allocUnsafe(8);
    bytes.writeBigUInt64BE(this.#crc);
    return bytes.toString('base64');
  }
}

class ShaChecksummer implements Checksummer {
  readonly algorithm: ChecksumAlgorithm;
  readonly #hash: Hash;

  constructor(algorithm: 'SHA1' | 'SHA256') {
    this.algorithm = algorithm;
    this.#hash = createHash(algorithm);
  }

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  digest(): string {
    return this.#hash.digest('base64');
  }
}

/**
 * A CRC as a polynomial over GF(2) modulo the CRC's own, bit-reversed and left-aligned in 64 bits: the top bit of `high` is the
 * coefficient of x^0. A CRC of 32 bits leaves `low` at 0. JavaScript's 32-bit operations do this 20 times as fast as BigInt.
 */
interface Residue {
  readonly high: number;
  readonly low: number;
}

const ZERO: Residue = { high: 0, low: 0 };
/** The polynomial 1. */
const ONE: Residue = { high: 0x8000_0000, low: 0 };
/** The polynomial x. */
const X: Residue = { high: 0x4000_0000, low: 0 };

function decodeResidue(value: string): Residue {
  const bytes = Buffer.from(value, 'base64');
  return { high: bytes.readUInt32BE(0), low: bytes.length > 4 ? bytes.readUInt32BE(4) : 0 };
}

function encodeResidue(residue: Residue, sizeBytes: number): string {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32BE(residue.high, 0);
  bytes.writeUInt32BE(residue.low, 4);
  return bytes.subarray(0, sizeBytes).toString('base64');
}

/** Arithmetic modulo one CRC's polynomial. */
class Field {
  readonly #polynomial: Residue;
  readonly #wide: boolean;
  /** x^(2^k), for k from 0 on, as far as asked for. */
  readonly #squares: Residue[] = [X];

  constructor(polynomial: Residue, wide: boolean) {
    this.#polynomial = polynomial;
    this.#wide = wide;
  }

  multiply(a: Residue, b: Residue): Residue {
    const { high: polynomialHigh, low: polynomialLow } = this.#polynomial;
    let { high, low } = b;
    let productHigh = 0;
    let productLow = 0;
    const bits = this.#wide ? 64 : 32;
    for (let power = 0; power < bits; power++) {
      const coefficient = power < 32 ? (a.high >>> (31 - power)) & 1 : (a.low >>> (63 - power)) & 1;
      if (coefficient === 1) {
        productHigh ^= high;
        productLow ^= low;
      }
      const carry = this.#wide ? low & 1 : high & 1;
      low = this.#wide ? (low >>> 1) | (high << 31) : 0;
      high >>>= 1;
      if (carry === 1) {
        high ^= polynomialHigh;
        low ^= polynomialLow;
      }
    }
    return { high: productHigh >>> 0, low: productLow >>> 0 };
  }

  /** x^exponent. */
  powerOfX(exponent: bigint): Residue {
    let result = ONE;
    for (let k = 0; exponent >> BigInt(k) > 0n; k++) {
      const square = this.#square(k);
      if ((exponent >> BigInt(k)) & 1n) result = this.multiply(result, square);
    }
    return result;
  }

  #square(k: number): Residue {
    const known = this.#squares[k];
    if (known !== undefined) return known;
    const root = this.#square(k - 1);
    const square = this.multiply(root, root);
    this.#squares[k] = square;
    return square;
  }
}

const FIELDS: Record<CombinableAlgorithm, Field> = {
  CRC32: new Field({ high: 0xedb8_8320, low: 0 }, false),
  CRC32C: new Field({ high: 0x82f6_3b78, low: 0 }, false),
  CRC64NVME: new Field(
    { high: Number(CRC64NVME_POLYNOMIAL >> 32n), low: Number(CRC64NVME_POLYNOMIAL & 0xffff_ffffn) },
    true,
  ),
};
