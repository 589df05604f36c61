/**
 * Bucket configurations that cannot be set here: reading one says truthfully that there is none, as S3 says it of a bucket where it
 * was never set, and deleting one succeeds. Tools that look over a whole bucket (infrastructure as code, clean-up) need both.
 */
import { answer } from '../answer.js';
import type { Exchange } from '../exchange.js';
import { S3Error } from '../s3-error.js';
import type { S3Code } from '../s3-error.js';
import { xmlDocument } from '../xml-writer.js';

/** Answers with an error once the bucket is known to be there. */
export function absent(code: S3Code): (exchange: Exchange) => void {
  return (exchange) => {
    answer(exchange, exchange.context.objects.headBucket(exchange.target.bucket), () => {
      throw new S3Error(code);
    });
  };
}

/** Answers with a document that says that nothing is configured. */
export function empty(name: string, content = ''): (exchange: Exchange) => void {
  return (exchange) => {
    answer(exchange, exchange.context.objects.headBucket(exchange.target.bucket), () => {
      exchange.replyXml(200, xmlDocument(name, content));
    });
  };
}

/** Deletes what is not there. */
export function deleteAbsent(exchange: Exchange): void {
  answer(exchange, exchange.context.objects.headBucket(exchange.target.bucket), () => {
    exchange.reply(204, exchange.startHeaders());
  });
}
