/**
 * MD5 of several messages at once: each 32-bit lane of a SIMD register works on another message.
 *
 * One MD5 is a single chain of dependent operations that leaves most of a core idle. Four messages share one chain of
 * i32x4 operations, and a second group of four runs between the operations of the first. The program
 * is assembled here, at load, from the step table of RFC 1321; there is no toolchain and no binary in the tree.
 *
 * Memory (little endian):
 *
 * | address | bytes | content |
 * |---|---|---|
 * | 0 | 256 | the 64 constants of RFC 1321, 3.4 |
 * | 256 | 64 per group | a, b, c, d: four vectors; word `n` of a vector belongs to lane `n` of the group |
 * | 384 | 16 per group | addresses of the next block of each lane |
 * | 1024 | | messages, padded |
 */
import { FunctionWriter, encodeModule } from './md5-assembler.js';

/** What of the WebAssembly interface is used; the Node types do not declare it. */
declare const WebAssembly: {
  Memory: new (descriptor: { initial: number; maximum: number }) => WasmMemory;
  Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  Instance: new (module: object, imports: object) => { readonly exports: Record<string, unknown> };
};

interface WasmMemory {
  /** Another one after each growth. */
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

export const LANES_PER_GROUP = 4;
/** More than two groups were measured and gave nothing: two fill the vector units. */
export const GROUPS_MAX = 2;
export const BLOCK_BYTES = 64;
/** Where messages start. */
export const MESSAGES_ADDRESS = 1024;

const CONSTANTS_ADDRESS = 0;
const STATE_ADDRESS = 256;
const GROUP_STATE_BYTES = 64;
const POINTERS_ADDRESS = 384;
const WASM_PAGE_BYTES = 65_536;
/** Enough for small bodies; a process that hashes larger ones together lets it grow. */
const PAGES_AT_FIRST = 4;

const INITIAL_STATE = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476] as const;
/** Rotations of the four steps that repeat in each round (RFC 1321, 3.4). */
const ROTATIONS = [
  [7, 12, 17, 22],
  [5, 9, 14, 20],
  [4, 11, 16, 23],
  [6, 10, 15, 21],
] as const;

function constants(): Uint32Array {
  return Uint32Array.from({ length: 64 }, (_, i) => Math.floor(Math.abs(Math.sin(i + 1)) * 2 ** 32));
}

/** Which word of the block step `step` adds. */
function wordOf(step: number): number {
  const round = step >> 4;
  if (round === 0) return step;
  if (round === 1) return (5 * step + 1) & 15;
  if (round === 2) return (3 * step + 5) & 15;
  return (7 * step) & 15;
}

/** Locals of one group while a block is worked on. */
interface GroupLocals {
  readonly state: number[];
  readonly words: number[];
  readonly rows: number[];
  readonly pointers: number[];
}

/** Turns 16 bytes of each of the four messages into four vectors with one word of each message. */
function loadWords(code: FunctionWriter, group: GroupLocals, quarter: number): void {
  const [r0, r1, r2, r3] = group.rows as [number, number, number, number];
  group.rows.forEach((row, lane) => {
    code
      .get(group.pointers[lane] ?? 0)
      .loadVector(quarter * 16)
      .set(row);
  });
  const word = (n: number): number => group.words[quarter * 4 + n] ?? 0;
  code.get(r0).get(r1).shuffleWords([0, 4, 1, 5]).set(word(0));
  code.get(r2).get(r3).shuffleWords([0, 4, 1, 5]).set(word(1));
  code.get(r0).get(r1).shuffleWords([2, 6, 3, 7]).set(word(2));
  code.get(r2).get(r3).shuffleWords([2, 6, 3, 7]).set(word(3));
  code.get(word(0)).get(word(1)).shuffleWords([0, 1, 4, 5]).set(r0);
  code.get(word(0)).get(word(1)).shuffleWords([2, 3, 6, 7]).set(r1);
  code.get(word(2)).get(word(3)).shuffleWords([0, 1, 4, 5]).set(r2);
  code.get(word(2)).get(word(3)).shuffleWords([2, 3, 6, 7]).set(r3);
  group.rows.forEach((row, n) => code.get(row).set(word(n)));
}

