/** Those for whom an object is fetched: readers, each at its position, and those who only want the fetch to go on. */

/** Where a reader stands: the offset in the object of the byte that it takes next. */
interface Positioned {
  readonly position: number;
}

export class FillAudience<Reader extends Positioned> {
  readonly #readers = new Set<Reader>();
  #keepers = 0;

  get isEmpty(): boolean {
    return this.#readers.size === 0 && this.#keepers === 0;
  }

  add(reader: Reader): void {
    this.#readers.add(reader);
  }

  /** Whether it was there. */
  delete(reader: Reader): boolean {
    return this.#readers.delete(reader);
  }

  /** One more who wants the fetch to go on, until the result is called, which calls `left` the first time. */
  keep(left: () => void): () => void {
    this.#keepers += 1;
    let kept = true;
    return () => {
      if (!kept) return;
      kept = false;
      this.#keepers -= 1;
      left();
    };
  }

  hasReaderAt(position: number): boolean {
    for (const reader of this.#readers) if (reader.position === position) return true;
    return false;
  }

  /** Where the slowest reader stands; `end` when none is behind it. */
  slowest(end: number): number {
    let slowest = end;
    for (const { position } of this.#readers) slowest = Math.min(slowest, position);
    return slowest;
  }

  /** Those who are behind `position` are readers no more. */
  dropBehind(position: number): void {
    for (const reader of this.#readers) if (reader.position < position) this.#readers.delete(reader);
  }
}
