/** PutObject: stores a body under a key. */
import { addOffset, answer } from '../answer.js';
import { addChecksumHeaders } from '../checksum-headers.js';
import { writeConditions } from '../conditions.js';
import type { Exchange } from '../exchange.js';
import { headersOfWrite } from '../object-headers.js';
import { receiveBody } from '../receive-body.js';

export function putObject(exchange: Exchange): void {
  const { bucket, key } = exchange.target;
  const headers = headersOfWrite(exchange.headers);
  const conditions = writeConditions(exchange.headers);
  receiveBody(exchange, ({ body, md5, checksum }) => {
    const { objects } = exchange.context;
    answer(
      exchange,
      objects.putObject({ bucket, key, body, headers, md5, checksum, conditions }),
      (receipt) => {
        const answerHeaders = exchange.startHeaders();
        answerHeaders.push('ETag', `"${receipt.etag}"`);
        addChecksumHeaders(answerHeaders, receipt.checksum);
        addOffset(answerHeaders, receipt);
        exchange.reply(200, answerHeaders);
      },
    );
  });
}
