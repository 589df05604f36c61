/** The latest pieces of a body that is fetched once and read by many, in memory, in order and without a gap. */

interface Piece {
  readonly start: number;
  readonly bytes: Uint8Array;
}

export class FillWindow {
  readonly #pieces: Piece[] = [];
  #bytes = 0;
  #end = 0;

  /** Bytes held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Where what is held begins. */
  get start(): number {
    return this.#pieces[0]?.start ?? this.#end;
  }

  /** Where it ends: bytes received so far. */
  get end(): number {
    return this.#end;
  }

  /** Where the first piece ends; undefined when there is none. */
  get firstEnd(): number | undefined {
    const [first] = this.#pieces;
    return first === undefined ? undefined : first.start + first.bytes.length;
  }

  add(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#pieces.push({ start: this.#end, bytes });
    this.#end += bytes.length;
    this.#bytes += bytes.length;
  }

  dropFirst(): void {
    this.#bytes -= this.#pieces.shift()?.bytes.length ?? 0;
  }

  /** What is held from `position` on to the end of a piece; undefined when it is not held. */
  at(position: number): Uint8Array | undefined {
    if (position < this.start || position >= this.#end) return undefined;
    let low = 0;
    let high = this.#pieces.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#pieces[middle]?.start ?? 0) <= position) low = middle;
      else high = middle - 1;
    }
    const piece = this.#pieces[low];
    return piece?.bytes.subarray(position - piece.start);
  }

  /** Everything, in one piece: only while nothing was dropped. */
  whole(): Uint8Array {
    const [only] = this.#pieces;
    if (this.#pieces.length === 1 && only !== undefined) return only.bytes;
    return Buffer.concat(this.#pieces.map(({ bytes }) => bytes));
  }
}
