/**
 * Access control lists of buckets and objects: who else than the owner may do what.
 *
 * A list is kept as text, in the bucket's document `acl` and in the user metadata `headrace-acl` of an object, so that it goes
 * wherever the object goes: to the UFS and back. What has no list is private. Source: S3 user guide, "Access control list (ACL)
 * overview".
 *
 * | text                 | meaning                                                                                     |
 * | -------------------- | ------------------------------------------------------------------------------------------- |
 * | `owner=NAME`         | an object that somebody else than the bucket's owner wrote with a list is owned by who wrote it |
 * | `PERMISSION=GRANTEE` | READ, WRITE, READ_ACP, WRITE_ACP or FULL_CONTROL for a user, `*` everybody, `+` everybody who signs, |
 * |                      | `@` the owner, `^` the owner of the bucket                                                   |
 */

import type { ObjectHeaders } from '../core/object.js';

/** Name of a bucket's document. */
export const BUCKET_ACL = 'acl';
/** Name of an object's user metadata, which clients neither see nor set. */
export const ACL_METADATA = 'headrace-acl';
/** S3 user guide: "An ACL can have up to 100 grants". */
export const ACL_GRANTS_MAX = 100;

export const ACL_PERMISSIONS = ['READ', 'WRITE', 'READ_ACP', 'WRITE_ACP', 'FULL_CONTROL'] as const;
export type AclPermission = (typeof ACL_PERMISSIONS)[number];

export const EVERYBODY = '*';
export const AUTHENTICATED = '+';
export const THE_OWNER = '@';
export const BUCKET_OWNER = '^';

export interface AclGrant {
  readonly permission: AclPermission;
  /** The name of a user, or one of the signs above. */
  readonly grantee: string;
}

export interface AccessList {
  /** Undefined for the owner of the bucket. */
  readonly owner: string | undefined;
  readonly grants: readonly AclGrant[];
}

/** What is so where there is no list. */
const PRIVATE: AccessList = {
  owner: undefined,
  grants: [{ permission: 'FULL_CONTROL', grantee: THE_OWNER }],
};

/** Reads what `formatAccessList` wrote; words that it did not write give nobody anything. */
export function parseAccessList(text: string | undefined): AccessList {
  if (text === undefined || text === '') return PRIVATE;
  let owner: string | undefined;
  const grants: AclGrant[] = [];
  for (const word of text.split(' ')) {
    const at = word.indexOf('=');
    const permission = ACL_PERMISSIONS.find((one) => one === word.slice(0, at));
    if (permission !== undefined) grants.push({ permission, grantee: word.slice(at + 1) });
    else if (word.startsWith('owner=')) owner = word.slice(at + 1);
  }
  return { owner, grants };
}

/** '' for the private list of the bucket's owner, which is kept as no list. */
export function formatAccessList({ owner, grants }: AccessList): string {
  const only = grants.length === 1 ? grants[0] : undefined;
  if (owner === undefined && only?.permission === 'FULL_CONTROL' && only.grantee === THE_OWNER) return '';
  const words = owner === undefined ? [] : [`owner=${owner}`];
  for (const { permission, grantee } of grants) words.push(`${permission}=${grantee}`);
  // A list of nothing is another one than none.
  return words.length === 0 ? 'none' : words.join(' ');
}

/** Whether a list gives `permission` to a user (undefined: who did not sign). */
export function listPermits(
  list: AccessList,
  permission: AclPermission,
  user: string | undefined,
  bucketOwner: string | undefined,
): boolean {
  const owner = list.owner ?? bucketOwner;
  if (user !== undefined && user === owner && (permission === 'READ_ACP' || permission === 'WRITE_ACP'))
    return true;
  return list.grants.some(
    (grant) =>
      (grant.permission === permission || grant.permission === 'FULL_CONTROL') &&
      isGrantee(grant.grantee, user, owner, bucketOwner),
  );
}

function isGrantee(
  grantee: string,
  user: string | undefined,
  owner: string | undefined,
  bucketOwner: string | undefined,
): boolean {
  if (grantee === EVERYBODY) return true;
  if (user === undefined) return false;
  if (grantee === AUTHENTICATED) return true;
  if (grantee === THE_OWNER) return user === owner;
  return user === (grantee === BUCKET_OWNER ? bucketOwner : grantee);
}

/** Whether it gives anything to people whom the owner does not know. */
export function isPublicList({ grants }: AccessList): boolean {
  return grants.some(({ grantee }) => grantee === EVERYBODY || grantee === AUTHENTICATED);
}

/** Without what it gives to people whom the owner does not know. */
export function withoutPublic({ owner, grants }: AccessList): AccessList {
  return {
    owner,
    grants: grants.filter(({ grantee }) => grantee !== EVERYBODY && grantee !== AUTHENTICATED),
  };
}

/** Whether it gives anything to others than its owner and that of the bucket. */
export function sharesWithOthers({ grants }: AccessList): boolean {
  return grants.some(({ grantee }) => grantee !== THE_OWNER && grantee !== BUCKET_OWNER);
}

/** The headers of an object with another list ('' for none). */
export function withAccessList(headers: ObjectHeaders, list: string): ObjectHeaders {
  if ((headers.user[ACL_METADATA] ?? '') === list) return headers;
  const { [ACL_METADATA]: _before, ...user } = headers.user;
  return { ...headers, user: list === '' ? user : { ...user, [ACL_METADATA]: list } };
}
