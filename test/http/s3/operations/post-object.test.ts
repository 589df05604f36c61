import { createHmac } from 'node:crypto';
import { HeadObjectCommand } from '@aws-sdk/client-s3';
import t from 'tap';
import { parseGrant } from '../../../../src/engine/users-document.js';
import { startEndpoint } from '../../../support/s3-endpoint.js';
import { startSecured, type KnownUser } from '../../../support/secured-endpoint.js';

const Bucket = 'bucket';
const FUTURE = '2999-01-01T00:00:00Z';

const hmac = (key: string | Uint8Array, text: string): Buffer =>
  createHmac('sha256', key).update(text).digest();

/** The fields of a signed form. */
function signed(
  { signer }: KnownUser,
  conditions: unknown[],
  fields: Record<string, string>,
  expiration: unknown = FUTURE,
): Record<string, string> {
  const day = signer.time.slice(0, 8);
  const signing = {
    'x-amz-algorithm': 'AWS4-HMAC-SHA256',
    'x-amz-credential': `${signer.accessKeyId}/${day}/us-east-1/s3/aws4_request`,
    'x-amz-date': signer.time,
  };
  const covered = [...conditions, ...Object.entries(signing).map(([name, value]) => ({ [name]: value }))];
  const policy = Buffer.from(JSON.stringify({ expiration, conditions: covered })).toString('base64');
  let key: string | Uint8Array = `AWS4${signer.secret}`;
  for (const text of [day, 'us-east-1', 's3', 'aws4_request']) key = hmac(key, text);
  return { ...fields, ...signing, policy, 'x-amz-signature': hmac(key, policy).toString('hex') };
}

async function post(
  url: string,
  fields: Record<string, string>,
  file: string | Uint8Array = 'hello',
  name = 'f.txt',
): Promise<{ status: number; code: string | undefined; text: string; headers: Headers }> {
  const form = new FormData();
  for (const [field, value] of Object.entries(fields)) form.append(field, value);
  form.append('file', new Blob([file]), name);
  const answer = await fetch(`${url}/${Bucket}`, { method: 'POST', body: form, redirect: 'manual' });
  const text = await answer.text();
  return { status: answer.status, code: /<Code>(.*?)</.exec(text)?.[1], text, headers: answer.headers };
}

void t.test('post: a signed form is stored with what its fields say', async (t) => {
  const { url, objects, addUser } = await startSecured(t);
  const user = await addUser('alice', 'write:bucket/in/');
  const conditions = [
    { bucket: Bucket },
    ['starts-with', '$key', 'in/'],
    ['eq', '$Content-Type', 'text/plain'],
    ['starts-with', '$x-amz-meta-note', ''],
    ['content-length-range', 1, 2_000_000],
  ];
  const fields = {
    key: 'in/${filename}',
    'Content-Type': 'text/plain',
    'x-amz-meta-note': 'ü',
    'x-ignore-me': '1',
  };
  const big = Buffer.alloc(1_500_000, 'abc\r\n--');
  const answer = await post(url, signed(user, conditions, fields), big, 'C:\\dir\\a b.txt');
  t.equal(answer.status, 204, answer.text);
  const object = await objects.headObject({ bucket: Bucket, key: 'in/a b.txt' });
  t.match(object, { size: big.length, headers: { system: { 'content-type': 'text/plain' } } });
  t.equal(Buffer.from(object.headers.user['note'] ?? '', 'latin1').toString(), 'ü');
  t.equal(answer.headers.get('etag'), `"${object.etag}"`);
});

