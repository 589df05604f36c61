/** The spelling that client and server must share, against the plainest way to write it down. */
import fc from 'fast-check';
import t from 'tap';
import { canonicalPath, canonicalQuery } from '../../../src/http/auth/canonical-request.js';

/** Byte for byte, as the specification has it: everything is decoded, and encoded again. */
function encodeBytes(bytes: Buffer, keep = ''): string {
  return [...bytes]
    .map((byte) => {
      const character = String.fromCharCode(byte);
      return /[A-Za-z0-9_.~-]/.test(character) || character === keep
        ? character
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    })
    .join('');
}

function decodeBytes(text: string): Buffer {
  const bytes: number[] = [];
  for (let at = 0; at < text.length; at++) {
    const hex = text.slice(at + 1, at + 3);
    const isEscape = text[at] === '%' && /^[\da-f]{2}$/i.test(hex);
    bytes.push(isEscape ? Number.parseInt(hex, 16) : text.charCodeAt(at));
    if (isEscape) at += 2;
  }
  return Buffer.from(bytes);
}

/** An encoded slash is one of the client's making, and stays. */
function referencePath(path: string): string {
  const parts = path.split(/%2f/i);
  return parts.map((part) => encodeBytes(decodeBytes(part), '/')).join('%2F');
}

function referenceQuery(query: string, without?: string): string {
  const recode = (text: string): string => encodeBytes(decodeBytes(text.replaceAll('+', ' ')));
  const pairs = query
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => pair.split('='))
    .map(([name = '', ...value]) => [recode(name), recode(value.join('='))] as const)
    .filter(([name]) => name !== without);
  const order = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
  return pairs
    .toSorted((a, b) => order(a[0], b[0]) || order(a[1], b[1]))
    .map((pair) => pair.join('='))
    .join('&');
}

const piece = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('a', 'b', 'B', '-', '.', '_', '~', '0', 'name', 'value') },
  fc.constantFrom(
    '%',
    '%4',
    '%41',
    '%7e',
    '%7E',
    '%2F',
    '%2f',
    '%20',
    '%C3%A9',
    '%5F',
    '%3D',
    '%26',
    '%2b',
    '%zz',
  ),
  fc.constantFrom('+', '/', '*', '(', ' ', ':', '\xe9', '\xa0', '"'),
);
const text = (max: number): fc.Arbitrary<string> =>
  fc.array(piece, { maxLength: max }).map((pieces) => pieces.join(''));

void t.test('canonical request: paths and queries have one spelling', async (t) => {
  t.equal(canonicalPath('/b/a%20b/../c//d~'), '/b/a%20b/../c//d~');
  t.equal(canonicalPath("/b/a(b)!*'$%c3%bc\xc3"), '/b/a%28b%29%21%2A%27%24%C3%BC%C3');
  t.equal(canonicalPath('/b/%41%2d%7E'), '/b/A-~');
  t.equal(canonicalQuery('b=2&a=%7e&b=1&c&=x&a-b=+'), '=x&a=~&a-b=%20&b=1&b=2&c=');
  t.equal(canonicalQuery('a=%7E'), 'a=~');
  t.equal(canonicalQuery('b=2&X-Amz-Signature=1', 'X-Amz-Signature'), 'b=2');
  t.equal(canonicalQuery('X-Amz-Signature=1', 'X-Amz-Signature'), '');
  t.equal(canonicalQuery('X-Amz-Signature=1&b=2&X-Amz-Signature=3', 'X-Amz-Signature'), 'b=2');
  t.equal(canonicalQuery('a=1&X-Amz-Signature=1&b=2', 'X-Amz-Signature'), 'a=1&b=2');
});

void t.test('canonical request: each escape is kept just when encoding would make it', async (t) => {
  for (let byte = 0; byte < 256; byte++)
    for (const hex of [
      byte.toString(16).padStart(2, '0'),
      byte.toString(16).toUpperCase().padStart(2, '0'),
    ]) {
      t.equal(canonicalPath(`/%${hex}`), `/${referencePath(`%${hex}`)}`);
      t.equal(canonicalQuery(`a=%${hex}`), `a=${encodeBytes(Buffer.from([byte]))}`);
    }
});

void t.test('canonical request: any path is spelled as the reference spells it', async (t) => {
  fc.assert(
    fc.property(text(12), (path) => {
      t.equal(canonicalPath(`/${path}`), referencePath(`/${path}`));
    }),
    { numRuns: 500 },
  );
});

void t.test('canonical request: any query is spelled as the reference spells it', async (t) => {
  const pair = fc.oneof(
    { weight: 4, arbitrary: fc.tuple(text(3), text(4)).map(([name, value]) => `${name}=${value}`) },
    { weight: 2, arbitrary: fc.constantFrom('a=1', 'b=2', 'c=3', 'c=0', 'X-Amz-Signature=f00', 'Z=%2F') },
    text(3),
  );
  fc.assert(
    fc.property(fc.array(pair, { maxLength: 7 }), fc.boolean(), (pairs, sorted) => {
      const query = (sorted ? pairs.toSorted() : pairs).join('&');
      t.equal(canonicalQuery(query, 'X-Amz-Signature'), referenceQuery(query, 'X-Amz-Signature'), query);
      t.equal(canonicalQuery(query), referenceQuery(query), query);
    }),
    { numRuns: 1000 },
  );
});
