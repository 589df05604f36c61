/**
 * Whole answers of HTTP/1.1 to requests that have a body: RFC 9112, sections 4 to 7. What an answer may be by the standard and is
 * never in the answer to a small PUT (longer than `ANSWER_BYTES_MAX`, compressed in transit) is an error.
 */
import { KIB, MIB } from '../../core/units.js';

export interface SmallAnswer {
  readonly status: number;
  /** Names in lower case; the values of one that comes again are joined with a comma. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** Whether the connection may be used again. */
  readonly keepsOpen: boolean;
  /** That the answer took, interim ones included. */
  readonly bytes: number;
}

const HEAD_BYTES_MAX = 64 * KIB;
const ANSWER_BYTES_MAX = MIB;
const STATUS_LINE = /^HTTP\/1\.([01]) (\d{3})(?: |$)/;
const LENGTH = /^\d{1,15}$/;
const CHUNK_LENGTH = /^([\da-f]{1,8})(?:[ \t]*;.*)?$/i;
const LINE_END = '\r\n';

/** Undefined when more is to come; `isAll`: nothing more will. Throws when it is no answer, or too long. */
export function parseAnswer(bytes: Buffer, isAll: boolean): SmallAnswer | undefined {
  if (bytes.length > ANSWER_BYTES_MAX) throw new Error(`the answer is longer than ${ANSWER_BYTES_MAX} bytes`);
  for (let start = 0; ;) {
    const headEnd = bytes.indexOf('\r\n\r\n', start, 'latin1');
    if (headEnd < 0) {
      if (bytes.length - start > HEAD_BYTES_MAX)
        throw new Error(`the head of the answer is longer than ${HEAD_BYTES_MAX} bytes`);
      return undefined;
    }
    const head = parseHead(bytes.toString('latin1', start, headEnd));
    const bodyAt = headEnd + 2 * LINE_END.length;
    if (head.status >= 200) return withBody(head, bytes, bodyAt, isAll);
    if (head.status === 101)
      throw new Error('the store switched to another protocol, which nobody asked for');
    start = bodyAt;
  }
}

interface Head {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly keepsOpen: boolean;
}

function parseHead(text: string): Head {
  const [first = '', ...lines] = text.split(LINE_END);
  const [, minor, digits] = STATUS_LINE.exec(first) ?? [];
  if (digits === undefined) throw new Error(`"${first.slice(0, 100)}" is no status line of HTTP/1.1`);
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon <= 0) throw new Error(`"${line.slice(0, 100)}" is no header`);
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    const before = headers[name];
    headers[name] = before === undefined ? value : `${before}, ${value}`;
  }
  const connection = (headers['connection'] ?? '').toLowerCase();
  const keepsOpen = minor === '1' ? !connection.includes('close') : connection.includes('keep-alive');
  return { status: Number(digits), headers, keepsOpen };
}

function withBody(head: Head, bytes: Buffer, bodyAt: number, isAll: boolean): SmallAnswer | undefined {
  const { status, headers } = head;
  const coding = headers['transfer-encoding'];
  if (status === 204 || status === 304) return { ...head, body: bytes.subarray(0, 0), bytes: bodyAt };
  if (coding !== undefined) {
    if (coding.toLowerCase() !== 'chunked')
      throw new Error(`the answer has the transfer coding "${coding}", which nobody asked for`);
    return withChunks(head, bytes, bodyAt);
  }
  const length = headers['content-length'];
  if (length === undefined) {
    // It ends with the connection.
    if (!isAll) return undefined;
    return { ...head, body: Buffer.from(bytes.subarray(bodyAt)), keepsOpen: false, bytes: bytes.length };
  }
  if (!LENGTH.test(length)) throw new Error(`the answer has the length "${length}"`);
  const end = bodyAt + Number(length);
  if (end > ANSWER_BYTES_MAX) throw new Error(`the answer is longer than ${ANSWER_BYTES_MAX} bytes`);
  return end > bytes.length
    ? undefined
    : { ...head, body: Buffer.from(bytes.subarray(bodyAt, end)), bytes: end };
}

function withChunks(head: Head, bytes: Buffer, bodyAt: number): SmallAnswer | undefined {
  const chunks: Buffer[] = [];
  for (let at = bodyAt; ;) {
    const lineEnd = bytes.indexOf(LINE_END, at, 'latin1');
    if (lineEnd < 0) return undefined;
    const line = bytes.toString('latin1', at, lineEnd);
    const digits = CHUNK_LENGTH.exec(line)?.[1];
    if (digits === undefined) throw new Error(`"${line.slice(0, 100)}" is no length of a chunk`);
    const start = lineEnd + LINE_END.length;
    const length = Number.parseInt(digits, 16);
    if (length === 0) {
      const end = trailerEnd(bytes, start);
      return end === undefined ? undefined : { ...head, body: Buffer.concat(chunks), bytes: end };
    }
    at = start + length + LINE_END.length;
    if (at > bytes.length) return undefined;
    chunks.push(bytes.subarray(start, start + length));
  }
}

/** Behind the empty line that ends the trailer, which is not looked at. */
function trailerEnd(bytes: Buffer, start: number): number | undefined {
  for (let at = start; ;) {
    const lineEnd = bytes.indexOf(LINE_END, at, 'latin1');
    if (lineEnd < 0) return undefined;
    if (lineEnd === at) return at + LINE_END.length;
    at = lineEnd + LINE_END.length;
  }
}
