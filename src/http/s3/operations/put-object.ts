/** PutObject: stores a body under a key. */
import type { WriteReceipt } from '../../../engine/object-service.js';
import { ackRequest, addAck, statusOfWrite } from '../acknowledgement.js';
import { addOffset, answer } from '../answer.js';
import { addChecksumHeaders } from '../checksum-headers.js';
import { writeConditions } from '../conditions.js';
import type { Exchange } from '../exchange.js';
import { headersOfWrite } from '../object-headers.js';
import { receiveBody } from '../receive-body.js';

export function putObject(exchange: Exchange): void {
  const { bucket, key } = exchange.target;
  const headers = headersOfWrite(exchange, exchange.headers);
  const conditions = writeConditions(exchange.headers);
  const ack = ackRequest(exchange);
  receiveBody(exchange, ({ body, md5, checksum }) => {
    const { objects } = exchange.context;
    const request = { bucket, key, body, headers, md5, checksum, conditions, ack };
    answer(exchange, objects.putObject(request), answerWrite);
  });
}

function answerWrite(receipt: WriteReceipt, exchange: Exchange): void {
  const headers = exchange.startHeaders();
  headers.push('ETag', `"${receipt.etag}"`);
  addChecksumHeaders(headers, receipt.checksum);
  addOffset(headers, receipt);
  addAck(headers, receipt.ack);
  exchange.reply(statusOfWrite(receipt), headers);
}
