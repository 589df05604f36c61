import { CopyObjectCommand, GetObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import t from 'tap';
import { openRaw, startEndpoint } from '../../../support/s3-endpoint.js';

const Bucket = 'bucket';

void t.test('copy: keeps the headers of the source, or takes new ones', async (t) => {
  const { client, objects } = await startEndpoint(t);
  await objects.createBucket('other');
  await client.send(
    new PutObjectCommand({
      Bucket,
      Key: 'ü/a b',
      Body: 'hello',
      ContentType: 'a/b',
      Metadata: { x: '1' },
      Tagging: 't=1',
    }),
  );
  const CopySource = encodeURIComponent('bucket/ü/a b');
  const copied = await client.send(new CopyObjectCommand({ Bucket: 'other', Key: 'kept', CopySource }));
  t.match(copied.CopyObjectResult, { ETag: /^"[\da-f]{32}"$/, LastModified: Date });
  t.match(await client.send(new HeadObjectCommand({ Bucket: 'other', Key: 'kept' })), {
    ContentType: 'a/b',
    Metadata: { x: '1' },
    TagCount: 1,
  });
  await client.send(
    new CopyObjectCommand({
      ...{ Bucket: 'other', Key: 'replaced', CopySource, ContentType: 'c/d', Metadata: { y: '2' } },
      ...{ MetadataDirective: 'REPLACE', TaggingDirective: 'REPLACE', Tagging: 'a=1&b=2' },
    }),
  );
  const replaced = await client.send(new GetObjectCommand({ Bucket: 'other', Key: 'replaced' }));
  t.match(replaced, { ContentType: 'c/d', TagCount: 2 });
  t.same(replaced.Metadata, { y: '2' });
  t.equal(await replaced.Body?.transformToString(), 'hello');
});

void t.test('copy: onto itself only with new headers', async (t) => {
  const { client } = await startEndpoint(t);
  await client.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'x' }));
  const copy = (more: object) =>
    client.send(new CopyObjectCommand({ Bucket, Key: 'a', CopySource: 'bucket/a', ...more }));
  await t.rejects(copy({}), { name: 'InvalidRequest', message: /to itself/ });
  t.ok(await copy({ MetadataDirective: 'REPLACE', Metadata: { n: '1' } }));
});

void t.test('copy: conditions on the source fail as conditions of a write', async (t) => {
  const { client } = await startEndpoint(t);
  const { ETag } = await client.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'x' }));
  const copy = (more: object) =>
    client.send(new CopyObjectCommand({ Bucket, Key: 'b', CopySource: 'bucket/a', ...more }));
  await t.rejects(copy({ CopySourceIfMatch: '"other"' }), { name: 'PreconditionFailed' });
  await t.rejects(copy({ CopySourceIfNoneMatch: ETag }), { name: 'PreconditionFailed' });
  t.ok(await copy({ CopySourceIfMatch: ETag }));
  await t.rejects(copy({ IfNoneMatch: '*' }), { name: 'PreconditionFailed' });
});

void t.test('copy: a missing source, an odd directive and a new checksum are refused', async (t) => {
  const { client } = await startEndpoint(t);
  const copy = (more: object) =>
    client.send(new CopyObjectCommand({ Bucket, Key: 'b', CopySource: 'bucket/none', ...more }));
  await t.rejects(copy({}), { name: 'NoSuchKey' });
  await t.rejects(copy({ MetadataDirective: 'MERGE' }), { name: 'InvalidArgument' });
  await t.rejects(copy({ ChecksumAlgorithm: 'SHA256' }), { name: 'NotImplemented' });
  await t.rejects(copy({ CopySource: 'bucket' }), { name: 'InvalidArgument' });
});

void t.test(
  'copy: a slow one is kept alive with white space, and says in the document how it ended',
  async (t) => {
    for (const fails of [false, true]) {
      let finish: () => void = () => {};
      const gate = new Promise<void>((resolve) => {
        finish = resolve;
      });
      const { client, port } = await startEndpoint(
        t,
        { options: { slowAnswerIntervalMs: 5 } },
        (objects) => ({
          copyObject: async (request) => {
            await gate;
            if (fails) throw new Error('the disk is on fire');
            return objects.copyObject(request);
          },
        }),
      );
      await client.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'x' }));
      const raw = openRaw(t, port);
      raw.send(
        'PUT /bucket/b HTTP/1.1\r\nHost: x\r\nx-amz-copy-source: bucket/a\r\nContent-Length: 0\r\n\r\n',
      );
      raw.socket.once('data', finish);
      const { status, body } = await raw.answer();
      t.equal(status, 200);
      t.match(body.toString(), /^<\?xml version="1.0" encoding="UTF-8"\?>\n *</);
      t.match(body.toString(), fails ? '<Code>InternalError</Code>' : '<CopyObjectResult');
      raw.send('HEAD /bucket HTTP/1.1\r\nHost: x\r\n\r\n');
      t.equal((await raw.answer(true)).status, 200, 'the connection is usable');
    }
  },
);
