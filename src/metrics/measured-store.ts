/**
 * An under-store whose calls are timed, by the name of the method. It is a proxy and not a list of methods, so that what the port
 * gains is measured too, and nothing that a connector offers is hidden.
 */
import { HeadraceError } from '../core/errors.js';
import { CounterFamily, Histogram, LATENCY_BOUNDS } from '../core/metrics.js';
import type { ObjectStore, SmallPutReceiver, SmallPuts } from '../core/object-store.js';
import type { Clock } from '../core/ports.js';
import type { HistogramSample, Sample } from './scrape.js';

type Method = (...parameters: unknown[]) => unknown;

export class UfsMetrics {
  readonly #durations = new Map<string, Histogram>();
  /** `operation code`: both come from lists in the code. */
  readonly #errors = new CounterFamily(512);

  /** The same store, measured. A call that fails counts too: a slow failure is what is looked for. */
  measure(store: ObjectStore, clock: Pick<Clock, 'monotonicTimeMs'>): ObjectStore {
    const wrapped = new Map<PropertyKey, Method>();
    let small: SmallPuts | undefined;
    return new Proxy(store, {
      get: (target, name) => {
        const known = wrapped.get(name);
        if (known !== undefined) return known;
        const value: unknown = Reflect.get(target, name, target);
        if (name === 'smallPuts')
          return target.smallPuts && (small ??= this.#smallPuts(target.smallPuts, clock));
        if (typeof value !== 'function') return value;
        const timed = this.#timed(String(name), value as Method, target, clock);
        wrapped.set(name, timed);
        return timed;
      },
    });
  }

  *durations(): Generator<HistogramSample, void, undefined> {
    for (const [operation, histogram] of this.#durations) yield { labels: { operation }, histogram };
  }

  *errors(): Generator<Sample, void, undefined> {
    for (const [label, value] of this.#errors.entries()) {
      const [operation = '', code = ''] = label.split(' ');
      yield { labels: { operation, code }, value };
    }
  }

  #timed(
    operation: string,
    method: Method,
    target: ObjectStore,
    clock: Pick<Clock, 'monotonicTimeMs'>,
  ): Method {
    return (...parameters) => {
      const startMs = clock.monotonicTimeMs();
      const result = method.apply(target, parameters);
      if (!(result instanceof Promise)) return result;
      const end = (): void =>
        this.#histogramOf(operation).observe((clock.monotonicTimeMs() - startMs) / 1000);
      result.then(end, (error: unknown) => {
        end();
        this.#countError(operation, error);
      });
      return result;
    };
  }

  /** They count as puts. */
  #smallPuts(puts: SmallPuts, clock: Pick<Clock, 'monotonicTimeMs'>): SmallPuts {
    return {
      begin: (request, receiver) => {
        const startMs = clock.monotonicTimeMs();
        const measured = new MeasuredReceiver(receiver, (error) => {
          this.#histogramOf('put').observe((clock.monotonicTimeMs() - startMs) / 1000);
          if (error !== undefined) this.#countError('put', error);
        });
        return puts.begin(request, measured);
      },
      cancel: (number) => puts.cancel(number),
    };
  }

  #countError(operation: string, error: unknown): void {
    this.#errors.add(`${operation} ${error instanceof HeadraceError ? error.code : 'UNEXPECTED'}`);
  }

  #histogramOf(operation: string): Histogram {
    const known = this.#durations.get(operation);
    if (known !== undefined) return known;
    const made = new Histogram(LATENCY_BOUNDS);
    this.#durations.set(operation, made);
    return made;
  }
}

class MeasuredReceiver implements SmallPutReceiver {
  readonly #receiver: SmallPutReceiver;
  /** With the error, if there was one. */
  readonly #ended: (error: unknown) => void;

  constructor(receiver: SmallPutReceiver, ended: (error: unknown) => void) {
    this.#receiver = receiver;
    this.#ended = ended;
  }

  stored(etag: string, storeEtag: string): void {
    this.#ended(undefined);
    this.#receiver.stored(etag, storeEtag);
  }

  failed(error: unknown): void {
    this.#ended(error);
    this.#receiver.failed(error);
  }
}
