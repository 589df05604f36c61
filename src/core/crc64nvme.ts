/**
 * CRC-64/NVME, the checksum the newest S3 clients send, at several GB/s.
 *
 * JavaScript has no 64-bit integers that are fast, WebAssembly has: the loop below is slicing-by-16 (sixteen table look-ups per
 * 16 bytes, independent of each other, so that the processor overlaps them), assembled here into a module of a few hundred
 * bytes. Parameters (NVM Express NVM Command Set 1.0, section 5.2.1.3.4): polynomial AD93D23594C93659, reflected, initial value
 * and final xor all ones; "123456789" gives AE8B14860A799888.
 *
 * Memory of the module:
 *
 * | from   | size   | what                                                           |
 * |--------|--------|----------------------------------------------------------------|
 * | 0      | 32,768 | 16 tables of 256 entries of 8 bytes, little endian             |
 * | 32,768 | 65,536 | the input of one call, copied in (a fraction of the loop's time) |
 */
import { assert } from './assert.js';

/** The part of the WebAssembly API that is used here; the language's own library does not declare it. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => {
    readonly exports: {
      readonly memory: { readonly buffer: ArrayBuffer };
      readonly update: (crc: bigint, position: number, end: number) => bigint;
    };
  };
};

/** The polynomial, bit-reversed. */
export const CRC64NVME_POLYNOMIAL = 0x9a6c_9329_ac4b_c9b5n;
const MASK = 0xffff_ffff_ffff_ffffn;

const TABLES = 16;
const ENTRY_BYTES = 8;
const TABLE_BYTES = 256 * ENTRY_BYTES;
const INPUT_POSITION = TABLES * TABLE_BYTES;
const INPUT_BYTES_MAX = 64 * 1024;
const PAGE_BYTES = 64 * 1024;

type Update = (crc: bigint, bytes: Uint8Array) => bigint;
let update: Update | undefined;

/**
 * Continues a checksum over more bytes. Start with `previous` 0n; the result is complete after each call, as with zlib's crc32.
 */
export function crc64nvme(bytes: Uint8Array, previous = 0n): bigint {
  update ??= load();
  return update(previous, bytes);
}

function load(): Update {
  const { memory, update: run } = new WebAssembly.Instance(new WebAssembly.Module(assemble())).exports;
  fillTables(new BigUint64Array(memory.buffer, 0, INPUT_POSITION / ENTRY_BYTES));
  const input = new Uint8Array(memory.buffer, INPUT_POSITION, INPUT_BYTES_MAX);
  return (previous, bytes) => {
    let crc = previous ^ MASK;
    for (let from = 0; from < bytes.length; from += INPUT_BYTES_MAX) {
      const part = bytes.length <= INPUT_BYTES_MAX ? bytes : bytes.subarray(from, from + INPUT_BYTES_MAX);
      input.set(part);
      crc = run(crc, INPUT_POSITION, INPUT_POSITION + part.length);
    }
    return (crc & MASK) ^ MASK;
  };
}

/** Table k holds the effect of a byte that is followed by k zero bytes. */
function fillTables(tables: BigUint64Array): void {
  for (let byte = 0; byte < 256; byte++) {
    let crc = BigInt(byte);
    for (let bit = 0; bit < 8; bit++) crc = crc & 1n ? (crc >> 1n) ^ CRC64NVME_POLYNOMIAL : crc >> 1n;
    tables[byte] = crc;
  }
  for (let index = 256; index < TABLES * 256; index++) {
    const shorter = tables[index - 256] ?? 0n;
    tables[index] = (tables[Number(shorter & 0xffn)] ?? 0n) ^ (shorter >> 8n);
  }
}

// WebAssembly opcodes (WebAssembly Core Specification 1.0, section 5.4).
const BLOCK = 0x02;
const LOOP = 0x03;
const BR = 0x0c;
const BR_IF = 0x0d;
const END = 0x0b;
const VOID = 0x40;
const LOCAL_GET = 0x20;
const LOCAL_SET = 0x21;
const I64_LOAD = 0x29;
const I64_LOAD8_U = 0x31;
const I32_CONST = 0x41;
const I64_CONST = 0x42;
const I32_GT_U = 0x4b;
const I32_GE_U = 0x4f;
const I32_ADD = 0x6a;
const I32_AND = 0x71;
const I64_XOR = 0x85;
const I64_SHL = 0x86;
const I64_SHR_U = 0x88;
const I32_WRAP_I64 = 0xa7;
const I32 = 0x7f;
const I64 = 0x7e;

