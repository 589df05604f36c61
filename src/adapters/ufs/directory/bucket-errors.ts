/** What is wrong with a bucket, in the words of the `ObjectStore` port. */
import { HeadraceError } from '../../../core/errors.js';
import { RESERVED_NAME } from './places.js';

export function noSuchBucket(bucket: string): HeadraceError {
  return new HeadraceError('NO_SUCH_BUCKET', `there is no bucket "${bucket}"`);
}

export function notEmpty(bucket: string): HeadraceError {
  return new HeadraceError('BUCKET_NOT_EMPTY', `the bucket "${bucket}" is not empty`);
}

export function notABucketName(bucket: string): HeadraceError {
  return new HeadraceError(
    'UFS_REJECTED',
    `"${bucket}" cannot be a bucket in a directory: a name has 1 to 255 bytes, no slash, and does not begin with a dot (${RESERVED_NAME} is ours)`,
  );
}
