/**
 * Every operation of the S3 API, with what Headrace does about it. The routes are made from this table, and a test holds the
 * page `docs/s3-api.md` and the commands of the AWS SDK against it, so that neither can fall behind.
 */
import type { Exchange } from './exchange.js';
import {
  createBucket,
  deleteBucket,
  getBucketLocation,
  getBucketVersioning,
  headBucket,
  listBuckets,
} from './operations/buckets.js';
import { completeUpload } from './operations/complete-upload.js';
import { copyObject } from './operations/copy-object.js';
import { abortUpload, createUpload } from './operations/create-upload.js';
import { deleteObject } from './operations/delete-object.js';
import { deleteObjects } from './operations/delete-objects.js';
import { getObject, headObject } from './operations/get-object.js';
import { listObjects, listObjectsV2 } from './operations/list-objects.js';
import { listParts, listUploads } from './operations/list-uploads.js';
import { putObject } from './operations/put-object.js';
import { uploadPart, uploadPartCopy } from './operations/upload-part.js';

export type Level = 'service' | 'bucket' | 'object';

export interface Operation {
  /** S3's name. */
  readonly name: string;
  readonly method: string;
  readonly level: Level;
  /** The query parameter that tells it from others with the same method; '' for none. */
  readonly subresource: string;
  /** Told from another by the header `x-amz-copy-source`. */
  readonly copy: boolean;
  readonly support: 'supported' | 'partly' | 'refused';
  /** What is missing, or why. */
  readonly note: string;
  /** Absent when it is refused. */
  readonly run: ((exchange: Exchange) => void) | undefined;
}

type Run = (exchange: Exchange) => void;

/** `PUT object?uploadId` to its parts. */
function done(name: string, route: string, run: Run, note = ''): Operation {
  return operation(name, route, note === '' ? 'supported' : 'partly', note, run);
}

function refused(name: string, route: string, note: string): Operation {
  return operation(name, route, 'refused', note, undefined);
}

function operation(
  name: string,
  route: string,
  support: Operation['support'],
  note: string,
  run: Run | undefined,
): Operation {
  const [, method = '', level = '', subresource = '', copy = ''] =
    /^(\w+) (\w+)(?:\?([\w-]+))?( from a copy source)?$/.exec(route) ?? [];
  return { name, method, level: level as Level, subresource, copy: copy !== '', support, note, run };
}

/** Get, put and delete of one refused configuration. */
function configuration(subresource: string, note: string, names: Record<string, string>): Operation[] {
  return Object.entries(names).map(([method, name]) =>
    refused(name, `${method} bucket?${subresource}`, note),
  );
}

const NO_ENCRYPTION = 'server-side encryption headers and a new checksum are refused';

const SUPPORTED: readonly Operation[] = [
  done('ListBuckets', 'GET service', listBuckets),
  done(
    'CreateBucket',
    'PUT bucket',
    createBucket,
    'any region is accepted; object lock, grants and public ACLs are refused',
  ),
  done('HeadBucket', 'HEAD bucket', headBucket),
  done('DeleteBucket', 'DELETE bucket', deleteBucket),
  done('GetBucketLocation', 'GET bucket?location', getBucketLocation),
  done(
    'GetBucketVersioning',
    'GET bucket?versioning',
    getBucketVersioning,
    'always says that it was never switched on',
  ),
  done('ListObjects', 'GET bucket', listObjects),
  done('ListObjectsV2', 'GET bucket?list-type', listObjectsV2),
  done('DeleteObjects', 'POST bucket?delete', deleteObjects, 'conditions of single keys are refused'),
  done(
    'PutObject',
    'PUT object',
    putObject,
    'server-side encryption, object lock and public ACLs are refused; there is one storage class',
  ),
  done('CopyObject', 'PUT object from a copy source', copyObject, NO_ENCRYPTION),
  done('GetObject', 'GET object', getObject),
  done('HeadObject', 'HEAD object', headObject),
  done('DeleteObject', 'DELETE object', deleteObject, 'the conditions of directory buckets are refused'),
  done('CreateMultipartUpload', 'POST object?uploads', createUpload, 'as PutObject'),
  done('UploadPart', 'PUT object?uploadId', uploadPart, 'SSE-C is refused'),
  done('UploadPartCopy', 'PUT object?uploadId from a copy source', uploadPartCopy, 'SSE-C is refused'),
  done('CompleteMultipartUpload', 'POST object?uploadId', completeUpload),
  done('AbortMultipartUpload', 'DELETE object?uploadId', abortUpload),
  done('ListParts', 'GET object?uploadId', listParts),
  done('ListMultipartUploads', 'GET bucket?uploads', listUploads),
];

