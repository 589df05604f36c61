/** One reader of a fetch that is shared: from the window, from the segment that is being written, or at last by itself. */
import { HeadraceError } from '../core/errors.js';
import type { ByteRange } from '../core/object-store.js';
import type { FillFlight } from './fill-flight.js';

export class FillReader implements AsyncIterableIterator<Uint8Array> {
  readonly #flight: FillFlight;
  readonly #last: number;
  #position: number;
  /** Where the rest comes from, once it does not come from the shared fetch. */
  #own: AsyncIterator<Uint8Array> | undefined;
  #isOver = false;

  constructor(flight: FillFlight, { first, last }: ByteRange) {
    this.#flight = flight;
    this.#position = first;
    this.#last = last;
  }

  /** What it will read next. */
  get position(): number {
    return this.#position;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    try {
      const bytes = await this.#read();
      if (bytes !== undefined) {
        this.#position += bytes.length;
        this.#flight.advanced();
        if (this.#position > this.#last && this.#own === undefined) this.#end();
        return { done: false, value: bytes };
      }
    } catch (error) {
      this.#end();
      throw error;
    }
    this.#end();
    return { done: true, value: undefined };
  }

  async return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.#end();
    await this.#own?.return?.(undefined);
    return { done: true, value: undefined };
  }

  async #read(): Promise<Uint8Array | undefined> {
    const flight = this.#flight;
    while (this.#own === undefined && !this.#isOver) {
      if (this.#position > this.#last) return undefined;
      const held = flight.at(this.#position);
      if (held !== undefined) return this.#cut(held);
      if (this.#position < flight.received) {
        const behind = await flight.behind(this.#position, this.#last);
        if (behind instanceof Uint8Array) return this.#cut(behind);
        this.#own = behind;
        flight.leave(this);
      } else if (flight.phase === 'broken') {
        throw flight.failure;
      } else {
        await flight.changed();
      }
    }
    if (this.#own === undefined) return undefined;
    if (this.#isOver) {
      await this.#own.return?.(undefined);
      return undefined;
    }
    const step = await this.#own.next();
    if (step.done !== true) return step.value;
    if (this.#position > this.#last) return undefined;
    const missing = this.#last - this.#position + 1;
    throw new HeadraceError('UFS_UNAVAILABLE', `the body broke off ${missing} bytes before its end`);
  }

  #cut(bytes: Uint8Array): Uint8Array {
    const left = this.#last - this.#position + 1;
    return bytes.length <= left ? bytes : bytes.subarray(0, left);
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#flight.leave(this);
  }
}
