/**
 * Buckets of an S3 store. Errors are those of the client; the caller maps them.
 */
import type { BucketLocationConstraint } from '@aws-sdk/client-s3';
import { HeadraceError } from '../../../core/errors.js';
import type { StoredBucket } from '../../../core/object-store.js';
import { isS3Code } from './s3-errors.js';
import type { S3Connection } from './s3-session.js';

const BUCKET_PAGES_MAX = 1000;
/** The one region that must not be named when a bucket is made (S3 API reference, CreateBucket). */
const UNNAMED_REGION = 'us-east-1';

/**
 * Whether the store answers and knows us; `mapped` is the one bucket that is asked for, if there is just one: `NO_SUCH_BUCKET`
 * when the store does not have it.
 */
export async function checkBuckets(
  { sdk, client }: S3Connection,
  mapped: string | undefined,
  signal?: AbortSignal,
): Promise<void> {
  if (mapped !== undefined) return requireBucket({ sdk, client }, mapped, signal);
  try {
    await client.send(new sdk.ListBucketsCommand({}), { abortSignal: signal });
  } catch (error) {
    // It answers, knows who we are, and just does not let us see all buckets.
    if (!isS3Code(error, 0, 'AccessDenied')) throw error;
  }
}

/** Sorted by name. */
export async function listBuckets(
  { sdk, client }: S3Connection,
  signal?: AbortSignal,
): Promise<StoredBucket[]> {
  const buckets: StoredBucket[] = [];
  let ContinuationToken: string | undefined;
  for (let page = 0; page < BUCKET_PAGES_MAX; page++) {
    const answer = await client.send(new sdk.ListBucketsCommand({ ContinuationToken }), {
      abortSignal: signal,
    });
    for (const { Name, CreationDate } of answer.Buckets ?? []) {
      if (Name !== undefined) buckets.push({ name: Name, createdMs: CreationDate?.getTime() ?? 0 });
    }
    ContinuationToken = answer.ContinuationToken;
    if (ContinuationToken === undefined) break;
  }
  return buckets.sort((a, b) => (a.name < b.name ? -1 : 1));
}

export async function bucketExists(
  { sdk, client }: Pick<S3Connection, 'sdk' | 'client'>,
  bucket: string,
  signal?: AbortSignal,
): Promise<boolean> {
  try {
    await client.send(new sdk.HeadBucketCommand({ Bucket: bucket }), { abortSignal: signal });
    return true;
  } catch (error) {
    if (isS3Code(error, 404, 'NotFound', 'NoSuchBucket')) return false;
    throw error;
  }
}

/** For a bucket that is made in the store itself and not by us: `NO_SUCH_BUCKET`, with what to do, when it is not there. */
export async function requireBucket(
  connection: Pick<S3Connection, 'sdk' | 'client'>,
  bucket: string,
  signal?: AbortSignal,
): Promise<void> {
  if (await bucketExists(connection, bucket, signal)) return;
  throw new HeadraceError(
    'NO_SUCH_BUCKET',
    `the store has no bucket "${bucket}": create it there, or correct the name`,
  );
}

/** Nothing happens when we have it already. */
export async function createBucket(
  connection: S3Connection,
  bucket: string,
  region: string | undefined,
  signal?: AbortSignal,
): Promise<void> {
  const { sdk, client } = connection;
  const named =
    region === undefined || region === UNNAMED_REGION
      ? {}
      : { CreateBucketConfiguration: { LocationConstraint: region as BucketLocationConstraint } };
  try {
    const command = new sdk.CreateBucketCommand({ Bucket: bucket, ...named });
    await client.send(command, { abortSignal: signal });
  } catch (error) {
    if (isS3Code(error, 0, 'BucketAlreadyOwnedByYou')) return;
    // Some stores say this of our own buckets too.
    const taken = isS3Code(error, 0, 'BucketAlreadyExists');
    if (!taken || !(await bucketExists(connection, bucket, signal))) throw error;
  }
}

/** Nothing happens when there is none. */
export async function deleteBucket(
  { sdk, client }: S3Connection,
  bucket: string,
  signal?: AbortSignal,
): Promise<void> {
  try {
    await client.send(new sdk.DeleteBucketCommand({ Bucket: bucket }), { abortSignal: signal });
  } catch (error) {
    if (!isS3Code(error, 404, 'NoSuchBucket')) throw error;
  }
}