void t.test('post: the policy and its signature are held', async (t) => {
  const { url, objects, users, addUser } = await startSecured(t);
  const user = await addUser('alice', 'write:bucket/in/');
  const conditions: unknown[] = [
    { bucket: Bucket },
    ['starts-with', '$key', 'in/'],
    ['content-length-range', 2, 5],
  ];
  const good = { key: 'in/k' };
  const code = async (fields: Record<string, string>, file?: string): Promise<string | undefined> =>
    (await post(url, fields, file)).code;
  t.equal(await code(signed(user, conditions, good), 'x'), 'EntityTooSmall');
  t.equal(await code(signed(user, conditions, good), 'xxxxxx'), 'EntityTooLarge');
  t.equal(await code(signed(user, conditions, { key: 'out/k' })), 'AccessDenied');
  t.equal(
    await code(signed(user, [{ bucket: Bucket }, { key: 'out/k' }], { key: 'out/k' })),
    'AccessDenied',
    'no grant',
  );
  t.equal(await code(signed(user, [{ bucket: 'other' }, { key: 'in/k' }], good)), 'AccessDenied');
  t.equal(
    await code(signed(user, conditions, { ...good, 'x-amz-meta-a': 'b' })),
    'AccessDenied',
    'not in the policy',
  );
  t.equal(await code(signed(user, [], good)), 'AccessDenied');
  t.equal(await code(signed(user, conditions, good, '2020-01-01T00:00:00Z')), 'AccessDenied');
  for (const expiration of [undefined, 'tomorrow', 7])
    t.equal(await code(signed(user, conditions, good, expiration ?? null)), 'InvalidPolicyDocument');
  for (const bad of [['gt', '$key', 'x'], ['eq', 'key', 'x'], ['content-length-range', 0], 'x', { key: 7 }])
    t.equal(
      await code(signed(user, [...conditions, bad], good)),
      'InvalidPolicyDocument',
      JSON.stringify(bad),
    );
  const form = signed(user, conditions, good);
  const other = Buffer.from(JSON.stringify({ expiration: FUTURE, conditions: [] })).toString('base64');
  t.equal(await code({ ...form, policy: other }), 'SignatureDoesNotMatch');
  t.equal(await code({ ...form, 'x-amz-signature': '0'.repeat(64) }), 'SignatureDoesNotMatch');
  t.equal(
    await code({ ...form, 'x-amz-credential': 'HRX/20240101/us-east-1/s3/aws4_request' }),
    'AccessDenied',
  );
  t.equal(await code({ ...form, AWSAccessKeyId: 'x' }), 'InvalidRequest', 'Signature Version 2');
  const { 'x-amz-signature': _, ...unsigned } = form;
  t.equal(await code(unsigned), 'InvalidArgument');
  t.equal(await code(good), 'AccessDenied', 'anonymous');
  t.equal(await code(signed(user, conditions, {})), 'InvalidArgument', 'no key');
  await t.rejects(objects.headObject({ bucket: Bucket, key: 'in/k' }), { code: 'NO_SUCH_KEY' });
  t.equal((await post(url, form)).status, 204);
  await users.setEnabled('alice', false);
  t.equal(await code(form), 'InvalidAccessKeyId');
  await users.grant('anonymous', [parseGrant('read:bucket')]);
  t.equal(await code(good), 'AccessDenied');
});

void t.test('post: it answers as the form asks', async (t) => {
  const { url, client } = await startEndpoint(t);
  t.equal((await post(url, { key: 'a', success_action_status: '200' })).status, 200);
  t.equal((await post(url, { key: 'a', success_action_status: '404' })).status, 204);
  t.equal((await post(url, { key: 'a', 'Content-MD5': 'XUFAKrxLKna5cZ2REBfFkg==' })).status, 204);
  const created = await post(url, { key: 'a/ü', success_action_status: '201' });
  t.equal(created.status, 201);
  t.match(
    created.text,
    /\n<PostResponse><Location>[^<]+<\/Location><Bucket>bucket<\/Bucket><Key>a\/ü<\/Key>/,
  );
  t.match(created.headers.get('location'), `${url}/bucket/a/%C3%BC`);
  const moved = await post(url, { key: 'a', success_action_redirect: 'http://example.com/done?x=1' });
  t.equal(moved.status, 303);
  t.match(
    moved.headers.get('location'),
    /^http:\/\/example\.com\/done\?x=1&bucket=bucket&key=a&etag=%22[\da-f]{32}%22$/,
  );
  t.equal((await post(url, { key: 'a', success_action_redirect: 'javascript:alert(1)' })).status, 204);
  const tagging = '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>';
  t.equal((await post(url, { key: 't', tagging })).status, 204);
  t.match(await client.send(new HeadObjectCommand({ Bucket, Key: 't' })), { ContentLength: 5 });
});

void t.test('post: what cannot be stored, or is no form, is refused', async (t) => {
  const { url, objects } = await startEndpoint(t);
  for (const [fields, code] of [
    [{ key: 'x', 'x-amz-meta-a': 'b\r\nSet-Cookie: c' }, 'InvalidArgument'],
    [{ key: 'x', 'x-amz-meta-a b': 'c' }, 'InvalidArgument'],
    [{ key: 'x', acl: 'log-delivery-write' }, 'NotImplemented'],
    [{ key: 'x', 'x-amz-acl': 'public' }, 'InvalidArgument'],
    [{ key: 'x', 'x-amz-server-side-encryption': 'AES256' }, 'NotImplemented'],
    [{ key: 'x', 'x-amz-checksum-crc32': 'AAAAAA==' }, 'BadDigest'],
    [{ key: 'x', 'Content-MD5': 'AAAAAAAAAAAAAAAAAAAAAA==' }, 'BadDigest'],
    [{ key: 'x', 'Content-MD5': 'hello' }, 'InvalidDigest'],
    [{ key: 'x'.repeat(1025) }, 'KeyTooLongError'],
    [{}, 'InvalidArgument'],
  ] as const)
    t.equal((await post(url, fields)).code, code, JSON.stringify(fields).slice(0, 80));
  const plain = await fetch(`${url}/bucket`, { method: 'POST', body: 'x' });
  t.equal(plain.status, 412);
  const cut = await fetch(`${url}/bucket`, {
    method: 'POST',
    headers: { 'content-type': 'multipart/form-data; boundary=b' },
    body: '--b\r\nContent-Disposition: form-data; name="key"\r\n\r\nx\r\n--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nhalf',
  });
  t.match(await cut.text(), '<Code>MalformedPOSTRequest</Code>');
  await t.rejects(objects.headObject({ bucket: 'bucket', key: 'x' }), { code: 'NO_SUCH_KEY' });
});
