/**
 * Every operation of the S3 API, with what Headrace does about it. The routes are made from this table, and a test holds the
 * page `docs/s3-api.md` and the commands of the AWS SDK against it, so that neither can fall behind.
 */
import { ABSENT } from './absent-operations.js';
import { ACCESS_OPERATIONS } from './access-operations.js';
import { done, type Operation } from './operation.js';
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
import { deleteBucketCors, getBucketCors, putBucketCors } from './operations/cors.js';
import { abortUpload, createUpload } from './operations/create-upload.js';
import { deleteObject } from './operations/delete-object.js';
import { deleteObjects } from './operations/delete-objects.js';
import { getObject, headObject } from './operations/get-object.js';
import { listObjects, listObjectsV2 } from './operations/list-objects.js';
import { listParts, listUploads } from './operations/list-uploads.js';
import { listObjectVersions } from './operations/list-versions.js';
import { getObjectAttributes } from './operations/object-attributes.js';
import { putObject } from './operations/put-object.js';
import {
  deleteBucketTagging,
  deleteObjectTagging,
  getBucketTagging,
  getObjectTagging,
  putBucketTagging,
  putObjectTagging,
} from './operations/tagging.js';
import { uploadPart, uploadPartCopy } from './operations/upload-part.js';
import { REFUSED } from './refused-operations.js';

const NO_ENCRYPTION = 'server-side encryption headers and a new checksum are refused';

const SUPPORTED: readonly Operation[] = [
  done('ListBuckets', 'GET service', listBuckets),
  done('CreateBucket', 'PUT bucket', createBucket, 'any region is accepted; object lock is refused'),
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
  done('DeleteObjects', 'POST bucket?delete', deleteObjects),
  done(
    'PutObject',
    'PUT object',
    putObject,
    'server-side encryption and object lock are refused; there is one storage class',
  ),
  done('CopyObject', 'PUT object from a copy source', copyObject, NO_ENCRYPTION),
  done('GetObject', 'GET object', getObject),
  done('HeadObject', 'HEAD object', headObject),
  done('DeleteObject', 'DELETE object', deleteObject),
  done('CreateMultipartUpload', 'POST object?uploads', createUpload, 'as PutObject'),
  done('UploadPart', 'PUT object?uploadId', uploadPart, 'SSE-C is refused'),
  done('UploadPartCopy', 'PUT object?uploadId from a copy source', uploadPartCopy, 'SSE-C is refused'),
  done('CompleteMultipartUpload', 'POST object?uploadId', completeUpload),
  done('AbortMultipartUpload', 'DELETE object?uploadId', abortUpload),
  done('ListParts', 'GET object?uploadId', listParts),
  done('ListMultipartUploads', 'GET bucket?uploads', listUploads),
  done('GetObjectTagging', 'GET object?tagging', getObjectTagging),
  done('PutObjectTagging', 'PUT object?tagging', putObjectTagging),
  done('DeleteObjectTagging', 'DELETE object?tagging', deleteObjectTagging),
  done('GetObjectAttributes', 'GET object?attributes', getObjectAttributes),
  done(
    'ListObjectVersions',
    'GET bucket?versions',
    listObjectVersions,
    'each object has one version, `null`, and there are no delete markers',
  ),
  done('GetBucketTagging', 'GET bucket?tagging', getBucketTagging),
  done('PutBucketTagging', 'PUT bucket?tagging', putBucketTagging),
  done('DeleteBucketTagging', 'DELETE bucket?tagging', deleteBucketTagging),
  done('GetBucketCors', 'GET bucket?cors', getBucketCors),
  done('PutBucketCors', 'PUT bucket?cors', putBucketCors),
  done('DeleteBucketCors', 'DELETE bucket?cors', deleteBucketCors),
];

export const OPERATIONS: readonly Operation[] = [...SUPPORTED, ...ACCESS_OPERATIONS, ...ABSENT, ...REFUSED];
