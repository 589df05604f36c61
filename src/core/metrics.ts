/**
 * What the engine, the log and the adapters measure: counters and histograms that cost one increment of a typed array.
 *
 * Nothing here knows how metrics are published: `src/metrics` reads these values when somebody asks for them, so that a request
 * pays nothing for being measured but the increment. Values only grow, from 0 at the start of the process.
 */

/** Seconds, from what a batch on NVMe takes to what nobody waits for. */
export const LATENCY_BOUNDS: readonly number[] = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
];

/** Counts of things, from one to the most that share a frame of the log. */
const COUNT_BOUNDS: readonly number[] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096];

/** How values are distributed over buckets with fixed upper bounds. */
export class Histogram {
  readonly bounds: readonly number[];
  /** Per bucket, not cumulated; the last one takes what is above all bounds. */
  readonly #counts: Float64Array;
  readonly #sum = new Float64Array(1);

  /** `bounds`: inclusive upper bounds, ascending. */
  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    const { bounds } = this;
    let at = 0;
    while (at < bounds.length && value > (bounds[at] as number)) at++;
    (this.#counts[at] as number)++;
    (this.#sum[0] as number) += value;
  }

  get sum(): number {
    return this.#sum[0] as number;
  }

  get count(): number {
    let count = 0;
    for (const one of this.#counts) count += one;
    return count;
  }

  /** How many values were at most each of the bounds. */
  cumulated(): number[] {
    let total = 0;
    return this.bounds.map((_bound, at) => (total += this.#counts[at] as number));
  }
}

/**
 * Totals by one label. Values of the label beyond `limit` are counted together as `other`, so that nobody can make more of
 * them.
 */
export class CounterFamily {
  readonly #totals = new Map<string, number>();
  readonly #limit: number;

  constructor(limit = 64) {
    this.#limit = limit;
  }

  add(label: string, amount = 1): void {
    const known = this.#totals.get(label);
    if (known !== undefined) this.#totals.set(label, known + amount);
    else if (this.#totals.size < this.#limit) this.#totals.set(label, amount);
    else this.#totals.set('other', (this.#totals.get('other') ?? 0) + amount);
  }

  entries(): Iterable<[label: string, total: number]> {
    return this.#totals.entries();
  }
}

/** What only the inside of the engine can tell. */
export class EngineCounters {
  /** Reads of an object that the cache held. */
  cacheHits = 0;
  /** Reads of an object for which the UFS was asked. */
  cacheMisses = 0;
}

/** Of one log store, over all its partitions. */
export class LogMetrics {
  /** Seconds from the moment the first append of a frame is queued until the frame is durable. */
  readonly appendSeconds = new Histogram(LATENCY_BOUNDS);
  /** Events in a frame. */
  readonly frameEvents = new Histogram(COUNT_BOUNDS);
  frameBytes = 0;
}

/** Of one database that the log is in. */
export class DatabaseMetrics {
  /** Seconds that a read takes, failed ones too; the first of a transaction also asks for a version. */
  readonly readSeconds = new Histogram(LATENCY_BOUNDS);
  /** Seconds that a commit takes, failed ones too. */
  readonly commitSeconds = new Histogram(LATENCY_BOUNDS);
  /** Reads and commits that failed, by the database's code. */
  readonly errors = new CounterFamily();
}

/** Of one disk. */
export class DiskMetrics {
  /** Seconds that a sync takes. */
  readonly syncSeconds = new Histogram(LATENCY_BOUNDS);
  /** Seconds that a write takes which is durable when it returns (O_DSYNC). */
  readonly durableWriteSeconds = new Histogram(LATENCY_BOUNDS);
}
