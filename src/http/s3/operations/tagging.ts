/** Get, put and delete the tags of an object or of a bucket. */
import { addOffset, answer } from '../answer.js';
import type { Exchange } from '../exchange.js';
import { checkVersion } from '../parameters.js';
import { receiveXml } from '../receive-body.js';
import { S3Error } from '../s3-error.js';
import { BUCKET_TAGS_MAX, OBJECT_TAGS_MAX, parseTagSet, taggingDocument, type Tags } from '../tags.js';

/** Name of the bucket's document, as JSON of keys and values. */
const DOCUMENT = 'tagging';

export function getObjectTagging(exchange: Exchange): void {
  const { bucket, key, query } = exchange.target;
  checkVersion(query);
  answer(exchange, exchange.context.objects.headObject({ bucket, key }), ({ headers }) => {
    exchange.replyXml(200, taggingDocument(headers.tags ?? {}));
  });
}

export function putObjectTagging(exchange: Exchange): void {
  checkVersion(exchange.target.query);
  receiveXml(exchange, {}, (root) => setObjectTags(exchange, parseTagSet(root, OBJECT_TAGS_MAX), 200));
}

export function deleteObjectTagging(exchange: Exchange): void {
  checkVersion(exchange.target.query);
  setObjectTags(exchange, {}, 204);
}

function setObjectTags(exchange: Exchange, tags: Tags, status: number): void {
  const { bucket, key } = exchange.target;
  answer(exchange, exchange.context.objects.setObjectTags(bucket, key, tags), (receipt) => {
    const headers = exchange.startHeaders();
    addOffset(headers, receipt);
    exchange.reply(status, headers);
  });
}

export function getBucketTagging(exchange: Exchange): void {
  const { objects } = exchange.context;
  answer(exchange, objects.bucketDocument(exchange.target.bucket, DOCUMENT), (document) => {
    if (document === undefined) throw new S3Error('NoSuchTagSet');
    exchange.replyXml(200, taggingDocument(JSON.parse(document) as Tags));
  });
}

export function putBucketTagging(exchange: Exchange): void {
  receiveXml(exchange, {}, (root) => {
    setBucketTags(exchange, JSON.stringify(parseTagSet(root, BUCKET_TAGS_MAX)));
  });
}

export function deleteBucketTagging(exchange: Exchange): void {
  setBucketTags(exchange, '');
}

function setBucketTags(exchange: Exchange, document: string): void {
  const { objects } = exchange.context;
  answer(exchange, objects.setBucketDocument(exchange.target.bucket, DOCUMENT, document), () => {
    exchange.reply(204, exchange.startHeaders());
  });
}
