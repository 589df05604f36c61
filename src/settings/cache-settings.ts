/** Settings of the cache: its capacity, how much may be pinned, how it is persisted, and when a write is given up. */
import { DAY_MS, GIB, KIB, MIB, MINUTE_MS, SECOND_MS, TIB } from '../core/units.js';
import { duration, flagValue, integer, optional, ratio, setting, size, type SettingsOf } from './setting.js';

/** Durations in milliseconds, sizes in bytes. */
export interface CacheValues {
  readonly writeCacheEnabled: boolean;
  /** Undefined: 80 % of the file system's free space at the start. */
  readonly cacheCapacityBytes: number | undefined;
  readonly pinnedRatio: number;
  readonly pinnedSoftRatio: number;
  readonly pressureDelayMaxMs: number;
  readonly persistConcurrency: number;
  readonly persistStoreConcurrency: number | undefined;
  readonly persistBytesPerS: number | undefined;
  readonly persistObjectsPerS: number | undefined;
  readonly persistAgeLimitMs: number;
  readonly persistMultipartThresholdBytes: number;
  readonly persistRetryInitialMs: number;
  readonly persistRetryMaxMs: number;
  readonly orphanTimeoutMs: number;
  readonly orphanScanPeriodMs: number;
  readonly danglingWriteTimeoutMs: number;
}

export const CACHE_SETTINGS: SettingsOf<CacheValues> = {
  writeCacheEnabled: setting(flagValue, {
    key: 'write.cache.enabled',
    default: 'true',
    description: 'false: a read cache, whose writes are all WRITE_THROUGH.',
  }),
  cacheCapacityBytes: optional(size(MIB, 1024 * TIB), {
    key: 'worker.page.store.size',
    none: 'auto',
    description: 'Capacity of the cache; auto: 80 % of the free space of the file system at the start.',
  }),
  pinnedRatio: setting(ratio(0.01, 1), {
    key: 'worker.page.store.pinned.file.capacity.limit.ratio',
    default: '0.3',
    description: 'Largest share of the capacity that un-persisted (pinned) bytes may take.',
  }),
  pinnedSoftRatio: setting(ratio(0.01, 1), {
    key: 'worker.page.store.pinned.soft.ratio',
    default: '0.8',
    description:
      'Share of the pinned limit, and of a budget, from which on writers are slowed down; 1 for never.',
  }),
  pressureDelayMaxMs: setting(duration(0, 10 * MINUTE_MS), {
    key: 'write.cache.pressure.delay.max',
    default: '1s',
    description:
      'Longest that one write is held up for uploads to make room, before it is answered with SlowDown.',
  }),
  persistConcurrency: setting(integer(1, 1024), {
    key: 'write.cache.async.persist.thread.pool.size',
    default: '16',
    description: 'Concurrent uploads to the UFS.',
  }),
  persistStoreConcurrency: optional(integer(1, 1024), {
    key: 'write.cache.async.persist.mount.thread.pool.size',
    none: 'auto',
    description:
      'Concurrent uploads to one mount (the root counts as one); auto: all, or three quarters of them when there are several, so that one that hangs holds up no other.',
  }),
  persistBytesPerS: optional(size(KIB, 1024 * TIB), {
    key: 'write.cache.async.persist.rate.limit',
    description: 'Most bytes per second that are uploaded to the UFS in the background.',
  }),
  persistObjectsPerS: optional(integer(1, 10_000_000), {
    key: 'write.cache.async.persist.rate.limit.objects',
    description: 'Most uploads and deletes per second that are begun in the background.',
  }),
  persistAgeLimitMs: setting(duration(SECOND_MS, 365 * DAY_MS), {
    key: 'write.cache.async.persist.age.limit',
    default: '10min',
    description:
      'What waits for longer gets every second upload whatever its `persistPriority`, so that nothing starves.',
  }),
  persistMultipartThresholdBytes: setting(size(8 * MIB, 5 * GIB), {
    key: 'write.cache.async.persist.multipart.threshold',
    default: '5GiB',
    description:
      'What came in one piece and is larger goes to the UFS in parts, which a restart continues; its ETag there is no MD5 then. What came in parts always does.',
  }),
  persistRetryInitialMs: setting(duration(1, DAY_MS), {
    key: 'worker.write.cache.async.persist.retry.initial.interval',
    default: '1s',
    description: 'Delay before the first retry of a failed upload; it doubles with each.',
  }),
  persistRetryMaxMs: setting(duration(1, 30 * DAY_MS), {
    key: 'worker.write.cache.async.persist.retry.max.interval',
    default: '1h',
    description: 'Largest delay before a retry.',
  }),
  orphanTimeoutMs: setting(duration(10, 365 * DAY_MS), {
    key: 'write.cache.async.check.orphan.timeout',
    default: '1h',
    description: 'A write opened and not committed for this long is abandoned and its space freed.',
  }),
  orphanScanPeriodMs: setting(duration(10, 30 * DAY_MS), {
    key: 'write.cache.async.file.check.period',
    default: '10min',
    description: 'How often abandoned writes are looked for.',
  }),
  danglingWriteTimeoutMs: setting(duration(10, 365 * DAY_MS), {
    key: 'worker.mark.writing.files.duration',
    default: '10min',
    description:
      'An open write that received no data for this long joins the clean-up; every write resets it.',
  }),
};
