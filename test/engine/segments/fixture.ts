/** A store on a real directory, behind a disk whose operations can be counted, held back and made to fail. */
import { randomBytes } from 'node:crypto';
import type { Test } from 'tap';
import { NodeDisk } from '../../../src/adapters/node-disk.js';
import { SystemClock } from '../../../src/adapters/system-clock.js';
import { HeadraceError } from '../../../src/core/errors.js';
import { SILENT_LOGGER } from '../../../src/core/logger.js';
import type { Extent } from '../../../src/core/object.js';
import type { Disk, DiskFile, OpenOptions } from '../../../src/core/ports.js';
import type { SegmentStore } from '../../../src/engine/segment-store.js';
import { type SegmentStoreOptions, openSegmentStore } from '../../../src/engine/segments/segment-files.js';

export const STORE_ID = new Uint8Array(16).fill(7);

type Operation = 'create' | 'write' | 'sync' | 'syncDirectory';

/** Passes everything on to a real disk. */
export class WatchedDisk implements Disk {
  readonly #disk: Disk;
  /** Every operation, as `<operation> <path>`. */
  readonly operations: string[] = [];
  openFiles = 0;
  #gate: { readonly opened: Promise<void>; readonly open: () => void } | undefined;
  #failure: { readonly operation: Operation; readonly error: HeadraceError } | undefined;

  constructor(root: string) {
    this.#disk = new NodeDisk(root);
  }

  count(operation: Operation): number {
    return this.operations.filter((entry) => entry.startsWith(`${operation} `)).length;
  }

  /** Writes wait until the returned function is called. */
  holdWrites(): () => void {
    let open = (): void => undefined;
    const opened = new Promise<void>((resolve) => (open = resolve));
    this.#gate = { opened, open };
    return () => {
      this.#gate = undefined;
      open();
    };
  }

  /** The next operation of that kind fails. */
  failNext(operation: Operation, code: 'DISK_FULL' | 'IO_FAILED'): void {
    this.#failure = { operation, error: new HeadraceError(code, `the test makes a ${operation} fail`) };
  }

  async before(operation: Operation, path: string): Promise<void> {
    this.operations.push(`${operation} ${path}`);
    if (operation === 'write') await this.#gate?.opened;
    if (this.#failure?.operation !== operation) return;
    const { error } = this.#failure;
    this.#failure = undefined;
    throw error;
  }

  async create(path: string, options?: OpenOptions): Promise<DiskFile> {
    await this.before('create', path);
    return this.#watch(await this.#disk.create(path, options));
  }

  async open(path: string, options?: OpenOptions): Promise<DiskFile> {
    return this.#watch(await this.#disk.open(path, options));
  }

  async syncDirectory(path: string): Promise<void> {
    await this.before('syncDirectory', path);
    await this.#disk.syncDirectory(path);
  }

  sizeOf(path: string): Promise<number | undefined> {
    return this.#disk.sizeOf(path);
  }

  list(directory: string): Promise<string[]> {
    return this.#disk.list(directory);
  }

  makeDirectory(path: string): Promise<void> {
    return this.#disk.makeDirectory(path);
  }

  rename(from: string, to: string): Promise<void> {
    return this.#disk.rename(from, to);
  }

  remove(path: string): Promise<void> {
    return this.#disk.remove(path);
  }

  space(): Promise<{ freeBytes: number; totalBytes: number }> {
    return this.#disk.space();
  }

  #watch(file: DiskFile): DiskFile {
    this.openFiles++;
    return {
      path: file.path,
      write: async (position, bytes) => {
        await this.before('write', file.path);
        await file.write(position, bytes);
      },
      sync: async () => {
        await this.before('sync', file.path);
        await file.sync();
      },
      read: (position, target) => file.read(position, target),
      readSync: (position, target) => file.readSync(position, target),
      truncate: (size) => file.truncate(size),
      size: () => file.size(),
      close: async () => {
        this.openFiles--;
        await file.close();
      },
    };
  }
}

export interface Fixture {
  readonly disk: WatchedDisk;
  readonly store: SegmentStore;
  /** The same directory, as a process finds it that starts after this one was killed. */
  readonly reopen: (options?: Partial<SegmentStoreOptions>) => Promise<SegmentStore>;
}

export async function openFixture(t: Test, options: Partial<SegmentStoreOptions> = {}): Promise<Fixture> {
  const root = t.testdir();
  const disk = new WatchedDisk(root);
  const open = async (on: Disk, changed: Partial<SegmentStoreOptions>): Promise<SegmentStore> => {
    const store = await openSegmentStore({
      disk: on,
      clock: new SystemClock(),
      logger: SILENT_LOGGER,
      options: { storeId: STORE_ID, ...options, ...changed },
    });
    t.teardown(() => store.close());
    return store;
  };
  return {
    disk,
    store: await open(disk, {}),
    reopen: (changed = {}) => open(new NodeDisk(root), changed),
  };
}

export function segmentPath(segment: number): string {
  return `segments/${String(segment).padStart(10, '0')}.seg`;
}

export function append(store: SegmentStore, owner: string, body: Uint8Array): Promise<Extent> {
  return store.append(owner, [body], body.length);
}

export async function appendRandom(store: SegmentStore, count: number, size: number): Promise<Extent[]> {
  const bodies = Array.from({ length: count }, () => randomBytes(size));
  return await Promise.all(bodies.map((body, index) => append(store, `owner ${index}`, body)));
}

export async function readSmall(store: SegmentStore, extent: Extent): Promise<Buffer> {
  const { bytes, release } = await store.readSmall(extent);
  const copy = Buffer.from(bytes);
  release();
  return copy;
}

export async function readAll(
  store: SegmentStore,
  extent: Extent,
  first = 0,
  last = extent.size - 1,
): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of store.read(extent, first, last)) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

/** Writes a body through an `ExtentWriter`, in pieces of `pieceBytes`. */
export async function writeLarge(
  store: SegmentStore,
  owner: string,
  body: Uint8Array,
  pieceBytes = 65_536,
): Promise<Extent> {
  const writer = await store.openWriter(owner, body.length);
  for (let offset = 0; offset < body.length; offset += pieceBytes) {
    await writer.write(body.subarray(offset, offset + pieceBytes));
  }
  return await writer.finish();
}

export async function walkAll(
  store: SegmentStore,
  segment: number,
): Promise<{ owner: string; extent: Extent }[]> {
  const found: { owner: string; extent: Extent }[] = [];
  for await (const entry of store.walk(segment)) found.push(entry);
  return found;
}

/** Inverts one bit of a file. */
export async function flipBit(disk: Disk, path: string, position: number, bit = 0): Promise<void> {
  const file = await disk.open(path);
  const byte = Buffer.alloc(1);
  await file.read(position, byte);
  byte[0] = (byte[0] ?? 0) ^ (1 << bit);
  await file.write(position, byte);
  await file.close();
}
