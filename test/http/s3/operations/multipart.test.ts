import { createHash } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  PutObjectCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import type { CompletedPart, CreateMultipartUploadCommandInput, S3Client } from '@aws-sdk/client-s3';
import t from 'tap';
import { PART_BYTES_MIN } from '../../../../src/core/object.js';
import { codeOf, openRaw, startEndpoint } from '../../../support/s3-endpoint.js';

const Bucket = 'bucket';
const Key = 'dir/large object';
const PARTS = [
  Buffer.alloc(PART_BYTES_MIN, 'one'),
  Buffer.alloc(PART_BYTES_MIN, 'two'),
  Buffer.from('three'),
];
const WHOLE = Buffer.concat(PARTS);

async function upload(
  client: S3Client,
  more: Partial<CreateMultipartUploadCommandInput> = {},
): Promise<{ UploadId: string; Parts: CompletedPart[] }> {
  const created = await client.send(new CreateMultipartUploadCommand({ Bucket, Key, ...more }));
  const UploadId = created.UploadId ?? '';
  const { ChecksumAlgorithm } = more;
  const Parts: CompletedPart[] = [];
  for (const [index, Body] of PARTS.entries()) {
    const PartNumber = index + 1;
    const part = await client.send(
      new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body, ChecksumAlgorithm }),
    );
    const { ETag, ChecksumCRC32C, ChecksumCRC64NVME, ChecksumSHA256 } = part;
    Parts.push({ PartNumber, ETag, ChecksumCRC32C, ChecksumCRC64NVME, ChecksumSHA256 });
  }
  return { UploadId, Parts };
}

void t.test('multipart: parts become one object with the ETag of their MD5s', async (t) => {
  const { client, url } = await startEndpoint(t);
  const { UploadId, Parts } = await upload(client, { ContentType: 'a/b', Metadata: { x: '1' } });
  const completed = await client.send(
    new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }),
  );
  const digests = Buffer.concat(PARTS.map((part) => createHash('md5').update(part).digest()));
  t.match(completed, {
    ETag: `"${createHash('md5').update(digests).digest('hex')}-3"`,
    Bucket,
    Key,
    Location: `${url}/bucket/dir/large%20object`,
  });
  const got = await client.send(new GetObjectCommand({ Bucket, Key }));
  t.match(got, { ContentType: 'a/b', Metadata: { x: '1' }, ETag: completed.ETag });
  t.ok(Buffer.from((await got.Body?.transformToByteArray()) ?? []).equals(WHOLE));
  const part = await client.send(new HeadObjectCommand({ Bucket, Key, PartNumber: 3 }));
  t.match(part, { PartsCount: 3, ContentLength: 5, ContentRange: `bytes 10485760-10485764/10485765` });
  await t.rejects(client.send(new GetObjectCommand({ Bucket, Key, PartNumber: 4 })), {
    name: 'InvalidPartNumber',
    $metadata: { httpStatusCode: 416 },
  });
});

void t.test('multipart: checksums of parts are joined, composite or of the whole', async (t) => {
  const { client } = await startEndpoint(t);
  for (const [ChecksumAlgorithm, type] of [
    ['SHA256', 'COMPOSITE'],
    ['CRC32C', 'COMPOSITE'],
    ['CRC32C', 'FULL_OBJECT'],
  ] as const) {
    const { UploadId, Parts } = await upload(client, { ChecksumAlgorithm, ChecksumType: type });
    const completed = await client.send(
      new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }),
    );
    const value = completed[`Checksum${ChecksumAlgorithm}`];
    t.match(value, type === 'COMPOSITE' ? /^[\w+/]+=*-3$/ : /^[\w+/]+=*$/);
    t.equal(completed.ChecksumType, type);
    const head = await client.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }));
    t.equal(head[`Checksum${ChecksumAlgorithm}`], value);
    const whole = await client.send(
      new PutObjectCommand({ Bucket, Key: 'whole', Body: WHOLE, ChecksumAlgorithm }),
    );
    if (type === 'FULL_OBJECT') t.equal(whole[`Checksum${ChecksumAlgorithm}`], value);
  }
});

void t.test('multipart: a checksum that does not go with its type is refused', async (t) => {
  const { client } = await startEndpoint(t);
  const create = (more: object) => client.send(new CreateMultipartUploadCommand({ Bucket, Key, ...more }));
  await t.rejects(create({ ChecksumAlgorithm: 'SHA256', ChecksumType: 'FULL_OBJECT' }), {
    name: 'InvalidRequest',
  });
  await t.rejects(create({ ChecksumAlgorithm: 'CRC64NVME', ChecksumType: 'COMPOSITE' }), {
    name: 'InvalidRequest',
  });
  await t.rejects(create({ ChecksumType: 'COMPOSITE' }), { name: 'InvalidRequest' });
  t.match(await create({ ChecksumAlgorithm: 'CRC64NVME' }), { ChecksumType: 'FULL_OBJECT' });
});

