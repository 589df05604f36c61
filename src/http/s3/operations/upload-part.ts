/** UploadPart and UploadPartCopy. */
import { PART_NUMBER_MAX } from '../../../core/object.js';
import { addOffset, answer, answerSlowly } from '../answer.js';
import { addChecksumHeaders } from '../checksum-headers.js';
import { parseCopySource } from '../copy-source.js';
import type { Exchange } from '../exchange.js';
import { headersOfWrite } from '../object-headers.js';
import { parseNumber, required } from '../parameters.js';
import { parseCopyRange } from '../range.js';
import { receiveBody } from '../receive-body.js';
import { copyResult } from './copy-result.js';

interface PartAddress {
  readonly bucket: string;
  readonly key: string;
  readonly uploadId: string;
  readonly partNumber: number;
}

function addressOf(exchange: Exchange): PartAddress {
  const { bucket, key, query } = exchange.target;
  required(query, 'partNumber');
  const partNumber = parseNumber(query, 'partNumber', 1, PART_NUMBER_MAX) ?? 0;
  return { bucket, key, uploadId: required(query, 'uploadId'), partNumber };
}

export function uploadPart(exchange: Exchange): void {
  const address = addressOf(exchange);
  // A part has no headers of its own; this is for what must be refused.
  headersOfWrite(exchange, exchange.headers);
  receiveBody(exchange, ({ body, md5, checksum }) => {
    const stored = exchange.context.objects.putPart({ ...address, body, md5, checksum });
    answer(exchange, stored, (receipt) => {
      const headers = exchange.startHeaders();
      headers.push('ETag', `"${receipt.etag}"`);
      addChecksumHeaders(headers, receipt.checksum);
      addOffset(headers, receipt);
      exchange.reply(200, headers);
    });
  });
}

export function uploadPartCopy(exchange: Exchange): void {
  const address = addressOf(exchange);
  headersOfWrite(exchange, exchange.headers);
  const source = parseCopySource(exchange.headers);
  const rangeHeader = exchange.headers['x-amz-copy-source-range'];
  const range = parseCopyRange(typeof rangeHeader === 'string' ? rangeHeader : undefined);
  const copied = exchange.context.objects.copyPart({ ...address, source, range });
  answerSlowly(exchange, copied, (receipt) => {
    const headers = exchange.startHeaders();
    addOffset(headers, receipt);
    return { document: copyResult('CopyPartResult', receipt), headers };
  });
}
