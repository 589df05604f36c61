/**
 * `node dist/bench/index-store.js [entries] [directory]`: what the index store costs per entry, without a server around it.
 *
 * Keys come in random order, which is the worst case for the memtable and for merges. The disk is the real one.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NodeDisk } from '../src/adapters/node-disk.js';
import { SystemClock } from '../src/adapters/system-clock.js';
import type { LsmIndexStore } from '../src/adapters/index-store/lsm-index-store.js';
import { openIndexStore, type OpenedIndexStore } from '../src/adapters/index-store/open-index-store.js';
import type { IndexCodec } from '../src/core/index-store.js';
import { SILENT_LOGGER } from '../src/core/logger.js';

export interface IndexStoreFigures {
  readonly entries: number;
  readonly setMicros: number;
  /** A key that was just set, one in the runs (uncached mostly), one in the runs among few (cached), one that is not there. */
  readonly getFreshMicros: number;
  readonly getColdMicros: number;
  readonly getCachedMicros: number;
  readonly getAbsentMicros: number;
  /** 1,000 entries from a random key on. */
  readonly pageMillis: number;
  readonly checkpointMillisMax: number;
  /** Longest time in which the event loop did nothing else, while checkpoints and merges ran. */
  readonly stallMillisMax: number;
  readonly openMillis: number;
  readonly runs: number;
  readonly writtenBytesPerEntry: number;
  readonly fileBytesPerEntry: number;
  /** Memory that the opened index takes per entry, before any lookup. */
  readonly residentBytesPerEntry: number;
  readonly memtableBytesPerEntry: number;
}

export interface IndexStoreLoad {
  readonly entries: number;
  readonly changesPerCheckpoint: number;
  readonly lookups: number;
  readonly directory: string;
}

/** Like the record of a small object: what an entry of the real index holds. */
interface BenchRecord {
  readonly size: number;
  readonly etag: string;
  readonly lastModifiedMs: number;
  readonly extent: { readonly segment: number; readonly position: number; readonly checksum: bigint };
  readonly contentType: string;
}

const CODEC: IndexCodec<BenchRecord> = {
  encode(record) {
    const bytes = Buffer.allocUnsafe(56 + record.contentType.length + 48);
    bytes.writeDoubleLE(record.size, 0);
    bytes.write(record.etag, 8, 'hex');
    bytes.writeDoubleLE(record.lastModifiedMs, 24);
    bytes.writeDoubleLE(record.extent.segment, 32);
    bytes.writeDoubleLE(record.extent.position, 40);
    bytes.writeBigUInt64LE(record.extent.checksum, 48);
    const end = 56 + bytes.write(record.contentType, 56, 'latin1');
    bytes.fill(7, end);
    return bytes;
  },
  decode(_key, bytes) {
    const source = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    const extent = {
      segment: source.readDoubleLE(32),
      position: source.readDoubleLE(40),
      checksum: source.readBigUInt64LE(48),
    };
    const contentType = source.toString('latin1', 56, source.length - 48);
    const etag = source.toString('hex', 8, 24);
    return {
      size: source.readDoubleLE(0),
      etag,
      lastModifiedMs: source.readDoubleLE(24),
      extent,
      contentType,
    };
  },
};

const micros = (elapsedMs: number, count: number): number => (elapsedMs * 1000) / count;

/** A number that looks random and is never repeated below 2^32. */
const scatter = (n: number): number => Math.imul(n, 0x9e3779b1) >>> 0;

const keyOf = (n: number): string =>
  `o\x00bucket\x00datasets/training/part-${String(scatter(n)).padStart(10, '0')}/file.bin`;

function recordOf(n: number): BenchRecord {
  const etag = scatter(n).toString(16).padStart(8, '0').repeat(4);
  const extent = { segment: n >>> 14, position: (n & 16383) * 10_240, checksum: BigInt(scatter(n)) << 20n };
  return { size: 10_240, etag, lastModifiedMs: 1.7e12 + n, extent, contentType: 'application/octet-stream' };
}

function open(directory: string): Promise<OpenedIndexStore<BenchRecord>> {
  return openIndexStore({
    disk: new NodeDisk(directory),
    directory: 'index',
    codec: CODEC,
    clock: new SystemClock(),
    logger: SILENT_LOGGER,
  });
}

