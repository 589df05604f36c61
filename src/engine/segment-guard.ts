/**
 * Keeps segments whose bytes no event mentions yet. Between the write of a body and the event that refers to it, its segment
 * looks like garbage; whoever is in between has entered here.
 *
 * A small body may land in the segment that is open when it enters or in a later one, so it guards all from there on; a large
 * one guards its own segment. A writer that gives its bytes up names the segment as suspect, because no event ever will.
 */
export class SegmentGuard {
  /** Writers by the lowest segment that they may be writing to. */
  readonly #floors = new Map<number, number>();
  readonly #pins = new Map<number, number>();
  #onSuspect: (segment: number) => void = () => undefined;

  enter(smallSegment: number): void {
    this.#floors.set(smallSegment, (this.#floors.get(smallSegment) ?? 0) + 1);
  }

  leave(smallSegment: number): void {
    decrement(this.#floors, smallSegment);
  }

  pin(segment: number): void {
    this.#pins.set(segment, (this.#pins.get(segment) ?? 0) + 1);
  }

  unpin(segment: number): void {
    decrement(this.#pins, segment);
  }

  guards(segment: number): boolean {
    if (this.#pins.has(segment)) return true;
    for (const floor of this.#floors.keys()) if (segment >= floor) return true;
    return false;
  }

  /** Bytes in the segment will never be mentioned by an event: perhaps nothing in it is alive. */
  suspect(segment: number): void {
    this.#onSuspect(segment);
  }

  /** From now on `listener` hears of suspects. */
  listen(listener: (segment: number) => void): void {
    this.#onSuspect = listener;
  }
}

function decrement(counts: Map<number, number>, key: number): void {
  const count = counts.get(key) ?? 0;
  if (count <= 1) counts.delete(key);
  else counts.set(key, count - 1);
}
