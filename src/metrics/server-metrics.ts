/** Every metric there is. docs/operations.md has the same list, which a test compares. */
import type { DatabaseMetrics, DiskMetrics, Histogram, LogMetrics } from '../core/metrics.js';
import type { Engine } from '../engine/engine.js';
import { oldestPendingMs } from '../engine/oldest-pending.js';
import type { Partition } from '../engine/partition.js';
import type { EventMetrics } from './event-metrics.js';
import type { UfsMetrics } from './measured-store.js';
import type { RequestMetrics } from './request-metrics.js';
import { Scrape, type HistogramSample, type Labels, type Sample } from './scrape.js';

export interface MetricSources {
  readonly engine: Pick<Engine, 'core' | 'persister'>;
  readonly requests: RequestMetrics;
  readonly events: EventMetrics;
  readonly ufs: UfsMetrics;
  readonly log: LogMetrics;
  readonly database: DatabaseMetrics;
  readonly disk: DiskMetrics;
}

export function createMetrics(sources: MetricSources): Scrape {
  const scrape = new Scrape();
  addServer(scrape, sources);
  addSpace(scrape, sources);
  addCache(scrape, sources);
  addPersist(scrape, sources);
  addUfs(scrape, sources);
  addLog(scrape, sources);
  scrape.addProcess();
  return scrape;
}

function addServer(scrape: Scrape, { engine, requests }: MetricSources): void {
  const { version } = engine.core.options;
  scrape.gauge(
    { name: 'build_info', help: 'Always 1; the label says which version runs.', labels: ['version'] },
    () => one(1, { version }),
  );
  const labels = ['operation', 'status'];
  scrape.counter(
    { name: 's3_requests_total', help: 'Requests to the S3 endpoint that were answered.', labels },
    () => requests.totals(),
  );
  scrape.histogram(
    {
      name: 's3_request_duration_seconds',
      help: 'From the head of a request to the end of its answer.',
      labels,
    },
    () => requests.durations(),
  );
}

function addSpace(scrape: Scrape, { engine: { core } }: MetricSources): void {
  const { admission, segments, partitions } = core;
  const gauge = (name: string, help: string, read: () => number): void =>
    scrape.gauge({ name, help }, () => one(read()));
  gauge('capacity_bytes', 'What the segment files may take.', () => admission.capacityBytes);
  gauge('used_bytes', 'What the segment files take.', () => segments.fileBytes);
  gauge('pinned_bytes', 'Un-persisted bytes and reservations.', () => admission.pinnedBytes);
  gauge('pinned_limit_bytes', 'Writes are refused above it.', () => admission.pinnedLimitBytes);
  gauge('reserved_bytes', 'Reservations of writes in progress.', () => admission.reservedBytes);
  gauge('objects', 'Objects in the cache.', () => sum(partitions, ({ state }) => state.cache.objects));
  gauge('object_bytes', 'Bytes of the objects in the cache.', () =>
    sum(partitions, ({ state }) => state.cache.objectBytes),
  );
  gauge('open_writes', 'Writes that were begun and have not ended.', () =>
    sum(partitions, ({ state }) => state.orphans.size),
  );
  gauge('segments', 'Segment files.', () => segments.segments().length);
}

function addCache(scrape: Scrape, { engine: { core }, events }: MetricSources): void {
  const { counters, segments } = core;
  const counter = (name: string, help: string, read: () => number): void =>
    scrape.counter({ name, help }, () => one(read()));
  counter('cache_hits_total', 'Reads of objects that the cache held.', () => counters.cacheHits);
  counter('cache_misses_total', 'Reads for which the UFS was asked.', () => counters.cacheMisses);
  scrape.counter(
    { name: 'evicted_objects_total', help: 'Local copies that were given up.', labels: ['reason'] },
    () => labelled('reason', events.evictedObjects.entries()),
  );
  scrape.counter(
    { name: 'evicted_bytes_total', help: 'Bytes of local copies that were given up.', labels: ['reason'] },
    () => labelled('reason', events.evictedBytes.entries()),
  );
  scrape.counter(
    {
      name: 'stored_bytes_total',
      help: 'Bytes of objects that were written to segments.',
      labels: ['source'],
    },
    () =>
      labelled('source', [
        ['client', events.writtenBytes],
        ['read', events.filledBytes],
        ['compaction', events.compactedBytes],
      ]),
  );
  counter('segment_written_bytes_total', 'Bytes that went to segment files, headers and tables too.', () => {
    return segments.statistics.writtenBytes;
  });
  scrape.gauge(
    {
      name: 'compaction_write_amplification_ratio',
      help: 'Bytes stored for each byte that came in, since the start.',
    },
    () => one(events.writeAmplification),
  );
  scrape.counter(
    { name: 'abandoned_writes_total', help: 'Writes that ended without a commit.', labels: ['reason'] },
    () => labelled('reason', events.abandonedWrites.entries()),
  );
}

