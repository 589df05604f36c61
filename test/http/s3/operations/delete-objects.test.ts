import { createHash } from 'node:crypto';
import { DeleteObjectsCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
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
          { Key: 'c', Size: 1 },
        ],
      },
    }),
  );
  t.equal(output.Deleted, undefined);
  t.same(
    output.Errors?.map(({ Code }) => Code),
    ['NoSuchVersion', 'KeyTooLongError', 'NotImplemented'],
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
