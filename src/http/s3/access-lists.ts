/**
 * Access control lists as requests state them: canned, as `x-amz-grant-*` headers, and as a document. All become one list, which
 * the engine keeps and decides by. What is not known (an e-mail address, a user who does not exist) is refused, never ignored.
 */
import type { IncomingHttpHeaders } from 'node:http';
import {
  ACL_GRANTS_MAX,
  ACL_PERMISSIONS,
  AUTHENTICATED,
  BUCKET_OWNER,
  EVERYBODY,
  isPublicList,
  sharesWithOthers,
  THE_OWNER,
  type AccessList,
  type AclGrant,
  type AclPermission,
} from '../../engine/access-list.js';
import { WRITE_BY_GRANT, WRITE_OBJECT_ACL } from '../auth/permissions.js';
import { denied, isAllowed } from './authorize.js';
import type { S3Context } from './context.js';
import type { Exchange } from './exchange.js';
import { invalidArgument, notImplemented, S3Error } from './s3-error.js';
import { childOf, childText, type XmlElement } from './xml-reader.js';

const GROUP = 'http://acs.amazonaws.com/groups/global/';
export const ALL_USERS = `${GROUP}AllUsers`;
export const AUTHENTICATED_USERS = `${GROUP}AuthenticatedUsers`;

const FULL: AclGrant = { permission: 'FULL_CONTROL', grantee: THE_OWNER };

/** What canned lists give beside the owner's FULL_CONTROL. */
const CANNED: Readonly<Record<string, readonly AclGrant[]>> = {
  private: [],
  'public-read': [{ permission: 'READ', grantee: EVERYBODY }],
  'public-read-write': [
    { permission: 'READ', grantee: EVERYBODY },
    { permission: 'WRITE', grantee: EVERYBODY },
  ],
  'authenticated-read': [{ permission: 'READ', grantee: AUTHENTICATED }],
  'bucket-owner-read': [{ permission: 'READ', grantee: BUCKET_OWNER }],
  'bucket-owner-full-control': [{ permission: 'FULL_CONTROL', grantee: BUCKET_OWNER }],
};
const REFUSED = new Set(['aws-exec-read', 'log-delivery-write']);

const GRANT_HEADERS: readonly (readonly [header: string, permission: AclPermission])[] = ACL_PERMISSIONS.map(
  (permission) => [`x-amz-grant-${permission.toLowerCase().replaceAll('_', '-')}`, permission],
);

/** Whether a header is part of a list. */
export function isAclHeader(name: string): boolean {
  return name === 'x-amz-acl' || name.startsWith('x-amz-grant-');
}

/** Of a request: who asks, and for what. */
export type Asking = Pick<Exchange, 'identity' | 'target'> & {
  readonly context: Pick<S3Context, 'access' | 'options'>;
};

/** What a list is about, and whose it is. */
export interface ListSubject {
  /** Undefined for the owner of the bucket. */
  readonly owner: string | undefined;
  readonly bucketOwner: string | undefined;
}

/**
 * The list that a write gives the object; undefined when there is none to keep. Who writes into the bucket of somebody else owns
 * the object when the headers state a list, or when the bucket's ownership controls say so. Throws
 * AccessDenied, AccessControlListNotSupported, InvalidArgument, InvalidRequest, NotImplemented.
 */
export function listOfWrite(exchange: Asking, headers: IncomingHttpHeaders): AccessList | undefined {
  const { identity, target, context } = exchange;
  const bucketOwner = context.access.ownerOf(target.bucket);
  const foreign = bucketOwner !== undefined && identity.user !== bucketOwner;
  const ownership = context.access.ownershipOf(target.bucket);
  const ofBucketOwner = headers['x-amz-acl'] === 'bucket-owner-full-control';
  // What is so anyway is no list (S3 user guide, "Controlling ownership of objects").
  if (ownership === 'BucketOwnerEnforced' && ofBucketOwner) return undefined;
  const givesAway = ownership === 'BucketOwnerPreferred' && ofBucketOwner;
  const owner = foreign && !givesAway ? identity.user : undefined;
  const list = listOfHeaders(exchange, headers, { owner, bucketOwner });
  if (ownership === 'BucketOwnerEnforced') return undefined;
  if (list === undefined) return ownership === undefined ? undefined : { owner, grants: [FULL] };
  if (sharesWithOthers(list)) checkMayShare(exchange);
  return list;
}

/** Who may write because of a grant decides about objects, and not about who else sees them. */
function checkMayShare(exchange: Asking): void {
  const { bucket, key } = exchange.target;
  if (isAllowed(exchange, WRITE_OBJECT_ACL, bucket, key)) return;
  if (isAllowed(exchange, WRITE_BY_GRANT, bucket, key)) throw denied(exchange, WRITE_OBJECT_ACL);
}

