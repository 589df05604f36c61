/**
 * Latencies in logarithmic buckets: 64 to a doubling, so that a percentile is right to about 1 %, whatever its size, and
 * recording costs one logarithm and one increment. The idea is that of HdrHistogram (hdrhistogram.org).
 */

const BUCKETS_PER_DOUBLING = 64;
/** 2^32 microseconds is over an hour: more than any run lasts. */
const BUCKETS = 32 * BUCKETS_PER_DOUBLING;

export class Histogram {
  readonly #counts: Uint32Array;
  #total = 0;

  /** `counts` as `toCounts` gave them, or none for an empty one. */
  constructor(counts?: Uint32Array) {
    this.#counts = counts === undefined ? new Uint32Array(BUCKETS) : counts.slice(0, BUCKETS);
    for (const count of this.#counts) this.#total += count;
  }

  get total(): number {
    return this.#total;
  }

  record(latencyMs: number): void {
    const doublings = Math.log2(Math.max(1, latencyMs * 1000));
    const bucket = Math.min(BUCKETS - 1, Math.floor(doublings * BUCKETS_PER_DOUBLING));
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#total++;
  }

  /** The latency in milliseconds that `fraction` (0 to 1) of all stay at or below; 0 when nothing was recorded. */
  percentileMs(fraction: number): number {
    const rank = Math.max(1, Math.ceil(fraction * this.#total));
    let seen = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.#counts[bucket] ?? 0;
      if (this.#total > 0 && seen >= rank) return 2 ** ((bucket + 0.5) / BUCKETS_PER_DOUBLING) / 1000;
    }
    return 0;
  }

  /** To send to another process. */
  toCounts(): Uint32Array {
    return this.#counts.slice();
  }
}
