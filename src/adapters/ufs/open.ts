/**
 * Opens the under-store that a URI names. The one place that knows which connectors there are; a new one is a new
 * entry in `CONNECTORS`.
 *
 * | URI                                                        | store                                              |
 * |------------------------------------------------------------|----------------------------------------------------|
 * | `file:///path`, `/path`, `./path`, `path`                  | a directory; its sub-directories are the buckets   |
 * | `s3://[bucket[/prefix]][?endpoint=…&region=…&pathStyle=…]` | S3; with a bucket, that one and the keys below prefix |
 * | `hdfs://namenode[:port][,…]/base[?user=…]`                 | HDFS over WebHDFS (`webhdfs-uri.ts`)                |
 */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { HeadraceError } from '../../core/errors.js';
import type { Logger } from '../../core/logger.js';
import type { ObjectStore } from '../../core/object-store.js';
import type { Clock, Random } from '../../core/ports.js';
import { DirectoryObjectStore } from './directory/directory-object-store.js';
import { refuseOwnPlace } from './directory/own-places.js';
import type { KnownRoots } from './directory/root-guard.js';
import { WebHdfsObjectStore } from './webhdfs/webhdfs-object-store.js';
import { mountedWebHdfsUri, WEBHDFS_SCHEMES, webHdfsOptionsOf } from './webhdfs/webhdfs-uri.js';
import { S3ObjectStore, type S3ObjectStoreOptions } from './s3/s3-object-store.js';
import type { UploadThread } from './s3/upload-thread.js';

/** Settings beside the URI, whose parameters have the same names and win. From a mount they come as texts. */
export interface ObjectStoreSettings {
  readonly endpoint?: string | undefined;
  readonly region?: string | undefined;
  readonly pathStyle?: boolean | string | undefined;
  readonly verifyEtag?: boolean | string | undefined;
  /** Both or none. */
  readonly accessKeyId?: string | undefined;
  readonly secretAccessKey?: string | undefined;
  readonly sessionToken?: string | undefined;
  /** Who HDFS is told that we are. */
  readonly user?: string | undefined;
  /** Of files in HDFS: copies of each block, and its size. */
  readonly replication?: number | string | undefined;
  readonly blockSizeBytes?: number | string | undefined;
  /** A connection on which nothing moves for this long is given up. */
  readonly requestTimeoutMs?: number | string | undefined;
}

export interface ObjectStoreDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Directories that were used before; absent where nothing is remembered. */
  readonly knownRoots?: KnownRoots;
  /** The store's own directory, which no under-store may be; absent where there is none. */
  readonly dataDirectory?: string;
  /** Uploads small objects to S3 for all stores; absent: each uploads by itself. */
  readonly uploads?: UploadThread | undefined;
}

/** A store, with the bucket and the prefix in it that a mount stands for. */
export interface MountedObjectStore {
  readonly store: ObjectStore;
  readonly bucket: string;
  readonly prefix: string;
}

type Connector = (
  uri: string,
  settings: ObjectStoreSettings,
  dependencies: ObjectStoreDependencies,
) => ObjectStore;

const openHdfs: Connector = (uri, settings, dependencies) =>
  new WebHdfsObjectStore({ ...webHdfsOptionsOf(uri, settings), ...dependencies });

const CONNECTORS: Readonly<Record<string, Connector>> = {
  file: (uri, _settings, dependencies) => new DirectoryObjectStore({ root: pathOf(uri), ...dependencies }),
  s3: (uri, settings, { uploads }) => new S3ObjectStore(s3OptionsOf(uri, settings), { uploads }),
  ...Object.fromEntries(WEBHDFS_SCHEMES.map((scheme) => [scheme, openHdfs])),
};
const SCHEME = /^([A-Za-z][A-Za-z0-9+.-]*):/;
const S3_URI = /^s3:\/\/([^/?]*)\/?([^?]*)(?:\?(.*))?$/i;
/** Secrets do not belong into a URI, which is shown and logged. */
const URI_PARAMETERS = ['endpoint', 'region', 'pathStyle', 'verifyEtag'] as const;

/**
 * The store for all buckets that are not mounted elsewhere. Nothing is connected to yet: `check` tells whether it can be
 * reached. `INVALID_SETTING` for a URI that is none of those above, for a file, and for what belongs to the data directory.
 */
export async function openObjectStore(
  uri: string,
  settings: ObjectStoreSettings,
  dependencies: ObjectStoreDependencies,
): Promise<ObjectStore> {
  const scheme = SCHEME.exec(uri)?.[1]?.toLowerCase() ?? 'file';
  const connector = Object.hasOwn(CONNECTORS, scheme) ? CONNECTORS[scheme] : undefined;
  if (connector === undefined || uri === '') throw invalid(uri, 'no store is known for it');
  const { clock, dataDirectory } = dependencies;
  if (scheme === 'file' && dataDirectory !== undefined)
    await refuseOwnPlace(uri, pathOf(uri), { dataDirectory, clock });
  return connector(uri, settings, dependencies);
}

/**
 * The store of a mount: `s3://bucket/prefix` as it stands, and of a directory, here or in HDFS, the files in it, not its
 * sub-directories as buckets. `INVALID_SETTING` as above, and for an S3 URI without a bucket.
 */
