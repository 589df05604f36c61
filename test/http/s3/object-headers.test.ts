import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import t from 'tap';
import type { ObjectHeaders, ObjectVersion } from '../../../src/core/object.js';
import { planChecksum } from '../../../src/http/s3/checksum-headers.js';
import { OPEN_ACCESS } from '../../../src/http/auth/access-control.js';
import { addObjectHeaders, headersOfWrite } from '../../../src/http/s3/object-headers.js';
import { S3_SERVER_DEFAULTS } from '../../../src/http/s3/options.js';
import { parseTagging } from '../../../src/http/s3/tags.js';
import { throwsS3 } from '../../support/throws-s3.js';

const ASKING = {
  identity: { accessKeyId: undefined, user: undefined },
  target: {
    rawPath: '',
    rawQuery: '',
    bucket: 'bucket',
    key: 'k',
    query: new Map(),
    signing: undefined,
    hoisted: undefined,
  },
  context: { access: OPEN_ACCESS, options: S3_SERVER_DEFAULTS },
};

const write = (headers: IncomingHttpHeaders): ObjectHeaders => headersOfWrite(ASKING, headers);

void t.test('headers: those that belong to the object are kept, the others are not', async (t) => {
  const headers = write({
    host: 'localhost',
    'content-length': '5',
    'content-type': 'text/plain',
    'cache-control': 'no-cache',
    'content-encoding': 'gzip,aws-chunked',
    'x-amz-meta-color': 'blue',
    'x-amz-date': '20260101T000000Z',
    'x-amz-storage-class': 'STANDARD_IA',
    'x-amz-acl': 'private',
  });
  t.same(headers.system, {
    'content-type': 'text/plain',
    'cache-control': 'no-cache',
    'content-encoding': 'gzip',
  });
  t.same({ ...headers.user }, { color: 'blue' });
});

void t.test('headers: aws-chunked alone is no encoding of the object', async (t) => {
  t.same(write({ 'content-encoding': 'aws-chunked' }).system, {});
  t.same(write({ 'content-encoding': 'aws-chunked, br' }).system, { 'content-encoding': 'br' });
});

void t.test('headers: a name of the language is a name like any other', async (t) => {
  const { user } = write({ 'x-amz-meta-__proto__': 'a', 'x-amz-meta-constructor': 'b' });
  t.same(Object.keys(user), ['__proto__', 'constructor']);
});

void t.test('headers: metadata is bounded', async (t) => {
  throwsS3(t, () => write({ 'x-amz-meta-a': 'x'.repeat(2048) }), 'MetadataTooLarge');
  t.ok(write({ 'x-amz-meta-a': 'x'.repeat(2047) }));
});

void t.test('headers: what Headrace does not do is refused by name', async (t) => {
  for (const name of ['if-unmodified-since', 'x-amz-write-offset-bytes'])
    throwsS3(t, () => write({ [name]: 'x' }), 'NotImplemented', new RegExp(name));
  for (const name of ['x-amz-object-lock-mode', 'x-amz-object-lock-legal-hold'])
    throwsS3(t, () => write({ [name]: 'ON' }), 'InvalidRequest', new RegExp(name));
  throwsS3(t, () => write({ 'x-amz-acl': 'aws-exec-read' }), 'NotImplemented');
  throwsS3(t, () => write({ 'x-amz-grant-read': 'id=nobody' }), 'InvalidArgument');
  throwsS3(t, () => write({ 'x-amz-meta-headrace-acl': 'READ=*' }), 'InvalidArgument');
  throwsS3(t, () => write({ 'x-amz-storage-class': 'CHEAP' }), 'InvalidStorageClass');
});

void t.test('headers: encryption is refused, after what is wrong with how it is asked for', async (t) => {
  const PREFIX = 'x-amz-server-side-encryption';
  const key = Buffer.alloc(32, 'k');
  const customer = {
    [`${PREFIX}-customer-algorithm`]: 'AES256',
    [`${PREFIX}-customer-key`]: key.toString('base64'),
    [`${PREFIX}-customer-key-md5`]: createHash('md5').update(key).digest('base64'),
  };
  const kms = { [PREFIX]: 'aws:kms', [`${PREFIX}-aws-kms-key-id`]: 'mine' };
  for (const headers of [{ [PREFIX]: 'AES256' }, { [PREFIX]: 'aws:kms' }, kms, customer])
    throwsS3(t, () => write(headers), 'NotImplemented', new RegExp(PREFIX));
  throwsS3(
    t,
    () => write({ 'x-amz-copy-source-server-side-encryption-customer-key': 'x' }),
    'NotImplemented',
  );
  for (const headers of [
    { [PREFIX]: 'aes:kms' },
    { ...kms, [PREFIX]: 'AES256' },
    { [`${PREFIX}-aws-kms-key-id`]: 'mine' },
    { ...customer, [PREFIX]: 'AES256' },
    { ...customer, ...kms },
    { ...customer, [`${PREFIX}-customer-algorithm`]: undefined },
    { ...customer, [`${PREFIX}-customer-key`]: undefined },
    { ...customer, [`${PREFIX}-customer-key`]: 'c2hvcnQ=' },
    { ...customer, [`${PREFIX}-customer-key-md5`]: undefined },
    { ...customer, [`${PREFIX}-customer-key-md5`]: 'AAAAAAAAAAAAAAAAAAAAAA==' },
  ])
    throwsS3(t, () => write(headers), 'InvalidArgument');
  throwsS3(
    t,
    () => write({ ...customer, [`${PREFIX}-customer-algorithm`]: 'AES192' }),
    'InvalidEncryptionAlgorithmError',
  );
});