// Parameters and locals of `update`.
const CRC = 0;
const POSITION = 1;
const LIMIT = 2;
const LOW = 3;
const HIGH = 4;

/** The module `{ memory, update(crc: i64, position: i32, end: i32): i64 }`. */
function assemble(): Uint8Array {
  const pages = Math.ceil((INPUT_POSITION + INPUT_BYTES_MAX) / PAGE_BYTES);
  const body = [1, 2, I64, ...updateCode(), END];
  const module = [
    [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    section(1, [1, 0x60, 3, I64, I32, I32, 1, I64]),
    section(3, [1, 0]),
    section(5, [1, 0, pages]),
    section(7, [2, ...name('memory'), 2, 0, ...name('update'), 0, 0]),
    section(10, [1, ...unsigned(body.length), ...body]),
  ];
  return Uint8Array.from(module.flat());
}

function updateCode(): number[] {
  const sixteen = [
    // Leave the loop when fewer than 16 bytes are left.
    [LOCAL_GET, POSITION, I32_CONST, ...signed(16), I32_ADD, LOCAL_GET, LIMIT, I32_GT_U, BR_IF, 1],
    [LOCAL_GET, POSITION, I64_LOAD, 0, 0, LOCAL_GET, CRC, I64_XOR, LOCAL_SET, LOW],
    [LOCAL_GET, POSITION, I64_LOAD, 0, 8, LOCAL_SET, HIGH],
    lookUps(LOW, 15),
    lookUps(HIGH, 7),
    Array.from({ length: 15 }, () => I64_XOR),
    [LOCAL_SET, CRC, ...advance(16), BR, 0],
  ].flat();
  const one = [
    [LOCAL_GET, POSITION, LOCAL_GET, LIMIT, I32_GE_U, BR_IF, 1],
    [LOCAL_GET, POSITION, I64_LOAD8_U, 0, 0, LOCAL_GET, CRC, I64_XOR, LOCAL_SET, LOW],
    lookUp(LOW, 0, 0),
    [LOCAL_GET, CRC, I64_CONST, ...signed(8), I64_SHR_U, I64_XOR, LOCAL_SET, CRC],
    [...advance(1), BR, 0],
  ].flat();
  return [...loopOf(sixteen), ...loopOf(one), LOCAL_GET, CRC];
}

function loopOf(code: number[]): number[] {
  return [BLOCK, VOID, LOOP, VOID, ...code, END, END];
}

function advance(bytes: number): number[] {
  return [LOCAL_GET, POSITION, I32_CONST, ...signed(bytes), I32_ADD, LOCAL_SET, POSITION];
}

/** Pushes the table entries of the eight bytes of a local, its lowest byte in table `firstTable`. */
function lookUps(local: number, firstTable: number): number[] {
  return Array.from({ length: 8 }, (_, byte) => lookUp(local, byte, firstTable - byte)).flat();
}

function lookUp(local: number, byte: number, table: number): number[] {
  // The byte times the size of an entry, in one shift.
  const shift = byte * 8 - 3;
  return [
    [LOCAL_GET, local, I64_CONST, ...signed(Math.abs(shift)), shift < 0 ? I64_SHL : I64_SHR_U],
    [I32_WRAP_I64, I32_CONST, ...signed(255 * ENTRY_BYTES), I32_AND],
    [I64_LOAD, 3, ...unsigned(table * TABLE_BYTES)],
  ].flat();
}

function section(id: number, content: number[]): number[] {
  return [id, ...unsigned(content.length), ...content];
}

function name(text: string): number[] {
  return [text.length, ...Buffer.from(text, 'latin1')];
}

/** LEB128. */
function unsigned(value: number): number[] {
  assert(value >= 0, 'an unsigned number is not negative');
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

/** LEB128 of a number that is not negative, where the reader expects a sign. */
function signed(value: number): number[] {
  return value < 0x40 ? [value] : [(value & 0x7f) | 0x80, ...signed(value >>> 7)];
}
