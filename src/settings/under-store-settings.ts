/** Settings of the store behind the cache: where it is, how it is spoken to, and what of it is kept in memory. */
import { DAY_MS, GIB, HOUR_MS, KIB, MIB } from '../core/units.js';
import {
  choice,
  derived,
  duration,
  flagValue,
  integer,
  optional,
  setting,
  size,
  text,
  url,
  type SettingsOf,
} from './setting.js';

const SAFE_PERSIST_MODES = ['overwrite', 'conditional'] as const;
type SafePersistMode = (typeof SAFE_PERSIST_MODES)[number];

/** Durations in milliseconds, sizes in bytes. */
export interface UnderStoreValues {
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
}

/** No scheme at all, or one that has a connector. */
const UFS_PATTERN =
  /^(?![A-Za-z][A-Za-z0-9+.-]*:\/\/)[^\0\r\n]{1,4096}$|^file:\/\/\/[^\0\r\n]{0,4096}$|^s3:\/\/[^\0\s]{0,1100}$|^(hdfs|s?webhdfs|webhdfss):\/\/[^\0\s]{1,4096}$/;
const ufs = text(
  'a directory, file:///<directory>, s3:// with an optional bucket and prefix, or hdfs://<namenode>:<port>/<directory>',
  UFS_PATTERN,
);

export const UNDER_STORE_SETTINGS: SettingsOf<UnderStoreValues> = {
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
};
