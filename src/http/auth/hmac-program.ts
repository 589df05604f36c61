/**
 * The program of `hmac-kernel.ts`: SHA-256 (FIPS 180-4, section 6.2) and HMAC (RFC 2104) as a module of WebAssembly.
 *
 * The sixteen words that rounds need later are made four at a time by SIMD, between the rounds that need the earlier ones. No
 * branch and no address depends on what is hashed or compared, so that the time tells nothing of it.
 *
 * Memory (words are little endian, as WebAssembly has them):
 *
 * | address | bytes | content                                                                        |
 * |---------|-------|--------------------------------------------------------------------------------|
 * | 0       | 256   | the 64 constants of FIPS 180-4, 4.2.2                                          |
 * | 256     | 64    | 16 words of a block, each with its constant added                              |
 * | 320     | 32    | state of the inner hash                                                        |
 * | 352     | 32    | state of the outer hash                                                        |
 * | 384     | 64    | the block that the outer hash has behind the key: the inner digest, padding    |
 * | 448     | 32    | the state that every SHA-256 begins with                                       |
 * | 480     | 32    | state of the hash of what is hashed before it is signed                        |
 * | 960     | 64    | what the HMAC should be, in hex                                                |
 * | 1,024   |       | what of the message the inner state does not hold yet, padded                  |
 * | 2,048   | 4,160 | what is hashed before it is signed, padded                                     |
 */
import { encodeModule, FunctionWriter } from '../../core/wasm-assembler.js';

export const BLOCK_BYTES = 64;
export const ROUNDS = 64;
export const DIGEST_WORDS = 8;

export const CONSTANTS_ADDRESS = 0;
const WORDS_ADDRESS = 256;
export const INNER_ADDRESS = 320;
export const OUTER_ADDRESS = 352;
export const OUTER_BLOCK_ADDRESS = 384;
export const INITIAL_ADDRESS = 448;
const HASHED_STATE_ADDRESS = 480;
export const EXPECTED_ADDRESS = 960;
export const MESSAGE_ADDRESS = 1024;
export const HASHED_ADDRESS = 2048;

/** Rounds of which the code is repeated: one turn of the words. */
const TURN_ROUNDS = 16;
/** Of a vector of 32-bit words: the bytes of each the other way round, since SHA-256 is big endian. */
const SWAP = [3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12];
const NO_BYTES = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const NIBBLES = NO_BYTES.map(() => 0x0f);
const HEX_DIGITS = [...Buffer.from('0123456789abcdef', 'latin1')];

/** Locals of the block function. */
interface Locals {
  /** a to h. */
  readonly state: readonly number[];
  /** The last 16 words, four in each. */
  readonly words: readonly number[];
  readonly earlier: number;
  readonly made: number;
}

/** One round: h becomes the new a, and d the new e; the names move on by one. */
function emitRound(code: FunctionWriter, { state }: Locals, round: number): void {
  const role = (n: number): number => state[(n - round + ROUNDS) % DIGEST_WORDS] ?? 0;
  const [a, b, c, d, e, f, g, h] = [0, 1, 2, 3, 4, 5, 6, 7].map(role) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  code.get(h).constant(0);
  code.loadInteger(WORDS_ADDRESS + (round % TURN_ROUNDS) * 4).plain('i32.add');
  code.get(e).get(f).get(g).plain('i32.xor').plain('i32.and').get(g).plain('i32.xor').plain('i32.add');
  emitRotations(code, e, [6, 11, 25]);
  code.plain('i32.add').set(h);
  code.get(d).get(h).plain('i32.add').set(d);
  code.get(h);
  emitRotations(code, a, [2, 13, 22]);
  code.plain('i32.add');
  code.get(a).get(b).plain('i32.or').get(c).plain('i32.and');
  code.get(a).get(b).plain('i32.and').plain('i32.or').plain('i32.add').set(h);
}

