/**
 * Reads metrics in the text format of Prometheus ("Exposition formats" in its documentation): as much of it as a server of ours
 * writes. Lines it does not understand are passed over, because a newer server may write more.
 */

export interface MetricSample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Samples by the name of their metric. */
export type Metrics = ReadonlyMap<string, readonly MetricSample[]>;

const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? ([^ ]+)/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g;

export function parseMetrics(text: string): Metrics {
  const metrics = new Map<string, MetricSample[]>();
  for (const line of text.split('\n')) {
    const match = line.startsWith('#') ? null : LINE.exec(line);
    if (match === null) continue;
    const [, name = '', labels = '', number = ''] = match;
    const value = number === '+Inf' ? Number.POSITIVE_INFINITY : Number(number);
    if (Number.isNaN(value)) continue;
    const samples = metrics.get(name) ?? [];
    metrics.set(name, samples);
    samples.push({ labels: parseLabels(labels), value });
  }
  return metrics;
}

/** The sum of a metric's samples whose labels are all of `labels`; 0 when there is none. */
export function sumOf(metrics: Metrics, name: string, labels: Readonly<Record<string, string>> = {}): number {
  const wanted = Object.entries(labels);
  let sum = 0;
  for (const sample of metrics.get(name) ?? [])
    if (wanted.every(([label, value]) => sample.labels[label] === value)) sum += sample.value;
  return sum;
}

/**
 * The value below which `share` of the observations lie that came between two scrapes, by the buckets of a histogram: their upper
 * bound. Undefined without observations.
 */
export function quantileBetween(
  before: Metrics | undefined,
  after: Metrics,
  name: string,
  labels: Readonly<Record<string, string>>,
  share: number,
): number | undefined {
  const bounds = new Map<number, number>();
  const add = (metrics: Metrics, sign: 1 | -1): void => {
    for (const { labels: own, value } of metrics.get(`${name}_bucket`) ?? []) {
      if (!Object.entries(labels).every(([label, wanted]) => own[label] === wanted)) continue;
      const bound = own['le'] === '+Inf' ? Number.POSITIVE_INFINITY : Number(own['le']);
      bounds.set(bound, (bounds.get(bound) ?? 0) + sign * value);
    }
  };
  add(after, 1);
  if (before !== undefined) add(before, -1);
  const sorted = [...bounds].toSorted(([a], [b]) => a - b);
  const total = sorted.at(-1)?.[1] ?? 0;
  if (total <= 0) return undefined;
  return sorted.find(([, count]) => count >= share * total)?.[0];
}

function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const [, name = '', value = ''] of text.matchAll(LABEL))
    labels[name] = value.replaceAll(/\\(.)/g, (_all, character: string) =>
      character === 'n' ? '\n' : character,
    );
  return labels;
}
