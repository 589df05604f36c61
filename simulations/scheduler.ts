/**
 * Virtual time: a heap of due callbacks that runs one at a time.
 *
 * Invariants: time moves only from one due callback to the next, or by `stall`; callbacks due at the same time run in the order in
 * which they were scheduled; between two callbacks one real turn of the event loop passes, so that every microtask
 * the first one caused has run. Nothing depends on real time: the same calls give the same order, always.
 *
 * The idea: FoundationDB's simulator (Zhou et al., "FoundationDB: A Distributed Unbundled Transactional Key Value
 * Store", SIGMOD 2021, part 4). This is the only file of the simulator that may use `setImmediate`.
 */
import { assert } from '../src/core/assert.js';
import type { Cancel } from '../src/core/ports.js';

/** Time counts in these parts of a millisecond: a power of two, so that differences of times are exact. */
const TICKS_PER_MS = 1024;
/** What time moves by at least, in milliseconds, when it moves. */
export const TICK_MS = 1 / TICKS_PER_MS;
/** Callbacks after which a run is taken for one that never ends. */
const STEPS_MAX_DEFAULT = 10_000_000;
const TURNS_AT_ONCE = 32;

export interface SchedulerOptions {
  readonly stepsMax?: number;
  /** Called before each callback: the trace by which two runs are compared. */
  readonly onStep?: (timeMs: number, sequence: number) => void;
}

interface Entry {
  readonly dueMs: number;
  readonly sequence: number;
  /** Undefined once cancelled. */
  callback: (() => void) | undefined;
}

/** What is under way: a call of `run`, or of one like it. */
interface Playing {
  readonly isOver: () => boolean;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class Scheduler {
  readonly #heap: Entry[] = [];
  readonly #stepsMax: number;
  readonly #onStep: SchedulerOptions['onStep'];
  #nowMs = 0;
  #sequence = 0;
  #steps = 0;
  #playing: Playing | undefined;
  /** Turns of the event loop that are still to come. */
  #turnsAsked = 0;
  readonly #turn = (): void => this.#takeTurn();

  constructor(options: SchedulerOptions = {}) {
    this.#stepsMax = options.stepsMax ?? STEPS_MAX_DEFAULT;
    this.#onStep = options.onStep;
  }

  /** Virtual milliseconds, with a fraction, since the simulation began. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Callbacks that have run. */
  get steps(): number {
    return this.#steps;
  }

  /** Runs `callback` when `delayMs` of virtual time have passed, rounded up to 1/1024 ms. */
  schedule(delayMs: number, callback: () => void): Cancel {
    // The message is made only when it is needed: most of what a simulation does is scheduled here.
    if (!(delayMs >= 0 && delayMs < Infinity)) assert(false, `a delay of ${delayMs} ms is not possible`);
    const dueMs = Math.ceil((this.#nowMs + delayMs) * TICKS_PER_MS) / TICKS_PER_MS;
    const entry: Entry = { dueMs, sequence: this.#sequence++, callback };
    this.#push(entry);
    return () => {
      entry.callback = undefined;
    };
  }

  /** Time goes on and nothing happens, as in a machine that is paused: what becomes due meanwhile runs afterwards, in its order. */
  stall(durationMs: number): void {
    assert(durationMs >= 0 && durationMs < Infinity, `a pause of ${durationMs} ms is not possible`);
    this.#nowMs = Math.ceil((this.#nowMs + durationMs) * TICKS_PER_MS) / TICKS_PER_MS;
  }

  /** Runs everything that is due up to `untilMs`, and leaves the time there. */
  async run(untilMs: number): Promise<void> {
    assert(untilMs >= this.#nowMs, `time cannot go back from ${this.#nowMs} ms to ${untilMs} ms`);
    await this.#play(() => (this.#peek()?.dueMs ?? Infinity) > untilMs);
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  /** As `run`, and stops as soon as `isOver` holds, which is asked after each callback; the time stays there then. */
  async runUntil(untilMs: number, isOver: () => boolean): Promise<void> {
    assert(untilMs >= this.#nowMs, `time cannot go back from ${this.#nowMs} ms to ${untilMs} ms`);
    let over = false;
    await this.#play(() => (over = isOver()) || (this.#peek()?.dueMs ?? Infinity) > untilMs);
    if (!over) this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  /** Runs until nothing is scheduled any more. */
  async runUntilIdle(): Promise<void> {
    await this.#play(() => this.#peek() === undefined);
  }

  /**
   * Runs until `promise` settles, and returns or throws what it settles with. Throws when nothing is scheduled any
   * more before that: then it never will.
   */
  async complete<Value>(promise: Promise<Value>): Promise<Value> {
    let settled = false;
    const settle = (): void => {
      settled = true;
    };
    promise.then(settle, settle);
    await this.#play(() => {
      if (!settled && this.#peek() === undefined)
        throw new Error(`${this.#where()}: waits for what will never happen`);
      return settled;
    });
    return await promise;
  }

  /**
   * Runs what is due, one callback in each turn of the event loop, until `isOver`, which is asked before the first and after
   * each. Turns are asked for some at a time: the event loop runs all microtasks between two of them, but looks for input and
   * output only once. Those that are left at the end are used by who plays next.
   */
  #play(isOver: () => boolean): Promise<void> {
    assert(this.#playing === undefined, 'the scheduler is running already');
    return new Promise((resolve, reject) => {
      this.#playing = { isOver, resolve, reject };
      this.#askForTurns();
    });
  }

  #askForTurns(): void {
    if (this.#turnsAsked > 0) return;
    for (; this.#turnsAsked < TURNS_AT_ONCE; this.#turnsAsked++) setImmediate(this.#turn);
  }

  #takeTurn(): void {
    this.#turnsAsked--;
    const playing = this.#playing;
    if (playing === undefined) return;
    try {
      if (!playing.isOver()) {
        this.#step();
        this.#askForTurns();
        return;
      }
    } catch (error) {
      this.#playing = undefined;
      playing.reject(error as Error);
      return;
    }
    this.#playing = undefined;
    playing.resolve();
  }

  #step(): void {
    const entry = this.#pop();
    // Late when everything stood still.
    this.#nowMs = Math.max(this.#nowMs, entry.dueMs);
    if (++this.#steps > this.#stepsMax)
      throw new Error(`${this.#where()}: more than ${this.#stepsMax} steps`);
    this.#onStep?.(entry.dueMs, entry.sequence);
    entry.callback?.();
  }

  #where(): string {
    return `simulation at ${this.#nowMs} ms, step ${this.#steps}`;
  }

  /** The next entry that was not cancelled. */
  #peek(): Entry | undefined {
    while (this.#heap[0] !== undefined && this.#heap[0].callback === undefined) this.#pop();
    return this.#heap[0];
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(entry);
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = heap[parentIndex];
      if (parent === undefined || isBefore(parent, entry)) break;
      heap[index] = parent;
      index = parentIndex;
    }
    heap[index] = entry;
  }

  #pop(): Entry {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    assert(top !== undefined && last !== undefined, 'the heap is empty');
    if (heap.length === 0) return top;
    let index = 0;
    for (;;) {
      let child = heap[2 * index + 1];
      if (child === undefined) break;
      let childIndex = 2 * index + 1;
      const right = heap[childIndex + 1];
      if (right !== undefined && isBefore(right, child)) {
        child = right;
        childIndex++;
      }
      if (isBefore(last, child)) break;
      heap[index] = child;
      index = childIndex;
    }
    heap[index] = last;
    return top;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.sequence < b.sequence);
}
