/** Settings of the log of events, of the index over it, and of the process log. */
import { DAY_MS, GIB, HOUR_MS, KIB, TIB } from '../core/units.js';
import {
  choice,
  duration,
  integer,
  optional,
  path,
  setting,
  size,
  text,
  type SettingsOf,
} from './setting.js';

const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
type LogLevel = (typeof LOG_LEVELS)[number];

const LOG_FORMATS = ['auto', 'json', 'text'] as const;
type LogFormat = (typeof LOG_FORMATS)[number];

/** Ends with a slash, so that no prefix is the beginning of another one's keys. */
const keyPrefix = text(
  'letters, digits, dots, hyphens, underscores and slashes, with a slash at the end',
  /^[A-Za-z0-9][A-Za-z0-9._/-]{0,126}\/$/,
);

/** Durations in milliseconds, sizes in bytes. */
export interface LogValues {
  readonly foundationdbClusterFile: string | undefined;
  readonly foundationdbKeyPrefix: string;
  readonly foundationdbConnectTimeoutMs: number;
  readonly foundationdbRetentionMs: number;
  readonly foundationdbLeaseMs: number;
  readonly logSegmentBytes: number;
  readonly logRetentionBytes: number;
  readonly logRetentionMs: number;
  readonly indexCheckpointChanges: number;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
}

export const LOG_SETTINGS: SettingsOf<LogValues> = {
  foundationdbClusterFile: optional(path, {
    key: 'foundationdb.cluster.file.path',
    description: 'FoundationDB cluster file; none: the embedded log. Also `HEADRACE_FDB_CLUSTER_FILE`.',
  }),
  foundationdbKeyPrefix: setting(keyPrefix, {
    key: 'foundationdb.key.prefix',
    default: 'headrace/',
    description:
      'In front of every key in FoundationDB, so that one cluster serves several stores, each below its own.',
  }),
  foundationdbConnectTimeoutMs: setting(duration(100, HOUR_MS), {
    key: 'foundationdb.connect.timeout',
    default: '10s',
    description: 'How long FoundationDB may take for its first answer, before the start is given up.',
  }),
  foundationdbRetentionMs: setting(duration(0, 3650 * DAY_MS), {
    key: 'foundationdb.retention.time',
    default: '1h',
    description: 'Log kept in FoundationDB for reading back, beyond what recovery needs: at most this old.',
  }),
  foundationdbLeaseMs: setting(duration(1000, HOUR_MS), {
    key: 'foundationdb.lease.time',
    default: '10s',
    description:
      'How long the server that owns the log in FoundationDB may be silent before another one may take it over. Silent for half of it, it serves nothing.',
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
};
