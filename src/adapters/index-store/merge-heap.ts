/**
 * The order in which entries of several sources are taken: by key, and of equal keys the newest source first.
 *
 * A binary heap of cursors. The caller looks at `top`, moves it on, and calls `sink` (or `pop` when it is at its end).
 */
export interface MergeSource {
  /** The key of the current entry. */
  readonly key: string;
  /** 0 for the newest source, and up. */
  readonly age: number;
}

export class MergeHeap<Source extends MergeSource> {
  readonly #sources: Source[];

  /** Takes the array over. Each source stands on its first entry. */
  constructor(sources: Source[]) {
    this.#sources = sources;
    for (let at = (sources.length >>> 1) - 1; at >= 0; at--) this.#sinkFrom(at);
  }

  get top(): Source | undefined {
    return this.#sources[0];
  }

  /** The top has moved on to a greater key. */
  sink(): void {
    this.#sinkFrom(0);
  }

  /** The top is at its end. */
  pop(): void {
    const last = this.#sources.pop();
    if (last === undefined || this.#sources.length === 0) return;
    this.#sources[0] = last;
    this.#sinkFrom(0);
  }

  #sinkFrom(start: number): void {
    const sources = this.#sources;
    const sinking = sources[start];
    if (sinking === undefined) return;
    let at = start;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= sources.length) break;
      if (child + 1 < sources.length && isBefore(sources[child + 1]!, sources[child]!)) child++;
      if (!isBefore(sources[child]!, sinking)) break;
      sources[at] = sources[child]!;
      at = child;
    }
    sources[at] = sinking;
  }
}

function isBefore(a: MergeSource, b: MergeSource): boolean {
  return a.key < b.key || (a.key === b.key && a.age < b.age);
}
