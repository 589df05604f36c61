/**
 * What a URI of HDFS says.
 *
 * | scheme                  | spoken over | default port |
 * |-------------------------|-------------|--------------|
 * | `hdfs`, `webhdfs`       | HTTP        | 9870         |
 * | `swebhdfs`, `webhdfss`  | HTTPS       | 9871         |
 *
 * `<scheme>://<namenode>[:<port>][,<namenode>[:<port>]…]/<base>[?user=…&replication=…&blockSizeBytes=…]`. Ports are those of the
 * namenodes' HTTP addresses, not of their RPC. Several namenodes are those of one file system, one of them active.
 */
import os from 'node:os';
import { HeadraceError } from '../../../core/errors.js';
import type { NamenodeOptions } from './namenode.js';

export const WEBHDFS_SCHEMES: readonly string[] = ['hdfs', 'webhdfs', 'swebhdfs', 'webhdfss'];

/** Settings beside the URI, whose parameters have the same names and win. */
export interface WebHdfsSettings {
  readonly user?: string | undefined;
  readonly replication?: number | string | undefined;
  readonly blockSizeBytes?: number | string | undefined;
  readonly requestTimeoutMs?: number | string | undefined;
}

export interface WebHdfsUriOptions extends NamenodeOptions {
  readonly base: string;
  readonly replication?: number;
  readonly blockSizeBytes?: number;
}

const HTTP_PORT = 9870;
const HTTPS_PORT = 9871;
const URI = /^([a-z]+):\/\/([^/?#]+)(\/[^?#]*)?(?:\?([^#]*))?$/i;
const NAMENODE = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?$/;
const PARAMETERS = ['user', 'replication', 'blockSizeBytes'] as const;
const USER = /^[A-Za-z0-9._@/-]{1,256}$/;
/** HDFS's smallest block (`dfs.namenode.fs-limits.min-block-size`). */
const BLOCK_BYTES_MIN = 1024 * 1024;
const BLOCK_BYTES_MAX = 2 ** 40;
const REPLICATION_MAX = 512;
/** When the process runs as a number without a name, as in containers. */
const NAMELESS_USER = 'headrace';

/** `INVALID_SETTING` for what is no URI of HDFS, naming what is wrong. */
export function webHdfsOptionsOf(uri: string, settings: WebHdfsSettings): WebHdfsUriOptions {
  const [, scheme = '', hosts = '', path = '', query = ''] = URI.exec(uri) ?? [];
  if (hosts === '') throw invalid(uri, 'it names no namenode');
  const secure = scheme.toLowerCase().startsWith('s') || scheme.toLowerCase().endsWith('ss');
  const namenodes = hosts.split(',').map((host) => namenodeOf(uri, host, secure ? HTTPS_PORT : HTTP_PORT));
  const given: WebHdfsSettings = { ...settings, ...parametersOf(uri, query) };
  const { user = processUser(), replication, blockSizeBytes, requestTimeoutMs } = given;
  if (!USER.test(user)) throw invalid(uri, `its user "${user}" is no user name`);
  return {
    secure,
    namenodes,
    user,
    base: baseOf(uri, path),
    ...numberOf(uri, 'replication', replication, 1, REPLICATION_MAX),
    ...numberOf(uri, 'blockSizeBytes', blockSizeBytes, BLOCK_BYTES_MIN, BLOCK_BYTES_MAX),
    ...(requestTimeoutMs === undefined ? {} : { idleTimeoutMs: Number(requestTimeoutMs) }),
  };
}

/** The URI of the directory that a mount's directory is in, and its name there. `INVALID_SETTING` when it is the root. */
export function mountedWebHdfsUri(uri: string): { readonly parent: string; readonly bucket: string } {
  const [, scheme = '', hosts = '', path = '', query] = URI.exec(uri) ?? [];
  const names = path.split('/').filter((name) => name !== '');
  const last = decoded(uri, names.pop() ?? '');
  if (last === '' || last.startsWith('.')) {
    throw invalid(uri, 'the directory needs a name without a leading dot');
  }
  const parent = `${scheme}://${hosts}/${names.join('/')}`;
  return { parent: query === undefined ? parent : `${parent}?${query}`, bucket: last };
}

function namenodeOf(uri: string, host: string, defaultPort: number): string {
  const found = NAMENODE.exec(host);
  const port = Number(found?.[1] ?? defaultPort);
  if (found === null || port < 1 || port > 65_535)
    throw invalid(uri, `"${host}" is no host:port of a namenode`);
  return found[1] === undefined ? `${host}:${defaultPort}` : host;
}

/** Absolute, without a trailing slash; '' for the root. */
function baseOf(uri: string, path: string): string {
  const names = path
    .split('/')
    .filter((name) => name !== '')
    .map((name) => decoded(uri, name));
  for (const name of names) {
    if (name === '.' || name === '..' || /[:/\x00-\x1f\x7f]/.test(name)) {
      throw invalid(uri, `HDFS has no directory "${name}"`);
    }
  }
  return names.map((name) => `/${name}`).join('');
}

function decoded(uri: string, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid(uri, 'its path is not properly percent-encoded');
  }
}

function parametersOf(uri: string, query: string): WebHdfsSettings {
  const parameters: Record<string, string> = {};
  for (const [name, value] of new URLSearchParams(query)) {
    if (!PARAMETERS.some((known) => known === name)) {
      throw invalid(uri, `it has the parameter "${name}", which is none of ${PARAMETERS.join(', ')}`);
    }
    parameters[name] = value;
  }
  return parameters;
}

function numberOf<Name extends string>(
  uri: string,
  name: Name,
  value: number | string | undefined,
  min: number,
  max: number,
): { readonly [Key in Name]?: number } {
  if (value === undefined) return {};
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < min || number > max) {
    throw invalid(uri, `${name} is "${value}", not a whole number from ${min} to ${max}`);
  }
  return { [name]: number } as { readonly [Key in Name]?: number };
}

function processUser(): string {
  try {
    return os.userInfo().username;
  } catch {
    return NAMELESS_USER;
  }
}

function invalid(uri: string, why: string): HeadraceError {
  return new HeadraceError(
    'INVALID_SETTING',
    `"${uri}" is no HDFS: ${why}; right is hdfs://namenode:9870/path, with the port of the namenode's HTTP address, and swebhdfs:// for HTTPS`,
  );
}
