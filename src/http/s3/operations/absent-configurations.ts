/**
 * Bucket configurations that cannot be set here: reading one says truthfully that there is none, as S3 says it of a bucket where it
 * was never set, deleting one succeeds, and so does setting what is so anyway. Tools that look over a whole bucket (infrastructure
 * as code, clean-up) need all three. Anything else is refused as not implemented.
 */
import { answer } from '../answer.js';
import type { Exchange } from '../exchange.js';
import { receiveXml } from '../receive-body.js';
import { notImplemented, S3Error } from '../s3-error.js';
import type { S3Code } from '../s3-error.js';
import { childText, type XmlElement } from '../xml-reader.js';
import { element, xmlDocument } from '../xml-writer.js';

type Run = (exchange: Exchange) => void;

/** Answers with an error once the bucket is known to be there. */
export function absent(code: S3Code, message?: string): Run {
  return (exchange) => {
    answer(exchange, exchange.context.objects.headBucket(exchange.target.bucket), () => {
      throw new S3Error(code, message);
    });
  };
}

/** Answers with a document that says that nothing is configured. */
export function empty(name: string, content = ''): Run {
  return (exchange) => {
    answer(exchange, exchange.context.objects.headBucket(exchange.target.bucket), () => {
      exchange.replyXml(200, xmlDocument(name, content));
    });
  };
}

/** Of configurations of which a bucket may have many, each with its `id`: there is none of that name, and none at all. */
export function emptyList(name: string): Run {
  const one = absent('NoSuchConfiguration');
  const all = empty(name, element('IsTruncated', false));
  return (exchange) => (exchange.target.query.has('id') ? one : all)(exchange);
}

/** Deletes what is not there. */
export function deleteAbsent(exchange: Exchange): void {
  answer(exchange, exchange.context.objects.headBucket(exchange.target.bucket), () => {
    exchange.reply(204, exchange.startHeaders());
  });
}

/** Takes a document that asks for what `empty` says; every other is not implemented. */
export function unset(operation: string, name: string, isUnset: (root: XmlElement) => boolean): Run {
  return (exchange) => {
    receiveXml(exchange, {}, (root) => {
      if (root.name !== name) throw new S3Error('MalformedXML');
      if (!isUnset(root)) throw notImplemented(`${operation} with anything but what is so without it`);
      answer(exchange, exchange.context.objects.headBucket(exchange.target.bucket), () => {
        exchange.reply(200, exchange.startHeaders());
      });
    });
  };
}

export function hasNoChildren(root: XmlElement): boolean {
  return root.children.length === 0;
}

export function isPaidByOwner(root: XmlElement): boolean {
  return childText(root, 'Payer')?.trim() === 'BucketOwner';
}

export function isDisabled(root: XmlElement): boolean {
  return childText(root, 'Status')?.trim() === 'Disabled';
}

/** What S3 says of legal hold and retention in a bucket without object lock. */
export const notLocked = absent('InvalidRequest', 'Bucket is missing Object Lock Configuration');

/** What S3 says where object lock is to be switched on in a bucket without versioning. */
export const notLockable = absent(
  'InvalidBucketState',
  "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
);
