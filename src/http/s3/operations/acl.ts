/** GetBucketAcl, PutBucketAcl, GetObjectAcl, PutObjectAcl: what grants say, in the words of access control lists. */
import { answer } from '../answer.js';
import {
  ALL_USERS,
  checkObjectAcl,
  isPublic,
  parseAclDocument,
  parseCannedAcl,
  PUBLIC_READ,
} from '../canned-acl.js';
import type { Acl } from '../canned-acl.js';
import type { Exchange } from '../exchange.js';
import { checkSupported } from '../object-headers.js';
import { checkVersion } from '../parameters.js';
import { hasBody, receiveXml } from '../receive-body.js';
import { S3Error } from '../s3-error.js';
import { element, xmlDocument } from '../xml-writer.js';
import { ownerElement } from './owner.js';

const XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"';

export function getBucketAcl(exchange: Exchange): void {
  const { bucket } = exchange.target;
  answer(exchange, exchange.context.objects.headBucket(bucket), () => {
    exchange.replyXml(200, aclDocument(exchange, isPublic(exchange, bucket, '')));
  });
}

export function getObjectAcl(exchange: Exchange): void {
  const { bucket, key, query } = exchange.target;
  checkVersion(query);
  answer(exchange, exchange.context.objects.headObject({ bucket, key }), () => {
    exchange.replyXml(200, aclDocument(exchange, isPublic(exchange, bucket, key)));
  });
}

function aclDocument({ context: { options } }: Exchange, publicRead: boolean): string {
  const owner = element('ID', options.ownerId) + element('DisplayName', options.ownerName);
  const everybody = `<Grant><Grantee ${XSI} xsi:type="Group">${element('URI', ALL_USERS)}</Grantee><Permission>READ</Permission></Grant>`;
  return xmlDocument(
    'AccessControlPolicy',
    `${ownerElement('Owner', options)}<AccessControlList>` +
      `<Grant><Grantee ${XSI} xsi:type="CanonicalUser">${owner}</Grantee><Permission>FULL_CONTROL</Permission></Grant>` +
      `${publicRead ? everybody : ''}</AccessControlList>`,
  );
}

/** A bucket is public when everybody may list it, which is a grant that this gives or takes. */
export function putBucketAcl(exchange: Exchange): void {
  const { bucket } = exchange.target;
  const { objects, access } = exchange.context;
  receiveAcl(exchange, (acl) => {
    const change = objects
      .headBucket(bucket)
      .then(() => access.setPublicListing(bucket, acl === PUBLIC_READ));
    answer(exchange, change, () => exchange.reply(200, exchange.startHeaders()));
  });
}

/** Changes nothing: takes what is so, and refuses the rest. */
export function putObjectAcl(exchange: Exchange): void {
  const { bucket, key, query } = exchange.target;
  checkVersion(query);
  receiveAcl(exchange, (acl) => {
    answer(exchange, exchange.context.objects.headObject({ bucket, key }), () => {
      checkObjectAcl(exchange, acl, bucket, key);
      exchange.reply(200, exchange.startHeaders());
    });
  });
}

function receiveAcl(exchange: Exchange, use: (acl: Acl) => void): void {
  const { headers, context } = exchange;
  for (const name in headers) checkSupported(name);
  const canned = headers['x-amz-acl'];
  if (canned !== undefined && hasBody(exchange))
    throw new S3Error('InvalidRequest', 'Specifying both Canned ACLs and an ACL document is not allowed');
  if (canned !== undefined) use(parseCannedAcl(String(canned)));
  else if (hasBody(exchange))
    receiveXml(exchange, {}, (root) => use(parseAclDocument(root, context.options.ownerId)));
  else throw new S3Error('MissingSecurityHeader');
}
