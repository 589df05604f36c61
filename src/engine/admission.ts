/**
 * Admission: no write starts that cannot finish. A write reserves its bytes before the first of them is read.
 *
 * Invariant: pinned = un-persisted + reserved ≤ limit, and used + reserved ≤ capacity; both are checked here and nowhere
 * else. Un-persisted bytes come from the projection; reservations are volatile, because a crash ends the writes they are for.
 */
import { HeadraceError } from '../core/errors.js';
import { MIB } from '../core/units.js';

export interface AdmissionSources {
  readonly capacityBytes: number;
  readonly pinnedLimitBytes: number;
  /** Pending, transient and part bytes of all partitions. */
  readonly unpersistedBytes: () => number;
  /** Bytes the segment files take. */
  readonly usedBytes: () => number;
  /** Bytes the file system can still take, as last seen. */
  readonly diskFreeBytes: () => number;
  /** Evicts until `bytes` more fit below the capacity; false when it cannot. */
  readonly makeRoom: (bytes: number) => Promise<boolean>;
}

/** Kept free on the disk for the log, checkpoints and compaction. */
export const DISK_RESERVE_BYTES = 128 * MIB;
const RETRY_AFTER_MS = 1000;
/** Times that room is made for one write: others may take what was made before it gets its turn. */
const ATTEMPTS_MAX = 8;

export class Reservation {
  readonly #admission: Admission;
  #bytes: number;

  constructor(admission: Admission, bytes: number) {
    this.#admission = admission;
    this.#bytes = bytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Reserves more; `OUT_OF_SPACE` as `reserve`. */
  async grow(bytes: number): Promise<void> {
    await this.#admission.take(bytes);
    this.#bytes += bytes;
  }

  release(): void {
    this.#admission.giveBack(this.#bytes);
    this.#bytes = 0;
  }
}

export class Admission {
  readonly #sources: AdmissionSources;
  #reservedBytes = 0;
  /** What callers of `take` wait for. */
  #waitingBytes = 0;

  constructor(sources: AdmissionSources) {
    this.#sources = sources;
  }

  get capacityBytes(): number {
    return this.#sources.capacityBytes;
  }

  get pinnedLimitBytes(): number {
    return this.#sources.pinnedLimitBytes;
  }

  get reservedBytes(): number {
    return this.#reservedBytes;
  }

  get pinnedBytes(): number {
    return this.#sources.unpersistedBytes() + this.#reservedBytes;
  }

  /** Whether a body of that size could ever be cached here. */
  canEverHold(bytes: number): boolean {
    return bytes <= this.#sources.pinnedLimitBytes;
  }

  /** Reserves at once, without waiting for room; undefined when that is not possible. For reads that cache on the way. */
  tryReserve(bytes: number): Reservation | undefined {
    if (!this.#fitsPinned(bytes) || this.#missingBytes(bytes) > 0) return undefined;
    this.#reservedBytes += bytes;
    return new Reservation(this, bytes);
  }

  /**
   * Reserves `bytes`, evicting where that helps. `OUT_OF_SPACE`, with `retryAfterMs` in its details, when the pinned limit
   * or the disk does not allow it.
   */
  async reserve(bytes: number): Promise<Reservation> {
    await this.take(bytes);
    return new Reservation(this, bytes);
  }

  /** The part of `reserve` that `Reservation.grow` shares. */
  async take(bytes: number): Promise<void> {
    this.#waitingBytes += bytes;
    try {
      for (let attempt = 0; ; attempt++) {
        this.#checkPinned(bytes);
        if (this.#missingBytes(bytes) <= 0) break;
        const isEnough = await this.#makeRoom();
        if (this.#missingBytes(bytes) > 0 && (!isEnough || attempt === ATTEMPTS_MAX))
          throw this.#noRoom(bytes);
      }
      // Nothing was waited for since the last look, so that two writers never take the same room.
      this.#reservedBytes += bytes;
    } finally {
      this.#waitingBytes -= bytes;
    }
  }

  /** Makes room for all that wait, as far as they may be pinned; false when that was not possible. */
  #makeRoom(): Promise<boolean> {
    const { capacityBytes, usedBytes, pinnedLimitBytes } = this.#sources;
    const bytes = Math.min(this.#waitingBytes, pinnedLimitBytes - this.pinnedBytes);
    return this.#sources.makeRoom(capacityBytes - usedBytes() + this.#missingBytes(bytes));
  }

  giveBack(bytes: number): void {
    this.#reservedBytes -= bytes;
  }

  #fitsPinned(bytes: number): boolean {
    return this.pinnedBytes + bytes <= this.#sources.pinnedLimitBytes;
  }

  /** Bytes that segment files must give back before `bytes` more fit; not above 0 when they do. */
  #missingBytes(bytes: number): number {
    const wanted = this.#reservedBytes + bytes;
    return Math.max(
      this.#sources.usedBytes() + wanted - this.#sources.capacityBytes,
      wanted + DISK_RESERVE_BYTES - this.#sources.diskFreeBytes(),
    );
  }

  #noRoom(bytes: number): HeadraceError {
    const { usedBytes, capacityBytes, diskFreeBytes } = this.#sources;
    return outOfSpace(
      `the cache has no room for ${bytes} bytes: ${usedBytes()} of ${capacityBytes} bytes are in use, ` +
        `${diskFreeBytes()} bytes are free on the disk, and nothing more can be evicted`,
    );
  }

  #checkPinned(bytes: number): void {
    if (this.#fitsPinned(bytes)) return;
    throw outOfSpace(
      `out of space: ${this.pinnedBytes} bytes wait to be persisted and ${bytes} more would exceed the limit of ` +
        `${this.#sources.pinnedLimitBytes} (worker.page.store.pinned.file.capacity.limit.ratio)`,
    );
  }
}

function outOfSpace(message: string): HeadraceError {
  return new HeadraceError('OUT_OF_SPACE', message, { details: { retryAfterMs: RETRY_AFTER_MS } });
}
