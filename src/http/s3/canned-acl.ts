/**
 * Access control lists, as far as grants can say the same: `private` is what is so anyway, and `public-read` is a grant to everybody.
 *
 * Headrace decides by grants and bucket policies. A list that neither could express is refused, never taken and ignored.
 */
import { LIST_OBJECTS, READ_OBJECT } from '../auth/permissions.js';
import type { Exchange } from './exchange.js';
import { invalidArgument, notImplemented, S3Error } from './s3-error.js';
import { childOf, childText, type XmlElement } from './xml-reader.js';

export const ALL_USERS = 'http://acs.amazonaws.com/groups/global/AllUsers';
export const PUBLIC_READ = 'public-read';

export type Acl = 'private' | typeof PUBLIC_READ;

/** Lists that mean what is so anyway: nobody but the owner was granted anything. */
const HARMLESS = new Set(['private', 'bucket-owner-read', 'bucket-owner-full-control']);
const REFUSED = new Set(['public-read-write', 'authenticated-read', 'aws-exec-read', 'log-delivery-write']);

/** What the header `x-amz-acl` asks for. Throws NotImplemented, InvalidArgument. */
export function parseCannedAcl(value: string): Acl {
  if (HARMLESS.has(value)) return 'private';
  if (value === PUBLIC_READ) return PUBLIC_READ;
  if (REFUSED.has(value)) throw notImplemented(`The canned ACL "${value}" in the x-amz-acl header`);
  throw invalidArgument('', 'x-amz-acl', value);
}

/** What an AccessControlPolicy asks for. Throws MalformedACLError, NotImplemented. */
export function parseAclDocument(root: XmlElement, ownerId: string): Acl {
  const list = root.name === 'AccessControlPolicy' ? childOf(root, 'AccessControlList') : undefined;
  if (list === undefined) throw new S3Error('MalformedACLError');
  let owned = false;
  let acl: Acl = 'private';
  for (const grant of list.children) {
    const grantee = childOf(grant, 'Grantee');
    const permission = childText(grant, 'Permission')?.trim();
    if (grant.name !== 'Grant' || grantee === undefined || permission === undefined)
      throw new S3Error('MalformedACLError');
    const uri = childText(grantee, 'URI')?.trim();
    if (childText(grantee, 'ID')?.trim() === ownerId && permission === 'FULL_CONTROL') owned = true;
    else if (uri === ALL_USERS && permission === 'READ') acl = PUBLIC_READ;
    else
      throw notImplemented(
        `An ACL that grants ${permission} to ${uri ?? childText(grantee, 'ID') ?? 'somebody by e-mail'}`,
      );
  }
  if (!owned) throw notImplemented('An ACL that does not grant FULL_CONTROL to the owner');
  return acl;
}

/** Whether everybody was granted to read an object, or to list a bucket (`key` is ''). */
export function isPublic({ context: { access } }: Exchange, bucket: string, key: string): boolean {
  return access.allows(undefined, key === '' ? LIST_OBJECTS : READ_OBJECT, bucket, key);
}

/**
 * A `public-read` of an object is taken where everybody was granted to read it: objects have no lists of their own. Throws
 * NotImplemented.
 */
export function checkObjectAcl(exchange: Exchange, acl: Acl, bucket: string, key: string): void {
  if (acl === 'private' || isPublic(exchange, bucket, key)) return;
  throw notImplemented(
    `The canned ACL "${PUBLIC_READ}" for an object that nothing else makes public (\`headrace user grant anonymous read:BUCKET/PREFIX\` or a bucket policy does)`,
  );
}
