/** The model that the end-to-end tests judge by, judged itself. */
import t from 'tap';
import { matchContent, makeBody, multipartContent, ObjectModel, singleContent } from './object-model.js';

const A = singleContent(1, 10);
const B = singleContent(2, 10);
const C = singleContent(3, 10);

void t.test('object model: an acknowledged write is the only one that a later read may show', async (t) => {
  const model = new ObjectModel();
  t.same(model.candidates('k', model.moment(), model.moment()), [undefined]);
  model.acknowledge(model.begin('k', A));
  t.same(model.candidates('k', model.moment(), model.moment()), [A]);
  model.acknowledge(model.begin('k', undefined));
  t.same(model.candidates('k', model.moment(), model.moment()), [undefined]);
});

void t.test(
  'object model: a write in flight may show or not, and may still come after a later one',
  async (t) => {
    const model = new ObjectModel();
    model.acknowledge(model.begin('k', A));
    model.begin('k', B);
    t.same(model.candidates('k', model.moment(), model.moment()), [A, B]);
    model.acknowledge(model.begin('k', C));
    t.same(model.candidates('k', model.moment(), model.moment()), [B, C]);
  },
);

void t.test('object model: of overlapping acknowledged writes either may have come last', async (t) => {
  const model = new ObjectModel();
  const first = model.begin('k', A);
  const second = model.begin('k', B);
  model.acknowledge(second);
  model.acknowledge(first);
  t.same(model.candidates('k', model.moment(), model.moment()), [A, B]);
});

void t.test(
  'object model: a read may show what was overwritten while it ran, but not what began after it',
  async (t) => {
    const model = new ObjectModel();
    model.acknowledge(model.begin('k', A));
    const begunAt = model.moment();
    model.acknowledge(model.begin('k', B));
    const endedAt = model.moment();
    model.acknowledge(model.begin('k', C));
    t.same(model.candidates('k', begunAt, endedAt), [A, B]);
  },
);

void t.test('object model: bytes match only the content that they are, with its ETag', async (t) => {
  const found = { body: makeBody(2, 10), etag: B.etag };
  t.same(matchContent([A, B], found), { content: B });
  t.same(matchContent([A, undefined], undefined), { content: undefined });
  t.match(matchContent([A, C], found), { problem: /found 10 bytes/ });
  t.match(matchContent([B], { ...found, etag: A.etag }), { problem: /expected one of/ });
  t.match(matchContent([A], undefined), { problem: /found no object/ });
});

void t.test('object model: a multipart content has the ETag of its parts', async (t) => {
  const whole = multipartContent([A, B]);
  t.match(whole.etag, /^"[0-9a-f]{32}-2"$/);
  const body = Buffer.concat([makeBody(1, 10), makeBody(2, 10)]);
  t.same(matchContent([whole], { body }), { content: whole });
});
