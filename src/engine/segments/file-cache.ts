/**
 * Open files for reading, at most a fixed number of idle ones.
 *
 * Invariants: a file is closed only when nobody uses it; a segment that is being dropped gets no new users.
 */
import { HeadraceError } from '../../core/errors.js';
import type { Disk, DiskFile } from '../../core/ports.js';
import type { SegmentCatalog } from './segment-catalog.js';

/** A file in use. Give it back with `release`, once. */
export interface FileUse {
  readonly segment: number;
  readonly file: DiskFile;
}

class Handle {
  readonly segment: number;
  readonly opening: Promise<DiskFile>;
  /** Set once it is open. */
  file: DiskFile | undefined;
  users = 0;
  /** Set while the segment is being dropped or the cache closed: called when the last user has gone. */
  idle: (() => void) | undefined;

  constructor(segment: number, opening: Promise<DiskFile>) {
    this.segment = segment;
    this.opening = opening;
  }
}

export class FileCache {
  readonly #disk: Disk;
  readonly #catalog: SegmentCatalog;
  readonly #filesMax: number;
  /** In the order of their last use. */
  readonly #handles = new Map<number, Handle>();
  readonly #blocked = new Set<number>();
  #closed = false;

  constructor(disk: Disk, catalog: SegmentCatalog, filesMax: number) {
    this.#disk = disk;
    this.#catalog = catalog;
    this.#filesMax = filesMax;
  }

  /** The file of a segment when it is open already. May be used until the end of this turn: nothing is counted. */
  peek(segment: number): DiskFile | undefined {
    const handle = this.#handles.get(segment);
    if (handle?.file === undefined || this.#closed || this.#blocked.has(segment)) return undefined;
    this.#handles.delete(segment);
    this.#handles.set(segment, handle);
    this.#closeExcess();
    return handle.file;
  }

  /** `CORRUPT_EXTENT` with `missing: true` when there is no such segment, `CLOSED`, `IO_FAILED`. */
  async acquire(segment: number): Promise<FileUse> {
    if (this.#closed) throw new HeadraceError('CLOSED', 'the segment store is closed');
    if (this.#blocked.has(segment) || this.#catalog.get(segment) === undefined) throw missing(segment);
    let handle = this.#handles.get(segment);
    if (handle === undefined) {
      handle = new Handle(segment, this.#disk.open(this.#catalog.pathOf(segment), { readOnly: true }));
    } else {
      this.#handles.delete(segment);
    }
    this.#handles.set(segment, handle);
    handle.users++;
    try {
      handle.file = await handle.opening;
      return { segment, file: handle.file };
    } catch (error) {
      if (this.#handles.get(segment) === handle) this.#handles.delete(segment);
      this.#leave(handle);
      throw error;
    } finally {
      this.#closeExcess();
    }
  }

  release(use: FileUse): void {
    const handle = this.#handles.get(use.segment);
    if (handle !== undefined) this.#leave(handle);
  }

  /** Refuses new users of a segment, waits for those it has, and closes its file. */
  async block(segment: number): Promise<void> {
    this.#blocked.add(segment);
    const handle = this.#handles.get(segment);
    if (handle === undefined) return;
    if (handle.users > 0) await new Promise<void>((resolve) => (handle.idle = resolve));
    this.#handles.delete(segment);
    await closeQuietly(handle);
  }

  unblock(segment: number): void {
    this.#blocked.delete(segment);
  }

  /** Refuses new users and closes what is idle; a file in use is closed by its last user. */
  async close(): Promise<void> {
    this.#closed = true;
    const idle: Promise<void>[] = [];
    for (const handle of this.#handles.values()) {
      if (handle.users === 0) idle.push(closeQuietly(handle));
      else handle.idle ??= () => void closeQuietly(handle);
    }
    await Promise.all(idle);
  }

  #leave(handle: Handle): void {
    handle.users--;
    if (handle.users === 0) handle.idle?.();
  }

  #closeExcess(): void {
    if (this.#handles.size <= this.#filesMax) return;
    for (const handle of this.#handles.values()) {
      if (handle.users > 0) continue;
      this.#handles.delete(handle.segment);
      void closeQuietly(handle);
      if (this.#handles.size <= this.#filesMax) return;
    }
  }
}

function missing(segment: number): HeadraceError {
  return new HeadraceError('CORRUPT_EXTENT', `segment ${segment} is not there: it was dropped or lost`, {
    details: { segment, missing: true },
  });
}

/** Nothing was written through the file, so that a failed close loses nothing. */
async function closeQuietly(handle: Handle): Promise<void> {
  await handle.opening.then((file) => file.close()).catch(() => undefined);
}