/** The list that headers state; undefined when they state none. Throws as `listOfWrite`. */
export function listOfHeaders(
  exchange: Asking,
  headers: IncomingHttpHeaders,
  subject: ListSubject,
): AccessList | undefined {
  const canned = headers['x-amz-acl'];
  const grants = grantsOfHeaders(exchange, headers, subject);
  if (canned === undefined && grants === undefined) return undefined;
  if (exchange.context.access.listsOff(exchange.target.bucket))
    throw new S3Error('AccessControlListNotSupported');
  if (canned !== undefined && grants !== undefined)
    throw new S3Error('InvalidRequest', 'Specifying both Canned ACLs and Header Grants is not allowed');
  const given = canned === undefined ? (grants ?? []) : cannedGrants(String(canned), subject);
  return checked(exchange, { owner: subject.owner, grants: given });
}

function cannedGrants(name: string, { owner }: ListSubject): AclGrant[] {
  const grants = Object.hasOwn(CANNED, name) ? CANNED[name] : undefined;
  if (grants === undefined) {
    if (REFUSED.has(name)) throw notImplemented(`The canned ACL "${name}"`);
    throw invalidArgument('', 'x-amz-acl', name);
  }
  // The owner of the bucket needs no grant in what is its own.
  return [FULL, ...grants.filter(({ grantee }) => owner !== undefined || grantee !== BUCKET_OWNER)];
}

function grantsOfHeaders(
  exchange: Asking,
  headers: IncomingHttpHeaders,
  subject: ListSubject,
): AclGrant[] | undefined {
  let grants: AclGrant[] | undefined;
  for (const [header, permission] of GRANT_HEADERS) {
    const value = headers[header];
    if (typeof value !== 'string') continue;
    for (const part of value.split(',')) {
      const [, kind = '', grantee = ''] =
        /^\s*(id|uri|emailAddress)\s*=\s*"?([^"]*?)"?\s*$/i.exec(part) ?? [];
      if (kind === '') throw invalidArgument('Argument format not recognized', header, value);
      (grants ??= []).push({ permission, grantee: granteeOf(exchange, subject, kind, grantee) });
    }
  }
  return grants;
}

function granteeOf(
  { context }: Asking,
  { owner, bucketOwner }: ListSubject,
  kind: string,
  name: string,
): string {
  const { access, options } = context;
  switch (kind.toLowerCase()) {
    case 'uri':
      if (name === ALL_USERS) return EVERYBODY;
      if (name === AUTHENTICATED_USERS) return AUTHENTICATED;
      if (name.startsWith('http://acs.amazonaws.com/groups/s3/'))
        throw notImplemented(`The group ${name} of an ACL`);
      throw invalidArgument('Invalid group uri', 'uri', name);
    case 'id':
      if (name === (owner ?? bucketOwner ?? options.ownerId)) return THE_OWNER;
      if (name === (bucketOwner ?? options.ownerId)) return BUCKET_OWNER;
      if (access.isUser(name)) return name;
      throw invalidArgument('Invalid id', 'id', name);
    default:
      // Users have names here, and no addresses.
      throw new S3Error('UnresolvableGrantByEmailAddress', undefined, { elements: { EmailAddress: name } });
  }
}

/** What the bucket's settings allow of a list. */
function checked(exchange: Asking, list: AccessList): AccessList {
  const { access } = exchange.context;
  const { bucket } = exchange.target;
  if (list.grants.length > ACL_GRANTS_MAX)
    throw new S3Error(
      'InvalidRequest',
      `An ACL has at most ${ACL_GRANTS_MAX} grants, not ${list.grants.length}.`,
    );
  if (isPublicList(list) && access.blocks(bucket, 'BlockPublicAcls'))
    throw new S3Error('AccessDenied', 'Public ACLs are blocked by the public access block of the bucket.');
  return list;
}

/** The list that a document states. Throws as `listOfWrite`, and MalformedACLError. */
export function listOfDocument(exchange: Asking, root: XmlElement, subject: ListSubject): AccessList {
  if (exchange.context.access.listsOff(exchange.target.bucket))
    throw new S3Error('AccessControlListNotSupported');
  const list = root.name === 'AccessControlPolicy' ? childOf(root, 'AccessControlList') : undefined;
  const owner = childOf(root, 'Owner');
  const ownerId = owner === undefined ? undefined : childText(owner, 'ID')?.trim();
  if (list === undefined) throw new S3Error('MalformedACLError');
  const { options } = exchange.context;
  if (ownerId !== undefined && ownerId !== (subject.owner ?? subject.bucketOwner ?? options.ownerId))
    throw new S3Error('AccessDenied', 'The owner of a bucket or an object cannot be changed.');
  const grants = list.children.map((grant): AclGrant => {
    const grantee = childOf(grant, 'Grantee');
    const text = childText(grant, 'Permission')?.trim();
    const permission = ACL_PERMISSIONS.find((one) => one === text);
    if (grant.name !== 'Grant' || grantee === undefined || permission === undefined)
      throw new S3Error('MalformedACLError');
    for (const [element, kind] of GRANTEE_ELEMENTS) {
      const name = childText(grantee, element)?.trim();
      if (name !== undefined) return { permission, grantee: granteeOf(exchange, subject, kind, name) };
    }
    throw new S3Error('MalformedACLError');
  });
  return checked(exchange, { owner: subject.owner, grants });
}

const GRANTEE_ELEMENTS = [
  ['URI', 'uri'],
  ['ID', 'id'],
  ['EmailAddress', 'emailAddress'],
] as const;
