/** Heads of requests for properties: what clients send, and what comes of it when a few bytes or lines are not what they were. */
import fc from 'fast-check';

/** Bytes that mean something to a reader of heads, and some that never should be there. */
const BYTES = '\r\n \t:;,/?#%"{}~+-_.aZ019\0\x01\x0b\x0c\x1b\x7f\x80\xa0\xff'.split('');
const NAMES = [
  'Host',
  'host',
  'Content-Length',
  'content-length',
  'Content-Type',
  'Connection',
  'Proxy-Connection',
  'Keep-Alive',
  'Expect',
  'Transfer-Encoding',
  'Upgrade',
  'TE',
  'Trailer',
  'Cookie',
  'Set-Cookie',
  'Range',
  'If-None-Match',
  'x-amz-date',
  'X-Amz-Meta-A',
  "x-amz-meta-!#$%&'*+-.^_`|~",
  'constructor',
  '__proto__',
];
const VALUES = [
  '',
  '0',
  '3',
  '03',
  '+3',
  '3,3',
  '3, 3',
  '3 3',
  '-1',
  '0x3',
  '9'.repeat(15),
  '9'.repeat(16),
  'close',
  'keep-alive',
  'Keep-Alive',
  'keep-alive, close',
  'upgrade',
  '100-continue',
  '100-Continue',
  'chunked',
  'identity',
  'gzip, chunked',
  'trailers',
  '127.0.0.1',
  'a;b=c',
  'a  b\tc',
  'gr\xfcn',
];
const BLANKS = ['', ' ', '  ', '\t', ' \t '];

const blanks = fc.constantFrom(...BLANKS);
const wildLine = fc
  .tuple(fc.constantFrom(...NAMES), blanks, fc.constantFrom(...VALUES), blanks)
  .map((parts) => `${parts[0]}:${parts[1]}${parts[2]}${parts[3]}`);
/** Different in their names, so that all of them together are plain. */
const plainLines = fc.subarray([
  'Content-Length: 3',
  'content-type:text/plain ',
  'Connection: keep-alive',
  'Proxy-Connection: Keep-Alive',
  'Expect: 100-continue',
  'Keep-Alive:\t',
  'Cookie: a=b; c=d',
  "x-amz-meta-!#$%&'*+-.^_`|~: gr\xfcn  and more of it",
  'X-Amz-Date:20260101T000000Z',
]);
const target = fc.oneof(
  fc.constantFrom('/', '/bucket/key', '/bucket?list-type=2', '/b/k?a=b#c', '/#', '/?#?#', '//', '/%zz'),
  fc
    .string({ unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)) })
    .map((text) => `/${text}`),
);

/** Lines of a head without its last, empty one. Most are plain. */
export const headLines: fc.Arbitrary<string[]> = fc
  .tuple(
    fc.constantFrom('GET', 'PUT', 'HEAD', 'DELETE', 'POST'),
    target,
    plainLines,
    fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.array(wildLine, { maxLength: 3 })),
  )
  .map(([method, path, lines, wild]) => [`${method} ${path} HTTP/1.1`, 'Host: a', ...lines, ...wild]);

type Edit = (text: string) => string;

const at = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const byte = fc.constantFrom(...BYTES);

const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.tuple(at, byte).map(([where, what]): Edit => splice(where, 0, what)),
  fc.tuple(at, byte).map(([where, what]): Edit => splice(where, 1, what)),
  fc.tuple(at, fc.integer({ min: 1, max: 4 })).map(([where, count]): Edit => splice(where, count, '')),
  fc
    .tuple(at, at)
    .map(([from, to]): Edit => onLines((lines) => lines.splice(indexIn(lines, to), 0, pick(lines, from)))),
  fc.tuple(at, at).map(([from, to]): Edit =>
    onLines((lines) => {
      const [a, b] = [indexIn(lines, from), indexIn(lines, to)];
      [lines[a], lines[b]] = [lines[b] ?? '', lines[a] ?? ''];
    }),
  ),
);

/** Changes of a few bytes and lines, at places that are a part of the whole. */
export const edits: fc.Arbitrary<Edit> = fc
  .array(edit, { maxLength: 3 })
  .map((all) => (text: string) => all.reduce((edited, one) => one(edited), text));

function splice(where: number, count: number, what: string): Edit {
  return (text) => {
    const index = Math.floor(where * (text.length + 1));
    return text.slice(0, index) + what + text.slice(index + count);
  };
}

function onLines(change: (lines: string[]) => void): Edit {
  return (text) => {
    const lines = text.split('\r\n');
    change(lines);
    return lines.join('\r\n');
  };
}

function indexIn(lines: readonly string[], where: number): number {
  return Math.floor(where * lines.length);
}

function pick(lines: readonly string[], where: number): string {
  return lines[indexIn(lines, where)] ?? '';
}
