/**
 * The keys of a store in FoundationDB, below an optional prefix.
 *
 * | key, behind the prefix                                             | value                       | lifetime                          |
 * |--------------------------------------------------------------------|-----------------------------|-----------------------------------|
 * | `meta`                                                             | `StoreIdentity`             | the store's                       |
 * | `log` incarnation (8) partition (2) first offset (8) chunk (2)     | a piece of a frame          | until trimmed                     |
 * | `head` incarnation (8) partition (2)                               | `Head`                      | the store's                       |
 * | `epoch` incarnation (8) partition (2)                              | `Claim`                     | the store's                       |
 * | `oldest` incarnation (8) partition (2)                             | offset (8)                  | from the first trim on            |
 * | `check` incarnation (8) partition (2)                              | a pointer (`checkpoints.ts`) | from the first checkpoint on      |
 * | `chunk` incarnation (8) partition (2) generation (8) number (4)    | a piece of a checkpoint     | until a newer one is pointed to   |
 *
 * Numbers in keys are big-endian, so that keys sort as numbers do; those in values are little-endian. The incarnation is drawn when
 * the store is made, and again behind a restore (`incarnate.ts`), so that frames of two histories never mix. A frame is split into pieces of at
 * most `CHUNK_BYTES_MAX`, all written by one transaction.
 *
 * | Head at | bytes | contents                                  |
 * |--------:|------:|-------------------------------------------|
 * |       0 |     8 | epoch of the owner                        |
 * |       8 |     8 | offset that the next frame begins with    |
 * |      16 |    16 | id of the batch that made it so           |
 *
 * | Claim at | bytes | contents                                                        |
 * |---------:|------:|-----------------------------------------------------------------|
 * |        0 |     8 | epoch of the owner                                              |
 * |        8 |    16 | id of the take-over that made it so; absent in the first stores |
 */
import { assert } from '../../src/core/assert.js';
import { HeadraceError } from '../../src/core/errors.js';

/** FoundationDB takes values of 100,000 bytes; its own tools keep below this. */
export const CHUNK_BYTES_MAX = 90_000;
export const BATCH_ID_BYTES = 16;
const HEAD_BYTES = 32;
const CLAIM_BYTES = 24;
const META_VERSION = 1;
const META_BYTES = 20;
/** Longest prefix: keys have to stay short, as each is stored several times. */
const PREFIX_BYTES_MAX = 256;

/** Whose store it is; drawn at random when it is made. */
export interface StoreIdentity {
  readonly storeId: bigint;
  readonly incarnation: bigint;
}

export interface Head {
  readonly epoch: number;
  readonly nextOffset: number;
  readonly batchId: Buffer;
}

/** | at 0: format version (4) | 4: store id (8) | 12: incarnation (8) | */
export function encodeIdentity({ storeId, incarnation }: StoreIdentity): Buffer {
  const bytes = Buffer.alloc(META_BYTES);
  bytes.writeUInt32LE(META_VERSION, 0);
  bytes.writeBigUInt64LE(storeId, 4);
  bytes.writeBigUInt64LE(incarnation, 12);
  return bytes;
}

/** `UNSUPPORTED_FORMAT`, `CORRUPT_FRAME`. */
export function decodeIdentity(bytes: Buffer): StoreIdentity {
  const version = bytes.length >= 4 ? bytes.readUInt32LE(0) : 0;
  if (version > META_VERSION)
    throw new HeadraceError(
      'UNSUPPORTED_FORMAT',
      `the store in FoundationDB has format ${version}, and this version reads up to ${META_VERSION}`,
    );
  if (version !== META_VERSION || bytes.length !== META_BYTES)
    throw new HeadraceError('CORRUPT_FRAME', `the identity of the store in FoundationDB is damaged`);
  return { storeId: bytes.readBigUInt64LE(4), incarnation: bytes.readBigUInt64LE(12) };
}

export function encodeHead({ epoch, nextOffset, batchId }: Head): Buffer {
  assert(batchId.length === BATCH_ID_BYTES, `a batch id has ${BATCH_ID_BYTES} bytes`);
  const bytes = Buffer.alloc(HEAD_BYTES);
  bytes.writeBigUInt64LE(BigInt(epoch), 0);
  bytes.writeBigUInt64LE(BigInt(nextOffset), 8);
  batchId.copy(bytes, 16);
  return bytes;
}

/** `CORRUPT_FRAME`. */
export function decodeHead(bytes: Buffer): Head {
  if (bytes.length !== HEAD_BYTES)
    throw new HeadraceError('CORRUPT_FRAME', `the head of a partition has ${bytes.length} bytes, not 32`);
  return {
    epoch: Number(bytes.readBigUInt64LE(0)),
    nextOffset: Number(bytes.readBigUInt64LE(8)),
    batchId: Buffer.from(bytes.subarray(16)),
  };
}

/** Who owns a partition: changes only with the owner, so that a take-over is not in the way of anybody's appends. */
export interface Claim {
  readonly epoch: number;
  readonly claimId: Buffer;
}

export function encodeClaim({ epoch, claimId }: Claim): Buffer {
  assert(claimId.length === BATCH_ID_BYTES, `the id of a take-over has ${BATCH_ID_BYTES} bytes`);
  return Buffer.concat([encodeNumber(epoch), claimId]);
}

