/**
 * How long requests take, by operation and class of status. The names of operations come from a table, so there is a bound to
 * them.
 */
import { Histogram, LATENCY_BOUNDS } from '../core/metrics.js';
import type { HistogramSample, Sample } from './scrape.js';

/** By the first digit of the status; 0 when the client went away before an answer. */
const STATUS_CLASSES = ['aborted', '1xx', '2xx', '3xx', '4xx', '5xx'] as const;

export class RequestMetrics {
  readonly #byOperation = new Map<string, (Histogram | undefined)[]>();

  /** Takes `AnswerObserver`'s arguments; called once for every request. */
  readonly observe = (operation: string, status: number, durationMs: number): void => {
    let histograms = this.#byOperation.get(operation);
    if (histograms === undefined) {
      histograms = STATUS_CLASSES.map(() => undefined);
      this.#byOperation.set(operation, histograms);
    }
    const at = (status / 100) | 0;
    const histogram = (histograms[at] ??= new Histogram(LATENCY_BOUNDS));
    histogram.observe(durationMs / 1000);
  };

  *durations(): Generator<HistogramSample, void, undefined> {
    for (const [operation, histograms] of this.#byOperation)
      for (const [at, status] of STATUS_CLASSES.entries()) {
        const histogram = histograms[at];
        if (histogram !== undefined) yield { labels: { operation, status }, histogram };
      }
  }

  *totals(): Generator<Sample, void, undefined> {
    for (const { labels, histogram } of this.durations())
      yield { ...(labels === undefined ? {} : { labels }), value: histogram.count };
  }
}
