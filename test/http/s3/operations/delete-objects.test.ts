import { createHash } from 'node:crypto';
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import t from 'tap';
import { codeOf, openRaw, startEndpoint } from '../../../support/s3-endpoint.js';

const Bucket = 'bucket';

void t.test('delete objects: a thousand keys in one request, in order', async (t) => {
  const { client } = await startEndpoint(t);
  const keys = Array.from({ length: 1000 }, (_, index) => `key ${index} & <more> `);
  await client.send(new PutObjectCommand({ Bucket, Key: keys[7], Body: 'x' }));
  const { Deleted, Errors } = await client.send(
    new DeleteObjectsCommand({ Bucket, Delete: { Objects: keys.map((Key) => ({ Key })) } }),
  );
  t.same(
    Deleted?.map(({ Key }) => Key),
    keys,
  );
  t.equal(Errors, undefined);
  t.equal((await client.send(new ListObjectsV2Command({ Bucket }))).KeyCount, 0);
});

void t.test('delete objects: quiet says only what went wrong', async (t) => {
  const { client } = await startEndpoint(t);
  const output = await client.send(
    new DeleteObjectsCommand({
      Bucket,
      Delete: {
        Quiet: true,
        Objects: [
          { Key: 'a' },
          { Key: 'b', VersionId: 'v1' },
          { Key: 'x'.repeat(1025) },
          { Key: 'c', ETag: 'x', VersionId: 'v1' },
        ],
      },
    }),
  );
  t.equal(output.Deleted, undefined);
  t.same(
    output.Errors?.map(({ Code }) => Code),
    ['NoSuchVersion', 'KeyTooLongError', 'NoSuchVersion'],
  );
});

void t.test('delete objects: more than a thousand, none at all or bad XML delete nothing', async (t) => {
  const { client, port } = await startEndpoint(t);
  const Objects = Array.from({ length: 1001 }, (_, index) => ({ Key: `${index}` }));
  await t.rejects(client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } })), {
    name: 'MalformedXML',
  });
  const raw = openRaw(t, port);
  for (const body of ['<Delete></Delete>', '<Delete><Object></Object></Delete>', '<Other/>', 'x']) {
    const md5 = createHash('md5').update(body).digest('base64');
    raw.send(
      `POST /bucket?delete HTTP/1.1\r\nHost: x\r\nContent-MD5: ${md5}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    t.equal(codeOf(await raw.answer()), 'MalformedXML', body);
  }
});

void t.test('delete objects: the body must be covered by an MD5 or a checksum that fits', async (t) => {
  const { port } = await startEndpoint(t);
  const raw = openRaw(t, port);
  const body = '<Delete><Object><Key>a</Key></Object></Delete>';
  const send = async (headers: string): Promise<string | undefined> => {
    raw.send(
      `POST /bucket?delete HTTP/1.1\r\nHost: x\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`,
    );
    return codeOf(await raw.answer());
  };
  t.equal(await send(''), 'InvalidRequest');
  t.equal(await send('Content-MD5: AAAA\r\n'), 'InvalidDigest');
  t.equal(await send('Content-MD5: AAAAAAAAAAAAAAAAAAAAAA==\r\n'), 'BadDigest');
  t.equal(await send('x-amz-checksum-crc32: AAAAAA==\r\n'), 'BadDigest');
  t.equal(await send(`Content-MD5: ${createHash('md5').update(body).digest('base64')}\r\n`), undefined);
});

void t.test('delete objects: an ETag is a condition of its key alone', async (t) => {
  const { client } = await startEndpoint(t);
  for (const Key of ['a', 'b', 'c']) await client.send(new PutObjectCommand({ Bucket, Key, Body: Key }));
  const ETag = '"92eb5ffee6ae2fec3ad71c777531578f"';
  const output = await client.send(
    new DeleteObjectsCommand({
      Bucket,
      Delete: { Objects: [{ Key: 'a', ETag }, { Key: 'b', ETag }, { Key: 'c' }, { Key: 'gone', ETag }] },
    }),
  );
  t.same(
    output.Deleted?.map(({ Key }) => Key),
    ['b', 'c', 'gone'],
  );
  t.match(output.Errors, [{ Key: 'a', Code: 'PreconditionFailed' }]);
});

void t.test('delete objects: size and time are conditions, too, and hold where nothing is', async (t) => {
  const { client } = await startEndpoint(t);
  for (const Key of ['a', 'b', 'c', 'd', 'e'])
    await client.send(new PutObjectCommand({ Bucket, Key, Body: 'xyz' }));
  const { LastModified } = await client.send(new HeadObjectCommand({ Bucket, Key: 'a' }));
  const other = new Date('2015-10-21T07:28:00Z');
  const ETag = '"d16fb36f0911f878998c136191af705e"';
  const output = await client.send(
    new DeleteObjectsCommand({
      Bucket,
      Delete: {
        Objects: [
          { Key: 'a', Size: 3, LastModifiedTime: LastModified, ETag },
          { Key: 'b', Size: 4 },
          { Key: 'c', LastModifiedTime: other },
          { Key: 'd', Size: 3, ETag: 'other' },
          { Key: 'e', Size: -1 },
          { Key: 'gone', Size: 4, LastModifiedTime: other },
        ],
      },
    }),
  );
  t.same(
    output.Deleted?.map(({ Key }) => Key),
    ['a', 'gone'],
  );
  t.same(
    output.Errors?.map(({ Key, Code }) => `${Key} ${Code}`),
    ['b PreconditionFailed', 'c PreconditionFailed', 'd PreconditionFailed', 'e InvalidArgument'],
  );
});

void t.test('delete object: it is deleted if it has the size and the time that were said', async (t) => {
  const { client, url } = await startEndpoint(t);
  const target = { Bucket, Key: 'a' };
  await client.send(new PutObjectCommand({ ...target, Body: 'xyz' }));
  const { LastModified } = await client.send(new HeadObjectCommand(target));
  const remove = (conditions: { IfMatchSize?: number; IfMatchLastModifiedTime?: Date | undefined }) =>
    client.send(new DeleteObjectCommand({ ...target, ...conditions }));
  const failed = { name: 'PreconditionFailed' };
  await t.rejects(remove({ IfMatchSize: 4 }), failed);
  await t.rejects(remove({ IfMatchLastModifiedTime: new Date('2015-10-21T07:28:00Z') }), failed);
  for (const [name, value] of [
    ['x-amz-if-match-size', 'big'],
    ['x-amz-if-match-last-modified-time', 'long ago'],
  ] as const) {
    const answer = await fetch(`${url}/bucket/a`, { method: 'DELETE', headers: { [name]: value } });
    t.match(
      await answer.text(),
      new RegExp(`<Code>InvalidArgument</Code>.*<ArgumentName>${name}</ArgumentName>`),
      'what cannot be read is not ignored',
    );
  }
  await remove({ IfMatchSize: 3, IfMatchLastModifiedTime: LastModified });
  await t.rejects(client.send(new HeadObjectCommand(target)), { name: 'NotFound' });
  await remove({ IfMatchSize: 3 });
});