export async function benchIndexStore(load: IndexStoreLoad): Promise<IndexStoreFigures> {
  const directory = mkdtempSync(join(resolve(load.directory), 'index-store-'));
  try {
    const filled = await fill(directory, load);
    const { entries } = load;
    globalThis.gc?.();
    const before = process.memoryUsage();
    const startMs = performance.now();
    const { store } = await open(directory);
    const openMillis = performance.now() - startMs;
    const after = process.memoryUsage();
    const residentBytes = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers;
    const looked = measureLookups(store, load);
    await store.close();
    return { entries, ...filled, ...looked, openMillis, residentBytesPerEntry: residentBytes / entries };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Sets all entries with checkpoints in between, as the engine does while requests go on. */
async function fill(
  directory: string,
  { entries, changesPerCheckpoint }: IndexStoreLoad,
): Promise<
  Pick<
    IndexStoreFigures,
    | 'setMicros'
    | 'checkpointMillisMax'
    | 'stallMillisMax'
    | 'runs'
    | 'writtenBytesPerEntry'
    | 'fileBytesPerEntry'
    | 'memtableBytesPerEntry'
    | 'getFreshMicros'
  >
> {
  const { store } = await open(directory);
  let [setMs, freshMs, checkpointMillisMax, memtableBytesPerEntry] = [0, 0, 0, 0];
  const stalls = new StallMeter();
  for (let first = 0; first < entries; first += changesPerCheckpoint) {
    const end = Math.min(entries, first + changesPerCheckpoint);
    globalThis.gc?.();
    const heapBytes = process.memoryUsage().heapUsed;
    const pairs = Array.from(
      { length: end - first },
      (_, i) => [keyOf(first + i), recordOf(first + i)] as const,
    );
    let startMs = performance.now();
    for (const [key, record] of pairs) store.set(key, record);
    setMs += performance.now() - startMs;
    startMs = performance.now();
    for (const [key] of pairs) store.get(key);
    freshMs += performance.now() - startMs;
    pairs.length = 0;
    globalThis.gc?.();
    memtableBytesPerEntry = (process.memoryUsage().heapUsed - heapBytes) / (end - first);
    startMs = performance.now();
    stalls.start();
    await store.checkpoint(end, new Uint8Array(64));
    checkpointMillisMax = Math.max(checkpointMillisMax, performance.now() - startMs);
    await store.settled();
    stalls.stop();
  }
  await store.checkpoint(entries, new Uint8Array(64));
  const { checkpointBytes, mergeBytes, runs, fileBytes } = store.statistics;
  await store.close();
  return {
    setMicros: micros(setMs, entries),
    getFreshMicros: micros(freshMs, entries),
    checkpointMillisMax,
    stallMillisMax: stalls.maxMs,
    runs,
    writtenBytesPerEntry: (checkpointBytes + mergeBytes) / entries,
    fileBytesPerEntry: fileBytes / entries,
    memtableBytesPerEntry,
  };
}

function measureLookups(
  store: LsmIndexStore<BenchRecord>,
  { entries, lookups }: IndexStoreLoad,
): Pick<IndexStoreFigures, 'getColdMicros' | 'getCachedMicros' | 'getAbsentMicros' | 'pageMillis'> {
  const time = (count: number, action: (i: number) => void): number => {
    const startMs = performance.now();
    for (let i = 0; i < count; i++) action(i);
    return micros(performance.now() - startMs, count);
  };
  const few = Math.min(entries, 500);
  const getColdMicros = time(lookups, (i) => void store.get(keyOf(scatter(i) % entries)));
  for (let i = 0; i < few; i++) store.get(keyOf(i));
  const getCachedMicros = time(lookups, (i) => void store.get(keyOf(i % few)));
  const getAbsentMicros = time(lookups, (i) => void store.get(keyOf(entries + i)));
  const pages = Math.max(1, Math.floor(lookups / 1000));
  const pageMicros = time(pages, (i) => {
    let count = 0;
    for (const [key] of store.scan(keyOf(scatter(i) % entries), '\xff'))
      if (++count === 1000 || key === '') break;
  });
  return { getColdMicros, getCachedMicros, getAbsentMicros, pageMillis: pageMicros / 1000 };
}

/** Longest time between two turns of the event loop. */
class StallMeter {
  maxMs = 0;
  #timer: NodeJS.Immediate | undefined;

  start(): void {
    let lastMs = performance.now();
    const look = (): void => {
      const nowMs = performance.now();
      this.maxMs = Math.max(this.maxMs, nowMs - lastMs);
      lastMs = nowMs;
      this.#timer = setImmediate(look);
    };
    this.#timer = setImmediate(look);
  }

  stop(): void {
    clearImmediate(this.#timer);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const entries = Number(process.argv[2] ?? 1_000_000);
  const directory = process.argv[3] ?? '.';
  const figures = await benchIndexStore({
    entries,
    changesPerCheckpoint: 65_536,
    lookups: 20_000,
    directory,
  });
  for (const [name, value] of Object.entries(figures))
    console.log(`${name.padEnd(24)}${Number(value).toFixed(2)}`);
}
