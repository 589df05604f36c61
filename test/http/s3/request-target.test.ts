import fc from 'fast-check';
import t from 'tap';
import { parseQuery, parseTarget } from '../../../src/http/s3/request-target.js';
import { throwsS3 } from '../../support/throws-s3.js';

const encodeKey = (key: string): string => encodeURIComponent(key).replaceAll('%2F', '/');

void t.test('target: any key comes back as it was, nothing is normalised', async (t) => {
  const key = fc.oneof(
    fc.string({ minLength: 1, unit: 'binary' }),
    fc.constantFrom('a//b', '../x', './', 'a/../b', '/lead', 'tail/', '%', '+', ' ', '😀'),
  );
  fc.assert(
    fc.property(key, (text) => {
      const target = parseTarget(`/bucket/${encodeKey(text)}`, undefined, []);
      t.equal(target.bucket, 'bucket');
      t.equal(target.key, text);
    }),
  );
});

void t.test('target: bytes that a client left unencoded are UTF-8 too', async (t) => {
  const raw = Buffer.from('/bucket/grün/日本').toString('latin1');
  t.equal(parseTarget(raw, undefined, []).key, 'grün/日本');
});

void t.test('target: what is not percent-encoded UTF-8 is refused', async (t) => {
  for (const path of ['/b/%', '/b/%zz', '/b/%ff', '/b/%c0%80', '/b/%ed%a0%80', '/b/\xff', '/%ff/k'])
    throwsS3(t, () => parseTarget(path, undefined, []), 'InvalidURI', path);
});

void t.test('target: service, bucket and object are told apart', async (t) => {
  const parts = (url: string): [string, string] => {
    const { bucket, key } = parseTarget(url, undefined, []);
    return [bucket, key];
  };
  t.same(parts('/'), ['', '']);
  t.same(parts('/bucket'), ['bucket', '']);
  t.same(parts('/bucket/'), ['bucket', '']);
  t.same(parts('/bucket//'), ['bucket', '/']);
  t.same(parts('//key'), ['', 'key']);
  t.same(parts('/bucket?list-type=2'), ['bucket', '']);
  t.same(parts('/bucket/a?b?c'), ['bucket', 'a']);
});

void t.test('target: the whole URL, as clients of a proxy send it, is understood', async (t) => {
  const target = parseTarget('http://127.0.0.1:29998/bucket/a//b?x=1', undefined, []);
  t.equal(target.key, 'a//b');
  t.equal(target.rawPath, '/bucket/a//b');
  t.equal(target.rawQuery, 'x=1');
  t.equal(parseTarget('HTTP://host', undefined, []).bucket, '');
  throwsS3(t, () => parseTarget('bucket/key', undefined, []), 'InvalidURI');
});

void t.test('target: under a domain the bucket is in the host name', async (t) => {
  const parts = (url: string, host: string): [string, string] => {
    const { bucket, key } = parseTarget(url, host, ['s3.example.com', 'localhost']);
    return [bucket, key];
  };
  t.same(parts('/a/b', 'photos.s3.example.com'), ['photos', 'a/b']);
  t.same(parts('/a/b', 'my.photos.S3.example.com:29998'), ['my.photos', 'a/b']);
  t.same(parts('/', 'photos.localhost:1'), ['photos', '']);
  t.same(parts('/a/b', 's3.example.com'), ['a', 'b']);
  t.same(parts('/a/b', 'xs3.example.com'), ['a', 'b']);
  t.same(parts('/a/b', '[::1]:29998'), ['a', 'b']);
});

void t.test(
  'target: a query is split and decoded; a plus sign is a space, and the first value counts',
  async (t) => {
    const query = parseQuery('a=1&b&c=%2B+x&a=2&&d==&%65=%C3%BC');
    t.same(
      [...query],
      [
        ['a', '1'],
        ['b', ''],
        ['c', '+ x'],
        ['d', '='],
        ['e', 'ü'],
      ],
    );
    throwsS3(t, () => parseQuery('a=%ff'), 'InvalidURI');
    const many = Array.from({ length: 101 }, (_, index) => `p${index}`).join('&');
    throwsS3(t, () => parseQuery(many), 'InvalidURI');
  },
);