void t.test('headers: tags are read from the header, and checked', async (t) => {
  t.same({ ...parseTagging('a=1&b=%C3%BC+x&c') }, { a: '1', b: 'ü x', c: '' });
  throwsS3(t, () => parseTagging('a=1&a=2'), 'InvalidTag');
  throwsS3(t, () => parseTagging('=1'), 'InvalidTag');
  throwsS3(t, () => parseTagging(`${'k'.repeat(129)}=1`), 'InvalidTag');
  throwsS3(t, () => parseTagging(`k=${'v'.repeat(257)}`), 'InvalidTag');
  throwsS3(t, () => parseTagging('k=%ff'), 'InvalidArgument');
  const eleven = Array.from({ length: 11 }, (_, index) => `k${index}=v`).join('&');
  throwsS3(t, () => parseTagging(eleven), 'BadRequest');
});

const OBJECT: ObjectVersion = {
  size: 1,
  etag: 'abc',
  lastModifiedMs: 0,
  extents: [],
  headers: { system: { 'content-type': 'text/plain' }, user: { color: 'blue' }, tags: { a: '1' } },
  policy: 'WRITE_BACK',
  state: 'PENDING',
};

function answerHeaders(object: ObjectVersion, query: Record<string, string>): Record<string, string> {
  const flat: string[] = [];
  addObjectHeaders(flat, object, new Map(Object.entries(query)));
  const headers: Record<string, string> = {};
  for (let index = 0; index < flat.length; index += 2) headers[flat[index] ?? ''] = flat[index + 1] ?? '';
  return headers;
}

void t.test('headers: an answer says what the object is', async (t) => {
  t.same(answerHeaders(OBJECT, {}), {
    ETag: '"abc"',
    'Last-Modified': 'Thu, 01 Jan 1970 00:00:00 GMT',
    'Accept-Ranges': 'bytes',
    'Content-Type': 'text/plain',
    'x-amz-meta-color': 'blue',
    'x-amz-tagging-count': '1',
  });
  const plain = { ...OBJECT, headers: { system: {}, user: {} } };
  t.equal(answerHeaders(plain, {})['Content-Type'], 'binary/octet-stream');
});

void t.test('headers: a request may replace some of an answer', async (t) => {
  const headers = answerHeaders(OBJECT, {
    'response-content-type': 'image/png',
    'response-content-disposition': 'attachment; filename="a"',
    'response-expires': 'never',
  });
  t.match(headers, {
    'Content-Type': 'image/png',
    'Content-Disposition': 'attachment; filename="a"',
    Expires: 'never',
  });
  throwsS3(
    t,
    () => answerHeaders(OBJECT, { 'response-content-type': 'a\r\nSet-Cookie: b' }),
    'InvalidArgument',
  );
});

void t.test('headers: a record of the under-store cannot say how an answer is read', async (t) => {
  const system = { 'transfer-encoding': 'chunked', 'content-length': '1', connection: 'close', expires: '0' };
  const headers = answerHeaders({ ...OBJECT, headers: { system, user: {} } }, {});
  t.notMatch(Object.keys(headers).join().toLowerCase(), /transfer-encoding|content-length|connection/);
  t.equal(headers['Expires'], '0');
});

void t.test('headers: at most one checksum, well-formed and of a known kind', async (t) => {
  t.equal(planChecksum({}), undefined);
  t.same(planChecksum({ 'x-amz-checksum-crc32': 'AAAAAA==', 'x-amz-sdk-checksum-algorithm': 'CRC32' }), {
    kind: 'header',
    algorithm: 'CRC32',
    expected: 'AAAAAA==',
  });
  t.same(planChecksum({ 'x-amz-trailer': 'x-amz-checksum-sha256' }), {
    kind: 'trailer',
    algorithm: 'SHA256',
  });
  const refused = (headers: Record<string, string>, s3Code: string): void => {
    throwsS3(t, () => planChecksum(headers), s3Code, JSON.stringify(headers));
  };
  refused({ 'x-amz-checksum-crc32': 'AAAA' }, 'InvalidRequest');
  refused({ 'x-amz-checksum-crc32': 'AAAAAA==', 'x-amz-checksum-sha1': 'x' }, 'InvalidRequest');
  refused({ 'x-amz-checksum-crc32': 'AAAAAA==', 'x-amz-sdk-checksum-algorithm': 'SHA1' }, 'InvalidRequest');
  refused({ 'x-amz-sdk-checksum-algorithm': 'CRC32' }, 'InvalidRequest');
  refused({ 'x-amz-checksum-xxhash64': 'x' }, 'NotImplemented');
  refused({ 'x-amz-trailer': 'x-amz-checksum-md5' }, 'NotImplemented');
  refused({ 'x-amz-trailer': 'x-other' }, 'InvalidRequest');
});
