/**
 * The heads of plain requests: what nearly all clients send nearly all of the time.
 *
 * Invariant: a head that this file understands, node:http would understand alike. Everything that RFC 9112 lets two readers take
 * for two things, or that is seldom (other methods and versions, transfer codings, a header that is there twice, a value with
 * control characters, white space where none belongs), is not plain, and is left to node:http with the bytes as they came.
 * That is all there is to an error here.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { TARGET, TOKEN, VALUE, skip } from './characters.js';

export interface PlainHead {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** Names and values in turn, as they came. */
  readonly rawHeaders: string[];
  /** Of the body: 0 when the head says nothing of one. */
  readonly bodyBytes: number;
  readonly expectsContinue: boolean;
  /** Where the body begins in the buffer. */
  readonly end: number;
}

/** Far more than S3's clients send; node:http takes any number that fits into the head. */
const HEADERS_MAX = 64;
const METHODS: ReadonlySet<string> = new Set(['GET', 'PUT', 'HEAD', 'DELETE', 'POST']);
const METHOD_CHARACTERS_MAX = 'DELETE'.length;
const VERSION_LINE_END = ' HTTP/1.1\r\n';
const HEAD_END = '\r\n\r\n';
/** V8 copies shorter slices of a string; a longer one would keep the whole head in memory for as long as it is kept. */
const COPIED_CHARACTERS_MAX = 12;

/** Of headers that say how to read what follows, these values alone are plain. */
const PLAIN_VALUES: ReadonlyMap<string, RegExp> = new Map([
  ['connection', /^keep-alive$/i],
  ['proxy-connection', /^keep-alive$/i],
  ['content-length', /^\d{1,15}$/],
  ['expect', /^100-continue$/i],
  ...['transfer-encoding', 'upgrade', 'trailer', 'te', 'set-cookie', 'http2-settings'].map(
    (name) => [name, /^\b$/] as const,
  ),
]);
/** Headers as clients spell them, to their lower-case names: a lookup makes no string. */
const NAMES = spellings([
  'host content-length content-type content-md5 content-encoding content-disposition content-language cache-control',
  'expires date range authorization user-agent accept accept-encoding accept-language connection expect',
  'if-match if-none-match if-modified-since if-unmodified-since origin referer cookie',
  'amz-sdk-invocation-id amz-sdk-request x-amz-user-agent x-amz-date x-amz-content-sha256 x-amz-security-token x-amz-acl',
  'x-amz-decoded-content-length x-amz-trailer x-amz-sdk-checksum-algorithm x-amz-checksum-mode x-amz-checksum-crc32',
  'x-amz-checksum-crc32c x-amz-checksum-crc64nvme x-amz-checksum-sha1 x-amz-checksum-sha256 x-amz-storage-class',
  'x-amz-tagging x-amz-copy-source x-amz-metadata-directive x-amz-expected-bucket-owner x-amz-request-payer x-headrace-ack',
]);

const LF = 10;
const CR = 13;
const TAB = 9;
const SPACE = 32;
const SLASH = 47;
const COLON = 58;

function spellings(lines: readonly string[]): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const name of lines.flatMap((line) => line.split(' '))) {
    names.set(name, name);
    names.set(
      name.replace(/(?<![^-])[a-z]/g, (letter) => letter.toUpperCase()),
      name,
    );
  }
  names.set('Content-MD5', 'content-md5');
  return names;
}

/** The plain head that begins at `start` of `bytes` and ends before `end`; undefined when there is none, whatever there is. */
export function parsePlainHead(bytes: Buffer, start: number, end: number): PlainHead | undefined {
  const endLines = bytes.indexOf(HEAD_END, start, 'latin1') + 2;
  // What lies behind `end` is of another request.
  if (endLines < start + 2 || endLines + 2 > end) return undefined;
  const text = bytes.toString('latin1', start, endLines);
  const methodEnd = text.indexOf(' ');
  if (methodEnd < 0 || methodEnd > METHOD_CHARACTERS_MAX) return undefined;
  const method = text.slice(0, methodEnd);
  if (!METHODS.has(method)) return undefined;
  const urlStart = start + methodEnd + 1;
  let at = skip(bytes, urlStart, TARGET);
  if (bytes[urlStart] !== SLASH || !text.startsWith(VERSION_LINE_END, at - start)) return undefined;
  const url = bytes.toString('latin1', urlStart, at);
  at += VERSION_LINE_END.length;
  const headers: Record<string, string> = {};
  const rawHeaders: string[] = [];
  while (at < endLines) {
    const nameEnd = skip(bytes, at, TOKEN);
    if (nameEnd === at || bytes[nameEnd] !== COLON || rawHeaders.length === 2 * HEADERS_MAX) return undefined;
    const spelled = text.slice(at - start, nameEnd - start);
    const valueStart = skipSpaces(bytes, nameEnd + 1);
    const lineEnd = skip(bytes, valueStart, VALUE);
    if (bytes[lineEnd] !== CR || bytes[lineEnd + 1] !== LF) return undefined;
    const valueEnd = backOverSpaces(bytes, valueStart, lineEnd);
    // White space, which readers do not all take for it around a number.
    if (bytes[valueStart] === TAB || bytes[valueEnd - 1] === TAB) return undefined;
    const value =
      valueEnd - valueStart <= COPIED_CHARACTERS_MAX
        ? text.slice(valueStart - start, valueEnd - start)
        : bytes.toString('latin1', valueStart, valueEnd);
    const name = NAMES.get(spelled) ?? spelled.toLowerCase();
    // Also those that every object has: they are no headers that anybody sends.
    if (headers[name] !== undefined || PLAIN_VALUES.get(name)?.test(value) === false) return undefined;
    headers[name] = value;
    rawHeaders.push(spelled, value);
    at = lineEnd + 2;
  }
  return {
    method,
    url,
    headers,
    rawHeaders,
    bodyBytes: Number(headers['content-length'] ?? 0),
    expectsContinue: headers['expect'] !== undefined,
    end: endLines + 2,
  };
}

function skipSpaces(bytes: Uint8Array, at: number): number {
  let index = at;
  while (bytes[index] === SPACE) index++;
  return index;
}

function backOverSpaces(bytes: Uint8Array, start: number, end: number): number {
  let index = end;
  while (index > start && bytes[index - 1] === SPACE) index--;
  return index;
}
