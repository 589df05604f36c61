/** What `headrace top` shows: two looks at a server made into rates, and those into lines. Pure. */
import type { EngineStatus } from '../engine/admin-service.js';
import { quantileBetween, sumOf, type Metrics } from './prometheus-text.js';
import { formatAge, formatBytes } from './printer.js';

/** One look at the server. */
export interface Look {
  readonly atMs: number;
  readonly status: EngineStatus;
  /** Undefined when the server serves no metrics. */
  readonly metrics: Metrics | undefined;
}

export interface OperationRate {
  readonly operation: string;
  readonly perSecond: number;
  readonly errorsPerSecond: number;
  /** Upper bounds of the buckets that the quantiles lie in; absent without requests. */
  readonly p50Ms?: number;
  readonly p99Ms?: number;
}

/** What `top --json` prints. Rates are those since the look before, or since the start in a single look. */
export interface TopReport {
  readonly atMs: number;
  readonly overMs: number;
  readonly usedBytes: number;
  readonly capacityBytes: number;
  readonly pinnedBytes: number;
  readonly pinnedLimitBytes: number;
  readonly objects: number;
  readonly openWrites: number;
  readonly pendingObjects: number;
  readonly uploadingObjects: number;
  readonly quarantinedObjects: number;
  readonly oldestPendingMs?: number;
  readonly requestsPerSecond: number;
  readonly eventsPerSecond: number;
  readonly persistedPerSecond: number;
  readonly persistedBytesPerSecond: number;
  readonly persistFailuresPerSecond: number;
  readonly storedBytesPerSecond: number;
  /** Of the reads since the look before. */
  readonly cacheHitRatio?: number;
  readonly operations: readonly OperationRate[];
}

const REQUESTS = 'headrace_s3_requests_total';
const DURATION = 'headrace_s3_request_duration_seconds';
const BAR_CELLS = 24;

export function topReport(before: Look | undefined, now: Look): TopReport {
  const { status } = now;
  const fromMs = before?.atMs ?? status.startedMs;
  const overMs = Math.max(1, now.atMs - fromMs);
  const rate = (name: string, labels: Readonly<Record<string, string>> = {}): number => {
    const earlier = before?.metrics === undefined ? 0 : sumOf(before.metrics, name, labels);
    // A counter that fell is one of a server that was started again.
    return (Math.max(0, sumOf(now.metrics ?? new Map(), name, labels) - earlier) * 1000) / overMs;
  };
  const succeeded = rate('headrace_persist_attempts_total', { outcome: 'success' });
  const hits = rate('headrace_cache_hits_total');
  const reads = hits + rate('headrace_cache_misses_total');
  return {
    atMs: now.atMs,
    overMs,
    usedBytes: status.usedBytes,
    capacityBytes: status.capacityBytes,
    pinnedBytes: status.pinnedBytes,
    pinnedLimitBytes: status.pinnedLimitBytes,
    objects: status.objects,
    openWrites: status.openWrites,
    pendingObjects: status.pendingObjects,
    uploadingObjects: sumOf(now.metrics ?? new Map(), 'headrace_persist_queue_objects', {
      state: 'uploading',
    }),
    quarantinedObjects: status.quarantinedObjects,
    ...(status.oldestPendingMs === undefined ? {} : { oldestPendingMs: status.oldestPendingMs }),
    requestsPerSecond: rate(REQUESTS),
    eventsPerSecond:
      (Math.max(0, eventsOf(now) - (before === undefined ? 0 : eventsOf(before))) * 1000) / overMs,
    persistedPerSecond: succeeded,
    persistedBytesPerSecond: rate('headrace_persisted_bytes_total'),
    persistFailuresPerSecond: rate('headrace_persist_attempts_total') - succeeded,
    storedBytesPerSecond: rate('headrace_stored_bytes_total'),
    ...(reads === 0 ? {} : { cacheHitRatio: hits / reads }),
    operations: operationsOf(before, now, rate),
  };
}

