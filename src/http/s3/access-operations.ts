/** The rows of the operations on who may do what. */
import { done, type Operation } from './operation.js';
import { getBucketAcl, getObjectAcl, putBucketAcl, putObjectAcl } from './operations/acl.js';
import {
  deleteBucketPolicy,
  getBucketPolicy,
  getBucketPolicyStatus,
  putBucketPolicy,
} from './operations/bucket-policy.js';
import {
  deleteOwnershipControls,
  deletePublicAccessBlock,
  getOwnershipControls,
  getPublicAccessBlock,
  putOwnershipControls,
  putPublicAccessBlock,
} from './operations/bucket-sharing.js';
import { postObject } from './operations/post-object.js';

const GRANTEES = 'grants by e-mail address and to the group LogDelivery are refused';

export const ACCESS_OPERATIONS: readonly Operation[] = [
  done('PostObject', 'POST bucket', postObject, 'as PutObject; policies are signed with Signature Version 4'),
  done('GetBucketAcl', 'GET bucket?acl', getBucketAcl),
  done('PutBucketAcl', 'PUT bucket?acl', putBucketAcl, GRANTEES),
  done('GetObjectAcl', 'GET object?acl', getObjectAcl),
  done('PutObjectAcl', 'PUT object?acl', putObjectAcl, GRANTEES),
  done('GetBucketPolicy', 'GET bucket?policy', getBucketPolicy),
  done(
    'PutBucketPolicy',
    'PUT bucket?policy',
    putBucketPolicy,
    'Effect, Principal, Action and Resource with wildcards; Condition and the rest are refused',
  ),
  done('DeleteBucketPolicy', 'DELETE bucket?policy', deleteBucketPolicy),
  done('GetBucketPolicyStatus', 'GET bucket?policyStatus', getBucketPolicyStatus),
  done('GetBucketOwnershipControls', 'GET bucket?ownershipControls', getOwnershipControls),
  done(
    'PutBucketOwnershipControls',
    'PUT bucket?ownershipControls',
    putOwnershipControls,
    'the owner of the bucket may always read and delete what others own in it',
  ),
  done('DeleteBucketOwnershipControls', 'DELETE bucket?ownershipControls', deleteOwnershipControls),
  done('GetPublicAccessBlock', 'GET bucket?publicAccessBlock', getPublicAccessBlock),
  done('PutPublicAccessBlock', 'PUT bucket?publicAccessBlock', putPublicAccessBlock),
  done('DeletePublicAccessBlock', 'DELETE bucket?publicAccessBlock', deletePublicAccessBlock),
];
