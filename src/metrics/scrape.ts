/**
 * The Prometheus registry: reads counters, gauges and histograms from where they are kept, when somebody scrapes.
 *
 * Invariants: nothing is computed between two scrapes; a metric is a function of the state of the process, so that it needs no
 * lock and can be missed by nobody; names begin with `headrace_` and end with their base unit (Prometheus, "Metric and label
 * naming").
 */
import {
  collectDefaultMetrics,
  Counter,
  Gauge,
  Histogram as PrometheusHistogram,
  Registry,
} from 'prom-client';
import type { Histogram } from '../core/metrics.js';

export const METRIC_PREFIX = 'headrace_';

export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels?: Labels;
  readonly value: number;
}

export interface HistogramSample {
  readonly labels?: Labels;
  readonly histogram: Histogram;
}

export interface MetricText {
  /** Without the prefix. */
  readonly name: string;
  /** One sentence. */
  readonly help: string;
  readonly labels?: readonly string[];
}

export interface MetricDescription {
  readonly name: string;
  readonly help: string;
  /** `runtime`: one of those that come with the process. */
  readonly type: 'counter' | 'gauge' | 'histogram' | 'runtime';
  readonly labels: readonly string[];
}

export class Scrape {
  readonly #registry = new Registry();
  readonly #described = new Map<string, MetricDescription>();

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Every metric, for the documentation's test. */
  describe(): MetricDescription[] {
    return this.#registry
      .getMetricsAsArray()
      .map(({ name, help }) => this.#described.get(name) ?? { name, help, type: 'runtime', labels: [] });
  }

  /** The text that Prometheus reads. */
  metrics(): Promise<string> {
    return this.#registry.metrics();
  }

  /** Totals that only grow. */
  counter(text: MetricText, read: () => Iterable<Sample>): void {
    const counter = new Counter({
      ...this.#configuration('counter', text),
      collect: () => {
        counter.reset();
        for (const { labels = {}, value } of read()) counter.inc(labels, value);
      },
    });
  }

  gauge(text: MetricText, read: () => Iterable<Sample>): void {
    const gauge = new Gauge({
      ...this.#configuration('gauge', text),
      collect: () => {
        gauge.reset();
        for (const { labels = {}, value } of read()) gauge.set(labels, value);
      },
    });
  }

  histogram(text: MetricText, read: () => Iterable<HistogramSample>): void {
    this.#registry.registerMetric(
      new ReadHistogram({ ...this.#configuration('histogram', text), registers: [] }, read),
    );
  }

  /** Memory, processor time, file descriptors, garbage collection and event-loop lag of the process. */
  addProcess(): void {
    collectDefaultMetrics({ register: this.#registry, prefix: METRIC_PREFIX });
  }

  #configuration(
    type: MetricDescription['type'],
    { name, help, labels = [] }: MetricText,
  ): {
    name: string;
    help: string;
    labelNames: string[];
    registers: Registry[];
  } {
    const full = METRIC_PREFIX + name;
    this.#described.set(full, { name: full, help, type, labels });
    return { name: full, help, labelNames: [...labels], registers: [this.#registry] };
  }
}

type HistogramConfiguration = ConstructorParameters<typeof PrometheusHistogram>[0];

interface Line {
  readonly metricName: string;
  readonly labels: Labels;
  readonly value: number;
}

/** A histogram of prom-client whose buckets are counted elsewhere. */
class ReadHistogram extends PrometheusHistogram {
  readonly #configuration: HistogramConfiguration;
  readonly #read: () => Iterable<HistogramSample>;

  constructor(configuration: HistogramConfiguration, read: () => Iterable<HistogramSample>) {
    super(configuration);
    this.#configuration = configuration;
    this.#read = read;
  }

  /** What the registry and `get` of prom-client ask for the values. */
  async getForPromString(): Promise<object> {
    const { name, help } = this.#configuration;
    const values: Line[] = [];
    for (const { labels = {}, histogram } of this.#read()) {
      const { bounds, count, sum } = histogram;
      const line = (suffix: string, value: number, le?: string): void => {
        values.push({
          metricName: name + suffix,
          labels: le === undefined ? labels : { ...labels, le },
          value,
        });
      };
      for (const [at, total] of histogram.cumulated().entries()) line('_bucket', total, String(bounds[at]));
      line('_bucket', count, '+Inf');
      line('_sum', sum);
      line('_count', count);
    }
    return { name, help, type: 'histogram', aggregator: 'sum', values };
  }
}
