/** What can be set about the S3 endpoint. Values are plain; everything that acts is injected beside them. */
import { KIB, MIB, SECOND_MS } from '../../core/units.js';

export interface S3ServerOptions {
  /** What GetBucketLocation and `x-amz-bucket-region` say. */
  readonly region: string;
  /** The one owner of everything, as listings name it. */
  readonly ownerId: string;
  readonly ownerName: string;
  /** Host names under which buckets are subdomains; empty for path style only. */
  readonly domains: readonly string[];
  /** Request line and headers together. A key takes 3 KiB when percent-encoded, user metadata 2 KiB, a session token 2 KiB. */
  readonly headerBytesMax: number;
  readonly connectionsMax: number;
  /** A connection on which nothing moves for this long in the middle of a request or an answer is given up. */
  readonly idleTimeoutMs: number;
  /** How long a connection may wait for its next request. */
  readonly keepAliveTimeoutMs: number;
  /** How long the head of a request may take to arrive. */
  readonly headersTimeoutMs: number;
  /** Bytes that small bodies may hold in memory at a time, over all connections. */
  readonly smallBodiesBytesMax: number;
  /** Longest XML body: 1,000 keys of 1,024 bytes, escaped. */
  readonly documentBytesMax: number;
  /** A copy or completion that takes longer than this begins its answer and is kept alive with white space, as often. */
  readonly slowAnswerIntervalMs: number;
  /** Whether each request gets a line in the process log. */
  readonly accessLog: boolean;
  /** How long a write that asks for `x-headrace-ack: persisted` waits for it, unless it says. Below the patience of clients. */
  readonly ackTimeoutMs: number;
}

export const S3_SERVER_DEFAULTS: S3ServerOptions = {
  region: 'us-east-1',
  ownerId: 'headrace',
  ownerName: 'headrace',
  domains: [],
  headerBytesMax: 32 * KIB,
  connectionsMax: 10_000,
  idleTimeoutMs: 60 * SECOND_MS,
  keepAliveTimeoutMs: 65 * SECOND_MS,
  headersTimeoutMs: 30 * SECOND_MS,
  smallBodiesBytesMax: 64 * MIB,
  documentBytesMax: 8 * MIB,
  slowAnswerIntervalMs: 10 * SECOND_MS,
  accessLog: false,
  ackTimeoutMs: 30 * SECOND_MS,
};
