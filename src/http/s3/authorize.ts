/**
 * Whether who asks may have a request done. Called only where access is not open to everybody.
 *
 * Decided before anything is looked up. Only what nothing else allows may need the access control list of an object, which is
 * looked up then. Who is refused learns whether the bucket is there, as from S3, and nothing of the keys in it.
 */
import { isErrorCode } from '../../core/errors.js';
import { ACL_METADATA } from '../../engine/access-list.js';
import type { Permission } from '../../engine/users-access.js';
import {
  BY_OPERATION,
  LIST_OBJECTS,
  READ_SOURCE,
  WRITE_TAGS,
  type OperationPermission,
} from '../auth/permissions.js';
import { parseCopySource } from './copy-source.js';
import type { S3Context } from './context.js';
import type { Exchange } from './exchange.js';
import { S3Error } from './s3-error.js';

/** Who asks. */
type Asking = Pick<Exchange, 'identity'> & { readonly context: Pick<S3Context, 'access'> };

/** What nothing allows yet, and the list of an object may. */
interface Question {
  readonly permission: Permission;
  readonly bucket: string;
  readonly key: string;
}

/**
 * Throws AccessDenied, and what is wrong with a copy source. A promise when something has to be looked up: it rejects with the
 * same, and with NoSuchBucket.
 */
export function authorize(exchange: Exchange, permission: OperationPermission): Promise<void> | undefined {
  if (permission === BY_OPERATION) return undefined;
  const { target, headers } = exchange;
  const { bucket } = target;
  let questions: Question[] | undefined;
  const key =
    target.key === '' && permission.right === 'list' ? (target.query.get('prefix') ?? '') : target.key;
  if (!isSettled(exchange, permission, bucket, key)) questions = [{ permission, bucket, key }];
  if (exchange.identity.user === undefined) checkOverrides(target.query);
  if (headers['x-amz-tagging'] !== undefined && !isSettled(exchange, WRITE_TAGS, bucket, target.key))
    (questions ??= []).push({ permission: WRITE_TAGS, bucket, key: target.key });
  if (headers['x-amz-copy-source'] !== undefined && permission.resource === 'object') {
    const source = parseCopySource(headers);
    if (!isSettled(exchange, READ_SOURCE, source.bucket, source.key))
      (questions ??= []).push({ permission: READ_SOURCE, bucket: source.bucket, key: source.key });
  }
  return questions === undefined ? undefined : askLists(exchange, questions);
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

/** Whether the one who asks may, as far as that can be said without the list of an object. */
export function isAllowed(exchange: Asking, permission: Permission, bucket: string, key: string): boolean {
  const { access } = exchange.context;
  return access.open || access.allows(exchange.identity.user, permission, bucket, key);
}

/** Whether it is allowed without the list of an object. Throws AccessDenied. */
function isSettled(exchange: Exchange, permission: Permission, bucket: string, key: string): boolean {
  const { access } = exchange.context;
  const verdict = access.decide(exchange.identity.user, permission, bucket, key);
  if (verdict === 'ALLOWED') return true;
  if (verdict === 'DENIED' || permission.right === 'create') throw denied(exchange, permission);
  return false;
}

async function askLists(exchange: Exchange, questions: readonly Question[]): Promise<void> {
  const { access, objects } = exchange.context;
  for (const { permission, bucket, key } of questions) {
    if (permission.objectList === undefined || key === '') {
      await objects.headBucket(bucket);
      throw denied(exchange, permission);
    }
    let kept: string | undefined;
    try {
      const { headers } = await objects.headObject({ bucket, key });
      kept = headers.user[ACL_METADATA];
    } catch (error) {
      if (!isErrorCode(error, 'NO_SUCH_KEY')) throw error;
      if (isAllowed(exchange, LIST_OBJECTS, bucket, key)) continue;
      throw denied(exchange, permission);
    }
    if (!access.listAllows(exchange.identity.user, permission, bucket, kept))
      throw denied(exchange, permission);
  }
}

/** The refusal says who was taken for whom; a name that was never claimed is no secret. */
export function denied({ identity }: Pick<Asking, 'identity'>, permission: Permission): S3Error {
  if (identity.user === undefined) return new S3Error('AccessDenied');
  return new S3Error(
    'AccessDenied',
    `User: ${identity.user} is not authorized to perform: ${permission.action} on this resource`,
  );
}

/**
 * A key that is not there is told only to who may list the bucket (S3 API reference, GetObject and HeadObject, "Permissions"): to
 * others it is as one that they may not read.
 */
export function withoutSecrets(exchange: Exchange, failure: S3Error): S3Error {
  const { access } = exchange.context;
  if (failure.s3Code !== 'NoSuchKey' || access.open) return failure;
  const { headers, target } = exchange;
  const { bucket, key } = headers['x-amz-copy-source'] === undefined ? target : parseCopySource(headers);
  return isAllowed(exchange, LIST_OBJECTS, bucket, key) ? failure : denied(exchange, LIST_OBJECTS);
}
