import {
  DeleteBucketAnalyticsConfigurationCommand,
  DeleteBucketEncryptionCommand,
  DeleteBucketLifecycleCommand,
  GetBucketAbacCommand,
  GetBucketAnalyticsConfigurationCommand,
  GetBucketEncryptionCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketLoggingCommand,
  GetBucketNotificationConfigurationCommand,
  GetBucketRequestPaymentCommand,
  GetObjectLegalHoldCommand,
  GetObjectLockConfigurationCommand,
  GetObjectRetentionCommand,
  ListBucketAnalyticsConfigurationsCommand,
  ListBucketIntelligentTieringConfigurationsCommand,
  ListBucketInventoryConfigurationsCommand,
  ListBucketMetricsConfigurationsCommand,
  PutBucketAbacCommand,
  PutBucketLoggingCommand,
  PutBucketNotificationConfigurationCommand,
  PutBucketRequestPaymentCommand,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  PutObjectLockConfigurationCommand,
  PutObjectRetentionCommand,
} from '@aws-sdk/client-s3';
import t from 'tap';
import { startEndpoint } from '../../../support/s3-endpoint.js';

const Bucket = 'bucket';
const NOT_IMPLEMENTED = { name: 'NotImplemented' };

void t.test('absent configurations: what a bucket never had is not there, and can be deleted', async (t) => {
  const { client } = await startEndpoint(t);
  for (const [command, name] of [
    [new GetBucketEncryptionCommand({ Bucket }), 'ServerSideEncryptionConfigurationNotFoundError'],
    [new GetBucketLifecycleConfigurationCommand({ Bucket }), 'NoSuchLifecycleConfiguration'],
    [new GetObjectLockConfigurationCommand({ Bucket }), 'ObjectLockConfigurationNotFoundError'],
    [new GetBucketAnalyticsConfigurationCommand({ Bucket, Id: 'x' }), 'NoSuchConfiguration'],
    [new DeleteBucketAnalyticsConfigurationCommand({ Bucket, Id: 'x' }), 'NoSuchConfiguration'],
    [new GetBucketEncryptionCommand({ Bucket: 'gone' }), 'NoSuchBucket'],
    [new DeleteBucketAnalyticsConfigurationCommand({ Bucket: 'gone', Id: 'x' }), 'NoSuchBucket'],
  ] as const)
    await t.rejects(client.send(command as GetBucketEncryptionCommand), { name });
  await client.send(new DeleteBucketEncryptionCommand({ Bucket }));
  await client.send(new DeleteBucketLifecycleCommand({ Bucket }));
});

void t.test('absent configurations: of what a bucket may have many it has none', async (t) => {
  const { client } = await startEndpoint(t);
  const none = { IsTruncated: false };
  t.match(await client.send(new ListBucketAnalyticsConfigurationsCommand({ Bucket })), none);
  t.match(await client.send(new ListBucketIntelligentTieringConfigurationsCommand({ Bucket })), none);
  t.match(await client.send(new ListBucketInventoryConfigurationsCommand({ Bucket })), none);
  t.match(await client.send(new ListBucketMetricsConfigurationsCommand({ Bucket })), none);
  const gone = new ListBucketMetricsConfigurationsCommand({ Bucket: 'gone' });
  await t.rejects(client.send(gone), { name: 'NoSuchBucket' });
});

void t.test(
  'absent configurations: setting what is so anyway succeeds, anything else does not',
  async (t) => {
    const { client, url } = await startEndpoint(t);
    await client.send(new PutBucketLoggingCommand({ Bucket, BucketLoggingStatus: {} }));
    const LoggingEnabled = { TargetBucket: Bucket, TargetPrefix: 'log/' };
    await t.rejects(
      client.send(new PutBucketLoggingCommand({ Bucket, BucketLoggingStatus: { LoggingEnabled } })),
      NOT_IMPLEMENTED,
    );
    t.equal((await client.send(new GetBucketLoggingCommand({ Bucket }))).LoggingEnabled, undefined);
    const notify = (NotificationConfiguration: object): Promise<unknown> =>
      client.send(new PutBucketNotificationConfigurationCommand({ Bucket, NotificationConfiguration }));
    await notify({});
    await t.rejects(notify({ EventBridgeConfiguration: {} }), NOT_IMPLEMENTED);
    t.equal(
      (await client.send(new GetBucketNotificationConfigurationCommand({ Bucket }))).EventBridgeConfiguration,
      undefined,
    );
    const pay = (Payer: 'BucketOwner' | 'Requester', bucket = Bucket): Promise<unknown> =>
      client.send(
        new PutBucketRequestPaymentCommand({ Bucket: bucket, RequestPaymentConfiguration: { Payer } }),
      );
    await pay('BucketOwner');
    await t.rejects(pay('Requester'), NOT_IMPLEMENTED);
    await t.rejects(pay('BucketOwner', 'gone'), { name: 'NoSuchBucket' });
    t.equal((await client.send(new GetBucketRequestPaymentCommand({ Bucket }))).Payer, 'BucketOwner');
    const abac = (Status: 'Disabled' | 'Enabled'): Promise<unknown> =>
      client.send(new PutBucketAbacCommand({ Bucket, AbacStatus: { Status } }));
    await abac('Disabled');
    await t.rejects(abac('Enabled'), NOT_IMPLEMENTED);
    t.match(await client.send(new GetBucketAbacCommand({ Bucket })), { AbacStatus: { Status: 'Disabled' } });
    const other = await fetch(`${url}/bucket?logging`, { method: 'PUT', body: '<Other/>' });
    t.match(await other.text(), '<Code>MalformedXML</Code>');
  },
);

void t.test('object lock: no bucket has it, which is told as S3 tells it', async (t) => {
  const { client } = await startEndpoint(t);
  const target = { Bucket, Key: 'k' };
  await client.send(new PutObjectCommand({ ...target, Body: 'x' }));
  const missing = { name: 'InvalidRequest', message: /missing Object ?Lock ?Configuration/ };
  await t.rejects(client.send(new GetObjectLegalHoldCommand(target)), missing);
  await t.rejects(
    client.send(new PutObjectLegalHoldCommand({ ...target, LegalHold: { Status: 'ON' } })),
    missing,
  );
  await t.rejects(client.send(new GetObjectRetentionCommand(target)), missing);
  const RetainUntilDate = new Date('2100-01-01T00:00:00Z');
  await t.rejects(
    client.send(
      new PutObjectRetentionCommand({ ...target, Retention: { Mode: 'GOVERNANCE', RetainUntilDate } }),
    ),
    missing,
  );
  const locked = { ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: RetainUntilDate } as const;
  await t.rejects(client.send(new PutObjectCommand({ ...target, ...locked })), missing);
  const ObjectLockConfiguration = { ObjectLockEnabled: 'Enabled' } as const;
  await t.rejects(client.send(new PutObjectLockConfigurationCommand({ Bucket, ObjectLockConfiguration })), {
    name: 'InvalidBucketState',
    $metadata: { httpStatusCode: 409 },
  });
});
