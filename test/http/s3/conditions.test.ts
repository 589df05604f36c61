import t from 'tap';
import { parseEtags, readConditions, writeConditions } from '../../../src/http/s3/conditions.js';

void t.test('conditions: ETags come in lists, quoted or not, weak or not', async (t) => {
  t.same(parseEtags('"abc"'), ['abc']);
  t.same(parseEtags('abc'), ['abc']);
  t.same(parseEtags('*'), ['*']);
  t.same(parseEtags('"a", "b-2" , W/"c",d'), ['a', 'b-2', 'c', 'd']);
  t.same(parseEtags('"with, comma"'), ['with, comma']);
  t.same(parseEtags('""'), ['']);
  t.same(parseEtags(''), []);
});

void t.test('conditions: a request without any has none', async (t) => {
  t.equal(readConditions({}), undefined);
  t.equal(writeConditions({ 'if-modified-since': 'Sun, 06 Nov 1994 08:49:37 GMT' }), undefined);
});

void t.test('conditions: a date stands for the whole of its second', async (t) => {
  t.same(readConditions({ 'if-modified-since': 'Sun, 06 Nov 1994 08:49:37 GMT' }), {
    ifModifiedSinceMs: Date.UTC(1994, 10, 6, 8, 49, 37, 999),
  });
});

void t.test('conditions: a date that cannot be read is ignored', async (t) => {
  t.same(readConditions({ 'if-modified-since': 'long ago' }), {});
  t.same(readConditions({ 'if-unmodified-since': 'long ago', 'if-match': '"a"' }), { ifMatch: ['a'] });
});
