/**
 * Group commit: appends queue up while a write is in flight, and all that queued is the next frame.
 *
 * Invariants: one write is in flight; frames are written in the order of their offsets; an append lies in one
 * frame, so that its events are durable together; a batch is announced after it is durable, before its
 * appends resolve, and after every batch before it. After a failed write nothing is written, announced or
 * acknowledged any more: what is on disk beyond the last good frame is unknown until recovery has looked.
 *
 * An append is encoded when it is queued, into the memory that will be written, which overlaps with the write
 * in flight. The first write of an idle log starts in a microtask, so that appends made by one turn of the
 * event loop share it.
 *
 * Source of the idea: D. DeWitt et al., "Implementation Techniques for Main Memory Database Systems", SIGMOD
 * 1984.
 */
import { assert } from '../src/core/assert.js';
import { HeadraceError } from '../src/core/errors.js';
import type { LogMetrics } from '../src/core/metrics.js';
import type { Clock } from '../src/core/ports.js';
import { KIB, MIB } from '../src/core/units.js';
import type { Event } from './events.js';
import { FRAME_HEADER_BYTES, type FrameOwner } from './frame.js';
import type { DurableBatch } from './log-store.js';
import { FramePool, type QueuedFrame } from './queued-frame.js';

export interface GroupCommitLimits {
  /** Longest frame: an append that does not fit into one of its own is refused. */
  readonly frameBytesMax: number;
  /** An append that would make a frame longer than this goes to the next one. */
  readonly batchBytes: number;
  readonly batchEvents: number;
  /** Bytes encoded and not yet durable; beyond it appends are refused with `SLOW_DOWN`. */
  readonly queueBytesMax: number;
}

export const GROUP_COMMIT_LIMITS: Omit<GroupCommitLimits, 'frameBytesMax'> = {
  batchBytes: MIB,
  batchEvents: 4096,
  queueBytesMax: 64 * MIB,
};

/** Told to a client whose append did not fit into the queue. */
const RETRY_AFTER_MS = 1000;

export interface GroupCommitOptions {
  readonly owner: FrameOwner;
  readonly epoch: number;
  readonly nextOffset: number;
  readonly limits: GroupCommitLimits;
  readonly clock: Clock;
  readonly metrics?: LogMetrics | undefined;
  /**
   * Makes a frame durable. `bytes` stays unchanged until it resolves. Never called before the last call has
   * ended.
   */
  readonly write: (bytes: Uint8Array, firstOffset: number, count: number) => Promise<void>;
  /** A frame with events is durable. Must not throw. */
  readonly onDurable: (batch: DurableBatch) => void;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class GroupCommit {
  readonly #options: GroupCommitOptions;
  readonly #statistics = { frames: 0, events: 0, bytes: 0 };
  readonly #pool = new FramePool();
  /** Full frames, oldest first. */
  readonly #queue: QueuedFrame[] = [];
  #filling = this.#pool.take();
  #queueBytes = 0;
  #nextOffset: number;
  #durableOffset: number;
  #writing = false;
  #scheduled = false;
  #sealRequests: Waiter[] = [];
  /** Those who wait for the seal that is being written. */
  #sealInFlight: Waiter[] | undefined;
  /** Whether the newest frame, written or being written, is a seal. */
  #sealed = false;
  #failure: unknown;
  #closed = false;

  constructor(options: GroupCommitOptions) {
    this.#options = options;
    this.#nextOffset = options.nextOffset;
    this.#durableOffset = options.nextOffset;
  }

  get nextOffset(): number {
    return this.#nextOffset;
  }

  get durableOffset(): number {
    return this.#durableOffset;
  }

  get statistics(): Readonly<{ frames: number; events: number; bytes: number }> {
    return this.#statistics;
  }

  /** The error that stopped the log, if one did. */
  get failure(): unknown {
    return this.#failure;
  }

  /** Whether nothing is queued or in flight. */
  get idle(): boolean {
    return !this.#writing && this.#nothingQueued;
  }

  get #nothingQueued(): boolean {
    return this.#queue.length === 0 && this.#filling.events.length === 0;
  }

