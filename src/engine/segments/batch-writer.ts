/**
 * Group commit of small bodies: what arrives together goes to disk in one write.
 *
 * A body is copied once, behind room for its header, into the batch that is being filled. One write is in flight; whatever
 * arrives meanwhile is the next batch. When nothing is in flight, the write begins in the next turn of the event loop, so
 * that bodies which complete in the same turn share it. The memory is a fixed number of recycled batches; bodies beyond
 * them wait in a bounded queue.
 *
 * Invariants: a batch starts at a block boundary, so that a write which fails or is torn cannot harm what was acknowledged
 * before, and is written with zeros up to the next, so that no header of a failed batch, whose place it took, is left in
 * between; after a failed write nothing in its batch is reported as stored, and after one that failed for another reason
 * than a full disk nothing more is written to that segment.
 */
import { assert } from '../../core/assert.js';
import { HeadraceError, isErrorCode } from '../../core/errors.js';
import { xxhash64 } from '../../core/hashing.js';
import { takeMemory } from '../../core/memory.js';
import type { Clock } from '../../core/ports.js';
import { SMALL_BODY_BYTES_MAX } from '../object-service.js';
import type { AppendReceiver } from '../segment-store.js';
import {
  BLOCK_BYTES,
  EXTENT_ALIGNMENT_BYTES,
  OWNER_BYTES_MAX,
  alignUp,
  encodeExtentHeader,
  extentHeaderBytes,
  placeExtentHeader,
} from './segment-format.js';
import type { SegmentStatistics } from './segment-statistics.js';
import type { SmallSegment, SmallSegments } from './small-segments.js';

/** A body in a batch. `at` is where its header starts, from the start of the batch. */
interface Staged {
  readonly at: number;
  readonly headerBytes: number;
  readonly size: number;
  readonly checksum: bigint;
  readonly receiver: AppendReceiver;
}

/** A body that found no room, in memory of its own. */
interface Waiting {
  readonly owner: string;
  readonly bytes: Uint8Array;
  readonly receiver: AppendReceiver;
}

class Batch {
  readonly buffer: Buffer;
  used = 0;
  bodies: Staged[] = [];

  constructor(bytes: number) {
    this.buffer = takeMemory(alignUp(bytes, BLOCK_BYTES));
  }

  clear(): void {
    this.used = 0;
    this.bodies = [];
  }
}

export interface BatchLimits {
  /** Size of a batch, headers included. */
  readonly batchBytes: number;
  readonly batchCount: number;
  /** Bodies that wait for a batch, together. More are refused with `SLOW_DOWN`. */
  readonly queueBytesMax: number;
}

export class BatchWriter {
  readonly #clock: Clock;
  readonly #segments: SmallSegments;
  readonly #statistics: SegmentStatistics;
  readonly #limits: BatchLimits;
  readonly #free: Batch[] = [];
  #batchCount = 0;
  #filling: Batch | undefined;
  /** Full batches, in order, that wait for the one in flight. */
  readonly #full: Batch[] = [];
  #queue: Waiting[] = [];
  #queueBytes = 0;
  #writing = false;
  #scheduled = false;
  #closed = false;
  /** Called between two writes. */
  #betweenWrites: (() => void)[] = [];
  #idle: (() => void)[] = [];

  constructor(parts: {
    clock: Clock;
    segments: SmallSegments;
    statistics: SegmentStatistics;
    limits: BatchLimits;
  }) {
    this.#clock = parts.clock;
    this.#segments = parts.segments;
    this.#statistics = parts.statistics;
    this.#limits = parts.limits;
  }

