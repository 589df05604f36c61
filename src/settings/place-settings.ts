/** Settings of the places: the data directory, and the endpoints that the server listens on until it stops. */
import { DAY_MS, HOUR_MS } from '../core/units.js';
import {
  choice,
  duration,
  flagValue,
  integer,
  list,
  optional,
  path,
  setting,
  text,
  type SettingsOf,
} from './setting.js';

const ADMIN_ANONYMOUS_ACCESS = ['auto', 'full', 'denied'] as const;
type AdminAnonymousAccess = (typeof ADMIN_ANONYMOUS_ACCESS)[number];

const ANONYMOUS_ACCESS = ['auto', 'full', 'granted'] as const;
type AnonymousAccess = (typeof ANONYMOUS_ACCESS)[number];

/** Durations in milliseconds, sizes in bytes. */
export interface PlaceValues {
  readonly dataDirectory: string;
  readonly s3Enabled: boolean;
  readonly s3Host: string;
  /** 0 takes any free port. */
  readonly s3Port: number;
  readonly s3Domain: string | undefined;
  readonly s3AnonymousAccess: AnonymousAccess;
  readonly s3AckTimeoutMs: number;
  readonly s3AccessLog: boolean;
  readonly s3TlsPort: number;
  readonly s3TlsCertificateFile: string | undefined;
  readonly s3TlsKeyFile: string | undefined;
  readonly shutdownGraceMs: number;
  /** Undefined: a stop waits for nothing. */
  readonly drainTimeoutMs: number | undefined;
  readonly adminHost: string;
  readonly adminPort: number;
  readonly adminAnonymousAccess: AdminAnonymousAccess;
  readonly adminAllowedHosts: readonly string[];
}

const host = text('a host name or an IP address', /^[A-Za-z0-9_.:-]{1,255}$/);
const domain = text('a domain name', /^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/);
const port = integer(0, 65_535);

export const PLACE_SETTINGS: SettingsOf<PlaceValues> = {
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
};