  /** Resolves with the offset of the first event when all are durable. */
  append(events: readonly Event[]): Promise<number> {
    assert(events.length > 0, 'an append needs an event');
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#closed) return Promise.reject(new HeadraceError('CLOSED', 'the log is closed'));
    if (this.#queueBytes > this.#options.limits.queueBytesMax) return Promise.reject(this.#queueFull());
    try {
      this.#encode(events);
    } catch (error) {
      return Promise.reject(error);
    }
    const frame = this.#filling;
    const offset = this.#nextOffset;
    this.#nextOffset += events.length;
    for (const event of events) frame.events.push(event);
    this.#schedule();
    return new Promise((resolve, reject) => {
      frame.appends.push({ offset, resolve, reject });
    });
  }

  /**
   * Writes a frame without events behind all that is queued, unless one is there already. Durable when it
   * resolves.
   */
  seal(): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#sealed && this.idle) return Promise.resolve();
    const waiters = (this.#nothingQueued ? this.#sealInFlight : undefined) ?? this.#sealRequests;
    return new Promise((resolve, reject) => {
      waiters.push({ resolve, reject });
      this.#schedule();
    });
  }

  /** Refuses new appends. What is queued goes on: await `seal` for its end. */
  close(): void {
    this.#closed = true;
  }

  #encode(events: readonly Event[]): void {
    const { batchBytes, batchEvents, frameBytesMax } = this.#options.limits;
    let frame = this.#filling;
    let before = frame.builder.frameBytes;
    const isEmpty = frame.events.length === 0;
    const fits =
      isEmpty || frame.events.length + events.length <= batchEvents
        ? frame.builder.add(events, isEmpty ? frameBytesMax : batchBytes)
        : false;
    if (!fits) {
      if (!isEmpty) {
        this.#queue.push(frame);
        frame = this.#filling = this.#pool.take();
        before = FRAME_HEADER_BYTES;
      }
      if (isEmpty || !frame.builder.add(events, frameBytesMax))
        throw new HeadraceError(
          'INVALID_ARGUMENT',
          `${events.length} events of one append take more than ${Math.floor(frameBytesMax / KIB)} KiB, the longest frame: append them in parts`,
        );
    }
    if (frame.events.length === 0) {
      frame.firstOffset = this.#nextOffset;
      frame.queuedMs = this.#options.clock.monotonicTimeMs();
    }
    this.#queueBytes += frame.builder.frameBytes - before;
  }

  #schedule(): void {
    if (this.#writing || this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(this.#start);
  }

  readonly #start = (): void => {
    this.#scheduled = false;
    this.#writeNext();
  };

  /** Starts the next write, if there is something to write and none is in flight. */
  #writeNext(): void {
    if (this.#writing || this.#failure !== undefined) return;
    let frame = this.#queue.shift();
    if (frame === undefined && this.#filling.events.length > 0) {
      frame = this.#filling;
      this.#filling = this.#pool.take();
    }
    if (frame !== undefined) this.#write(frame);
    else if (this.#sealRequests.length > 0) this.#writeSeal();
  }

  #writeSeal(): void {
    this.#sealInFlight = this.#sealRequests;
    this.#sealRequests = [];
    const frame = this.#pool.take();
    frame.firstOffset = this.#nextOffset;
    this.#write(frame);
  }

  #write(frame: QueuedFrame): void {
    const { owner, epoch, clock, write } = this.#options;
    const { firstOffset, builder } = frame;
    const wallTimeMs = clock.wallTimeMs();
    const bytes = builder.finish({
      partition: owner.partition,
      storeId: owner.storeId,
      epoch,
      firstOffset,
      wallTimeMs,
    });
    this.#writing = true;
    this.#sealed = builder.count === 0;
    write(bytes, firstOffset, builder.count).then(
      () => this.#onWritten(frame, bytes.length, wallTimeMs),
      (error: unknown) => this.#onFailed(frame, error),
    );
  }

  #onWritten(frame: QueuedFrame, bytes: number, wallTimeMs: number): void {
    const { events, appends, firstOffset } = frame;
    const waiters = this.#sealInFlight ?? [];
    this.#sealInFlight = undefined;
    assert(firstOffset === this.#durableOffset, 'frames became durable out of order');
    this.#writing = false;
    this.#durableOffset += events.length;
    this.#statistics.frames++;
    this.#statistics.events += events.length;
    this.#statistics.bytes += bytes;
    if (events.length > 0) {
      this.#queueBytes -= bytes - FRAME_HEADER_BYTES;
      this.#measure(frame, bytes);
    }
    this.#pool.give(frame);
    // The disk gets its next work before the subscribers do theirs.
    this.#writeNext();
    if (events.length > 0) {
      const { owner, epoch, onDurable } = this.#options;
      onDurable({ partition: owner.partition, epoch, firstOffset, events, wallTimeMs });
    }
    for (const append of appends) append.resolve(append.offset);
    for (const waiter of waiters) waiter.resolve();
  }

  #measure(frame: QueuedFrame, bytes: number): void {
    const { metrics, clock } = this.#options;
    if (metrics === undefined) return;
    metrics.appendSeconds.observe((clock.monotonicTimeMs() - frame.queuedMs) / 1000);
    metrics.frameEvents.observe(frame.events.length);
    metrics.frameBytes += bytes;
  }

  #onFailed(frame: QueuedFrame, error: unknown): void {
    this.#writing = false;
    this.#failure = error;
    const frames = [frame, ...this.#queue, this.#filling];
    this.#queue.length = 0;
    this.#filling = this.#pool.take();
    for (const { appends } of frames) for (const append of appends) append.reject(error);
    for (const waiter of [...(this.#sealInFlight ?? []), ...this.#sealRequests]) waiter.reject(error);
    this.#sealInFlight = undefined;
    this.#sealRequests = [];
  }

  #queueFull(): HeadraceError {
    const { queueBytesMax } = this.#options.limits;
    return new HeadraceError(
      'SLOW_DOWN',
      `more than ${Math.floor(queueBytesMax / MIB)} MiB of events wait to be written: try again later`,
      { details: { retryAfterMs: RETRY_AFTER_MS } },
    );
  }
}