  /** See `SegmentStore.appendThen`. */
  append(owner: string, chunks: readonly Uint8Array[], size: number, receiver: AppendReceiver): void {
    // Here and below messages are made only when they are needed: to make them costs as much as the header.
    if (size > SMALL_BODY_BYTES_MAX) assert(false, `a body of ${size} bytes is not small`);
    if (owner.length > OWNER_BYTES_MAX) assert(false, `an owner of ${owner.length} bytes is too long`);
    if (this.#closed) this.#refuse(receiver, new HeadraceError('CLOSED', 'the segment store is closed'));
    else if (this.#queue.length > 0 || !this.#stage(owner, chunks, size, receiver))
      this.#enqueue(owner, chunks, size, receiver);
  }

  /** In the next turn: the caller may not be ready for an answer yet. */
  #refuse(receiver: AppendReceiver, error: HeadraceError): void {
    this.#clock.nextTurn(() => receiver.failed(error));
  }

  /** Runs `action` when no write is in flight, before the next one begins. */
  async betweenWrites(action: () => void): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#betweenWrites.push(() => {
        action();
        resolve();
      });
      this.#pump();
    });
  }

  /** Refuses new bodies and resolves when those accepted before are written or have failed. */
  async close(): Promise<void> {
    this.#closed = true;
    await new Promise<void>((resolve) => {
      this.#idle.push(resolve);
      this.#pump();
    });
  }

  /** Copies a body into the open batch; false when there is no room. */
  #stage(owner: string, chunks: readonly Uint8Array[], size: number, receiver: AppendReceiver): boolean {
    const headerBytes = extentHeaderBytes(owner.length);
    const batch = this.#roomFor(headerBytes + alignUp(size, EXTENT_ALIGNMENT_BYTES));
    if (batch === undefined) return false;
    const { buffer, used: at } = batch;
    const start = at + headerBytes;
    let end = start;
    for (const chunk of chunks) {
      buffer.set(chunk, end);
      end += chunk.length;
    }
    if (end - start !== size) assert(false, `the chunks have ${end - start} bytes, not ${size}`);
    batch.used = alignUp(end, EXTENT_ALIGNMENT_BYTES);
    for (let i = end; i < batch.used; i++) buffer[i] = 0;
    const checksum = xxhash64(buffer.subarray(start, end));
    encodeExtentHeader(buffer, at, { headerBytes, owner, size, checksum });
    batch.bodies.push({ at, headerBytes, size, checksum, receiver });
    this.#schedule();
    return true;
  }

  /** The batch being filled, or the next one when that is too full; undefined when all are in use. */
  #roomFor(bytes: number): Batch | undefined {
    const batch = this.#filling;
    if (batch !== undefined) {
      if (batch.used + bytes <= batch.buffer.length) return batch;
      this.#filling = undefined;
      this.#full.push(batch);
      this.#pump();
    }
    this.#filling = this.#free.pop();
    if (this.#filling === undefined && this.#batchCount < this.#limits.batchCount) {
      this.#batchCount++;
      this.#filling = new Batch(this.#limits.batchBytes);
    }
    return this.#filling;
  }

  #enqueue(owner: string, chunks: readonly Uint8Array[], size: number, receiver: AppendReceiver): void {
    if (this.#queueBytes + size > this.#limits.queueBytesMax) {
      const message = `${this.#queueBytes} bytes already wait to be written; try again later`;
      this.#refuse(receiver, new HeadraceError('SLOW_DOWN', message));
      return;
    }
    const bytes = Buffer.concat(chunks);
    assert(bytes.length === size, `the chunks have ${bytes.length} bytes, not ${size}`);
    this.#queueBytes += size;
    this.#queue.push({ owner, bytes, receiver });
  }

  /** Stages what waits, in order, as far as there is room. */
  #admit(): void {
    let admitted = 0;
    for (const { owner, bytes, receiver } of this.#queue) {
      if (!this.#stage(owner, [bytes], bytes.length, receiver)) break;
      this.#queueBytes -= bytes.length;
      admitted++;
    }
    if (admitted > 0) this.#queue = this.#queue.slice(admitted);
  }

  #schedule(): void {
    if (this.#writing || this.#scheduled) return;
    this.#scheduled = true;
    this.#clock.nextTurn(() => {
      this.#scheduled = false;
      this.#pump();
    });
  }

  /** Begins the next write unless one is in flight. */
  #pump(): void {
    if (this.#writing) return;
    for (const action of this.#betweenWrites.splice(0)) action();
    const batch = this.#takeBatch();
    if (batch === undefined) {
      for (const resolve of this.#idle.splice(0)) resolve();
      return;
    }
    this.#writing = true;
    const { bodies } = batch;
    this.#write(batch).then(
      ({ segment, start }) => {
        this.#writeNext(batch);
        for (const { at, headerBytes, size, checksum, receiver } of bodies) {
          this.#statistics.payloadBytes += size;
          receiver.appended({ segment, position: start + at + headerBytes, size, checksum });
        }
      },
      (error: unknown) => {
        this.#writeNext(batch);
        for (const { receiver } of bodies) receiver.failed(error);
      },
    );
  }

  /** The disk gets its next work before the receivers of `done` do theirs. */
  #writeNext(done: Batch): void {
    this.#writing = false;
    done.clear();
    this.#free.push(done);
    this.#admit();
    this.#pump();
  }

  #takeBatch(): Batch | undefined {
    const full = this.#full.shift();
    if (full !== undefined) return full;
    const batch = this.#filling;
    if (batch === undefined || batch.used === 0) return undefined;
    this.#filling = undefined;
    return batch;
  }

  /** Resolves with the segment, and where in it the batch starts, when the bodies are durable. */
  async #write(batch: Batch): Promise<{ segment: number; start: number }> {
    const { buffer, used, bodies } = batch;
    let segment: SmallSegment | undefined;
    try {
      segment = await this.#segments.place(used);
      const { entry, file } = segment;
      const start = alignUp(segment.position, BLOCK_BYTES);
      const blocks = buffer.subarray(0, alignUp(used, BLOCK_BYTES));
      blocks.fill(0, used);
      for (const { at, headerBytes } of bodies) {
        placeExtentHeader(buffer, at, entry.id, start + at + headerBytes);
      }
      await file.write(start, blocks);
      this.#statistics.wrote(blocks.length);
      this.#segments.advance(segment, start + used);
      return { segment: entry.id, start };
    } catch (error) {
      // After a full disk the next batch overwrites what this one may have left. After anything else the state of the
      // file is unknown, and nothing more is entrusted to it.
      if (segment !== undefined && !isErrorCode(error, 'DISK_FULL')) this.#segments.retire();
      throw error;
    }
  }
}
