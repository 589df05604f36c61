/** Everything that is measured in one process, from the adapters up to the requests, and how it becomes metrics. */
import { DatabaseMetrics, DiskMetrics, LogMetrics } from '../core/metrics.js';
import type { Engine } from '../engine/engine.js';
import { EventMetrics } from '../metrics/event-metrics.js';
import { UfsMetrics } from '../metrics/measured-store.js';
import { RequestMetrics } from '../metrics/request-metrics.js';
import type { Scrape } from '../metrics/scrape.js';
import { createMetrics } from '../metrics/server-metrics.js';

export class Measurements {
  readonly disk = new DiskMetrics();
  readonly log = new LogMetrics();
  readonly database = new DatabaseMetrics();
  readonly ufs = new UfsMetrics();
  readonly events = new EventMetrics();
  readonly requests = new RequestMetrics();

  /** Counts what becomes durable from now on. */
  watch({ core }: Pick<Engine, 'core'>): void {
    const { events } = this;
    for (const partition of core.partitions) partition.events$.subscribe(({ event }) => events.count(event));
  }

  scrape(engine: Pick<Engine, 'core' | 'persister'>): Scrape {
    const { requests, events, ufs, log, database, disk } = this;
    return createMetrics({ engine, requests, events, ufs, log, database, disk });
  }
}
