/**
 * Every setting there is. Parsing, `conf list`, `conf get`, the flags of the command line and `docs/settings.md` all
 * come from this table, so that a setting is described in one place.
 *
 * The keys are those of the product whose settings files are read unchanged (with `alluxio.` in front), and for the
 * rest in the same manner. The environment variable of `a.b.c` is `HEADRACE_A_B_C`.
 */
import { DAY_MS, GIB, HOUR_MS, KIB, MIB, MINUTE_MS, SECOND_MS, TIB } from '../core/units.js';
import {
  choice,
  derived,
  duration,
  flagValue,
  integer,
  list,
  optional,
  path,
  ratio,
  setting,
  size,
  text,
  url,
  type Setting,
} from './setting.js';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export const LOG_FORMATS = ['auto', 'json', 'text'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

export const ADMIN_ANONYMOUS_ACCESS = ['auto', 'full', 'denied'] as const;
export type AdminAnonymousAccess = (typeof ADMIN_ANONYMOUS_ACCESS)[number];

export const ANONYMOUS_ACCESS = ['auto', 'full', 'granted'] as const;
export type AnonymousAccess = (typeof ANONYMOUS_ACCESS)[number];

/** The plain values: durations in milliseconds, sizes in bytes. */
const SAFE_PERSIST_MODES = ['overwrite', 'conditional'] as const;
export type SafePersistMode = (typeof SAFE_PERSIST_MODES)[number];

export interface SettingValues {
  readonly dataDirectory: string;
  readonly s3Enabled: boolean;
  readonly s3Host: string;
  /** 0 takes any free port. */
  readonly s3Port: number;
  readonly s3Domain: string | undefined;
  readonly s3AnonymousAccess: AnonymousAccess;
  readonly s3AccessLog: boolean;
  readonly s3AckTimeoutMs: number;
  readonly s3TlsPort: number;
  readonly s3TlsCertificateFile: string | undefined;
  readonly s3TlsKeyFile: string | undefined;
  readonly adminHost: string;
  readonly adminPort: number;
  readonly adminAllowedHosts: readonly string[];
  readonly adminAnonymousAccess: AdminAnonymousAccess;
  readonly ufs: string;
  readonly ufsS3Endpoint: string | undefined;
  readonly ufsS3Region: string | undefined;
  /** Undefined: where an endpoint is given. */
  readonly ufsS3PathStyle: boolean | undefined;
  readonly ufsS3AccessKeyId: string | undefined;
  readonly ufsS3SecretAccessKey: string | undefined;
  readonly ufsHdfsUser: string | undefined;
  readonly ufsHdfsReplication: number | undefined;
  readonly ufsHdfsBlockSizeBytes: number | undefined;
  readonly ufsRequestTimeoutMs: number;
  readonly ufsSafePersist: SafePersistMode;
  readonly ufsMetadataTtlMs: number;
  readonly ufsMetadataBytes: number;
  readonly ufsRevalidateMs: number;
  readonly ufsRangeCacheBytes: number;
  readonly loadConcurrency: number;
  readonly shutdownGraceMs: number;
  /** Undefined: a stop waits for nothing. */
  readonly drainTimeoutMs: number | undefined;
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
  readonly foundationdbClusterFile: string | undefined;
  readonly logSegmentBytes: number;
  readonly logRetentionBytes: number;
  readonly logRetentionMs: number;
  readonly indexCheckpointChanges: number;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
}

export type SettingName = keyof SettingValues;
export type SettingTable = { readonly [Name in SettingName]: Setting<SettingValues[Name]> };

const host = text('a host name or an IP address', /^[A-Za-z0-9_.:-]{1,255}$/);
const domain = text('a domain name', /^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/);
const port = integer(0, 65_535);
/** No scheme at all, or one that has a connector. */
const UFS_PATTERN =
  /^(?![A-Za-z][A-Za-z0-9+.-]*:\/\/)[^\0\r\n]{1,4096}$|^file:\/\/\/[^\0\r\n]{0,4096}$|^s3:\/\/[^\0\s]{0,1100}$|^(hdfs|s?webhdfs|webhdfss):\/\/[^\0\s]{1,4096}$/;
const ufs = text(
  'a directory, file:///<directory>, s3:// with an optional bucket and prefix, or hdfs://<namenode>:<port>/<directory>',
  UFS_PATTERN,
);

const PLACES = {
  dataDirectory: setting(path, {
    key: 'data.dir',
    default: './data',
    flag: '--data-dir',
    description: 'Where the log, the index and the cached bytes are; one process at a time.',
  }),
  s3Enabled: setting(flagValue, {
    key: 'worker.s3.api.enabled',
    default: 'true',
    description: 'Whether the S3 endpoint is served.',
  }),
  s3Host: setting(host, {
    key: 's3.host',
    default: '127.0.0.1',
    description: 'Address that the S3 endpoint listens on; `0.0.0.0` for all.',
  }),
  s3Port: setting(port, {
    key: 's3.port',
    default: '29998',
    flag: '--s3-port',
    description: 'Port of the S3 endpoint; 0 takes any free one.',
  }),
  s3Domain: optional(domain, {
    key: 's3.domain',
    description: 'Domain whose subdomains are bucket names (virtual-hosted style).',
  }),
  s3AnonymousAccess: setting(choice(ANONYMOUS_ACCESS), {
    key: 's3.anonymous.access',
    default: 'auto',
    description:
      'What requests without a signature may do. full: everything, and no signature is looked at. granted: what `headrace user grant anonymous` and bucket policies allow. auto: full while `s3.host` is a loopback address and there never was a user, granted otherwise.',
  }),
  s3AckTimeoutMs: setting(duration(1, HOUR_MS), {
    key: 's3.ack.timeout',
    default: '30s',
    description:
      'How long a write with `x-headrace-ack: persisted` waits for the UFS when it does not say; keep it below the patience of clients.',
  }),
  s3AccessLog: setting(flagValue, {
    key: 's3.access.log',
    default: 'false',
    description: 'Write a line per request to the process log, with its id and the log offset of a write.',
  }),
  s3TlsPort: setting(port, {
    key: 's3.tls.port',
    default: '29996',
    description: 'Port of the S3 endpoint over TLS, served when a certificate is given.',
  }),
  s3TlsCertificateFile: optional(path, {
    key: 's3.tls.certificate',
    description: 'File with the certificate chain (PEM).',
  }),
  s3TlsKeyFile: optional(path, { key: 's3.tls.key', description: 'File with the private key (PEM).' }),
  shutdownGraceMs: setting(duration(0, HOUR_MS), {
    key: 'shutdown.grace',
    default: '10s',
    description: 'How long requests in progress may go on when the server stops.',
  }),
  drainTimeoutMs: optional(duration(1, 30 * DAY_MS), {
    key: 'shutdown.drain.timeout',
    flag: '--drain-on-stop',
    description:
      'How long a stop waits for everything to be in the UFS; none: not at all, what is left goes on after the next start.',
  }),
  adminHost: setting(host, {
    key: 'admin.host',
    default: '127.0.0.1',
    description:
      'Address that the admin API listens on. One that others reach needs a user with the grant `admin:*`.',
  }),
  adminPort: setting(port, {
    key: 'admin.port',
    default: '19999',
    flag: '--admin-port',
    description: 'Port of the admin API; 0 takes any free one.',
  }),
  adminAnonymousAccess: setting(choice(ADMIN_ANONYMOUS_ACCESS), {
    key: 'admin.anonymous.access',
    default: 'auto',
    description:
      'What requests without credentials may do at the admin API. full: everything. denied: look at health only. auto: full while `admin.host` is a loopback address and there never was a user, denied otherwise.',
  }),
  adminAllowedHosts: setting(list('host names', /^[A-Za-z0-9_.-]{1,255}$|^\*$/), {
    key: 'admin.allowed.hosts',
    default: 'none',
    description:
      'Names, besides `localhost`, `admin.host` and IP addresses, under which the admin API may be called; `*` for any.',
  }),
} as const;

const UFS = {
  ufs: derived(ufs, {
    key: 'ufs',
    defaultText: '<data.dir>/ufs',
    fallback: (ofKey) => `${ofKey('data.dir').replace(/(.)\/+$/, '$1')}/ufs`,
    flag: '--ufs',
    description:
      'The store behind the cache. A bucket is the directory or the bucket of the same name in it.',
  }),
  ufsS3Endpoint: optional(url, {
    key: 'ufs.s3.endpoint',
    description: 'Endpoint of the S3 store behind the cache; none: that of AWS for the region.',
  }),
  ufsS3Region: optional(text('a region name', /^[A-Za-z0-9-]{1,64}$/), {
    key: 'ufs.s3.region',
    description:
      'Region of the S3 store; none: that of the AWS environment, or any where an endpoint is given.',
  }),
  ufsS3PathStyle: optional(flagValue, {
    key: 'ufs.s3.path.style',
    none: 'auto',
    description: 'Put the bucket in the path instead of the host name; auto: where an endpoint is given.',
  }),
  ufsS3AccessKeyId: optional(text('an access key', /^\S{1,256}$/), {
    key: 'ufs.s3.access.key.id',
    description: 'Access key of the S3 store; none: the usual AWS environment and files.',
  }),
  ufsS3SecretAccessKey: optional(text('a secret key', /^\S{1,256}$/), {
    key: 'ufs.s3.secret.access.key',
    secret: true,
    description: 'Secret key that belongs to the access key.',
  }),
  ufsHdfsUser: optional(text('a user name', /^[A-Za-z0-9._@/-]{1,256}$/), {
    key: 'ufs.hdfs.user',
    description: 'Who HDFS is told that Headrace is (`user.name`); none: the user of the process.',
  }),
  ufsHdfsReplication: optional(integer(1, 512), {
    key: 'ufs.hdfs.replication',
    description: 'Copies that HDFS keeps of each block of a new file; none: as HDFS is configured.',
  }),
  ufsHdfsBlockSizeBytes: optional(size(MIB, 1024 * GIB), {
    key: 'ufs.hdfs.block.size',
    description: 'Size of the blocks of a new file in HDFS; none: as HDFS is configured.',
  }),
  ufsRequestTimeoutMs: setting(duration(100, HOUR_MS), {
    key: 'ufs.request.timeout',
    default: '1min',
    description: 'How long a request to the UFS may go without an answer.',
  }),
  ufsSafePersist: setting(choice(SAFE_PERSIST_MODES), {
    key: 'ufs.safe.persist',
    default: 'overwrite',
    description:
      'What persisting does with an object that somebody else changed in the UFS meanwhile. overwrite: the last writer wins. conditional: it is left alone, and the object waits for `headrace async-persist resolve`. Mounts say their own.',
  }),
  ufsMetadataTtlMs: setting(duration(0, DAY_MS), {
    key: 'ufs.metadata.cache.ttl',
    default: '10s',
    description:
      'How long what the UFS said of an object (also that there is none) or a page of a listing is believed. Own writes are seen at once. `0s`: ask each time.',
  }),
  ufsMetadataBytes: setting(size(64 * KIB, 64 * GIB), {
    key: 'ufs.metadata.cache.size',
    default: '64MiB',
    description: 'Memory for that.',
  }),
  ufsRevalidateMs: setting(duration(0, 365 * DAY_MS), {
    key: 'ufs.revalidate.interval',
    default: '10min',
    description:
      'How often a cached object that is read again and again is compared with the UFS, beside the reads; a copy that somebody else changed there is dropped. `0s`: never.',
  }),
  ufsRangeCacheBytes: setting(size(MIB, 64 * GIB), {
    key: 'ufs.range.cache.size',
    default: '64MiB',
    description: 'Memory for ranges that were read of objects which only the UFS holds, and for read-ahead.',
  }),
  loadConcurrency: setting(integer(1, 256), {
    key: 'job.load.concurrency',
    default: '16',
    description: 'Objects that one load job fetches at once, unless it says otherwise.',
  }),
} as const;

const CACHE = {
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
      'What came in one piece and is larger goes to the UFS in parts, which a restart continues; its ETag there is no MD5 then. What came in parts always does, from 8 MiB on.',
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
} as const;

const LOG = {
  foundationdbClusterFile: optional(path, {
    key: 'foundationdb.cluster.file.path',
    description: 'FoundationDB cluster file; none: the embedded log.',
  }),
  logSegmentBytes: setting(size(64 * KIB, GIB), {
    key: 'log.segment.size',
    default: '8MiB',
    description: 'Size of a file of the embedded log.',
  }),
  logRetentionBytes: setting(size(0, 1024 * TIB), {
    key: 'log.retention.size',
    default: '1GiB',
    description: 'Log kept for reading back, beyond what recovery needs: at most this much …',
  }),
  logRetentionMs: setting(duration(0, 3650 * DAY_MS), {
    key: 'log.retention.time',
    default: '7d',
    description: '… and at most this old.',
  }),
  indexCheckpointChanges: setting(integer(100, 100_000_000), {
    key: 'index.checkpoint.changes',
    default: '100000',
    description:
      'Changes of the index after which a checkpoint is taken: what a restart replays at most, roughly.',
  }),
  logLevel: setting(choice(LOG_LEVELS), {
    key: 'log.level',
    default: 'info',
    flag: '--log-level',
    description: 'Least severe message that is written to the process log.',
  }),
  logFormat: setting(choice(LOG_FORMATS), {
    key: 'log.format',
    default: 'auto',
    description:
      'How messages are written. json: one object a line. text: for people. auto: text on a terminal.',
  }),
} as const;

/** In the order of the documentation; a derived default refers only to settings above it. */
export const SETTINGS: SettingTable = { ...PLACES, ...UFS, ...CACHE, ...LOG };

/** The groups under which the documentation shows the settings. */
export const SETTING_GROUPS: readonly { readonly title: string; readonly names: readonly string[] }[] = [
  { title: 'Places', names: Object.keys(PLACES) },
  { title: 'Under-store', names: Object.keys(UFS) },
  { title: 'Cache', names: Object.keys(CACHE) },
  { title: 'Log and index', names: Object.keys(LOG) },
];

export const SETTING_NAMES: readonly SettingName[] = Object.keys(SETTINGS).filter(isSettingName);

function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(SETTINGS, name);
}

/** `s3.port` → `HEADRACE_S3_PORT`. */
export function environmentName(key: string): string {
  return `HEADRACE_${key.toUpperCase().replaceAll('.', '_')}`;
}

export const ALIAS_PREFIX = 'alluxio.';

/** The native key of a spelling: itself, or without `alluxio.` in front. */
export function nativeKey(spelling: string): string {
  return spelling.startsWith(ALIAS_PREFIX) ? spelling.slice(ALIAS_PREFIX.length) : spelling;
}
