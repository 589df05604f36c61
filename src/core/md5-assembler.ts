/**
 * Writes WebAssembly modules byte by byte, as far as the MD5 kernel needs it: functions of i32 parameters without
 * result, v128 locals, one imported memory.
 *
 * Source: WebAssembly core specification 2.0, "Binary Format" (sections, LEB128) and "Vector Instructions".
 */

/** Value types that locals can have, with their code. */
const VALUE_TYPES = { i32: 0x7f, v128: 0x7b } as const;

/** Plain instructions, with their opcode. */
const OPCODES = { end: 0x0b, 'i32.sub': 0x6b, 'i32.add': 0x6a } as const;

/** Vector instructions without immediates, with the number behind the prefix 0xfd. */
const VECTOR_OPCODES = {
  'v128.not': 77,
  'v128.and': 78,
  'v128.andnot': 79,
  'v128.or': 80,
  'v128.xor': 81,
  'i32x4.shl': 171,
  'i32x4.shr_u': 173,
  'i32x4.add': 174,
} as const;

const VECTOR_PREFIX = 0xfd;
/** Magic number and version 1. */
const MODULE_HEADER = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
const EMPTY_BLOCK_TYPE = 0x40;

export type PlainInstruction = keyof typeof OPCODES;
export type VectorInstruction = keyof typeof VECTOR_OPCODES;

/** Unsigned LEB128 of an integer from 0 to 2^32 - 1. */
function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest & 0x7f) | 0x80);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return bytes;
}

/** Signed LEB128 of a 32-bit integer, as `i32.const` takes it. */
function signed(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (;;) {
    const low = rest & 0x7f;
    rest >>= 7;
    const done = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0);
    bytes.push(done ? low : low | 0x80);
    if (done) return bytes;
  }
}

function vector(items: readonly (readonly number[])[]): number[] {
  return [...unsigned(items.length), ...items.flat()];
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsigned(content.length), ...content];
}

function text(value: string): number[] {
  return [...unsigned(value.length), ...Buffer.from(value, 'latin1')];
}

/** The body of one function. Locals are numbered in the order in which they are declared, behind the parameters. */
export class FunctionWriter {
  readonly #code: number[] = [];
  readonly #locals: number[] = [];
  readonly parameters: number;

  constructor(parameters: number) {
    this.parameters = parameters;
  }

  local(type: keyof typeof VALUE_TYPES): number {
    this.#locals.push(VALUE_TYPES[type]);
    return this.parameters + this.#locals.length - 1;
  }

  plain(name: PlainInstruction): this {
    this.#code.push(OPCODES[name]);
    return this;
  }

  vector(name: VectorInstruction): this {
    this.#code.push(VECTOR_PREFIX, ...unsigned(VECTOR_OPCODES[name]));
    return this;
  }

  get(local: number): this {
    this.#code.push(0x20, ...unsigned(local));
    return this;
  }

  set(local: number): this {
    this.#code.push(0x21, ...unsigned(local));
    return this;
  }

  tee(local: number): this {
    this.#code.push(0x22, ...unsigned(local));
    return this;
  }

  constant(value: number): this {
    this.#code.push(0x41, ...signed(value));
    return this;
  }

  /** `address` on the stack → the i32 at `address + offset`. */
  loadInteger(offset: number): this {
    this.#code.push(0x28, 2, ...unsigned(offset));
    return this;
  }

  /** `address` on the stack → 16 bytes from `address + offset`; no alignment is promised. */
  loadVector(offset: number): this {
    this.#code.push(VECTOR_PREFIX, 0, 0, ...unsigned(offset));
    return this;
  }

  /** `address` on the stack → the 32-bit word at `address + offset` in all four lanes. */
  loadSplat(offset: number): this {
    this.#code.push(VECTOR_PREFIX, 9, 2, ...unsigned(offset));
    return this;
  }

  /** `address, vector` on the stack → stores 16 bytes at `address + offset`. */
  storeVector(offset: number): this {
    this.#code.push(VECTOR_PREFIX, 11, 0, ...unsigned(offset));
    return this;
  }

  /** `a, b` on the stack → four 32-bit lanes, chosen by number: 0 to 3 are those of `a`, 4 to 7 those of `b`. */
  shuffleWords(lanes: readonly [number, number, number, number]): this {
    const bytes = lanes.flatMap((lane) => [lane * 4, lane * 4 + 1, lane * 4 + 2, lane * 4 + 3]);
    this.#code.push(VECTOR_PREFIX, 13, ...bytes);
    return this;
  }

  loop(): this {
    this.#code.push(0x03, EMPTY_BLOCK_TYPE);
    return this;
  }

  /** A number on the stack → back to the start of the innermost loop unless it is 0. */
  repeatIf(): this {
    this.#code.push(0x0d, 0);
    return this;
  }

  /** The entry of the code section: byte length, locals (one run per local), instructions, `end`. */
  encode(): number[] {
    const locals = vector(this.#locals.map((type) => [1, type]));
    const body = [...locals, ...this.#code, OPCODES.end];
    return [...unsigned(body.length), ...body];
  }
}

/** A module that imports its memory as `host.memory` and exports `functions` by name. */
export function encodeModule(
  functions: readonly { name: string; body: FunctionWriter }[],
): Uint8Array<ArrayBuffer> {
  const types = functions.map(({ body }) => [
    0x60,
    ...vector(Array.from({ length: body.parameters }, () => [VALUE_TYPES.i32])),
    ...vector([]),
  ]);
  const memoryImport = [...text('host'), ...text('memory'), 0x02, 0x00, ...unsigned(1)];
  const bytes = [
    ...MODULE_HEADER,
    ...section(1, vector(types)),
    ...section(2, vector([memoryImport])),
    ...section(3, vector(functions.map((_, index) => unsigned(index)))),
    ...section(7, vector(functions.map(({ name }, index) => [...text(name), 0x00, ...unsigned(index)]))),
    ...section(10, vector(functions.map(({ body }) => body.encode()))),
  ];
  return Uint8Array.from(bytes);
}