/** `CORRUPT_FRAME`. */
export function decodeClaim(bytes: Buffer): Claim {
  if (bytes.length !== 8 && bytes.length !== CLAIM_BYTES)
    throw new HeadraceError('CORRUPT_FRAME', `the epoch of a partition has ${bytes.length} bytes, not 24`);
  return { epoch: Number(bytes.readBigUInt64LE()), claimId: Buffer.from(bytes.subarray(8)) };
}

export function encodeNumber(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

/** `CORRUPT_FRAME`. */
export function decodeNumber(bytes: Buffer): number {
  if (bytes.length !== 8)
    throw new HeadraceError('CORRUPT_FRAME', `a number in FoundationDB has ${bytes.length} bytes, not 8`);
  return Number(bytes.readBigUInt64LE());
}

/** The key of the store's identity: the same for every incarnation. */
export function metaKey(prefix: Buffer): Buffer {
  assert(prefix.length <= PREFIX_BYTES_MAX, `a key prefix of ${prefix.length} bytes is longer than 256`);
  return Buffer.concat([prefix, Buffer.from('meta')]);
}

/** Where the heads of all partitions are, in the order of their numbers. */
export function headRange(
  prefix: Buffer,
  incarnation: bigint,
): { begin: Buffer; end: Buffer; partitionOf: (key: Buffer) => number } {
  const first = new PartitionKeys(prefix, incarnation, 0).head;
  const last = new PartitionKeys(prefix, incarnation, 0xffff).head;
  return {
    begin: first,
    end: Buffer.concat([last, Buffer.alloc(1)]),
    partitionOf: (key) => key.readUInt16BE(first.length - 2),
  };
}

export interface KeyRange {
  readonly begin: Buffer;
  readonly end: Buffer;
}

/** Every kind of key that belongs to an incarnation: also those of `coordinator-schema.ts`. */
const KINDS = ['log', 'head', 'epoch', 'oldest', 'check', 'chunk', 'worker', 'lease'] as const;
const INCARNATION_MAX = 0xffff_ffff_ffff_ffffn;

/** All keys of one kind; they begin with the range's begin. */
export function incarnationRange(
  prefix: Buffer,
  kind: (typeof KINDS)[number],
  incarnation: bigint,
): KeyRange {
  const begin = startOf(prefix, kind, incarnation);
  return {
    begin,
    end: incarnation === INCARNATION_MAX ? endOf(prefix, kind) : startOf(prefix, kind, incarnation + 1n),
  };
}

/** All keys of incarnations but this one. */
export function otherIncarnations(prefix: Buffer, incarnation: bigint): KeyRange[] {
  return KINDS.flatMap((kind) => {
    const { begin, end } = incarnationRange(prefix, kind, incarnation);
    return [
      { begin: startOf(prefix, kind, 0n), end: begin },
      { begin: end, end: endOf(prefix, kind) },
    ];
  });
}

function startOf(prefix: Buffer, kind: string, incarnation: bigint): Buffer {
  const place = Buffer.alloc(8);
  place.writeBigUInt64BE(incarnation);
  return Buffer.concat([prefix, Buffer.from(kind), place]);
}

/** Behind every key of the kind. */
function endOf(prefix: Buffer, kind: string): Buffer {
  return Buffer.concat([prefix, Buffer.from(kind), Buffer.alloc(9, 0xff)]);
}

/** The keys of one partition. */
export class PartitionKeys {
  readonly head: Buffer;
  readonly epoch: Buffer;
  readonly oldest: Buffer;
  readonly checkpoint: Buffer;
  readonly #log: Buffer;
  readonly #chunks: Buffer;

  constructor(prefix: Buffer, incarnation: bigint, partition: number) {
    const of = (kind: string): Buffer => {
      const place = Buffer.alloc(10);
      place.writeBigUInt64BE(incarnation, 0);
      place.writeUInt16BE(partition, 8);
      return Buffer.concat([prefix, Buffer.from(kind), place]);
    };
    this.head = of('head');
    this.epoch = of('epoch');
    this.oldest = of('oldest');
    this.checkpoint = of('check');
    this.#log = of('log');
    this.#chunks = of('chunk');
  }

  /** The first key of the frame that begins with `offset`, or where it would be. */
  frame(offset: number, chunk = 0): Buffer {
    const at = Buffer.alloc(10);
    at.writeBigUInt64BE(BigInt(offset), 0);
    at.writeUInt16BE(chunk, 8);
    return Buffer.concat([this.#log, at]);
  }

  /** Offset and chunk number of a frame's key. */
  parseFrame(key: Buffer): { offset: number; chunk: number } {
    const at = this.#log.length;
    return { offset: Number(key.readBigUInt64BE(at)), chunk: key.readUInt16BE(at + 8) };
  }

  checkpointChunk(generation: number, number: number): Buffer {
    const at = Buffer.alloc(12);
    at.writeBigUInt64BE(BigInt(generation), 0);
    at.writeUInt32BE(number, 8);
    return Buffer.concat([this.#chunks, at]);
  }

  /** In front of every piece of every checkpoint. */
  get chunksBegin(): Buffer {
    return this.#chunks;
  }

  /** Behind every piece of every checkpoint. */
  get chunksEnd(): Buffer {
    return Buffer.concat([this.#chunks, Buffer.alloc(13, 0xff)]);
  }
}
