/** The rows of the operations on who may do what. */
import { done, type Operation } from './operation.js';
import { getBucketAcl, getObjectAcl, putBucketAcl, putObjectAcl } from './operations/acl.js';
import {
  deleteBucketPolicy,
  getBucketPolicy,
  getBucketPolicyStatus,
  putBucketPolicy,
} from './operations/bucket-policy.js';
import { postObject } from './operations/post-object.js';

export const ACCESS_OPERATIONS: readonly Operation[] = [
  done(
    'PostObject',
    'POST bucket',
    postObject,
    'as PutObject; policies are signed with Signature Version 4, and Content-MD5 is refused',
  ),
  done('GetBucketAcl', 'GET bucket?acl', getBucketAcl, 'says what grants and policies mean for everybody'),
  done(
    'PutBucketAcl',
    'PUT bucket?acl',
    putBucketAcl,
    '`private` and `public-read`; other lists are refused',
  ),
  done('GetObjectAcl', 'GET object?acl', getObjectAcl, 'says what grants and policies mean for everybody'),
  done(
    'PutObjectAcl',
    'PUT object?acl',
    putObjectAcl,
    '`private`, and `public-read` where a grant or a policy says so; other lists are refused',
  ),
  done('GetBucketPolicy', 'GET bucket?policy', getBucketPolicy),
  done(
    'PutBucketPolicy',
    'PUT bucket?policy',
    putBucketPolicy,
    'Effect, Principal, Action and Resource with wildcards; Condition and the rest are refused',
  ),
  done('DeleteBucketPolicy', 'DELETE bucket?policy', deleteBucketPolicy),
  done('GetBucketPolicyStatus', 'GET bucket?policyStatus', getBucketPolicyStatus),
];
