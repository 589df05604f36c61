/** DeleteObject: succeeds whether or not there was one. */
import { addOffset, answer } from '../answer.js';
import { deleteConditions, isDeleteCondition } from '../conditions.js';
import type { Exchange } from '../exchange.js';
import { checkSupported } from '../object-headers.js';
import { checkVersion } from '../parameters.js';

export function deleteObject(exchange: Exchange): void {
  const { bucket, key, query } = exchange.target;
  checkVersion(query);
  for (const name in exchange.headers) if (!isDeleteCondition(name)) checkSupported(name);
  const conditions = deleteConditions(exchange.headers);
  answer(exchange, exchange.context.objects.deleteObject(bucket, key, conditions), (receipt) => {
    const headers = exchange.startHeaders();
    addOffset(headers, receipt);
    exchange.reply(204, headers);
  });
}