function addPersist(scrape: Scrape, { engine, events }: MetricSources): void {
  const { partitions, clock } = engine.core;
  scrape.gauge(
    {
      name: 'persist_queue_objects',
      help: 'Objects and deletes that the UFS has yet to learn of.',
      labels: ['state'],
    },
    () => {
      const quarantined = sum(partitions, ({ state }) => state.uploads.quarantined);
      const queued = sum(partitions, ({ state }) => state.uploads.pending);
      const uploading = Math.min(engine.persister.uploading, queued - quarantined);
      return labelled('state', [
        ['pending', queued - quarantined - uploading],
        ['uploading', uploading],
        ['quarantined', quarantined],
      ]);
    },
  );
  scrape.gauge({ name: 'persist_queue_bytes', help: 'Bytes that the UFS has yet to get.' }, () =>
    one(sum(partitions, ({ state }) => state.uploads.pendingBytes)),
  );
  scrape.gauge(
    {
      name: 'oldest_dirty_age_seconds',
      help: 'Age of the oldest change the UFS lacks, quarantined ones aside; 0 without any.',
    },
    () => {
      const sinceMs = oldestPendingMs(partitions);
      return one(sinceMs === undefined ? 0 : Math.max(0, clock.wallTimeMs() - sinceMs) / 1000);
    },
  );
  scrape.counter(
    {
      name: 'persist_attempts_total',
      help: 'Attempts that ended: success, or the cause.',
      labels: ['outcome'],
    },
    () => labelled('outcome', events.persistAttempts.entries()),
  );
  scrape.counter({ name: 'persisted_bytes_total', help: 'Bytes that the UFS took.' }, () =>
    one(events.persistedBytes),
  );
}

function addUfs(scrape: Scrape, { engine, ufs }: MetricSources): void {
  scrape.gauge(
    {
      name: 'ufs_up',
      help: 'Whether the UFS of a mount answered persists when last asked.',
      labels: ['mount'],
    },
    () =>
      engine.core.mounts
        .stores()
        .map(({ mount, store }) => ({ labels: { mount }, value: engine.persister.isUp(store) ? 1 : 0 })),
  );
  scrape.histogram(
    {
      name: 'ufs_request_duration_seconds',
      help: 'Calls to the UFS, failed ones too.',
      labels: ['operation'],
    },
    () => ufs.durations(),
  );
  scrape.counter(
    { name: 'ufs_errors_total', help: 'Calls to the UFS that failed.', labels: ['operation', 'code'] },
    () => ufs.errors(),
  );
}

function addLog(scrape: Scrape, { engine: { core }, log, database, disk }: MetricSources): void {
  const histogram = (name: string, help: string, of: Histogram): void =>
    scrape.histogram({ name, help }, () => [{ histogram: of }]);
  histogram(
    'log_append_duration_seconds',
    'From the first append of a frame to its being durable.',
    log.appendSeconds,
  );
  histogram('log_frame_events', 'Events that share a frame of the log.', log.frameEvents);
  scrape.counter({ name: 'log_written_bytes_total', help: 'Bytes of frames.' }, () => one(log.frameBytes));
  scrape.gauge(
    { name: 'log_appendable', help: 'Whether a partition of the log takes appends.', labels: ['partition'] },
    () => core.partitions.map((partition) => ofPartition(partition, partition.isRecovering ? 0 : 1)),
  );
  scrape.counter(
    { name: 'log_offset_total', help: 'Events applied, since the store was made.', labels: ['partition'] },
    () => core.partitions.map((partition) => ofPartition(partition, partition.appliedOffset)),
  );
  scrape.histogram(
    {
      name: 'fdb_request_duration_seconds',
      help: 'Reads from FoundationDB and commits to it, failed ones too.',
      labels: ['operation'],
    },
    (): HistogramSample[] => [
      { labels: { operation: 'read' }, histogram: database.readSeconds },
      { labels: { operation: 'commit' }, histogram: database.commitSeconds },
    ],
  );
  scrape.counter(
    {
      name: 'fdb_errors_total',
      help: 'Reads and commits that failed; most were tried again.',
      labels: ['code'],
    },
    () => labelled('code', database.errors.entries()),
  );
  scrape.gauge(
    {
      name: 'fdb_lease_valid',
      help: '1 while reads are answered; 0 while the lease of the log is in doubt.',
    },
    () => (core.lease === undefined ? [] : one(core.lease.isValid ? 1 : 0)),
  );
  scrape.histogram(
    {
      name: 'disk_sync_duration_seconds',
      help: 'Syncs (fdatasync), and writes that are durable on return (O_DSYNC).',
      labels: ['kind'],
    },
    (): HistogramSample[] => [
      { labels: { kind: 'sync' }, histogram: disk.syncSeconds },
      { labels: { kind: 'durable_write' }, histogram: disk.durableWriteSeconds },
    ],
  );
}

function one(value: number, labels?: Labels): Sample[] {
  return [labels === undefined ? { value } : { labels, value }];
}

function labelled(name: string, values: Iterable<readonly [label: string, value: number]>): Sample[] {
  return Array.from(values, ([label, value]) => ({ labels: { [name]: label }, value }));
}

function ofPartition(partition: Partition, value: number): Sample {
  return { labels: { partition: String(partition.number) }, value };
}

function sum(partitions: readonly Partition[], of: (partition: Partition) => number): number {
  return partitions.reduce((total, partition) => total + of(partition), 0);
}
