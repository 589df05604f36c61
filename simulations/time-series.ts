/**
 * Figures over a time whose end is not known: kept in a bounded number of intervals, which double in width when they run out.
 */

export interface TimeSeries {
  /** Of one interval. The first begins at 0. */
  readonly widthMs: number;
  /** The largest value in each interval. */
  readonly pinnedBytes: readonly number[];
  readonly queuedUploads: readonly number[];
  /** Counted in each interval. */
  readonly refusals: readonly number[];
}

/** Even, so that intervals can be joined two by two. */
const INTERVALS_MAX = 512;
const WIDTH_MS_MIN = 10;

export class TimeSeriesSampler {
  #widthMs = WIDTH_MS_MIN;
  #pinnedBytes: number[] = [];
  #queuedUploads: number[] = [];
  #refusals: number[] = [];
  /** What was noted last: it holds in the intervals in which nothing is. */
  #last = { pinnedBytes: 0, queuedUploads: 0 };

  /** Times never go back. A value holds until the next one is noted. */
  note(atMs: number, pinnedBytes: number, queuedUploads: number): void {
    const at = this.#intervalAt(atMs);
    this.#pinnedBytes[at] = Math.max(this.#pinnedBytes[at] ?? 0, pinnedBytes);
    this.#queuedUploads[at] = Math.max(this.#queuedUploads[at] ?? 0, queuedUploads);
    this.#last = { pinnedBytes, queuedUploads };
  }

  refused(atMs: number): void {
    const at = this.#intervalAt(atMs);
    this.#refusals[at] = (this.#refusals[at] ?? 0) + 1;
  }

  /** Byte values are multiplied by `scale`. */
  series(scale: number): TimeSeries {
    return {
      widthMs: this.#widthMs,
      pinnedBytes: this.#pinnedBytes.map((bytes) => bytes * scale),
      queuedUploads: [...this.#queuedUploads],
      refusals: [...this.#refusals],
    };
  }

  #intervalAt(atMs: number): number {
    while (atMs >= this.#widthMs * INTERVALS_MAX) {
      this.#widthMs *= 2;
      this.#pinnedBytes = joined(this.#pinnedBytes, Math.max);
      this.#queuedUploads = joined(this.#queuedUploads, Math.max);
      this.#refusals = joined(this.#refusals, (a, b) => a + b);
    }
    const at = Math.floor(atMs / this.#widthMs);
    for (let next = this.#pinnedBytes.length; next <= at; next++) {
      this.#pinnedBytes.push(next === at ? 0 : this.#last.pinnedBytes);
      this.#queuedUploads.push(next === at ? 0 : this.#last.queuedUploads);
      this.#refusals.push(0);
    }
    return at;
  }
}

function joined(values: readonly number[], join: (a: number, b: number) => number): number[] {
  return Array.from({ length: Math.ceil(values.length / 2) }, (_, at) =>
    join(values[2 * at] ?? 0, values[2 * at + 1] ?? 0),
  );
}
