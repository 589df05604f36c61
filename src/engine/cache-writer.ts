/**
 * Brings a body into segment files: reserved first, hashed on the way, durable on return.
 *
 * Whoever gets `StoredBody` must end it exactly once with `settle`, after the event that refers to it was applied or when
 * there will be none; until then its segments are kept.
 */
import { HeadraceError } from '../core/errors.js';
import type { Extent } from '../core/object.js';
import { MIB } from '../core/units.js';
import { partitionOf, type EngineCore, type StreamDigest } from './engine-core.js';
import { decideAbandonWrite, decideOpenWrite } from './decide.js';
import type { Body } from './object-service.js';
import type { LiveWrites } from './live-writes.js';
import type { SegmentGuard } from './segment-guard.js';
import type { ExtentWriter } from './segment-store.js';
import type { Reservation } from './admission.js';
import type { AbandonReason } from '../../log/events.js';

/** How much a body of unknown size reserves at a time. */
const RESERVE_STEP_BYTES = 8 * MIB;
const NO_EXTENTS: readonly Extent[] = [];
const NO_MD5 = new Uint8Array(0);
const SETTLED = Promise.resolve();

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

/** A body in a segment that it shares. A class, because closures with their contexts took 300 bytes more for each write. */
class SmallBody implements StoredBody {
  readonly size: number;
  extents: readonly Extent[] = NO_EXTENTS;
  md5: Uint8Array = NO_MD5;
  readonly #guard: SegmentGuard;
  readonly #reservation: Reservation;
  readonly #floor: number;

  constructor(guard: SegmentGuard, reservation: Reservation, floor: number, size: number) {
    this.#guard = guard;
    this.#reservation = reservation;
    this.#floor = floor;
    this.size = size;
    guard.enter(floor);
  }

  /** Its place is known: the segments behind it need not wait for the UFS of a WRITE_THROUGH. */
  place(extent: Extent): void {
    this.extents = [extent];
    this.#guard.pin(extent.segment);
    this.#guard.leave(this.#floor);
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

export interface BodySource {
  readonly bucket: string;
  readonly key: string;
  /** Index key of the record that will refer to the bytes. */
  readonly owner: string;
  readonly body: Body;
  /** What the client says the MD5 is. */
  readonly md5?: Uint8Array;
}

export class CacheWriter {
  readonly #core: EngineCore;
  readonly #live: LiveWrites;

  constructor(core: EngineCore, live: LiveWrites) {
    this.#core = core;
    this.#live = live;
  }

  /** `BAD_DIGEST`, `INCOMPLETE_BODY`, `OUT_OF_SPACE`, `DISK_FULL`, `IO_FAILED`, or what the body's stream throws. */
  store(source: BodySource): Promise<StoredBody> {
    return source.body.kind === 'chunks'
      ? this.#storeSmall(source, source.body.chunks, source.body.size)
      : this.#storeStream(source, source.body.stream, source.body.size);
  }

  async #storeSmall(source: BodySource, chunks: readonly Uint8Array[], size: number): Promise<StoredBody> {
    const { admission, segments, guard, digests } = this.#core;
    const reservation = admission.tryReserve(size) ?? (await admission.reserve(size));
    const stored = new SmallBody(guard, reservation, segments.smallSegment, size);
    try {
      // The write begins first, so that the body is hashed while the disk works.
      const written = size > 0 ? segments.append(source.owner, chunks, size) : undefined;
      const digest = digests.small(chunks, size);
      if (written !== undefined) stored.place(await written);
      stored.md5 = await digest;
      checkMd5(source.md5, stored.md5);
      return stored;
    } catch (error) {
      await stored.settle('FAILED');
      throw error;
    }
  }

  async #storeStream(
    source: BodySource,
    stream: AsyncIterable<Uint8Array>,
    size: number | undefined,
  ): Promise<StoredBody> {
    const { admission, digests, guard, segments } = this.#core;
    const reservation = await admission.reserve(size ?? RESERVE_STEP_BYTES);
    const opened = this.#open(source, reservation.bytes);
    let writer: ExtentWriter | undefined;
    let isKept = false;
    const settle = async (outcome: 'COMMITTED' | AbandonReason): Promise<void> => {
      // It counts as live until the log says how it ended, so that the reaper never ends it a second time.
      if (outcome !== 'COMMITTED') await this.#abandon(source, opened, outcome, writer);
      this.#live.end(opened.writeId);
      if (writer !== undefined) guard.unpin(writer.segment);
      reservation.release();
      if (writer !== undefined && !(isKept && outcome === 'COMMITTED')) guard.suspect(writer.segment);
    };
    try {
      writer = await segments.openWriter(source.owner, size);
      guard.pin(writer.segment);
      const digest = digests.stream();
      await this.#pump(source, stream, { size, opened, writer, digest, reservation });
      const [extent, md5] = await Promise.all([writer.finish(), digest.digest()]);
      checkMd5(source.md5, md5);
      await opened.logged;
      isKept = extent.size > 0;
      return {
        extents: isKept ? [extent] : [],
        size: extent.size,
        md5,
        writeId: opened.writeId,
        reservedBytes: opened.reservedBytes,
        settle,
      };
    } catch (error) {
      await settle(this.#live.reasonOf(opened.writeId) ?? 'FAILED');
      throw error;
    }
  }

  async #pump(
    source: BodySource,
    stream: AsyncIterable<Uint8Array>,
    to: {
      size: number | undefined;
      opened: OpenedWrite;
      writer: ExtentWriter;
      digest: StreamDigest;
      reservation: Reservation;
    },
  ): Promise<void> {
    const { writeId } = to.opened;
    const chunks = stream[Symbol.asyncIterator]();
    let received = 0;
    try {
      for (;;) {
        const step = await this.#live.next(writeId, chunks);
        if (step.done === true) break;
        const chunk = step.value;
        received += chunk.length;
        if (to.size !== undefined && received > to.size) {
          throw new HeadraceError(
            'INCOMPLETE_BODY',
            `the body has more than the ${to.size} bytes it announced`,
          );
        }
        while (received > to.reservation.bytes) await to.reservation.grow(RESERVE_STEP_BYTES);
        const hashed = to.digest.update(chunk);
        await to.writer.write(chunk);
        if (hashed !== undefined) await hashed;
      }
    } catch (error) {
      // Not waited for: a client that is silent may keep its stream from ending.
      chunks.return?.()?.catch(() => undefined);
      throw error;
    }
    if (to.size !== undefined && received < to.size) {
      throw new HeadraceError(
        'INCOMPLETE_BODY',
        `the body of "${source.key}" ended after ${received} of ${to.size} bytes`,
      );
    }
  }

