/** What the recorder takes for right and for wrong, where S3's rules are not obvious. */
import t from 'tap';
import { singleContent } from '../../simulations/content.js';
import { Recorder } from '../../simulations/recorder.js';
import { Statistics } from '../../simulations/statistics.js';
import { Trace } from '../../simulations/trace.js';

const IF_MATCH = { ifMatch: ['0123456789abcdef0123456789abcdef'] };

function recorder(): Recorder {
  return new Recorder(new Trace(() => 0), new Statistics());
}

void t.test('recorder: a conditional delete of what is not there succeeds, as S3 has it', async (t) => {
  const calls = recorder();
  calls.acknowledged(calls.beginWrite('delete-if', 'k', undefined, IF_MATCH));
  t.equal(calls.violation, undefined);
  t.same(calls.keys, ['k']);
});

void t.test('recorder: a conditional delete of another version does not', async (t) => {
  const calls = recorder();
  calls.acknowledged(calls.beginWrite('put', 'k', singleContent(1, 10)));
  calls.acknowledged(calls.beginWrite('delete-if', 'k', undefined, IF_MATCH));
  t.equal(calls.violation?.invariant, 'linearizable');
});

void t.test('recorder: a listing is compared by the bytes of its keys', async (t) => {
  const calls = recorder();
  const content = singleContent(1, 10);
  const object = { etag: content.etag.slice(1, -1), size: 10 };
  // In UTF-16 the second one comes first.
  const keys = ['\uffee', '\u{1f600}'];
  for (const key of keys) calls.acknowledged(calls.beginWrite('put', key, content));
  calls.listed(calls.beginList(''), keys, new Map([['\uffee', object]]), '', '\uffee');
  t.equal(calls.violation, undefined, 'the other key is behind the page');
  calls.listed(calls.beginList(''), keys, new Map(), '\uffee', undefined);
  t.equal(calls.violation?.invariant, 'listing-model', 'it is missing on the next one');
});
