/**
 * `node dist/bench/segments.js [directory]`: what the segment store and the hashes cost, without a server around them.
 *
 * Each figure stands beside its floor from the same round: a bare loop that makes the same bytes durable, or
 * node:crypto. Rounds alternate, and the best of each side counts, because the machine is shared.
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { NodeDisk } from '../src/adapters/node-disk.js';
import { SystemClock } from '../src/adapters/system-clock.js';
import { SILENT_LOGGER } from '../src/core/logger.js';
import { Md5Lanes, md5OfBytes } from '../src/core/md5-lanes.js';
import type { SegmentStore } from '../src/engine/segment-store.js';
import { openSegmentStore } from '../src/engine/segments/segment-files.js';

const write = promisify(fs.write);
const fdatasync = promisify(fs.fdatasync);
const KIB = 1024;
const MIB = 1024 * KIB;

export interface SegmentsLoad {
  readonly directory: string;
  readonly rounds: number;
  /** Turns of the loop with one body in flight; with more in flight there are as many bodies, but at least ten turns. */
  readonly appends: number;
  readonly largeBodies: number;
  readonly hashedBytes: number;
}

export interface SegmentsFigure {
  readonly what: string;
  readonly unit: string;
  readonly headrace: number;
  readonly floor: number;
}

const FULL_LOAD = { rounds: 5, appends: 4000, largeBodies: 20, hashedBytes: 16 * MIB } as const;
const SMALL_BYTES = 10 * KIB;
const LARGE_BYTES = 10 * MIB;

/** Leaves nothing behind in `load.directory`. */
export async function benchSegments(load: SegmentsLoad): Promise<SegmentsFigure[]> {
  const root = fs.mkdtempSync(join(load.directory, 'segments-'));
  const disk = new NodeDisk(root);
  const options = { storeId: new Uint8Array(16) };
  const store = await openSegmentStore({ disk, clock: new SystemClock(), logger: SILENT_LOGGER, options });
  try {
    const figures: SegmentsFigure[] = [];
    for (const inFlight of [1, 16, 64]) figures.push(...(await benchSmall(store, root, load, inFlight)));
    figures.push(await benchLarge(store, root, load));
    const { writtenBytes, payloadBytes } = store.statistics;
    figures.push({
      what: 'bytes written per byte stored',
      unit: '',
      headrace: writtenBytes / payloadBytes,
      floor: 1,
    });
    for (const size of [1, 10, 64]) {
      for (const together of [1, 4, 8, 16, 64]) figures.push(benchMd5(size * KIB, together, load));
    }
    return figures;
  } finally {
    await store.close();
    fs.rmSync(root, { recursive: true });
  }
}

async function benchSmall(
  store: SegmentStore,
  root: string,
  load: SegmentsLoad,
  inFlight: number,
): Promise<SegmentsFigure[]> {
  const turns = Math.max(10, Math.ceil(load.appends / inFlight));
  const body = randomBytes(SMALL_BYTES);
  const batch = randomBytes(SMALL_BYTES * inFlight);
  const ours = { rate: 0, cpuMicros: Infinity };
  const floors = { append: 0, sparse: 0 };
  for (let round = 0; round < load.rounds; round++) {
    const cpuBefore = process.cpuUsage();
    const rate = await perSecond(turns * inFlight, async () => {
      const clients = Array.from({ length: inFlight }, async () => {
        for (let i = 0; i < turns; i++)
          await store.append('bench\0key/of/ordinary/length', [body], SMALL_BYTES);
      });
      await Promise.all(clients);
    });
    const cpu = process.cpuUsage(cpuBefore);
    ours.rate = Math.max(ours.rate, rate);
    ours.cpuMicros = Math.min(ours.cpuMicros, (cpu.user + cpu.system) / turns / inFlight);
    const path = join(root, `floor-${inFlight}-${round}`);
    floors.append = Math.max(floors.append, await appendFloor(path, batch, turns, inFlight, false));
    floors.sparse = Math.max(floors.sparse, await appendFloor(`${path}s`, batch, turns, inFlight, true));
  }
  const what = `10 KiB appends, ${inFlight} in flight`;
  return [
    {
      what: `${what}, beside write + fdatasync of a growing file`,
      unit: '/s',
      headrace: ours.rate,
      floor: floors.append,
    },
    {
      what: `${what}, beside O_DSYNC into a sparse file`,
      unit: '/s',
      headrace: ours.rate,
      floor: floors.sparse,
    },
    { what: `${what}, processor time`, unit: 'us', headrace: ours.cpuMicros, floor: 0 },
  ];
}