function emitRotations(code: FunctionWriter, word: number, by: readonly [number, number, number]): void {
  for (const bits of by) code.get(word).constant(bits).plain('i32.rotr');
  code.plain('i32.xor').plain('i32.xor');
}

/** σ of FIPS 180-4: two rotations and a shift of each word, xored. */
function emitSigma(code: FunctionWriter, vector: number, [one, two, shift]: readonly number[]): void {
  for (const bits of [one ?? 0, two ?? 0]) {
    code.get(vector).constant(bits).vector('i32x4.shr_u');
    code
      .get(vector)
      .constant(32 - bits)
      .vector('i32x4.shl')
      .vector('v128.or');
  }
  code
    .get(vector)
    .constant(shift ?? 0)
    .vector('i32x4.shr_u')
    .vector('v128.xor')
    .vector('v128.xor');
}

/**
 * A quarter of the way from four words of the turn to the four of the next: `w[t] = w[t-16] + σ0(w[t-15]) + w[t-7] + σ1(w[t-2])`.
 * The last two need the first two, so that σ1 is added in two halves.
 */
function emitSchedule(
  code: FunctionWriter,
  { words, earlier, made }: Locals,
  four: number,
  part: number,
): void {
  const word = (n: number): number => words[(four + n) % 4] ?? 0;
  const [w0, w1, w2, w3] = [word(0), word(1), word(2), word(3)];
  if (part === 0) {
    code.get(w0).get(w1).shuffleWords([1, 2, 3, 4]).set(earlier);
  } else if (part === 1) {
    emitSigma(code, earlier, [7, 18, 3]);
    code.get(w0).vector('i32x4.add');
    code.get(w2).get(w3).shuffleWords([1, 2, 3, 4]).vector('i32x4.add').set(made);
  } else if (part === 2) {
    code.get(w3).constantVector(NO_BYTES).shuffleWords([2, 3, 4, 5]).set(earlier);
    code.get(made);
    emitSigma(code, earlier, [17, 19, 10]);
    code.vector('i32x4.add').set(made);
  } else {
    code.constantVector(NO_BYTES).get(made).shuffleWords([0, 1, 4, 5]).set(earlier);
    code.get(made);
    emitSigma(code, earlier, [17, 19, 10]);
    code.vector('i32x4.add').set(w0);
  }
}

/** `(state, block, end)`: takes the blocks from `block` to `end`, at least one, into the state at `state`. */
function blocksFunction(): FunctionWriter {
  const code = new FunctionWriter(3);
  const [stateAt, block, end] = [0, 1, 2];
  const constants = code.local('i32');
  const locals = (type: 'i32' | 'v128', count: number): number[] =>
    Array.from({ length: count }, () => code.local(type));
  const own: Locals = {
    state: locals('i32', DIGEST_WORDS),
    words: locals('v128', 4),
    earlier: code.local('v128'),
    made: code.local('v128'),
  };
  const { state, words } = own;
  const storeWords = (four: number, constantsBehind: number): void => {
    code.constant(0).get(words[four] ?? 0);
    code.get(constants).loadVector(CONSTANTS_ADDRESS + constantsBehind + four * 16);
    code.vector('i32x4.add').storeVector(WORDS_ADDRESS + four * 16);
  };
  code.loop();
  code.constant(0).set(constants);
  for (const [n, word] of words.entries()) {
    code
      .get(block)
      .loadVector(n * 16)
      .get(block)
      .loadVector(n * 16)
      .shuffleBytes(SWAP)
      .set(word);
    storeWords(n, 0);
  }
  for (const [n, word] of state.entries())
    code
      .get(stateAt)
      .loadInteger(n * 4)
      .set(word);
  code.loop();
  for (let round = 0; round < TURN_ROUNDS; round++) {
    emitSchedule(code, own, round >> 2, round & 3);
    emitRound(code, own, round);
    if ((round & 3) === 3) storeWords(round >> 2, TURN_ROUNDS * 4);
  }
  code
    .get(constants)
    .constant(TURN_ROUNDS * 4)
    .plain('i32.add')
    .set(constants);
  code
    .get(constants)
    .constant((ROUNDS - TURN_ROUNDS) * 4)
    .plain('i32.lt_u')
    .repeatIf()
    .plain('end');
  for (let round = 0; round < TURN_ROUNDS; round++) emitRound(code, own, round);
  for (const [n, word] of state.entries()) {
    code
      .get(stateAt)
      .get(stateAt)
      .loadInteger(n * 4)
      .get(word)
      .plain('i32.add');
    code.storeInteger(n * 4);
  }
  code.get(block).constant(BLOCK_BYTES).plain('i32.add').set(block);
  code.get(block).get(end).plain('i32.lt_u').repeatIf();
  return code.plain('end');
}