  /** Logs that a write began. Not waited for: the commit comes later in the same log. */
  #open(source: BodySource, reservedBytes: number): OpenedWrite {
    const writeId = Buffer.from(this.#core.random.bytes(16)).toString('hex');
    const { bucket, key } = source;
    this.#live.begin(writeId, source.owner);
    const logged = partitionOf(this.#core, bucket, key)
      .submit((view) => decideOpenWrite(view, { bucket, key, writeId, reservedBytes }))
      .then(() => undefined);
    logged.catch(() => undefined);
    return { writeId, reservedBytes, logged };
  }

  /** Never rejects: what cannot be logged or removed now is found by the reaper, the sweep or the next start. */
  async #abandon(
    source: BodySource,
    opened: OpenedWrite,
    reason: AbandonReason,
    writer: ExtentWriter | undefined,
  ): Promise<void> {
    const { bucket, key } = source;
    const { writeId, reservedBytes } = opened;
    const { logger } = this.#core;
    try {
      await opened.logged;
      await partitionOf(this.#core, bucket, key).submit((view) =>
        decideAbandonWrite(view, { bucket, key, writeId, reservedBytes, reason }),
      );
    } catch (error) {
      logger.warn({ bucket, key, writeId, error }, 'a write could not be abandoned in the log');
    }
    try {
      await writer?.abandon();
    } catch (error) {
      logger.warn({ bucket, key, writeId, error }, 'the file of an abandoned write could not be removed');
    }
  }
}

interface OpenedWrite {
  readonly writeId: string;
  readonly reservedBytes: number;
  readonly logged: Promise<void>;
}

export function checkMd5(expected: Uint8Array | undefined, actual: Uint8Array): void {
  if (expected === undefined || Buffer.compare(expected, actual) === 0) return;
  throw new HeadraceError(
    'BAD_DIGEST',
    `the body's MD5 is ${Buffer.from(actual).toString('base64')}, not ${Buffer.from(expected).toString('base64')}`,
  );
}
