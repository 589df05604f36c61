/** PutObject: stores a body under a key. */
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
    answer(
      exchange,
      objects.putObject({ bucket, key, body, headers, md5, checksum, conditions, ack }),
      (receipt) => {
        const answerHeaders = exchange.startHeaders();
        answerHeaders.push('ETag', `"${receipt.etag}"`);
        addChecksumHeaders(answerHeaders, receipt.checksum);
        addOffset(answerHeaders, receipt);
        addAck(answerHeaders, receipt.ack);
        exchange.reply(statusOfWrite(receipt), answerHeaders);
      },
    );
  });
}
