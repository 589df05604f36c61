import t from 'tap';
import { ResponseParser } from '../../bench/response-parser.js';

interface Seen {
  readonly status: number;
  readonly body: string;
  readonly etag: string | undefined;
}

/** Feeds the bytes in pieces of `pieceBytes` and returns the responses that were read. */
function parse(text: string, pieceBytes: number): Seen[] {
  const seen: Seen[] = [];
  let body = '';
  const parser = new ResponseParser({
    body: (buffer, start, end) => (body += buffer.toString('latin1', start, end)),
    end: () => {
      seen.push({ status: parser.status, body, etag: parser.header('etag') });
      body = '';
    },
  });
  const bytes = Buffer.from(text, 'latin1');
  const buffer = Buffer.alloc(pieceBytes);
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const length = bytes.copy(buffer, 0, at, at + pieceBytes);
    parser.push(buffer, length);
  }
  return seen;
}

const STREAM = [
  'HTTP/1.1 100 Continue\r\n\r\n',
  'HTTP/1.1 200 OK\r\nETag: "abc"\r\nContent-Length: 5\r\n\r\nhello',
  'HTTP/1.1 204 No Content\r\n\r\n',
  'HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\nx: y\r\n\r\n',
  'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n',
].join('');

void t.test('response parser: sized, empty and chunked responses, however they are cut', async (t) => {
  const expected: Seen[] = [
    { status: 200, body: 'hello', etag: '"abc"' },
    { status: 204, body: '', etag: undefined },
    { status: 404, body: 'abc0123456789', etag: undefined },
    { status: 200, body: '', etag: undefined },
  ];
  for (let pieceBytes = 1; pieceBytes <= STREAM.length; pieceBytes++)
    t.same(parse(STREAM, pieceBytes), expected, `pieces of ${pieceBytes}`);
});

void t.test('response parser: what is not HTTP is an error', async (t) => {
  t.throws(() => parse('SSH-2.0-OpenSSH\r\n\r\n', 100), /not an HTTP/);
  t.throws(() => parse('x'.repeat(70_000), 70_000), /head of more than/);
});
