/**
 * Manifests: one file per checkpoint that names the runs it consists of. Writing one is what makes a checkpoint.
 *
 * File `checkpoint-<number, 12 decimal digits>`, written under the name `checkpoint-<number>.tmp` and renamed when it is durable:
 *
 * | field       | offset | size  | content                                                 |
 * |-------------|--------|-------|---------------------------------------------------------|
 * | magic       | 0      | 4     | "HRIC"                                                  |
 * | version     | 4      | 2     | u16 LE, 1                                               |
 * | reserved    | 6      | 2     | 0                                                       |
 * | number      | 8      | 8     | u64 LE, that of the file's name                         |
 * | log offset  | 16     | 8     | u64 LE                                                  |
 * | runs        | 24     | 4     | u32 LE, count                                           |
 * | meta bytes  | 28     | 4     | u32 LE                                                  |
 * | run         | 32     | 64 each | see below; newest first                               |
 * | meta        |        |       | the owner's bytes                                       |
 * | checksum    | end    | 8     | u64 LE xxhash64 of everything before                    |
 *
 * | run field   | offset | size | content                                   |
 * |-------------|--------|------|-------------------------------------------|
 * | number      | 0      | 8    | u64 LE, that of the file's name           |
 * | level       | 8      | 4    | u32 LE                                    |
 * | reserved    | 12     | 4    | 0                                         |
 * | file bytes  | 16     | 8    | u64 LE                                    |
 * | data bytes  | 24     | 8    | u64 LE                                    |
 * | entries     | 32     | 8    | u64 LE                                    |
 * | deletions   | 40     | 8    | u64 LE                                    |
 * | superseded  | 48     | 8    | u64 LE                                    |
 * | checksum    | 56     | 8    | u64 LE, that in the run's footer          |
 *
 * Magic, version and checksum keep their places in every version.
 */
import { assert } from '../../core/assert.js';
import type { Disk } from '../../core/ports.js';
import { MIB } from '../../core/units.js';
import { CHECKSUM_BYTES, checksumOfAll } from './checksum.js';
import { corrupt, FOOTER_BYTES, type RunDescriptor, unsupported } from './run-format.js';

/** Longest `meta` of a checkpoint. */
export const META_BYTES_MAX = 16 * MIB;

const MAGIC = Buffer.from('HRIC', 'latin1').readUInt32LE(0);
const VERSION = 1;
const HEADER_BYTES = 32;
const RUN_BYTES = 64;
const RUNS_MAX = 10_000;
const MANIFEST_BYTES_MAX = HEADER_BYTES + RUNS_MAX * RUN_BYTES + META_BYTES_MAX + CHECKSUM_BYTES;
const NUMBER_DIGITS = 12;

export interface Manifest {
  readonly number: number;
  /** Everything below this log offset is folded in. */
  readonly offset: number;
  readonly meta: Uint8Array;
  /** Newest first. */
  readonly runs: readonly RunDescriptor[];
}

/** What a name in the directory of the index stands for; undefined when it is none of ours. */
export function parseName(
  name: string,
): { readonly type: 'run' | 'checkpoint' | 'temporary'; readonly number: number } | undefined {
  const match = /^(run|checkpoint)-(\d{12})(\.tmp)?$/.exec(name);
  if (match === null || (match[1] === 'run' && match[3] !== undefined)) return undefined;
  const type = match[1] === 'run' ? 'run' : match[3] === undefined ? 'checkpoint' : 'temporary';
  return { type, number: Number(match[2]) };
}

export function runName(number: number): string {
  return `run-${digits(number)}`;
}

export function manifestName(number: number): string {
  return `checkpoint-${digits(number)}`;
}

function digits(number: number): string {
  return String(number).padStart(NUMBER_DIGITS, '0');
}

