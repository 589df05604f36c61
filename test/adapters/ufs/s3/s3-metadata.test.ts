import t from 'tap';
import {
  contradicts,
  decodeHeader,
  encodeHeader,
  metadataToSend,
  ownMetadataFrom,
} from '../../../../src/adapters/ufs/s3/s3-metadata.js';

const MD5_A = 'a'.repeat(32);
const MD5_B = 'b'.repeat(32);

void t.test('s3 metadata: every header value comes back as it was, and travels in ASCII', async (t) => {
  for (const value of [
    '',
    'plain',
    'a b',
    ' a',
    'a ',
    'ü',
    '日本 \u{1f600}',
    '=?UTF-8?B?YQ==?=',
    'a\tb',
    '=?x?=',
  ]) {
    const encoded = encodeHeader(value);
    t.match(encoded, /^[\x20-\x7e]*$/);
    t.equal(decodeHeader(encoded), value);
  }
  t.equal(encodeHeader('a=b; c="d"'), 'a=b; c="d"');
});

void t.test('s3 metadata: encoded words of others are read, in both forms', async (t) => {
  t.equal(decodeHeader('=?utf-8?Q?caf=C3=A9_au_lait?='), 'café au lait');
  t.equal(decodeHeader('=?UTF-8?B?5pel?= =?UTF-8?B?5pys?='), '日本');
  t.equal(decodeHeader('not =?UTF-8?B?5pel?= alone'), 'not =?UTF-8?B?5pel?= alone');
});

void t.test('s3 metadata: ours is left out when there is no room for it', async (t) => {
  const own = { etag: MD5_A, lastModifiedMs: 1, size: 2 };
  t.same(Object.keys(metadataToSend({ m: 'v'.repeat(1900) }, own)), [
    'm',
    'headrace-etag',
    'headrace-mtime',
    'headrace-size',
  ]);
  t.same(Object.keys(metadataToSend({ m: 'v'.repeat(2000) }, own)), ['m']);
});

void t.test('s3 metadata: ours is believed only while it fits the object', async (t) => {
  const Metadata = { 'headrace-etag': MD5_A, 'headrace-mtime': '5', 'headrace-size': '10' };
  const own = { etag: MD5_A, lastModifiedMs: 5 };
  t.same(ownMetadataFrom({ Metadata, ETag: `"${MD5_A}"` }, 10), own);
  t.same(ownMetadataFrom({ Metadata, ETag: `"${MD5_A}"` }, 11), {}, 'another size');
  t.same(ownMetadataFrom({ Metadata, ETag: `"${MD5_B}"` }, 10), {}, 'another MD5');
  t.same(
    ownMetadataFrom({ Metadata, ETag: `"${MD5_B}-3"` }, 10),
    own,
    'uploaded in parts: cannot be compared',
  );
  t.same(ownMetadataFrom({ Metadata, ETag: `"${MD5_B}"`, ServerSideEncryption: 'aws:kms' }, 10), own);
  t.same(ownMetadataFrom({}, 10), {});
});

void t.test('s3 metadata: ETags are compared only with their like', async (t) => {
  t.equal(contradicts(MD5_A, MD5_B, {}), true);
  t.equal(contradicts(MD5_A, MD5_A, {}), false);
  t.equal(contradicts(`${MD5_A}-2`, `${MD5_B}-2`, {}), true);
  t.equal(contradicts(MD5_A, 'opaque', {}), false);
  t.equal(contradicts(MD5_A, MD5_B, { SSECustomerAlgorithm: 'AES256' }), false);
});
