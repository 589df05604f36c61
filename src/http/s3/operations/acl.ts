/** GetBucketAcl, PutBucketAcl, GetObjectAcl, PutObjectAcl: the access control lists of buckets and objects. */
import {
  ACL_METADATA,
  AUTHENTICATED,
  BUCKET_ACL,
  BUCKET_OWNER,
  EVERYBODY,
  formatAccessList,
  parseAccessList,
  THE_OWNER,
  type AccessList,
  type AclGrant,
} from '../../../engine/access-list.js';
import {
  ALL_USERS,
  AUTHENTICATED_USERS,
  isAclHeader,
  listOfDocument,
  listOfHeaders,
  type ListSubject,
} from '../access-lists.js';
import { answer } from '../answer.js';
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
  answer(exchange, exchange.context.objects.bucketDocument(bucket, BUCKET_ACL), (kept) => {
    exchange.replyXml(200, aclDocument(exchange, parseAccessList(kept)));
  });
}

export function getObjectAcl(exchange: Exchange): void {
  const { bucket, key, query } = exchange.target;
  checkVersion(query);
  answer(exchange, exchange.context.objects.headObject({ bucket, key }), ({ headers }) => {
    exchange.replyXml(200, aclDocument(exchange, parseAccessList(headers.user[ACL_METADATA])));
  });
}

function aclDocument(exchange: Exchange, list: AccessList): string {
  const { access, options } = exchange.context;
  const bucketOwner = access.ownerOf(exchange.target.bucket);
  const owner = list.owner ?? bucketOwner;
  // Where lists are off the owner has everything, whatever a list said before.
  const off = access.listsOff(exchange.target.bucket);
  const grants = off ? parseAccessList(undefined).grants : list.grants;
  let content = '';
  for (const { permission, grantee } of grants.toSorted((a, b) => groupRank(a) - groupRank(b)))
    content += `<Grant>${granteeElement(grantee)}<Permission>${permission}</Permission></Grant>`;
  return xmlDocument(
    'AccessControlPolicy',
    `${ownerElement('Owner', options, off ? bucketOwner : owner)}<AccessControlList>${content}</AccessControlList>`,
  );

  function granteeElement(grantee: string): string {
    const group =
      grantee === EVERYBODY ? ALL_USERS : grantee === AUTHENTICATED ? AUTHENTICATED_USERS : undefined;
    if (group !== undefined) return `<Grantee ${XSI} xsi:type="Group">${element('URI', group)}</Grantee>`;
    const user = grantee === THE_OWNER ? owner : grantee === BUCKET_OWNER ? bucketOwner : grantee;
    const id = element('ID', user ?? options.ownerId) + element('DisplayName', user ?? options.ownerName);
    return `<Grantee ${XSI} xsi:type="CanonicalUser">${id}</Grantee>`;
  }
}

/** Groups stand before users, as clients are used to. */
function groupRank({ grantee }: AclGrant): number {
  return grantee === EVERYBODY ? 0 : grantee === AUTHENTICATED ? 1 : 2;
}

export function putBucketAcl(exchange: Exchange): void {
  const { bucket } = exchange.target;
  const { objects, access } = exchange.context;
  receiveList(exchange, { owner: undefined, bucketOwner: access.ownerOf(bucket) }, (list) => {
    answer(exchange, objects.setBucketDocument(bucket, BUCKET_ACL, formatAccessList(list)), () =>
      exchange.reply(200, exchange.startHeaders()),
    );
  });
}

/** The owner stays who it was, so that the list that is there is read first. */
export function putObjectAcl(exchange: Exchange): void {
  const { bucket, key, query } = exchange.target;
  const { objects, access } = exchange.context;
  checkVersion(query);
  answer(exchange, objects.headObject({ bucket, key }), ({ headers }) => {
    const { owner } = parseAccessList(headers.user[ACL_METADATA]);
    receiveList(exchange, { owner, bucketOwner: access.ownerOf(bucket) }, (list) => {
      const changed = objects.setObjectAcl(bucket, key, formatAccessList(list));
      answer(exchange, changed, () => exchange.reply(200, exchange.startHeaders()));
    });
  });
}

function receiveList(exchange: Exchange, subject: ListSubject, use: (list: AccessList) => void): void {
  const { headers } = exchange;
  let stated = false;
  for (const name in headers)
    if (isAclHeader(name)) stated = true;
    else checkSupported(name);
  if (stated && hasBody(exchange))
    throw new S3Error('InvalidRequest', 'Specifying both Canned ACLs and an ACL document is not allowed');
  const list = stated ? listOfHeaders(exchange, headers, subject) : undefined;
  if (list !== undefined) use(list);
  else if (hasBody(exchange))
    receiveXml(exchange, {}, (root) => use(listOfDocument(exchange, root, subject)));
  else throw new S3Error('MissingSecurityHeader');
}
