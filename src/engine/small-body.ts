/**
 * A body on its way into the cache, and the small ones among them: those that are in memory as a whole.
 */
import type { Extent } from '../core/object.js';
import type { AbandonReason } from '../../log/object-events.js';
import type { Reservation } from './reservation.js';
import { checkMd5 } from './digests.js';
import type { Body } from './object-service.js';
import type { SegmentGuard } from './segment-guard.js';
import type { AppendReceiver } from './segment-store.js';

const NO_EXTENTS: readonly Extent[] = [];
const NO_MD5 = new Uint8Array(0);
const SETTLED = Promise.resolve();

export interface BodySource {
  readonly bucket: string;
  readonly key: string;
  /** Index key of the record that will refer to the bytes. */
  readonly owner: string;
  readonly body: Body;
  /** What the client says the MD5 is. */
  readonly md5?: Uint8Array;
}

/** A body that is in memory as a whole. */
export type SmallSource = BodySource & { readonly body: Extract<Body, { kind: 'chunks' }> };

export interface StoredBody {
  readonly extents: readonly Extent[];
  readonly size: number;
  /** 16 bytes. */
  readonly md5: Uint8Array;
  /** Set when the write was opened in the log, with what it reserved there. */
  readonly writeId?: string;
  readonly reservedBytes?: number;
  /** Committed: gives the reservation back. Not committed: also abandons the write in the log and drops the bytes. */
  settle(outcome: 'COMMITTED' | AbandonReason): Promise<void>;
}

/** Told once how a small body fared, an empty one perhaps within the call that began it. Must not throw. */
export interface StoredReceiver {
  stored(body: StoredBody): void;
  failed(error: unknown): void;
}

/**
 * A body in a segment that it shares: written and hashed at the same time. A class with receivers instead of promises, which took a
 * tenth of the engine's time per write.
 */
export class SmallBody implements StoredBody, AppendReceiver {
  readonly size: number;
  extents: readonly Extent[] = NO_EXTENTS;
  md5: Uint8Array = NO_MD5;
  readonly #guard: SegmentGuard;
  readonly #reservation: Reservation;
  readonly #floor: number;
  readonly #expectedMd5: Uint8Array | undefined;
  readonly #receiver: StoredReceiver;
  #isPlaced: boolean;
  #isOver = false;

  constructor(
    parts: { readonly guard: SegmentGuard; readonly floor: number; readonly reservation: Reservation },
    source: SmallSource,
    receiver: StoredReceiver,
  ) {
    this.#guard = parts.guard;
    this.#reservation = parts.reservation;
    this.#floor = parts.floor;
    this.size = source.body.size;
    this.#expectedMd5 = source.md5;
    this.#receiver = receiver;
    this.#isPlaced = this.size === 0;
    parts.guard.enter(parts.floor);
  }

  /** Its place is known: the segments behind it need not wait for the UFS of a WRITE_THROUGH. */
  appended(extent: Extent): void {
    this.extents = [extent];
    this.#guard.pin(extent.segment);
    this.#guard.leave(this.#floor);
    this.#isPlaced = true;
    if (this.md5 !== NO_MD5) this.#complete();
  }

  readonly hashed = (md5: Uint8Array): void => {
    this.md5 = md5;
    if (this.#isPlaced && !this.#isOver) this.#complete();
  };

  failed(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    void this.settle('FAILED');
    this.#receiver.failed(error);
  }

  #complete(): void {
    try {
      checkMd5(this.#expectedMd5, this.md5);
    } catch (error) {
      this.failed(error);
      return;
    }
    this.#receiver.stored(this);
  }

  settle(outcome: 'COMMITTED' | AbandonReason): Promise<void> {
    const [extent] = this.extents;
    if (extent === undefined) this.#guard.leave(this.#floor);
    else this.#guard.unpin(extent.segment);
    this.#reservation.release();
    if (extent !== undefined && outcome !== 'COMMITTED') this.#guard.suspect(extent.segment);
    return SETTLED;
  }
}
