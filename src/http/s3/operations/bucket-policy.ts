/** GetBucketPolicy, PutBucketPolicy, DeleteBucketPolicy, GetBucketPolicyStatus. */
import {
  BUCKET_POLICY,
  BucketPolicy,
  POLICY_BYTES_MAX,
  PolicyRefusal,
} from '../../../engine/bucket-policy.js';
import { BUCKET_ACL, isPublicList } from '../../../engine/access-list.js';
import { answer } from '../answer.js';
import type { Exchange } from '../exchange.js';
import { receiveText } from '../receive-body.js';
import { S3Error } from '../s3-error.js';
import { element, xmlDocument } from '../xml-writer.js';

export function getBucketPolicy(exchange: Exchange): void {
  answer(exchange, policyOf(exchange), (document) => {
    const headers = exchange.startHeaders();
    headers.push('Content-Type', 'application/json');
    exchange.reply(200, headers, document);
  });
}

export function putBucketPolicy(exchange: Exchange): void {
  const { bucket } = exchange.target;
  const { objects, access } = exchange.context;
  receiveText(exchange, POLICY_BYTES_MAX, (document) => {
    const policy = parsePolicy(bucket, document);
    if (policy.isPublic && access.blocks(bucket, 'BlockPublicPolicy'))
      throw new S3Error(
        'AccessDenied',
        'Public policies are blocked by the public access block of the bucket.',
      );
    answer(exchange, objects.setBucketDocument(bucket, BUCKET_POLICY, document), () => {
      exchange.reply(204, exchange.startHeaders());
    });
  });
}

export function deleteBucketPolicy(exchange: Exchange): void {
  const { objects } = exchange.context;
  answer(exchange, objects.setBucketDocument(exchange.target.bucket, BUCKET_POLICY, ''), () => {
    exchange.reply(204, exchange.startHeaders());
  });
}

export function getBucketPolicyStatus(exchange: Exchange): void {
  const { bucket } = exchange.target;
  const { objects, access } = exchange.context;
  // Lists count as the policy does, as S3 counts them; a bucket without either is not public.
  const read = Promise.all([
    objects.bucketDocument(bucket, BUCKET_POLICY),
    objects.bucketDocument(bucket, BUCKET_ACL),
  ]);
  answer(exchange, read, ([document, kept]) => {
    const list = access.listInForce(bucket, kept);
    const isPublic =
      (document !== undefined && parsePolicy(bucket, document).isPublic) ||
      (list !== undefined && isPublicList(list));
    exchange.replyXml(200, xmlDocument('PolicyStatus', element('IsPublic', isPublic)));
  });
}

async function policyOf({ context: { objects }, target: { bucket } }: Exchange): Promise<string> {
  const document = await objects.bucketDocument(bucket, BUCKET_POLICY);
  if (document !== undefined) return document;
  throw new S3Error('NoSuchBucketPolicy', undefined, { elements: { BucketName: bucket } });
}

function parsePolicy(bucket: string, document: string): BucketPolicy {
  try {
    return BucketPolicy.parse(bucket, document);
  } catch (error) {
    if (!(error instanceof PolicyRefusal)) throw error;
    throw new S3Error(error.kind === 'MALFORMED' ? 'MalformedPolicy' : 'NotImplemented', error.message);
  }
}