const ACLS = 'access control lists are off';
const ONE_VERSION = 'objects have one version';
const ELSEWHERE = 'a service beside the store';
const DIRECTORY = 'of directory buckets';
const LOCK = 'objects cannot be locked';
const METADATA_TABLES = 'there are no metadata tables';

const REFUSED: readonly Operation[] = [
  refused('PostObject', 'POST bucket', 'uploads from browser forms'),
  refused('ListObjectVersions', 'GET bucket?versions', ONE_VERSION),
  refused('PutBucketVersioning', 'PUT bucket?versioning', ONE_VERSION),
  ...configuration('acl', ACLS, { GET: 'GetBucketAcl', PUT: 'PutBucketAcl' }),
  refused('GetObjectAcl', 'GET object?acl', ACLS),
  refused('PutObjectAcl', 'PUT object?acl', ACLS),
  ...configuration('policy', 'rules are by path', {
    GET: 'GetBucketPolicy',
    PUT: 'PutBucketPolicy',
    DELETE: 'DeleteBucketPolicy',
  }),
  ...configuration('policyStatus', 'rules are by path', { GET: 'GetBucketPolicyStatus' }),
  ...configuration('cors', 'no requests across origins', {
    GET: 'GetBucketCors',
    PUT: 'PutBucketCors',
    DELETE: 'DeleteBucketCors',
  }),
  ...configuration('tagging', 'buckets have no tags', {
    GET: 'GetBucketTagging',
    PUT: 'PutBucketTagging',
    DELETE: 'DeleteBucketTagging',
  }),
  refused('GetObjectTagging', 'GET object?tagging', 'tags are kept from x-amz-tagging only'),
  refused('PutObjectTagging', 'PUT object?tagging', 'tags are kept from x-amz-tagging only'),
  refused('DeleteObjectTagging', 'DELETE object?tagging', 'tags are kept from x-amz-tagging only'),
  refused('GetObjectAttributes', 'GET object?attributes', 'HeadObject says the same'),
  ...configuration('encryption', 'nothing is encrypted at rest', {
    GET: 'GetBucketEncryption',
    PUT: 'PutBucketEncryption',
    DELETE: 'DeleteBucketEncryption',
  }),
  refused('UpdateObjectEncryption', 'PUT object?encryption', 'nothing is encrypted at rest'),
  ...configuration('lifecycle', 'the under-store decides how long objects live', {
    GET: 'GetBucketLifecycleConfiguration',
    PUT: 'PutBucketLifecycleConfiguration',
    DELETE: 'DeleteBucketLifecycle',
  }),
  ...configuration('replication', ELSEWHERE, {
    GET: 'GetBucketReplication',
    PUT: 'PutBucketReplication',
    DELETE: 'DeleteBucketReplication',
  }),
  ...configuration('website', ELSEWHERE, {
    GET: 'GetBucketWebsite',
    PUT: 'PutBucketWebsite',
    DELETE: 'DeleteBucketWebsite',
  }),
  ...configuration('notification', 'the log can be tailed instead', {
    GET: 'GetBucketNotificationConfiguration',
    PUT: 'PutBucketNotificationConfiguration',
  }),
  ...configuration('logging', ELSEWHERE, { GET: 'GetBucketLogging', PUT: 'PutBucketLogging' }),
  ...configuration('accelerate', ELSEWHERE, {
    GET: 'GetBucketAccelerateConfiguration',
    PUT: 'PutBucketAccelerateConfiguration',
  }),
  ...configuration('requestPayment', ELSEWHERE, {
    GET: 'GetBucketRequestPayment',
    PUT: 'PutBucketRequestPayment',
  }),
  ...configuration('ownershipControls', ACLS, {
    GET: 'GetBucketOwnershipControls',
    PUT: 'PutBucketOwnershipControls',
    DELETE: 'DeleteBucketOwnershipControls',
  }),
  ...configuration('publicAccessBlock', ACLS, {
    GET: 'GetPublicAccessBlock',
    PUT: 'PutPublicAccessBlock',
    DELETE: 'DeletePublicAccessBlock',
  }),
  ...configuration('object-lock', LOCK, {
    GET: 'GetObjectLockConfiguration',
    PUT: 'PutObjectLockConfiguration',
  }),
  refused('GetObjectLegalHold', 'GET object?legal-hold', LOCK),
  refused('PutObjectLegalHold', 'PUT object?legal-hold', LOCK),
  refused('GetObjectRetention', 'GET object?retention', LOCK),
  refused('PutObjectRetention', 'PUT object?retention', LOCK),
  ...configuration('analytics', ELSEWHERE, {
    GET: 'GetBucketAnalyticsConfiguration',
    PUT: 'PutBucketAnalyticsConfiguration',
    DELETE: 'DeleteBucketAnalyticsConfiguration',
  }),
  refused('ListBucketAnalyticsConfigurations', 'GET bucket?analytics', ELSEWHERE),
  ...configuration('intelligent-tiering', 'there is one storage class', {
    GET: 'GetBucketIntelligentTieringConfiguration',
    PUT: 'PutBucketIntelligentTieringConfiguration',
    DELETE: 'DeleteBucketIntelligentTieringConfiguration',
  }),
  refused(
    'ListBucketIntelligentTieringConfigurations',
    'GET bucket?intelligent-tiering',
    'there is one storage class',
  ),
  ...configuration('inventory', ELSEWHERE, {
    GET: 'GetBucketInventoryConfiguration',
    PUT: 'PutBucketInventoryConfiguration',
    DELETE: 'DeleteBucketInventoryConfiguration',
  }),
  refused('ListBucketInventoryConfigurations', 'GET bucket?inventory', ELSEWHERE),
  ...configuration('metrics', ELSEWHERE, {
    GET: 'GetBucketMetricsConfiguration',
    PUT: 'PutBucketMetricsConfiguration',
    DELETE: 'DeleteBucketMetricsConfiguration',
  }),
  refused('ListBucketMetricsConfigurations', 'GET bucket?metrics', ELSEWHERE),
  ...configuration('abac', ELSEWHERE, { GET: 'GetBucketAbac', PUT: 'PutBucketAbac' }),
  ...configuration('metadataConfiguration', METADATA_TABLES, {
    POST: 'CreateBucketMetadataConfiguration',
    GET: 'GetBucketMetadataConfiguration',
    DELETE: 'DeleteBucketMetadataConfiguration',
  }),
  ...configuration('metadataTable', METADATA_TABLES, {
    POST: 'CreateBucketMetadataTableConfiguration',
    GET: 'GetBucketMetadataTableConfiguration',
    DELETE: 'DeleteBucketMetadataTableConfiguration',
  }),
  refused(
    'UpdateBucketMetadataAnnotationTableConfiguration',
    'PUT bucket?metadataAnnotationTable',
    METADATA_TABLES,
  ),
  refused(
    'UpdateBucketMetadataInventoryTableConfiguration',
    'PUT bucket?metadataInventoryTable',
    METADATA_TABLES,
  ),
  refused(
    'UpdateBucketMetadataJournalTableConfiguration',
    'PUT bucket?metadataJournalTable',
    METADATA_TABLES,
  ),
  refused('GetObjectAnnotation', 'GET object?annotation', METADATA_TABLES),
  refused('ListObjectAnnotations', 'GET object?annotation', METADATA_TABLES),
  refused('PutObjectAnnotation', 'PUT object?annotation', METADATA_TABLES),
  refused('DeleteObjectAnnotation', 'DELETE object?annotation', METADATA_TABLES),
  refused('GetObjectTorrent', 'GET object?torrent', ELSEWHERE),
  refused('RestoreObject', 'POST object?restore', 'there is one storage class'),
  refused('SelectObjectContent', 'POST object?select', ELSEWHERE),
  refused('RenameObject', 'PUT object?renameObject', DIRECTORY),
  refused('CreateSession', 'GET bucket?session', DIRECTORY),
  refused('ListDirectoryBuckets', 'GET service', `${DIRECTORY}; the same request is ListBuckets`),
  refused('WriteGetObjectResponse', 'POST service', 'of Object Lambda'),
];

export const OPERATIONS: readonly Operation[] = [...SUPPORTED, ...REFUSED];
