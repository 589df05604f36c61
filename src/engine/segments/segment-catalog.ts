/**
 * Which segment files there are, how much they take, and which id is next.
 *
 * Invariants: an id is never used twice, also not after its file was removed and the process was killed. The next id is
 * one above the highest name in the directory, so the file with the highest durable name is never removed: it is emptied
 * and stays as a marker until a higher name is durable. An extent is given to nobody before its file's name is durable.
 */
import { assert } from '../../core/assert.js';
import type { Logger } from '../../core/logger.js';
import type { Disk, DiskFile } from '../../core/ports.js';
import { SEGMENT_ID_MAX, segmentName } from './segment-format.js';

export interface SegmentEntry {
  readonly id: number;
  fileBytes: number;
  /** Bytes are still being appended. */
  open: boolean;
}

export class SegmentCatalog {
  readonly directory: string;
  readonly #disk: Disk;
  readonly #logger: Logger;
  /** Ascending, because ids are. */
  readonly #entries = new Map<number, SegmentEntry>();
  readonly #names: NameSync;
  /** Empty files that keep the highest id in the directory, ascending. */
  readonly #markers: number[] = [];
  #nextId = 1;
  #highestDurableId = 0;
  #fileBytes = 0;

  constructor(disk: Disk, logger: Logger, directory: string) {
    this.#disk = disk;
    this.#logger = logger;
    this.directory = directory;
    this.#names = new NameSync(() => disk.syncDirectory(directory));
  }

  /** The id that the next segment gets. */
  get nextId(): number {
    return this.#nextId;
  }

  get fileBytes(): number {
    return this.#fileBytes;
  }

  entries(): SegmentEntry[] {
    return [...this.#entries.values()];
  }

  get(id: number): SegmentEntry | undefined {
    return this.#entries.get(id);
  }

  pathOf(id: number): string {
    return `${this.directory}/${segmentName(id)}`;
  }

  /** Takes over a file that was there at the start; in ascending order. An empty one only keeps its id. */
  adopt(id: number, fileBytes: number): void {
    assert(id >= this.#nextId, `segment ${id} is adopted out of order`);
    this.#nextId = id + 1;
    this.#highestDurableId = id;
    if (fileBytes === 0) {
      this.#markers.push(id);
      return;
    }
    this.#entries.set(id, { id, fileBytes, open: false });
    this.#fileBytes += fileBytes;
  }

  /** Creates the file of a new segment. Its name is not durable before `makeDurable`. `DISK_FULL`, `IO_FAILED`. */
  async create(options: { durableWrites: boolean }): Promise<{ entry: SegmentEntry; file: DiskFile }> {
    const id = this.#nextId++;
    assert(id <= SEGMENT_ID_MAX, 'all segment ids are used up');
    const entry = { id, fileBytes: 0, open: true };
    this.#entries.set(id, entry);
    try {
      return { entry, file: await this.#disk.create(this.pathOf(id), options) };
    } catch (error) {
      this.#entries.delete(id);
      throw error;
    }
  }

  /** Makes the name of a created segment durable. Calls that come together share one sync. */
  async makeDurable(id: number): Promise<void> {
    await this.#names.sync();
    if (id > this.#highestDurableId) this.#highestDurableId = id;
    await this.removeMarkers();
  }

  setFileBytes(entry: SegmentEntry, fileBytes: number): void {
    this.#fileBytes += fileBytes - entry.fileBytes;
    entry.fileBytes = fileBytes;
  }

  /** Nothing is appended any more; the file has `fileBytes` bytes. */
  seal(entry: SegmentEntry, fileBytes: number): void {
    this.setFileBytes(entry, fileBytes);
    entry.open = false;
  }

  /** Gives the space of a segment back. Nobody may have the file open for writing. `IO_FAILED`: it is still there. */
  async remove(id: number): Promise<void> {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    if (id >= this.#highestDurableId) await this.#empty(id);
    else await this.#disk.remove(this.pathOf(id));
    this.#entries.delete(id);
    this.setFileBytes(entry, 0);
  }

  async #empty(id: number): Promise<void> {
    const file = await this.#disk.open(this.pathOf(id));
    try {
      await file.truncate(0);
    } finally {
      await file.close();
    }
    this.#markers.push(id);
  }

  /** Removes the markers that a higher durable name has made superfluous. */
  async removeMarkers(): Promise<void> {
    const superfluous = this.#markers.filter((id) => id < this.#highestDurableId);
    for (const id of superfluous) {
      this.#markers.splice(this.#markers.indexOf(id), 1);
      try {
        await this.#disk.remove(this.pathOf(id));
      } catch (error) {
        // It is empty and harmless; the next start tries again.
        this.#logger.warn({ error, segment: id }, 'an empty segment file could not be removed');
      }
    }
  }
}

/** One sync of the directory at a time; whoever asks during one waits for the next, together with the others. */
class NameSync {
  readonly #syncDirectory: () => Promise<void>;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(syncDirectory: () => Promise<void>) {
    this.#syncDirectory = syncDirectory;
  }

  sync(): Promise<void> {
    if (this.#running === undefined) {
      this.#running = this.#syncDirectory().finally(() => (this.#running = undefined));
      return this.#running;
    }
    // A sync that has begun may have missed the name; how it ends is for those who began it.
    this.#next ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        return this.sync();
      });
    return this.#next;
  }
}