/** Bytes of a digest at `address`, the other way round in each word, as a vector on the stack. */
function pushSwapped(code: FunctionWriter, address: number): void {
  code.constant(0).loadVector(address).constant(0).loadVector(address).shuffleBytes(SWAP);
}

/** A digest as hexadecimal digits: calls back for each 16 of them with their place, to take a vector from the stack. */
function emitHex(
  code: FunctionWriter,
  address: number,
  take: (digit: number, push: () => void) => void,
): void {
  const [high, low] = [code.local('v128'), code.local('v128')];
  for (const half of [0, 16]) {
    pushSwapped(code, address + half);
    code.tee(low).constant(4).vector('i8x16.shr_u').set(high);
    code.get(low).constantVector(NIBBLES).vector('v128.and').set(low);
    for (const eight of [0, 8]) {
      const lanes = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((n) => [eight + n, 16 + eight + n]);
      take(2 * (half + eight), () => {
        code.constantVector(HEX_DIGITS).get(high).get(low).shuffleBytes(lanes).vector('i8x16.swizzle');
      });
    }
  }
}

/**
 * `(hashedEnd, digits, end)` → 0 when the HMAC is what it should be. Hashes the padded bytes that end at `hashedEnd`, writes the
 * digits of the digest at `digits`, and takes the HMAC of the message that ends, padded, at `end`. `blocks` is the number of the
 * block function.
 */
function differsFunction(blocks: number): FunctionWriter {
  const code = new FunctionWriter(3, 1);
  const [hashedEnd, digits, end] = [0, 1, 2];
  const difference = code.local('v128');
  for (const half of [0, 16])
    code
      .constant(0)
      .constant(0)
      .loadVector(INITIAL_ADDRESS + half)
      .storeVector(HASHED_STATE_ADDRESS + half);
  code.constant(HASHED_STATE_ADDRESS).constant(HASHED_ADDRESS).get(hashedEnd).call(blocks);
  emitHex(code, HASHED_STATE_ADDRESS, (digit, push) => {
    code.get(digits);
    push();
    code.storeVector(digit);
  });
  code.constant(INNER_ADDRESS).constant(MESSAGE_ADDRESS).get(end).call(blocks);
  for (const half of [0, 16]) {
    code.constant(0);
    pushSwapped(code, INNER_ADDRESS + half);
    code.storeVector(OUTER_BLOCK_ADDRESS + half);
  }
  code.constant(OUTER_ADDRESS).constant(OUTER_BLOCK_ADDRESS);
  code.constant(OUTER_BLOCK_ADDRESS + BLOCK_BYTES).call(blocks);
  emitHex(code, OUTER_ADDRESS, (digit, push) => {
    push();
    code
      .constant(0)
      .loadVector(EXPECTED_ADDRESS + digit)
      .vector('v128.xor');
    code.get(difference).vector('v128.or').set(difference);
  });
  return code.get(difference).vector('v128.any_true');
}

/** Exports `takeBlocks(state, block, end)` and `differs(hashedEnd, digits, end)`. */
export function hmacModule(): Uint8Array<ArrayBuffer> {
  return encodeModule([
    { name: 'takeBlocks', body: blocksFunction() },
    { name: 'differs', body: differsFunction(0) },
  ]);
}
