/**
 * The AWS client, loaded and made at the first call: importing it costs a good part of the start-up time.
 *
 * The client does not retry: the engine does, with its own backoff, and must hear of each failure. It computes no checksums on
 * its own: Content-MD5 and the ETag, which we know already, guard the bytes.
 */
import type { S3Client } from '@aws-sdk/client-s3';
import http from 'node:http';
import https from 'node:https';
import { SECOND_MS } from '../../../core/units.js';
import { SmallExchanges } from '../small-exchange.js';
import { S3Direct } from './s3-direct.js';

export type S3Sdk = typeof import('@aws-sdk/client-s3');

export interface S3Settings {
  /** `http://host:port` of a store that is not Amazon's. */
  readonly endpoint?: string;
  readonly region?: string;
  /** `http://host/bucket/key` instead of `http://bucket.host/key`. By default when there is an endpoint. */
  readonly pathStyle?: boolean;
  /** Both or none; none: environment, profile files, instance role, as the AWS SDKs look them up. */
  readonly accessKeyId?: string;
  readonly secretAccessKey?: string;
  readonly sessionToken?: string;
  readonly connectTimeoutMs?: number;
  /** A connection on which nothing moves for this long is given up. */
  readonly idleTimeoutMs?: number;
}

const CONNECT_TIMEOUT_MS = 5 * SECOND_MS;
const IDLE_TIMEOUT_MS = 60 * SECOND_MS;
const CONNECTIONS_MAX = 64;
/** A connection that nobody used for this long is closed here, before the store does it in the middle of a request. */
const UNUSED_TIMEOUT_MS = 15 * SECOND_MS;
/** The engine logs each failure itself: without a logger the client writes to the console, once for each upload while the store is away. */
const SILENT = { debug: ignore, info: ignore, warn: ignore, error: ignore };
/** What a store without regions expects. */
const REGION_OF_ENDPOINTS = 'us-east-1';

export interface S3Connection {
  readonly sdk: S3Sdk;
  readonly client: S3Client;
  /** For requests past the client, on the same connections. */
  readonly direct: S3Direct;
  /** The connections of small puts. */
  readonly small: SmallExchanges;
}

export class S3Session {
  readonly #settings: S3Settings;
  #connection: Promise<S3Connection> | undefined;

  constructor(settings: S3Settings) {
    this.#settings = settings;
  }

  connection(): Promise<S3Connection> {
    return (this.#connection ??= connect(this.#settings));
  }

  async close(): Promise<void> {
    const connection = await this.#connection;
    // It destroys its agents, and with them all their connections.
    connection?.client.destroy();
    await connection?.small.destroy();
  }
}

async function connect(settings: S3Settings): Promise<S3Connection> {
  const sdk = await import('@aws-sdk/client-s3');
  const { endpoint, accessKeyId, secretAccessKey, sessionToken } = settings;
  const region = settings.region ?? (endpoint === undefined ? undefined : REGION_OF_ENDPOINTS);
  const connectTimeoutMs = settings.connectTimeoutMs ?? CONNECT_TIMEOUT_MS;
  const idleTimeoutMs = settings.idleTimeoutMs ?? IDLE_TIMEOUT_MS;
  const pool = {
    keepAlive: true,
    maxSockets: CONNECTIONS_MAX,
    timeout: UNUSED_TIMEOUT_MS,
  };
  const [httpAgent, httpsAgent] = [new http.Agent(pool), new https.Agent(pool)];
  const client = new sdk.S3Client({
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(accessKeyId === undefined || secretAccessKey === undefined
      ? {}
      : {
          credentials: {
            accessKeyId,
            secretAccessKey,
            ...(sessionToken === undefined ? {} : { sessionToken }),
          },
        }),
    forcePathStyle: settings.pathStyle ?? endpoint !== undefined,
    maxAttempts: 1,
    logger: SILENT,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // It would open a new connection for each large body.
    expectContinueHeader: false,
    requestHandler: {
      connectionTimeout: connectTimeoutMs,
      socketTimeout: idleTimeoutMs,
      httpAgent,
      httpsAgent,
    },
  });
  const credentials = (): ReturnType<typeof client.config.credentials> => client.config.credentials();
  const small = new SmallExchanges({
    connectTimeoutMs,
    idleTimeoutMs,
    unusedTimeoutMs: UNUSED_TIMEOUT_MS,
    connectionsMax: CONNECTIONS_MAX,
  });
  const direct = new S3Direct({ httpAgent, httpsAgent, small, credentials, connectTimeoutMs, idleTimeoutMs });
  return { sdk, client, direct, small };
}

function ignore(): void {}
