/** The rows of the operations on configurations that no bucket has: they answer as S3 does where nothing of the kind was ever set. */
import { done, refusedAs, type Operation } from './operation.js';
import {
  absent,
  deleteAbsent,
  empty,
  emptyList,
  hasNoChildren,
  isDisabled,
  isPaidByOwner,
  notLockable,
  notLocked,
  unset,
} from './operations/absent-configurations.js';

const NEVER_SET = 'says that it was never set';
const NO_LOCK = 'says that the bucket has no object lock';

/** Answered as for a bucket where nothing of the kind was ever set. */
export const ABSENT: readonly Operation[] = [
  done(
    'GetBucketEncryption',
    'GET bucket?encryption',
    absent('ServerSideEncryptionConfigurationNotFoundError'),
    NEVER_SET,
  ),
  done('DeleteBucketEncryption', 'DELETE bucket?encryption', deleteAbsent, NEVER_SET),
  done(
    'GetBucketLifecycleConfiguration',
    'GET bucket?lifecycle',
    absent('NoSuchLifecycleConfiguration'),
    NEVER_SET,
  ),
  done('DeleteBucketLifecycle', 'DELETE bucket?lifecycle', deleteAbsent, NEVER_SET),
  done(
    'GetBucketReplication',
    'GET bucket?replication',
    absent('ReplicationConfigurationNotFoundError'),
    NEVER_SET,
  ),
  done('DeleteBucketReplication', 'DELETE bucket?replication', deleteAbsent, NEVER_SET),
  done('GetBucketWebsite', 'GET bucket?website', absent('NoSuchWebsiteConfiguration'), NEVER_SET),
  done('DeleteBucketWebsite', 'DELETE bucket?website', deleteAbsent, NEVER_SET),
  done(
    'GetBucketNotificationConfiguration',
    'GET bucket?notification',
    empty('NotificationConfiguration'),
    NEVER_SET,
  ),
  done('GetBucketLogging', 'GET bucket?logging', empty('BucketLoggingStatus'), NEVER_SET),
  done(
    'GetBucketAccelerateConfiguration',
    'GET bucket?accelerate',
    empty('AccelerateConfiguration'),
    NEVER_SET,
  ),
  done(
    'GetBucketRequestPayment',
    'GET bucket?requestPayment',
    empty('RequestPaymentConfiguration', '<Payer>BucketOwner</Payer>'),
    NEVER_SET,
  ),
  done(
    'GetObjectLockConfiguration',
    'GET bucket?object-lock',
    absent('ObjectLockConfigurationNotFoundError'),
    NEVER_SET,
  ),
  refusedAs(
    'PutObjectLockConfiguration',
    'PUT bucket?object-lock',
    notLockable,
    'objects cannot be locked: `409 InvalidBucketState`, since no bucket has versions',
  ),
  done('GetObjectLegalHold', 'GET object?legal-hold', notLocked, NO_LOCK),
  refusedAs('PutObjectLegalHold', 'PUT object?legal-hold', notLocked, NO_LOCK),
  done('GetObjectRetention', 'GET object?retention', notLocked, NO_LOCK),
  refusedAs('PutObjectRetention', 'PUT object?retention', notLocked, NO_LOCK),
  done(
    'PutBucketNotificationConfiguration',
    'PUT bucket?notification',
    unset('PutBucketNotificationConfiguration', 'NotificationConfiguration', hasNoChildren),
    'only an empty one; the log can be tailed instead',
  ),
  done(
    'PutBucketLogging',
    'PUT bucket?logging',
    unset('PutBucketLogging', 'BucketLoggingStatus', hasNoChildren),
    'only an empty one',
  ),
  done(
    'PutBucketRequestPayment',
    'PUT bucket?requestPayment',
    unset('PutBucketRequestPayment', 'RequestPaymentConfiguration', isPaidByOwner),
    'only `BucketOwner` pays',
  ),
  done('GetBucketAbac', 'GET bucket?abac', empty('AbacStatus', '<Status>Disabled</Status>'), NEVER_SET),
  done(
    'PutBucketAbac',
    'PUT bucket?abac',
    unset('PutBucketAbac', 'AbacStatus', isDisabled),
    'only `Disabled`: tags allow nothing',
  ),
  ...manyAbsent('analytics', 'Analytics', 'ListBucketAnalyticsConfigurationResult'),
  ...manyAbsent(
    'intelligent-tiering',
    'IntelligentTiering',
    'ListBucketIntelligentTieringConfigurationsOutput',
  ),
  ...manyAbsent('inventory', 'Inventory', 'ListInventoryConfigurationsResult'),
  ...manyAbsent('metrics', 'Metrics', 'ListMetricsConfigurationsResult'),
];

/** Of a kind of which a bucket may have many: S3 gives reading one and listing all the same route, told apart by `id`. */
function manyAbsent(subresource: string, kind: string, document: string): Operation[] {
  const read = emptyList(document);
  const route = `bucket?${subresource}`;
  return [
    done(`GetBucket${kind}Configuration`, `GET ${route}`, read, NEVER_SET),
    done(`ListBucket${kind}Configurations`, `GET ${route}`, read, NEVER_SET),
    done(`DeleteBucket${kind}Configuration`, `DELETE ${route}`, absent('NoSuchConfiguration'), NEVER_SET),
  ];
}
