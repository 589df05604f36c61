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

/** Writing and deleting is by the list of the bucket, reading by that of the object. */
const PUT_OBJECT: Permission = { ...onObject('PutObject', 'write'), bucketList: 'WRITE' };
const GET_OBJECT: Permission = { ...onObject('GetObject', 'read'), objectList: 'READ' };
const LIST_BUCKET: Permission = { ...onBucket('ListBucket', 'list'), bucketList: 'READ' };
const DELETE: Permission = { ...onObject('DeleteObject', 'write'), bucketList: 'WRITE' };
const PUT_ACL: Permission = { ...onObject('PutObjectAcl', 'admin'), objectList: 'WRITE_ACP' };

/** The operation decides itself: for each key, each bucket or by what is in its body. */
export const BY_OPERATION = 'by operation';

export type OperationPermission = Permission | typeof BY_OPERATION;

const TABLE: Readonly<Record<string, OperationPermission>> = {
  ListBuckets: BY_OPERATION,
  CreateBucket: onBucket('CreateBucket', 'create'),
  // Clients look whether a bucket is there, and where, before they use the keys that they may use.
  HeadBucket: { ...LIST_BUCKET, right: 'any' },
  GetBucketLocation: onBucket('GetBucketLocation', 'any'),
  DeleteBucket: onBucket('DeleteBucket', 'admin'),
  GetBucketVersioning: onBucket('GetBucketVersioning', 'any'),
  PutBucketVersioning: onBucket('PutBucketVersioning', 'admin'),
  ListObjects: LIST_BUCKET,
  ListObjectsV2: LIST_BUCKET,
  ListObjectVersions: { ...LIST_BUCKET, action: 's3:ListBucketVersions' },
  ListMultipartUploads: { ...LIST_BUCKET, action: 's3:ListBucketMultipartUploads' },
  DeleteObjects: BY_OPERATION,
  PostObject: BY_OPERATION,
  PutObject: PUT_OBJECT,
  CopyObject: PUT_OBJECT,
  CreateMultipartUpload: PUT_OBJECT,
  UploadPart: PUT_OBJECT,
  UploadPartCopy: PUT_OBJECT,
  CompleteMultipartUpload: PUT_OBJECT,
  AbortMultipartUpload: { ...PUT_OBJECT, action: 's3:AbortMultipartUpload' },
  ListParts: { ...PUT_OBJECT, action: 's3:ListMultipartUploadParts' },
  GetObject: GET_OBJECT,
  HeadObject: GET_OBJECT,
  GetObjectAttributes: { ...GET_OBJECT, action: 's3:GetObjectAttributes' },
  DeleteObject: DELETE,
  GetObjectTagging: onObject('GetObjectTagging', 'read'),
  PutObjectTagging: onObject('PutObjectTagging', 'write'),
  DeleteObjectTagging: onObject('DeleteObjectTagging', 'write'),
  GetObjectAcl: { ...onObject('GetObjectAcl', 'read'), objectList: 'READ_ACP' },
  PutObjectAcl: PUT_ACL,
  GetObjectLegalHold: onObject('GetObjectLegalHold', 'read'),
  PutObjectLegalHold: onObject('PutObjectLegalHold', 'write'),
  GetObjectRetention: onObject('GetObjectRetention', 'read'),
  PutObjectRetention: onObject('PutObjectRetention', 'write'),
  GetBucketAcl: { ...onBucket('GetBucketAcl', 'any'), bucketList: 'READ_ACP' },
  PutBucketAcl: { ...onBucket('PutBucketAcl', 'admin'), bucketList: 'WRITE_ACP' },
  GetBucketPolicy: onPolicy('GetBucketPolicy'),
  PutBucketPolicy: onPolicy('PutBucketPolicy'),
  DeleteBucketPolicy: onPolicy('DeleteBucketPolicy'),
  GetBucketPolicyStatus: onPolicy('GetBucketPolicyStatus'),
  GetBucketOwnershipControls: onBucket('GetBucketOwnershipControls', 'admin'),
  PutBucketOwnershipControls: onBucket('PutBucketOwnershipControls', 'admin'),
  DeleteBucketOwnershipControls: onBucket('PutBucketOwnershipControls', 'admin'),
  GetPublicAccessBlock: onBucket('GetBucketPublicAccessBlock', 'admin'),
  PutPublicAccessBlock: onBucket('PutBucketPublicAccessBlock', 'admin'),
  DeletePublicAccessBlock: onBucket('PutBucketPublicAccessBlock', 'admin'),
  GetBucketCors: onBucket('GetBucketCORS', 'admin'),
  PutBucketCors: onBucket('PutBucketCORS', 'admin'),
  DeleteBucketCors: onBucket('PutBucketCORS', 'admin'),
  GetBucketTagging: onBucket('GetBucketTagging', 'admin'),
  PutBucketTagging: onBucket('PutBucketTagging', 'admin'),
  DeleteBucketTagging: onBucket('PutBucketTagging', 'admin'),
};

/** Of the source of a copy, of tags that come with a write, of and one key of DeleteObjects. */
export const READ_SOURCE = GET_OBJECT;
export const WRITE_TAGS: Permission = { ...onObject('PutObjectTagging', 'write'), bucketList: 'WRITE' };
export const WRITE_OBJECT = PUT_OBJECT;
export const DELETE_OBJECT = DELETE;
export const WRITE_OBJECT_ACL = PUT_ACL;
/** Without what the list of the bucket gives. */
export const WRITE_BY_GRANT = onObject('PutObject', 'write');
export const RULE_BUCKET = onBucket('CreateBucket', 'admin');
export const LIST_OBJECTS = LIST_BUCKET;

/** An operation without a row is for administrators of the bucket. */
export function permissionOf(operation: string): OperationPermission {
  const permission = Object.hasOwn(TABLE, operation) ? TABLE[operation] : undefined;
  return permission ?? onBucket(operation, 'admin');
}

/** Whether it has a row. */
export function isListed(operation: string): boolean {
  return Object.hasOwn(TABLE, operation);
}
