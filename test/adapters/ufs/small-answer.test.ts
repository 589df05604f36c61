/** Answers of HTTP/1.1 as a store may send them, cut at every byte. */
import t from 'tap';
import { parseAnswer } from '../../../src/adapters/ufs/small-answer.js';

const OK = 'HTTP/1.1 200 OK\r\nETag: "a"\r\nContent-Length: 0\r\n\r\n';
const lines = (...all: string[]): Buffer => Buffer.from(all.join('\r\n'), 'latin1');

const WHOLE: readonly (readonly [what: string, bytes: Buffer, expected: object])[] = [
  ['without a body', Buffer.from(OK), { status: 200, headers: { etag: '"a"' }, keepsOpen: true }],
  ['behind an interim one', Buffer.from(`HTTP/1.1 100 Continue\r\n\r\n${OK}`), { status: 200 }],
  [
    'with a length',
    lines('HTTP/1.1 403 Forbidden', 'content-length: 5', 'connection: close', '', 'hello'),
    { status: 403, body: Buffer.from('hello'), keepsOpen: false },
  ],
  [
    'in chunks with a trailer',
    lines('HTTP/1.1 503 x', 'Transfer-Encoding: chunked', '', '3;q=1', 'abc', '2', 'de', '0', 'x: y', '', ''),
    { status: 503, body: Buffer.from('abcde'), keepsOpen: true },
  ],
  ['that has none by its status', lines('HTTP/1.1 204', 'content-length: 9', '', ''), { status: 204 }],
  [
    'with a header that comes twice',
    lines('HTTP/1.0 200 OK', 'x: a', 'X:b ', 'content-length: 0', '', ''),
    { headers: { x: 'a, b' }, keepsOpen: false },
  ],
];

for (const [what, bytes, expected] of WHOLE) {
  void t.test(`small answer: one ${what} is whole with its last byte`, (t) => {
    for (let cut = 0; cut < bytes.length; cut++)
      t.equal(parseAnswer(bytes.subarray(0, cut), false), undefined, `${cut} of ${bytes.length} bytes`);
    t.match(parseAnswer(bytes, false), { ...expected, bytes: bytes.length });
    t.match(parseAnswer(Buffer.concat([bytes, Buffer.from('more')]), false), { bytes: bytes.length });
    t.end();
  });
}

void t.test('small answer: one without a length ends with the connection, which is not used again', (t) => {
  const bytes = lines('HTTP/1.1 200 OK', '', 'all there is');
  t.equal(parseAnswer(bytes, false), undefined);
  t.match(parseAnswer(bytes, true), { body: Buffer.from('all there is'), keepsOpen: false });
  t.equal(parseAnswer(lines('HTTP/1.1 200 OK', 'content-length: 5', '', 'he'), true), undefined, 'cut off');
  t.end();
});

void t.test('small answer: what is none is refused', (t) => {
  const refused: readonly (readonly [Buffer, RegExp])[] = [
    [lines('SSH-2.0-x', '', ''), /is no status line/],
    [lines('HTTP/1.1 200 OK', 'no colon', '', ''), /is no header/],
    [lines('HTTP/1.1 200 OK', 'content-length: -1', '', ''), /the length "-1"/],
    [lines('HTTP/1.1 200 OK', 'content-length: 5, 6', '', ''), /the length "5, 6"/],
    [lines('HTTP/1.1 200 OK', 'content-length: 99999999', '', ''), /longer than/],
    [lines('HTTP/1.1 200 OK', 'transfer-encoding: gzip', '', ''), /transfer coding "gzip"/],
    [lines('HTTP/1.1 200 OK', 'transfer-encoding: chunked', '', 'zz', ''), /no length of a chunk/],
    [lines('HTTP/1.1 101 Switching', '', ''), /another protocol/],
    [Buffer.alloc(70_000, 'x'), /head of the answer is longer/],
    [Buffer.alloc(2_000_000), /answer is longer/],
  ];
  for (const [bytes, message] of refused) t.throws(() => parseAnswer(bytes, false), { message });
  t.end();
});
