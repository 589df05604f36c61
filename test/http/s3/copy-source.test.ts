import fc from 'fast-check';
import t from 'tap';
import { parseCopySource } from '../../../src/http/s3/copy-source.js';
import { throwsS3 } from '../../support/throws-s3.js';

const parse = (header: string): { bucket: string; key: string } =>
  parseCopySource({ 'x-amz-copy-source': header });

void t.test('copy source: any key comes back, with or without the first slash', async (t) => {
  const key = fc.string({ unit: 'binary', minLength: 1 }).filter((text) => !text.includes('?versionId='));
  fc.assert(
    fc.property(key, fc.constantFrom('', '/'), (text, slash) => {
      const source = parse(`${slash}bucket/${encodeURIComponent(text)}`);
      t.same(source, { bucket: 'bucket', key: text });
    }),
  );
});

void t.test('copy source: what clients do not encode is taken as it is', async (t) => {
  t.same(parse('bucket/a b+c?d=e'), { bucket: 'bucket', key: 'a b+c?d=e' });
  t.same(parse('bucket/a//b/'), { bucket: 'bucket', key: 'a//b/' });
  t.same(parse(Buffer.from('bucket/grün').toString('latin1')), { bucket: 'bucket', key: 'grün' });
});

void t.test('copy source: the only version is null', async (t) => {
  t.same(parse('/bucket/key?versionId=null'), { bucket: 'bucket', key: 'key' });
  throwsS3(t, () => parse('/bucket/key?versionId=abc'), 'InvalidArgument');
});

void t.test('copy source: without bucket or key, or not UTF-8, it is refused', async (t) => {
  for (const header of ['', '/', 'bucket', '/bucket', '/bucket/', '//key', 'bucket/%ff', 'bucket/%'])
    throwsS3(t, () => parse(header), 'InvalidArgument', header);
  throwsS3(t, () => parse('arn:aws:s3:us-east-1:1:accesspoint/a/object/b'), 'NotImplemented');
});

void t.test('copy source: its conditions have names of their own', async (t) => {
  const source = parseCopySource({
    'x-amz-copy-source': '/b/k',
    'x-amz-copy-source-if-match': '"a"',
    'x-amz-copy-source-if-unmodified-since': 'Sun, 06 Nov 1994 08:49:37 GMT',
  });
  t.same(source.conditions, { ifMatch: ['a'], ifUnmodifiedSinceMs: Date.UTC(1994, 10, 6, 8, 49, 37, 999) });
});