/**
 * One step: `a = b + rotate(a + f(b, c, d) + word + constant)`. What does not depend on `b`, the newest value, comes
 * first, because `b` is what the step waits for. The functions are written in the form with the shortest way from `b`.
 */
function emitStep(code: FunctionWriter, group: GroupLocals, step: number, constant: number): void {
  const role = (n: number): number => group.state[(n - step + 64) & 3] ?? 0;
  const [a, b, c, d] = [role(0), role(1), role(2), role(3)];
  const rotation = ROTATIONS[step >> 4]?.[step & 3] ?? 0;
  code
    .get(a)
    .get(group.words[wordOf(step)] ?? 0)
    .vector('i32x4.add')
    .get(constant)
    .vector('i32x4.add');
  switch (step >> 4) {
    case 0: // (b and c) or (not b and d)
      code.get(c).get(d).vector('v128.xor').get(b).vector('v128.and').get(d).vector('v128.xor');
      break;
    case 1: // (d and b) or (not d and c); the two never share a bit, so that they can be added one after the other
      code.get(c).get(d).vector('v128.andnot').vector('i32x4.add').get(b).get(d).vector('v128.and');
      break;
    case 2: // b xor c xor d
      code.get(c).get(d).vector('v128.xor').get(b).vector('v128.xor');
      break;
    default: // c xor (b or not d)
      code.get(d).vector('v128.not').get(b).vector('v128.or').get(c).vector('v128.xor');
  }
  code.vector('i32x4.add').tee(a).constant(rotation).vector('i32x4.shl');
  code
    .get(a)
    .constant(32 - rotation)
    .vector('i32x4.shr_u')
    .vector('v128.or');
  code.get(b).vector('i32x4.add').set(a);
}

/** `(blocks)`: advances every lane of the first `groupCount` groups by that many blocks, at least one. */
function blockFunction(groupCount: number): FunctionWriter {
  const code = new FunctionWriter(1);
  const blocks = 0;
  const constant = code.local('v128');
  const locals = (type: 'i32' | 'v128', count: number): number[] =>
    Array.from({ length: count }, () => code.local(type));
  const groups = Array.from({ length: groupCount }, (): GroupLocals => ({
    state: locals('v128', 4),
    words: locals('v128', 16),
    rows: locals('v128', 4),
    pointers: locals('i32', LANES_PER_GROUP),
  }));
  groups.forEach((group, g) => {
    group.pointers.forEach((pointer, lane) => {
      code
        .constant(0)
        .loadInteger(POINTERS_ADDRESS + (g * LANES_PER_GROUP + lane) * 4)
        .set(pointer);
    });
    group.state.forEach((local, n) => code.constant(0).loadVector(stateAddress(g, n)).set(local));
  });
  code.loop();
  for (const group of groups) for (let quarter = 0; quarter < 4; quarter++) loadWords(code, group, quarter);
  for (let step = 0; step < 64; step++) {
    code
      .constant(0)
      .loadSplat(CONSTANTS_ADDRESS + step * 4)
      .set(constant);
    for (const group of groups) emitStep(code, group, step, constant);
  }
  groups.forEach((group, g) => {
    group.state.forEach((local, n) => {
      code.constant(0).get(local).constant(0).loadVector(stateAddress(g, n)).vector('i32x4.add');
      code.tee(local).storeVector(stateAddress(g, n));
    });
    for (const pointer of group.pointers)
      code.get(pointer).constant(BLOCK_BYTES).plain('i32.add').set(pointer);
  });
  code.get(blocks).constant(1).plain('i32.sub').tee(blocks).repeatIf();
  return code.plain('end');
}

function stateAddress(group: number, word: number): number {
  return STATE_ADDRESS + group * GROUP_STATE_BYTES + word * 16;
}

const GROUP_COUNTS = Array.from({ length: GROUPS_MAX }, (_, i) => i + 1);

/** Compiled once in a process: a simulation makes a kernel for each engine that it starts. */
let compiled: object | undefined;

