/**
 * What each operation of the S3 API needs: the action that policies know it by (service authorization reference, "Actions
 * defined by Amazon S3"), and the right that grants give it by. A test holds that every operation that is served has its row.
 */
import type { Permission } from '../../engine/users-access.js';

function onObject(action: string, right: Permission['right']): Permission {
  return { action: `s3:${action}`, right, resource: 'object' };
}

function onBucket(action: string, right: Permission['right']): Permission {
  return { action: `s3:${action}`, right, resource: 'bucket' };
}

function onPolicy(action: string): Permission {
  return { action: `s3:${action}`, right: 'admin', resource: 'bucket', ofPolicy: true };
}

const PUT_OBJECT = onObject('PutObject', 'write');
const GET_OBJECT = onObject('GetObject', 'read');
const LIST_BUCKET = onBucket('ListBucket', 'list');

/** The operation decides itself: for each key, each bucket or by what is in its body. */
export const BY_OPERATION = 'by operation';

const TABLE: Readonly<Record<string, Permission | typeof BY_OPERATION>> = {
  ListBuckets: BY_OPERATION,
  CreateBucket: onBucket('CreateBucket', 'admin'),
  // Clients look whether a bucket is there, and where, before they use the keys that they may use.
  HeadBucket: onBucket('ListBucket', 'any'),
  GetBucketLocation: onBucket('GetBucketLocation', 'any'),
  DeleteBucket: onBucket('DeleteBucket', 'admin'),
  GetBucketVersioning: onBucket('GetBucketVersioning', 'any'),
  PutBucketVersioning: onBucket('PutBucketVersioning', 'admin'),
  ListObjects: LIST_BUCKET,
  ListObjectsV2: LIST_BUCKET,
  ListObjectVersions: onBucket('ListBucketVersions', 'list'),
  ListMultipartUploads: onBucket('ListBucketMultipartUploads', 'list'),
  DeleteObjects: BY_OPERATION,
  PostObject: BY_OPERATION,
  PutObject: PUT_OBJECT,
  CopyObject: PUT_OBJECT,
  CreateMultipartUpload: PUT_OBJECT,
  UploadPart: PUT_OBJECT,
  UploadPartCopy: PUT_OBJECT,
  CompleteMultipartUpload: PUT_OBJECT,
  AbortMultipartUpload: onObject('AbortMultipartUpload', 'write'),
  ListParts: onObject('ListMultipartUploadParts', 'write'),
  GetObject: GET_OBJECT,
  HeadObject: GET_OBJECT,
  GetObjectAttributes: onObject('GetObjectAttributes', 'read'),
  DeleteObject: onObject('DeleteObject', 'write'),
  GetObjectTagging: onObject('GetObjectTagging', 'read'),
  PutObjectTagging: onObject('PutObjectTagging', 'write'),
  DeleteObjectTagging: onObject('DeleteObjectTagging', 'write'),
  GetObjectAcl: onObject('GetObjectAcl', 'read'),
  PutObjectAcl: onObject('PutObjectAcl', 'admin'),
  GetBucketAcl: onBucket('GetBucketAcl', 'any'),
  PutBucketAcl: onBucket('PutBucketAcl', 'admin'),
  GetBucketPolicy: onPolicy('GetBucketPolicy'),
  PutBucketPolicy: onPolicy('PutBucketPolicy'),
  DeleteBucketPolicy: onPolicy('DeleteBucketPolicy'),
  GetBucketPolicyStatus: onPolicy('GetBucketPolicyStatus'),
  GetBucketCors: onBucket('GetBucketCORS', 'admin'),
  PutBucketCors: onBucket('PutBucketCORS', 'admin'),
  DeleteBucketCors: onBucket('PutBucketCORS', 'admin'),
  GetBucketTagging: onBucket('GetBucketTagging', 'admin'),
  PutBucketTagging: onBucket('PutBucketTagging', 'admin'),
  DeleteBucketTagging: onBucket('PutBucketTagging', 'admin'),
};

/** Of the source of a copy, of tags that come with a write, of one key of DeleteObjects, and of a bucket in ListBuckets. */
export const READ_SOURCE = GET_OBJECT;
export const WRITE_TAGS = onObject('PutObjectTagging', 'write');
export const WRITE_OBJECT = PUT_OBJECT;
export const DELETE_OBJECT = onObject('DeleteObject', 'write');
export const SEE_BUCKET = onBucket('ListBucket', 'any');
export const READ_OBJECT = GET_OBJECT;
export const LIST_OBJECTS = LIST_BUCKET;

const others = new Map<string, Permission>();

/** An operation without a row is for administrators of the bucket. */
export function permissionOf(operation: string): Permission | typeof BY_OPERATION {
  if (Object.hasOwn(TABLE, operation)) return TABLE[operation] ?? BY_OPERATION;
  let permission = others.get(operation);
  if (permission === undefined) {
    permission = onBucket(operation, 'admin');
    others.set(operation, permission);
  }
  return permission;
}

/** Whether it has a row. */
export function isListed(operation: string): boolean {
  return Object.hasOwn(TABLE, operation);
}