/**
 * Operations a second of a bare loop that writes `batch`, which counts for `operations`, and makes it durable. The file
 * stays until the end: one that was removed would lend its warm pages to the next round, which no segment does.
 */
async function appendFloor(
  path: string,
  batch: Buffer,
  turns: number,
  operations: number,
  sparse: boolean,
): Promise<number> {
  const file = fs.openSync(
    path,
    sparse ? fs.constants.O_CREAT | fs.constants.O_RDWR | fs.constants.O_DSYNC : 'w+',
  );
  if (sparse) fs.ftruncateSync(file, batch.length * turns);
  try {
    return await perSecond(turns * operations, async () => {
      for (let i = 0; i < turns; i++) {
        await write(file, batch, 0, batch.length, i * batch.length);
        if (!sparse) await fdatasync(file);
      }
    });
  } finally {
    fs.closeSync(file);
  }
}

/** MiB a second of bodies that arrive in pieces of 64 KiB, beside a loop of 1 MiB writes and one fdatasync per file. */
async function benchLarge(store: SegmentStore, root: string, load: SegmentsLoad): Promise<SegmentsFigure> {
  const piece = randomBytes(64 * KIB);
  const block = randomBytes(MIB);
  const mebibytes = (load.largeBodies * LARGE_BYTES) / MIB;
  let headrace = 0;
  let floor = 0;
  for (let round = 0; round < load.rounds; round++) {
    const segments: number[] = [];
    const ours = await perSecond(mebibytes, async () => {
      for (let i = 0; i < load.largeBodies; i++) {
        const writer = await store.openWriter('bench\0large', LARGE_BYTES);
        for (let sent = 0; sent < LARGE_BYTES; sent += piece.length) await writer.write(piece);
        segments.push((await writer.finish()).segment);
      }
    });
    for (const segment of segments) await store.drop(segment);
    const bare = await perSecond(mebibytes, async () => {
      for (let i = 0; i < load.largeBodies; i++) {
        const file = fs.openSync(join(root, `floor-${i}`), 'w+');
        for (let at = 0; at < LARGE_BYTES; at += MIB) await write(file, block, 0, MIB, at);
        await fdatasync(file);
        fs.closeSync(file);
      }
    });
    for (let i = 0; i < load.largeBodies; i++) fs.unlinkSync(join(root, `floor-${i}`));
    headrace = Math.max(headrace, ours);
    floor = Math.max(floor, bare);
  }
  return { what: '10 MiB bodies, one after the other', unit: 'MiB/s', headrace, floor };
}

/** Microseconds per body, hashed together and one by one. */
function benchMd5(sizeBytes: number, together: number, load: SegmentsLoad): SegmentsFigure {
  let flush = (): void => undefined;
  const lanes = new Md5Lanes((callback) => (flush = callback));
  const bodies = Array.from({ length: together }, () => randomBytes(sizeBytes));
  const turns = Math.max(1, Math.floor(load.hashedBytes / sizeBytes / together));
  let headrace = Infinity;
  let floor = Infinity;
  for (let round = 0; round < load.rounds; round++) {
    let startedMs = performance.now();
    for (let turn = 0; turn < turns; turn++) {
      for (const body of bodies) lanes.digest([body], sizeBytes, () => undefined);
      flush();
    }
    headrace = Math.min(headrace, ((performance.now() - startedMs) * 1000) / turns / together);
    startedMs = performance.now();
    for (let turn = 0; turn < turns; turn++) for (const body of bodies) md5OfBytes(body);
    floor = Math.min(floor, ((performance.now() - startedMs) * 1000) / turns / together);
  }
  return { what: `MD5 of ${sizeBytes / KIB} KiB, ${together} together`, unit: 'us', headrace, floor };
}

async function perSecond(amount: number, work: () => Promise<void>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return (amount * 1000) / (performance.now() - startedMs);
}

if (resolve(process.argv[1] ?? '') === fileURLToPath(import.meta.url)) {
  const figures = await benchSegments({ ...FULL_LOAD, directory: resolve(process.argv[2] ?? '.') });
  for (const { what, unit, headrace, floor } of figures) {
    const ratio =
      floor === 0 ? '' : `  floor ${floor.toFixed(2)} ${unit}  ratio ${(headrace / floor).toFixed(2)}`;
    process.stdout.write(`${what.padEnd(74)} ${headrace.toFixed(2)} ${unit}${ratio}\n`);
  }
}
