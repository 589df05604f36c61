/** GetObject and HeadObject: an object, a range of it, or one of its parts. */
import type { ByteRange } from '../../../core/object-store.js';
import { PART_NUMBER_MAX } from '../../../core/object.js';
import type { ObjectVersion } from '../../../core/object.js';
import type { GetObjectRequest } from '../../../engine/object-service.js';
import { addStatus } from '../acknowledgement.js';
import { answer, answerWithBody } from '../answer.js';
import { addChecksumHeaders } from '../checksum-headers.js';
import { readConditions } from '../conditions.js';
import type { Exchange } from '../exchange.js';
import { checkReadHeaders } from '../encryption-headers.js';
import { addObjectHeaders } from '../object-headers.js';
import { checkVersion, parseNumber } from '../parameters.js';
import { parseRange, rangeOfPart, resolveRange } from '../range.js';
import { S3Error } from '../s3-error.js';

export function getObject(exchange: Exchange): void {
  const request = readRequest(exchange);
  answer(exchange, exchange.context.objects.getObject(request), ({ object, range, body }) => {
    const served = servedRange(request, object, range);
    answerWithBody(
      exchange,
      served === undefined ? 200 : 206,
      objectHeaders(exchange, request, object, served),
      body,
    );
  });
}

export function headObject(exchange: Exchange): void {
  const request = readRequest(exchange);
  answer(exchange, exchange.context.objects.headObject(request), (object) => {
    const served = servedRange(request, object, undefined);
    const headers = objectHeaders(exchange, request, object, served);
    const size = served === undefined ? object.size : served.last - served.first + 1;
    headers.push('Content-Length', String(size));
    const { bucket, key } = exchange.target;
    addStatus(headers, exchange.context.objects.objectStatus(bucket, key, object));
    exchange.reply(served === undefined ? 200 : 206, headers);
  });
}

function readRequest(exchange: Exchange): GetObjectRequest {
  const { headers, target } = exchange;
  const { bucket, key, query } = target;
  checkReadHeaders(headers);
  const range = parseRange(headers.range);
  const conditions = readConditions(headers);
  if (query.size === 0) return { bucket, key, range, conditions };
  checkVersion(query);
  const partNumber = parseNumber(query, 'partNumber', 1, PART_NUMBER_MAX);
  if (range !== undefined && partNumber !== undefined)
    throw new S3Error('InvalidRequest', 'Cannot specify both Range header and partNumber query parameter');
  return { bucket, key, range, partNumber, conditions };
}

/** The part of the object that the answer is about; undefined for all of it. Throws InvalidRange. */
function servedRange(
  request: GetObjectRequest,
  object: ObjectVersion,
  served: ByteRange | undefined,
): ByteRange | undefined {
  if (served !== undefined) return served.last < served.first ? undefined : served;
  if (request.range !== undefined) {
    const range = resolveRange(request.range, object.size);
    if (range === undefined)
      throw new S3Error('InvalidRange', undefined, { headers: ['Content-Range', `bytes */${object.size}`] });
    return range;
  }
  if (request.partNumber === undefined) return undefined;
  const part = rangeOfPart(object, request.partNumber);
  if (part === undefined)
    throw new S3Error('InvalidPartNumber', undefined, {
      elements: { PartNumberRequested: String(request.partNumber) },
    });
  return part.last < part.first ? undefined : part;
}

function objectHeaders(
  exchange: Exchange,
  request: GetObjectRequest,
  object: ObjectVersion,
  served: ByteRange | undefined,
): string[] {
  const headers = exchange.startHeaders();
  addObjectHeaders(headers, object, exchange.target.query);
  if (served !== undefined)
    headers.push('Content-Range', `bytes ${served.first}-${served.last}/${object.size}`);
  if (request.partNumber !== undefined && object.parts !== undefined)
    headers.push('x-amz-mp-parts-count', String(object.parts.length));
  if (exchange.headers['x-amz-checksum-mode'] === 'ENABLED')
    addChecksumHeaders(headers, checksumOf(request, object, served));
  return headers;
}

/** A checksum is of what is served: the object, or the part that was asked for. Its type is always the object's. */
function checksumOf(
  request: GetObjectRequest,
  object: ObjectVersion,
  served: ByteRange | undefined,
): ObjectVersion['checksum'] {
  if (request.partNumber !== undefined && object.parts !== undefined) {
    const part = object.parts[request.partNumber - 1]?.checksum;
    return part === undefined ? undefined : { ...part, type: object.checksum?.type ?? part.type };
  }
  return request.range === undefined || served === undefined ? object.checksum : undefined;
}
