/** CopyObject: stores a copy of an object, with its headers or with new ones. */
import { ACL_METADATA } from '../../../engine/access-list.js';
import type { CopyObjectRequest } from '../../../engine/object-service.js';
import { ackRequest, addAck, statusOfWrite } from '../acknowledgement.js';
import { addOffset, answerSlowly } from '../answer.js';
import { addChecksumHeaders } from '../checksum-headers.js';
import { writeConditions } from '../conditions.js';
import { parseCopySource } from '../copy-source.js';
import type { Exchange } from '../exchange.js';
import { headersOfWrite } from '../object-headers.js';
import { invalidArgument, notImplemented, S3Error } from '../s3-error.js';
import { copyResult } from './copy-result.js';

export function copyObject(exchange: Exchange): void {
  const request = copyRequest(exchange);
  answerSlowly(exchange, exchange.context.objects.copyObject(request), (receipt) => {
    const headers = exchange.startHeaders();
    addChecksumHeaders(headers, receipt.checksum);
    addOffset(headers, receipt);
    addAck(headers, receipt.ack);
    return {
      document: copyResult('CopyObjectResult', receipt),
      headers,
      status: statusOfWrite(receipt),
    };
  });
}

function copyRequest(exchange: Exchange): CopyObjectRequest {
  const { bucket, key } = exchange.target;
  const source = parseCopySource(exchange.headers);
  const given = headersOfWrite(exchange, exchange.headers);
  const algorithm = exchange.headers['x-amz-checksum-algorithm'];
  if (algorithm !== undefined) throw notImplemented(`A new checksum (${String(algorithm)}) for a copy`);
  const replaceHeaders = directive(exchange, 'x-amz-metadata-directive');
  const replaceTags = directive(exchange, 'x-amz-tagging-directive');
  if (source.bucket === bucket && source.key === key && !replaceHeaders && !isRedefined(exchange))
    throw new S3Error(
      'InvalidRequest',
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    );
  return {
    bucket,
    key,
    source,
    headers: replaceHeaders ? { system: given.system, user: given.user } : undefined,
    acl: given.user[ACL_METADATA],
    tags: replaceTags ? (given.tags ?? {}) : undefined,
    conditions: writeConditions(exchange.headers),
    ack: ackRequest(exchange),
  };
}

/** A storage class is the one change of an object that leaves nothing to do here. */
function isRedefined(exchange: Exchange): boolean {
  return exchange.headers['x-amz-storage-class'] !== undefined;
}

/** Whether a directive says REPLACE and not COPY. */
function directive(exchange: Exchange, name: string): boolean {
  const value = exchange.headers[name];
  if (value === undefined || value === 'COPY') return false;
  if (value === 'REPLACE') return true;
  throw invalidArgument(
    `Unknown ${name === 'x-amz-metadata-directive' ? 'metadata' : 'tagging'} directive.`,
    name,
    String(value),
  );
}
