/** GetBucketCors, PutBucketCors, DeleteBucketCors, the preflight request, and the headers of answers to other origins. */
import { answer } from '../answer.js';
import {
  CORS_DOCUMENT,
  corsDocument,
  corsHeaders,
  parseCorsRules,
  preflightQuestion,
  type CorsRule,
} from '../cors.js';
import type { Exchange } from '../exchange.js';
import { receiveXml } from '../receive-body.js';
import { S3Error } from '../s3-error.js';

export function getBucketCors(exchange: Exchange): void {
  answer(exchange, rulesOf(exchange), (rules) => {
    if (rules === undefined) throw new S3Error('NoSuchCORSConfiguration');
    exchange.replyXml(200, corsDocument(rules));
  });
}

export function putBucketCors(exchange: Exchange): void {
  receiveXml(exchange, {}, (root) => setRules(exchange, JSON.stringify(parseCorsRules(root)), 200));
}

export function deleteBucketCors(exchange: Exchange): void {
  setRules(exchange, '', 204);
}

function setRules(exchange: Exchange, document: string, status: number): void {
  const { objects } = exchange.context;
  answer(exchange, objects.setBucketDocument(exchange.target.bucket, CORS_DOCUMENT, document), () => {
    exchange.reply(status, exchange.startHeaders());
  });
}

async function rulesOf(exchange: Exchange): Promise<CorsRule[] | undefined> {
  const document = await exchange.context.objects.bucketDocument(exchange.target.bucket, CORS_DOCUMENT);
  return document === undefined ? undefined : (JSON.parse(document) as CorsRule[]);
}

/** A browser asks whether it may send a request. It has no credentials with it, so nobody is authenticated. */
export function preflight(exchange: Exchange): void {
  const question = preflightQuestion(exchange.headers);
  exchange.operation = 'Preflight';
  if (exchange.target.bucket === '') throw new S3Error('AccessForbidden');
  answer(exchange, rulesOf(exchange), (rules) => {
    if (rules === undefined) throw new S3Error('AccessForbidden');
    const allowed = corsHeaders(rules, question);
    if (allowed === undefined)
      throw new S3Error(
        'AccessForbidden',
        "CORSResponse: This CORS request is not allowed. This is usually because the evaluation of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.",
      );
    exchange.reply(200, [...exchange.startHeaders(), ...allowed]);
  });
}

/**
 * Looks the rules up before a request of another origin is run, so that all its answers, errors too, have the headers without
 * which a browser shows none of them. What is wrong with the bucket is for the operation to say.
 */
export function withCorsHeaders(exchange: Exchange, origin: string, run: () => void): void {
  rulesOf(exchange).then(
    (rules) => {
      const method = exchange.headers['access-control-request-method'] ?? exchange.method;
      exchange.corsHeaders = corsHeaders(rules ?? [], { origin, method, headers: [] }) ?? [];
      run();
    },
    () => run(),
  );
}
