/**
 * Whether who asks may have a request done. Called only where access is not open to everybody.
 *
 * Decided before anything is looked up, so that who may not see a bucket does not learn whether it is there.
 */
import type { Permission } from '../../engine/users-access.js';
import { BY_OPERATION, permissionOf, READ_SOURCE, WRITE_TAGS } from '../auth/permissions.js';
import { parseCopySource } from './copy-source.js';
import type { Exchange } from './exchange.js';
import { S3Error } from './s3-error.js';

/** Throws AccessDenied, and what is wrong with a copy source. */
export function authorize(exchange: Exchange, operation: string): void {
  const permission = permissionOf(operation);
  if (permission === BY_OPERATION) return;
  const { target, headers } = exchange;
  const key =
    target.key === '' && permission.right === 'list' ? (target.query.get('prefix') ?? '') : target.key;
  require(exchange, permission, target.bucket, key);
  if (exchange.identity.user === undefined) checkOverrides(target.query);
  if (headers['x-amz-tagging'] !== undefined) require(exchange, WRITE_TAGS, target.bucket, target.key);
  if (headers['x-amz-copy-source'] === undefined || permission.resource === 'bucket') return;
  const source = parseCopySource(headers);
  require(exchange, READ_SOURCE, source.bucket, source.key);
}

/** What an answer is said to be is part of what was signed (S3 API reference, GetObject). Throws InvalidRequest. */
function checkOverrides(query: ReadonlyMap<string, string>): void {
  if (query.size === 0) return;
  for (const name of query.keys())
    if (name.startsWith('response-'))
      throw new S3Error(
        'InvalidRequest',
        'Request specific response headers cannot be used for anonymous GET requests.',
      );
}

/** Whether the one who asks may. */
export function isAllowed(exchange: Exchange, permission: Permission, bucket: string, key: string): boolean {
  const { access } = exchange.context;
  return access.open || access.allows(exchange.identity.user, permission, bucket, key);
}

function require(exchange: Exchange, permission: Permission, bucket: string, key: string): void {
  if (!isAllowed(exchange, permission, bucket, key)) throw denied(exchange, permission);
}

/** The refusal says who was taken for whom; a name that was never claimed is no secret. */
export function denied({ identity }: Exchange, permission: Permission): S3Error {
  if (identity.user === undefined) return new S3Error('AccessDenied');
  return new S3Error(
    'AccessDenied',
    `User: ${identity.user} is not authorized to perform: ${permission.action} on this resource`,
  );
}