function compile(): object {
  const functions = GROUP_COUNTS.map((count) => ({ name: nameOf(count), body: blockFunction(count) }));
  return new WebAssembly.Module(encodeModule(functions));
}

function nameOf(groupCount: number): string {
  return `run${groupCount}`;
}

/** The four words of a message that is not at its end. */
export type LaneState = Uint32Array;

/** The assembled program with its memory. */
export class Md5Kernel {
  readonly #memory: WasmMemory;
  readonly #pagesMax: number;
  readonly #run: readonly ((blocks: number) => void)[];
  #bytes: Buffer;
  #words: Uint32Array;

  /** Throws where the processor has no SIMD. `messageBytesMax`: room for messages that it may grow to. */
  constructor(messageBytesMax: number) {
    this.#pagesMax = Math.ceil((MESSAGES_ADDRESS + messageBytesMax) / WASM_PAGE_BYTES);
    const initial = Math.min(PAGES_AT_FIRST, this.#pagesMax);
    this.#memory = new WebAssembly.Memory({ initial, maximum: this.#pagesMax });
    this.#bytes = Buffer.from(this.#memory.buffer);
    this.#words = new Uint32Array(this.#memory.buffer);
    this.#words.set(constants(), CONSTANTS_ADDRESS / 4);
    compiled ??= compile();
    const { exports } = new WebAssembly.Instance(compiled, { host: { memory: this.#memory } });
    this.#run = GROUP_COUNTS.map((count) => exports[nameOf(count)] as (blocks: number) => void);
  }

  /** All of the memory, until it grows. Messages go behind `MESSAGES_ADDRESS`. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  /** Whether there is room for messages up to this address; what was in the memory stays. */
  reach(end: number): boolean {
    const { length } = this.#bytes;
    if (end <= length) return true;
    const pages = Math.ceil(Math.max(end, 2 * length) / WASM_PAGE_BYTES);
    if (end > this.#pagesMax * WASM_PAGE_BYTES) return false;
    this.#memory.grow(Math.min(pages, this.#pagesMax) - length / WASM_PAGE_BYTES);
    this.#bytes = Buffer.from(this.#memory.buffer);
    this.#words = new Uint32Array(this.#memory.buffer);
    return true;
  }

  /** Starts a new message in a lane. */
  start(lane: number): void {
    for (let n = 0; n < 4; n++) this.#words[this.#stateIndex(lane, n)] = INITIAL_STATE[n] ?? 0;
  }

  /** What a message begins with, for `load`. */
  newState(): LaneState {
    return Uint32Array.from(INITIAL_STATE);
  }

  /** Continues in a lane what was left by `save`. */
  load(lane: number, state: LaneState): void {
    for (let n = 0; n < 4; n++) this.#words[this.#stateIndex(lane, n)] = state[n] ?? 0;
  }

  /** Takes what a lane has come to, so that the lane can be used for another message. */
  save(lane: number, state: LaneState): void {
    for (let n = 0; n < 4; n++) state[n] = this.#words[this.#stateIndex(lane, n)] ?? 0;
  }

  /** Continues in lane `to` what was begun in lane `from`. */
  move(from: number, to: number): void {
    for (let n = 0; n < 4; n++) {
      this.#words[this.#stateIndex(to, n)] = this.#words[this.#stateIndex(from, n)] ?? 0;
    }
  }

  /** Where the next block of a lane is. Every lane of a group that runs must point at readable memory. */
  point(lane: number, address: number): void {
    this.#words[POINTERS_ADDRESS / 4 + lane] = address;
  }

  /** Advances all lanes of the first `groups` groups by `blocks` (at least 1) blocks. */
  run(groups: number, blocks: number): void {
    this.#run[groups - 1]?.(blocks);
  }

  /** The digest of a lane whose last block has run: 16 bytes of its own. */
  digest(lane: number): Buffer {
    const digest = Buffer.allocUnsafe(16);
    for (let n = 0; n < 4; n++) digest.writeUInt32LE(this.#words[this.#stateIndex(lane, n)] ?? 0, n * 4);
    return digest;
  }

  #stateIndex(lane: number, word: number): number {
    return (stateAddress(lane >> 2, word) >> 2) + (lane & 3);
  }
}
