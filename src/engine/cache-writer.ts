/**
 * Brings a body into segment files: reserved first, hashed on the way, durable on return.
 *
 * Whoever gets `StoredBody` must end it exactly once with `settle`, after the event that refers to it was applied or when
 * there will be none; until then its segments are kept.
 */
import { HeadraceError } from '../core/errors.js';
import type { Md5Stream } from '../core/md5-streams.js';
import { MIB } from '../core/units.js';
import { partitionOf, type EngineCore } from './engine-core.js';
import { decideAbandonWrite, decideOpenWrite } from './decide.js';
import type { LiveWrites } from './live-writes.js';
import type { ExtentWriter } from './segment-store.js';
import {
  SmallBody,
  type BodySource,
  type SmallSource,
  type StoredBody,
  type StoredReceiver,
} from './small-body.js';
import { checkMd5 } from './digests.js';
import type { Reservation } from './reservation.js';
import type { AbandonReason } from '../../log/object-events.js';

/** How much a body of unknown size reserves at a time. */
const RESERVE_STEP_BYTES = 8 * MIB;

export class CacheWriter {
  readonly #core: EngineCore;
  readonly #live: LiveWrites;

  constructor(core: EngineCore, live: LiveWrites) {
    this.#core = core;
    this.#live = live;
  }

  /** `BAD_DIGEST`, `INCOMPLETE_BODY`, `OUT_OF_SPACE`, `DISK_FULL`, `IO_FAILED`, or what the body's stream throws. */
  store(source: BodySource): Promise<StoredBody> {
    if (source.body.kind === 'stream') return this.#storeStream(source, source.body.stream, source.body.size);
    const small = { ...source, body: source.body };
    return new Promise((stored, failed) => {
      this.storeSmall(small, { stored, failed });
    });
  }

  /** As `store`, for the hot path. */
  storeSmall(source: SmallSource, receiver: StoredReceiver): void {
    const { admission, budgets } = this.#core;
    const { size } = source.body;
    const budget = budgets.of(source.bucket, source.key);
    const reservation = admission.tryReserve(size, budget);
    if (reservation !== undefined) this.#storeReserved(source, reservation, receiver);
    else
      admission.reserve(size, budget).then(
        (reserved) => this.#storeReserved(source, reserved, receiver),
        (error: unknown) => receiver.failed(error),
      );
  }

  #storeReserved(source: SmallSource, reservation: Reservation, receiver: StoredReceiver): void {
    const { segments, guard, digests } = this.#core;
    const { chunks, size } = source.body;
    const small = new SmallBody({ guard, floor: segments.smallSegment, reservation }, source, receiver);
    // The write begins first, so that the body is hashed while the disk works.
    if (size > 0) segments.appendThen(source.owner, chunks, size, small);
    digests.smallThen(chunks, size, small.hashed);
  }

  async #storeStream(
    source: BodySource,
    stream: AsyncIterable<Uint8Array>,
    size: number | undefined,
  ): Promise<StoredBody> {
    const { admission, digests, guard, segments } = this.#core;
    const budget = this.#core.budgets.of(source.bucket, source.key);
    const reservation = await admission.reserve(size ?? RESERVE_STEP_BYTES, budget);
    const opened = this.#open(source, reservation.bytes);
    const digest = digests.stream();
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
      digest.abandon();
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
      digest: Md5Stream;
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