void t.test('multipart: what is wrong with the list of parts is said', async (t) => {
  const { client, port } = await startEndpoint(t);
  const { UploadId, Parts } = await upload(client);
  const complete = (parts: CompletedPart[], more: object = {}) =>
    client.send(
      new CompleteMultipartUploadCommand({
        Bucket,
        Key,
        UploadId,
        MultipartUpload: { Parts: parts },
        ...more,
      }),
    );
  await t.rejects(complete(Parts.toReversed()), { name: 'InvalidPartOrder' });
  await t.rejects(complete([{ PartNumber: 1, ETag: '"00"' }]), { name: 'InvalidPart' });
  await t.rejects(complete([]), { name: 'MalformedXML' });
  await t.rejects(complete(Parts, { MpuObjectSize: 1 }), { name: 'InvalidArgument' });
  await t.rejects(complete(Parts, { ChecksumCRC32: 'AAAAAA==' }), { name: 'BadDigest' });
  const small = [Parts[2], { ...Parts[2], PartNumber: 4 }] as CompletedPart[];
  await client.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: 4, Body: 'three' }));
  await t.rejects(complete(small), { name: 'EntityTooSmall' });
  const raw = openRaw(t, port);
  const target = `/bucket/${encodeURIComponent(Key)}?uploadId=${UploadId}`;
  const body = '<CompleteMultipartUpload><Part><PartNumber>x</PartNumber></Part></CompleteMultipartUpload>';
  raw.send(`POST ${target} HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  t.equal(codeOf(await raw.answer()), 'MalformedXML');
  t.ok(await complete(Parts), 'and the upload is still there');
  await t.rejects(complete(Parts), { name: 'NoSuchUpload' });
});

void t.test('multipart: a part number lies between 1 and 10,000', async (t) => {
  const { client } = await startEndpoint(t);
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
  const put = (PartNumber: number) =>
    client.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body: 'x' }));
  await t.rejects(put(0), { name: 'InvalidArgument' });
  await t.rejects(put(10_001), { name: 'InvalidArgument' });
  t.ok(await put(10_000));
  await t.rejects(
    client.send(new UploadPartCommand({ Bucket, Key, UploadId: 'none', PartNumber: 1, Body: 'x' })),
    { name: 'NoSuchUpload' },
  );
});

void t.test('multipart: parts are copied from objects, whole or a range', async (t) => {
  const { client } = await startEndpoint(t);
  await client.send(new PutObjectCommand({ Bucket, Key: 'source', Body: '0123456789' }));
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
  const copy = (more: object) =>
    client.send(
      new UploadPartCopyCommand({
        Bucket,
        Key,
        UploadId,
        PartNumber: 1,
        CopySource: 'bucket/source',
        ...more,
      }),
    );
  t.equal((await copy({})).CopyPartResult?.ETag, `"${createHash('md5').update('0123456789').digest('hex')}"`);
  const ranged = await copy({ CopySourceRange: 'bytes=2-4' });
  t.equal(ranged.CopyPartResult?.ETag, `"${createHash('md5').update('234').digest('hex')}"`);
  await t.rejects(copy({ CopySourceRange: 'bytes=2-' }), { name: 'InvalidArgument' });
  await t.rejects(copy({ CopySourceRange: 'bytes=2-99' }), { name: 'InvalidArgument' });
});

void t.test('multipart: an aborted upload is gone', async (t) => {
  const { client } = await startEndpoint(t);
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
  await client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
  await t.rejects(client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId })), {
    name: 'NoSuchUpload',
  });
  await t.rejects(client.send(new ListPartsCommand({ Bucket, Key, UploadId })), { name: 'NoSuchUpload' });
});

void t.test('multipart: parts are listed, a page at a time', async (t) => {
  const { client } = await startEndpoint(t);
  const { UploadId } = await client.send(
    new CreateMultipartUploadCommand({ Bucket, Key, ChecksumAlgorithm: 'CRC32C' }),
  );
  for (const PartNumber of [3, 1, 7, 5])
    await client.send(
      new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body: 'x', ChecksumAlgorithm: 'CRC32C' }),
    );
  const numbers: (number | undefined)[] = [];
  let PartNumberMarker: string | undefined;
  do {
    const page = await client.send(
      new ListPartsCommand({ Bucket, Key, UploadId, MaxParts: 3, PartNumberMarker }),
    );
    t.match(page, { Bucket, Key, UploadId, ChecksumAlgorithm: 'CRC32C', Owner: { ID: 'headrace' } });
    for (const part of page.Parts ?? []) {
      t.match(part, { Size: 1, ETag: /^"/, ChecksumCRC32C: /./ });
      numbers.push(part.PartNumber);
    }
    PartNumberMarker = page.IsTruncated ? page.NextPartNumberMarker : undefined;
  } while (PartNumberMarker !== undefined);
  t.same(numbers, [1, 3, 5, 7]);
});

void t.test('multipart: uploads are listed, a page at a time, with common prefixes', async (t) => {
  const { client } = await startEndpoint(t);
  for (const key of ['a', 'a', 'b/1', 'b/2', 'c'])
    await client.send(new CreateMultipartUploadCommand({ Bucket, Key: key }));
  for (const Delimiter of [undefined, '/']) {
    const names: (string | undefined)[] = [];
    let KeyMarker: string | undefined;
    let UploadIdMarker: string | undefined;
    do {
      const page = await client.send(
        new ListMultipartUploadsCommand({ Bucket, MaxUploads: 1, Delimiter, KeyMarker, UploadIdMarker }),
      );
      names.push(...(page.Uploads ?? []).map((entry) => entry.Key));
      names.push(...(page.CommonPrefixes ?? []).map((entry) => entry.Prefix));
      KeyMarker = page.IsTruncated ? page.NextKeyMarker : undefined;
      UploadIdMarker = page.NextUploadIdMarker;
    } while (KeyMarker !== undefined);
    t.same(names, Delimiter === undefined ? ['a', 'a', 'b/1', 'b/2', 'c'] : ['a', 'a', 'b/', 'c']);
  }
  const none = await client.send(new ListMultipartUploadsCommand({ Bucket, MaxUploads: 0 }));
  t.match(none, { IsTruncated: false, MaxUploads: 0 });
});