/** Writes the manifest under its temporary name, durably. `DISK_FULL`, `IO_FAILED`. */
export async function prepareManifest(disk: Disk, directory: string, manifest: Manifest): Promise<void> {
  const file = await disk.create(temporaryPath(directory, manifest.number));
  try {
    await file.write(0, encodeManifest(manifest));
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Gives a prepared manifest its name: durable on return; when it fails, the checkpoint may exist or not. */
export async function publishManifest(disk: Disk, directory: string, number: number): Promise<void> {
  await disk.rename(temporaryPath(directory, number), `${directory}/${manifestName(number)}`);
  await disk.syncDirectory(directory);
}

/** Removes a manifest under both its names. */
export async function removeManifest(disk: Disk, directory: string, number: number): Promise<void> {
  await disk.remove(`${directory}/${manifestName(number)}`);
  await disk.remove(temporaryPath(directory, number));
}

/** `CORRUPT_CHECKPOINT`, `UNSUPPORTED_FORMAT`, `IO_FAILED`. */
export async function readManifest(disk: Disk, directory: string, number: number): Promise<Manifest> {
  const path = `${directory}/${manifestName(number)}`;
  const file = await disk.open(path, { readOnly: true });
  try {
    const sizeBytes = await file.size();
    if (sizeBytes < HEADER_BYTES + CHECKSUM_BYTES || sizeBytes > MANIFEST_BYTES_MAX)
      throw corrupt(path, 0, `is ${sizeBytes} bytes long, which no manifest is`);
    const bytes = Buffer.allocUnsafeSlow(sizeBytes);
    if ((await file.read(0, bytes)) < sizeBytes) throw corrupt(path, 0, 'ends too early');
    return decodeManifest(bytes, path, number);
  } finally {
    await file.close();
  }
}

export function encodeManifest(manifest: Manifest): Buffer {
  const { number, offset, meta, runs } = manifest;
  assert(runs.length <= RUNS_MAX, `${runs.length} runs are more than a manifest can name`);
  const runsEnd = HEADER_BYTES + runs.length * RUN_BYTES;
  const checksumAt = runsEnd + meta.length;
  const bytes = Buffer.alloc(checksumAt + CHECKSUM_BYTES);
  bytes.writeUInt32LE(MAGIC, 0);
  bytes.writeUInt16LE(VERSION, 4);
  writeUint64(bytes, number, 8);
  writeUint64(bytes, offset, 16);
  bytes.writeUInt32LE(runs.length, 24);
  bytes.writeUInt32LE(meta.length, 28);
  runs.forEach((run, i) => {
    const at = HEADER_BYTES + i * RUN_BYTES;
    writeUint64(bytes, run.number, at);
    bytes.writeUInt32LE(run.level, at + 8);
    writeUint64(bytes, run.fileBytes, at + 16);
    writeUint64(bytes, run.dataBytes, at + 24);
    writeUint64(bytes, run.entries, at + 32);
    writeUint64(bytes, run.deletions, at + 40);
    writeUint64(bytes, run.superseded, at + 48);
    bytes.writeBigUInt64LE(run.checksum, at + 56);
  });
  bytes.set(meta, runsEnd);
  bytes.writeBigUInt64LE(checksumOfAll(bytes.subarray(0, checksumAt)), checksumAt);
  return bytes;
}

/** `CORRUPT_CHECKPOINT`, `UNSUPPORTED_FORMAT`. */
export function decodeManifest(bytes: Buffer, path: string, number: number): Manifest {
  const checksumAt = bytes.length - CHECKSUM_BYTES;
  if (checksumOfAll(bytes.subarray(0, checksumAt)) !== bytes.readBigUInt64LE(checksumAt))
    throw corrupt(path, 0, 'does not match its checksum');
  if (bytes.readUInt32LE(0) !== MAGIC) throw corrupt(path, 0, 'is not a manifest');
  const version = bytes.readUInt16LE(4);
  if (version !== VERSION) throw unsupported(path, version, VERSION);
  const runCount = bytes.readUInt32LE(24);
  const runsEnd = HEADER_BYTES + runCount * RUN_BYTES;
  if (readUint64(bytes, 8) !== number || runsEnd + bytes.readUInt32LE(28) !== checksumAt)
    throw corrupt(path, 0, 'is not the manifest that its name says');
  const runs: RunDescriptor[] = [];
  for (let at = HEADER_BYTES; at < runsEnd; at += RUN_BYTES) {
    const run = decodeRun(bytes, at);
    if (run.fileBytes < run.dataBytes + FOOTER_BYTES) throw corrupt(path, at, 'names an impossible run');
    runs.push(run);
  }
  const meta = new Uint8Array(bytes.subarray(runsEnd, checksumAt));
  return { number, offset: readUint64(bytes, 16), meta, runs };
}

function decodeRun(bytes: Buffer, at: number): RunDescriptor {
  return {
    number: readUint64(bytes, at),
    level: bytes.readUInt32LE(at + 8),
    fileBytes: readUint64(bytes, at + 16),
    dataBytes: readUint64(bytes, at + 24),
    entries: readUint64(bytes, at + 32),
    deletions: readUint64(bytes, at + 40),
    superseded: readUint64(bytes, at + 48),
    checksum: bytes.readBigUInt64LE(at + 56),
  };
}

function temporaryPath(directory: string, number: number): string {
  return `${directory}/${manifestName(number)}.tmp`;
}

function writeUint64(bytes: Buffer, value: number, at: number): void {
  bytes.writeBigUInt64LE(BigInt(value), at);
}

function readUint64(bytes: Buffer, at: number): number {
  return Number(bytes.readBigUInt64LE(at));
}
