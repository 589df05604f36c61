/**
 * Frames that appends gather in, and their memory, which is used again: a page touched for the first time costs more than
 * the write of it.
 */
import { MIB } from '../src/core/units.js';
import type { Event } from './events.js';
import { FrameBuilder } from './frame.js';

/** A frame's memory is used again unless it grew beyond this. */
const RECYCLED_BYTES_MAX = 4 * MIB;
const RECYCLED_FRAMES_MAX = 3;

interface QueuedAppend {
  readonly offset: number;
  readonly resolve: (offset: number) => void;
  readonly reject: (error: unknown) => void;
}

export class QueuedFrame {
  readonly builder = new FrameBuilder();
  events: Event[] = [];
  appends: QueuedAppend[] = [];
  firstOffset = 0;
  /** When its first append was queued, on the monotonic clock. */
  queuedMs = 0;

  reset(): void {
    this.builder.reset();
    this.events = [];
    this.appends = [];
  }
}

export class FramePool {
  readonly #recycled: QueuedFrame[] = [];

  /** An empty frame. */
  take(): QueuedFrame {
    return this.#recycled.pop() ?? new QueuedFrame();
  }

  /** The frame is done with; its events and appends may still be held by who took them. */
  give(frame: QueuedFrame): void {
    if (this.#recycled.length >= RECYCLED_FRAMES_MAX || frame.builder.capacityBytes > RECYCLED_BYTES_MAX)
      return;
    frame.reset();
    this.#recycled.push(frame);
  }
}