export async function openMountedStore(
  uri: string,
  settings: ObjectStoreSettings,
  dependencies: ObjectStoreDependencies,
): Promise<MountedObjectStore> {
  const scheme = SCHEME.exec(uri)?.[1]?.toLowerCase() ?? 'file';
  if (scheme === 's3') {
    const { bucket } = s3OptionsOf(uri, settings);
    if (bucket === undefined) throw invalid(uri, 'a mount needs a bucket');
    return { store: await openObjectStore(uri, settings, dependencies), bucket, prefix: '' };
  }
  if (WEBHDFS_SCHEMES.includes(scheme)) {
    const { parent, bucket } = mountedWebHdfsUri(uri);
    return { store: await openObjectStore(parent, settings, dependencies), bucket, prefix: '' };
  }
  if (scheme !== 'file' || uri === '') throw invalid(uri, 'no store is known for it');
  const directory = path.resolve(pathOf(uri));
  const bucket = path.basename(directory);
  if (bucket === '' || bucket.startsWith('.'))
    throw invalid(uri, 'the directory needs a name without a leading dot');
  const store = new DirectoryObjectStore({ root: path.dirname(directory), ...dependencies });
  return { store, bucket, prefix: '' };
}

/** What a mount may say of its store. */
const STORE_OPTIONS: readonly string[] = Object.keys({
  endpoint: true,
  region: true,
  pathStyle: true,
  verifyEtag: true,
  accessKeyId: true,
  secretAccessKey: true,
  sessionToken: true,
  user: true,
  replication: true,
  blockSizeBytes: true,
  requestTimeoutMs: true,
} satisfies Record<keyof ObjectStoreSettings, true>);

/**
 * For a mount that somebody asks for now; one that was accepted earlier is opened as it stands, or the store could not start any more.
 * `otherOptions` are not the store's but the mount's own. `INVALID_SETTING` for an option that there is not, for a file, and for what
 * belongs to the data directory.
 */
export async function checkNewMount(
  { ufs, options }: { readonly ufs: string; readonly options: Readonly<Record<string, string>> },
  otherOptions: readonly string[],
  { dataDirectory, clock }: { readonly dataDirectory: string; readonly clock: Clock },
): Promise<void> {
  const names = [...STORE_OPTIONS, ...otherOptions];
  for (const [name, value] of Object.entries(options)) {
    if (names.includes(name)) continue;
    const shown = /secret|password|token/i.test(name) ? '****' : value;
    throw new HeadraceError(
      'INVALID_SETTING',
      `no under-store has the option ${name} = "${shown}": there are ${names.join(', ')}`,
    );
  }
  if ((SCHEME.exec(ufs)?.[1]?.toLowerCase() ?? 'file') === 'file')
    await refuseOwnPlace(ufs, pathOf(ufs), { dataDirectory, clock });
}

function pathOf(uri: string): string {
  if (!SCHEME.test(uri)) return uri;
  try {
    return fileURLToPath(uri);
  } catch (error) {
    throw invalid(uri, error instanceof Error ? error.message : 'it is no file URL');
  }
}

function s3OptionsOf(uri: string, settings: ObjectStoreSettings): S3ObjectStoreOptions {
  const [, bucket, key = '', query = ''] = S3_URI.exec(uri) ?? [];
  if (bucket === undefined) throw invalid(uri, 'it is no s3:// URI');
  if (bucket === '' && key !== '') throw invalid(uri, 'a prefix needs a bucket before it');
  const given = { ...defined(settings), ...parametersOf(uri, query) };
  const { endpoint, region, accessKeyId, secretAccessKey, sessionToken, requestTimeoutMs } = given;
  if (endpoint !== undefined && !URL.canParse(endpoint)) {
    throw new HeadraceError(
      'INVALID_SETTING',
      `the endpoint "${endpoint}" of ${uri} is not of the form http://host:port or https://host`,
    );
  }
  if ((accessKeyId === undefined) !== (secretAccessKey === undefined)) {
    throw invalid(uri, 'accessKeyId and secretAccessKey go together: give both or none');
  }
  return defined({
    endpoint,
    region,
    accessKeyId,
    secretAccessKey,
    sessionToken,
    pathStyle: flagOf(uri, 'pathStyle', given.pathStyle),
    verifyEtag: flagOf(uri, 'verifyEtag', given.verifyEtag),
    idleTimeoutMs: requestTimeoutMs === undefined ? undefined : Number(requestTimeoutMs),
    bucket: bucket === '' ? undefined : bucket,
    prefix: key === '' ? undefined : `${decodeKey(uri, key).replace(/\/+$/, '')}/`,
  });
}

function parametersOf(uri: string, query: string): ObjectStoreSettings {
  const parameters: Record<string, string> = {};
  for (const [name, value] of new URLSearchParams(query)) {
    if (!URI_PARAMETERS.some((known) => known === name)) {
      throw invalid(uri, `it has the parameter "${name}", which is none of ${URI_PARAMETERS.join(', ')}`);
    }
    parameters[name] = value;
  }
  return parameters;
}

function flagOf(uri: string, name: string, value: string | boolean | undefined): boolean | undefined {
  if (value === undefined || typeof value === 'boolean') return value;
  if (value !== 'true' && value !== 'false')
    throw invalid(uri, `${name} is "${value}", neither true nor false`);
  return value === 'true';
}

function decodeKey(uri: string, key: string): string {
  try {
    return decodeURIComponent(key);
  } catch {
    throw invalid(uri, 'its prefix is not properly percent-encoded');
  }
}

type Defined<Fields> = {
  [Name in keyof Fields as undefined extends Fields[Name] ? never : Name]: Fields[Name];
} & {
  [Name in keyof Fields as undefined extends Fields[Name] ? Name : never]?: Exclude<Fields[Name], undefined>;
};

/** Without the fields that are undefined. */
function defined<Fields extends object>(fields: Fields): Defined<Fields> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as Defined<Fields>;
}

function invalid(uri: string, why: string): HeadraceError {
  return new HeadraceError(
    'INVALID_SETTING',
    `"${uri}" is no under-store: ${why}; allowed are a directory (/path, ./path or file:///path), hdfs://namenode:port/path and s3://[bucket[/prefix]][?endpoint=…&region=…&pathStyle=true]`,
  );
}
