/**
 * What verifies a signature of Signature Version 4: the SHA-256 of a request, HMAC-SHA256 of it behind a text that many requests
 * share, and the comparison with what the client says, in one call that makes no object.
 *
 * Three calls of node:crypto hash faster than WebAssembly does where the processor has instructions for it, and cost more all the
 * same: each goes through the layers of node and OpenSSL, and they hand each other strings. HMAC (RFC 2104) is two hashes
 * in a row, each of a key and of something short: what the key, and what messages begin with, make of the state of a hash is kept,
 * so that three blocks are left of it. The program (`hmac-program.ts`) takes a time that does not tell where signatures differ.
 */
import { assert } from '../../core/assert.js';
import {
  BLOCK_BYTES,
  CONSTANTS_ADDRESS,
  DIGEST_WORDS,
  EXPECTED_ADDRESS,
  HASHED_ADDRESS,
  hmacModule,
  INITIAL_ADDRESS,
  INNER_ADDRESS,
  MESSAGE_ADDRESS,
  OUTER_ADDRESS,
  OUTER_BLOCK_ADDRESS,
  ROUNDS,
} from './hmac-program.js';

/** What of the WebAssembly interface is used; the Node types do not declare it. */
declare const WebAssembly: {
  Memory: new (descriptor: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
  Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  Instance: new (module: object, imports: object) => { readonly exports: Record<string, unknown> };
};

interface Program {
  readonly takeBlocks: (state: number, block: number, end: number) => void;
  readonly differs: (hashedEnd: number, digits: number, end: number) => number;
}

const DIGEST_BYTES = 32;
const HEX_CHARACTERS = 2 * DIGEST_BYTES;
/** The bit that ends a message, and its length in 64 bits. */
const PADDING_BYTES_MIN = 9;
const MEMORY_PAGES = 1;
/** What is hashed before it is signed. */
export const HASHED_BYTES_MAX = 4096;

/** The first 32 bits behind the point of the square (`root` 2) or cube roots of the first primes. */
function fractions(root: number, count: number): Int32Array {
  const primes: number[] = [];
  for (let number = 2; primes.length < count; number++)
    if (primes.every((prime) => number % prime !== 0)) primes.push(number);
  return Int32Array.from(primes, (prime) => (prime ** (1 / root) % 1) * 2 ** 32);
}

/** What is signed but for the digest at its end, as the states of both hashes and a rest of less than a block. */
export class HmacStart {
  /** Inner and outer state. */
  readonly states: Int32Array;
  readonly rest: string;
  /** Of the message, with the key in front of it and the digest. */
  readonly bytes: number;

  constructor(states: Int32Array, rest: string, bytes: number) {
    this.states = states;
    this.rest = rest;
    this.bytes = bytes;
  }
}

/** The assembled program with its memory. */
export class HmacKernel {
  readonly #bytes: Buffer;
  readonly #states: Int32Array;
  readonly #takeBlocks: Program['takeBlocks'];
  readonly #differs: Program['differs'];
  readonly #initial = fractions(2, DIGEST_WORDS);
  /** The lengths that the padding is for, and where it ends. */
  #paddedBytes = 0;
  #end = 0;
  #hashedBytes = -1;
  #hashedEnd = 0;

  /** Throws where the processor has no SIMD, or the program may not be compiled. */
  constructor() {
    const memory = new WebAssembly.Memory({ initial: MEMORY_PAGES, maximum: MEMORY_PAGES });
    const module = new WebAssembly.Module(hmacModule());
    const { exports } = new WebAssembly.Instance(module, { host: { memory } });
    this.#takeBlocks = exports['takeBlocks'] as Program['takeBlocks'];
    this.#differs = exports['differs'] as Program['differs'];
    this.#bytes = Buffer.from(memory.buffer);
    this.#states = new Int32Array(memory.buffer, INNER_ADDRESS, 2 * DIGEST_WORDS);
    new Int32Array(memory.buffer, CONSTANTS_ADDRESS, ROUNDS).set(fractions(3, ROUNDS));
    new Int32Array(memory.buffer, INITIAL_ADDRESS, DIGEST_WORDS).set(this.#initial);
    this.#pad(OUTER_BLOCK_ADDRESS + DIGEST_BYTES, BLOCK_BYTES + DIGEST_BYTES);
  }

  /** `inner` and `outer` are a key's padded copies; `start` is a byte string, all of the message but the digest in hex. */
  prepare(inner: Uint8Array, outer: Uint8Array, start: string): HmacStart {
    assert(inner.length === BLOCK_BYTES && outer.length === BLOCK_BYTES, 'a padded key is one block');
    const restBytes = start.length % BLOCK_BYTES;
    const whole = Buffer.concat([inner, Buffer.from(start, 'latin1').subarray(0, start.length - restBytes)]);
    this.#states.set([...this.#initial, ...this.#initial]);
    for (const [state, bytes] of [
      [INNER_ADDRESS, whole],
      [OUTER_ADDRESS, outer],
    ] as const)
      for (let from = 0; from < bytes.length; from += BLOCK_BYTES) {
        this.#bytes.set(bytes.subarray(from, from + BLOCK_BYTES), MESSAGE_ADDRESS);
        this.#takeBlocks(state, MESSAGE_ADDRESS, MESSAGE_ADDRESS + BLOCK_BYTES);
      }
    this.#paddedBytes = 0;
    const rest = start.slice(start.length - restBytes);
    return new HmacStart(this.#states.slice(), rest, BLOCK_BYTES + start.length + HEX_CHARACTERS);
  }

  /** Whether the HMAC of a start and of the SHA-256 of `hashed` in hex is `expected`, 64 hexadecimal digits in lower case. */
  fits(start: HmacStart, hashed: Uint8Array, expected: string): boolean {
    if (expected.length !== HEX_CHARACTERS) return false;
    assert(hashed.length <= HASHED_BYTES_MAX, 'what is hashed has room');
    this.#states.set(start.states);
    const { rest, bytes } = start;
    this.#bytes.set(hashed, HASHED_ADDRESS);
    // One call for both: they lie side by side.
    this.#bytes.write(expected + rest, EXPECTED_ADDRESS, 'latin1');
    const digits = MESSAGE_ADDRESS + rest.length;
    if (bytes !== this.#paddedBytes) {
      this.#end = this.#pad(digits + HEX_CHARACTERS, bytes);
      this.#paddedBytes = bytes;
    }
    if (hashed.length !== this.#hashedBytes) {
      this.#hashedEnd = this.#pad(HASHED_ADDRESS + hashed.length, hashed.length);
      this.#hashedBytes = hashed.length;
    }
    return this.#differs(this.#hashedEnd, digits, this.#end) === 0;
  }

  /** Ends a message of `bytes` whose last block goes on at `address`; returns where the padding ends. */
  #pad(address: number, bytes: number): number {
    const end = Math.ceil((address + PADDING_BYTES_MIN) / BLOCK_BYTES) * BLOCK_BYTES;
    this.#bytes.fill(0, address, end);
    this.#bytes[address] = 0x80;
    this.#bytes.writeUInt32BE(bytes * 8, end - 4);
    return end;
  }
}

let kernel: HmacKernel | 'none' | undefined;

/** The one of this process; undefined where it cannot be had. */
export function hmacKernel(): HmacKernel | undefined {
  kernel ??= load() ?? 'none';
  return kernel === 'none' ? undefined : kernel;
}

function load(): HmacKernel | undefined {
  try {
    return new HmacKernel();
  } catch {
    // The processor has no SIMD: node:crypto does it.
    return undefined;
  }
}