function eventsOf({ status }: Look): number {
  return status.log.reduce((sum, { durableOffset }) => sum + durableOffset, 0);
}

function operationsOf(
  before: Look | undefined,
  { metrics }: Look,
  rate: (name: string, labels: Readonly<Record<string, string>>) => number,
): OperationRate[] {
  if (metrics === undefined) return [];
  const names = new Set((metrics.get(REQUESTS) ?? []).map(({ labels }) => labels['operation'] ?? ''));
  const quantileMs = (operation: string, share: number): number | undefined => {
    const seconds = quantileBetween(before?.metrics, metrics, DURATION, { operation }, share);
    return seconds === undefined ? undefined : seconds * 1000;
  };
  return [...names]
    .map((operation) => {
      const p50Ms = quantileMs(operation, 0.5);
      const p99Ms = quantileMs(operation, 0.99);
      return {
        operation,
        perSecond: rate(REQUESTS, { operation }),
        errorsPerSecond: rate(REQUESTS, { operation, status: '5xx' }),
        ...(p50Ms === undefined ? {} : { p50Ms }),
        ...(p99Ms === undefined ? {} : { p99Ms }),
      };
    })
    .filter(({ perSecond }) => perSecond > 0)
    .toSorted((a, b) => b.perSecond - a.perSecond);
}

/** The report as lines of a table: a name and what it is. */
export function topLines(report: TopReport, nowMs: number): string[][] {
  const oldest =
    report.oldestPendingMs === undefined
      ? ''
      : `, the oldest for ${formatAge(nowMs - report.oldestPendingMs)}`;
  const hits =
    report.cacheHitRatio === undefined ? '' : `, ${(100 * report.cacheHitRatio).toFixed(1)} % of reads hit`;
  return [
    ['used', gauge(report.usedBytes, report.capacityBytes)],
    ['pinned', gauge(report.pinnedBytes, report.pinnedLimitBytes)],
    ['objects', `${report.objects}, ${report.openWrites} open writes${hits}`],
    [
      'queue',
      `${report.pendingObjects} pending (${report.uploadingObjects} uploading)${oldest}, ${report.quarantinedObjects} quarantined`,
    ],
    [
      'persist',
      `${perSecond(report.persistedPerSecond)} objects/s, ${formatBytes(Math.round(report.persistedBytesPerSecond))}/s, ${perSecond(report.persistFailuresPerSecond)} failed/s`,
    ],
    [
      'log',
      `${perSecond(report.eventsPerSecond)} events/s; segments ${formatBytes(Math.round(report.storedBytesPerSecond))}/s`,
    ],
    ['requests', `${perSecond(report.requestsPerSecond)}/s`],
  ];
}

/** Rows below `OPERATION_HEAD`, the busiest operation first. */
export function operationRows({ operations }: TopReport): string[][] {
  return operations.map(({ operation, perSecond: rate, errorsPerSecond, p50Ms, p99Ms }) => [
    operation,
    perSecond(rate),
    perSecond(errorsPerSecond),
    milliseconds(p50Ms),
    milliseconds(p99Ms),
  ]);
}

export const OPERATION_HEAD = ['OPERATION', 'PER SECOND', '5XX/S', 'P50', 'P99'];

/** A share as a bar and in words. */
function gauge(partBytes: number, wholeBytes: number): string {
  const share = wholeBytes === 0 ? 0 : Math.min(1, partBytes / wholeBytes);
  const filled = Math.round(share * BAR_CELLS);
  const bar = '█'.repeat(filled) + '░'.repeat(BAR_CELLS - filled);
  return `${bar} ${(100 * share).toFixed(1)} % of ${formatBytes(wholeBytes)}`;
}

function perSecond(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(1);
}

/** The bounds of the buckets are what is known: at most so long. */
function milliseconds(value: number | undefined): string {
  if (value === undefined) return '-';
  return Number.isFinite(value) ? `≤ ${Number(value.toPrecision(3))} ms` : 'longer than measured';
}
