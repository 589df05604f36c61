/**
 * What a request's URL means: bucket, key and query, taken from the raw request line.
 *
 * A key is any text: `//`, `.`, `..` and a trailing `/` are part of it, so nothing is normalised and the platform's URL parser
 * is not used. Percent-encoding is undone once; what is not UTF-8 then is refused. `+` is a plus sign in the path and a
 * space in the query, as S3 has it.
 */
import {
  meaningOf,
  type HoistedHeaders,
  type Parameters,
  type QueryMeaning,
  type SigningParameters,
} from './presigned-query.js';
import { S3Error } from './s3-error.js';

/** Query parameters of one request; far more than any S3 operation has. */
const QUERY_PARAMETERS_MAX = 100;

export interface RequestTarget {
  /** The path as it came, before any decoding: signatures are made over it. */
  readonly rawPath: string;
  /** What follows the `?`, as it came. */
  readonly rawQuery: string;
  /** '' on the service itself. */
  readonly bucket: string;
  /** '' on a bucket. */
  readonly key: string;
  /** The first value of each parameter, without those that sign a presigned URL. */
  readonly query: Parameters;
  /** Those that sign a presigned URL, but for the signature; undefined in any other. */
  readonly signing: SigningParameters | undefined;
  /** Headers that a presigned URL brings in its query; undefined for none. */
  readonly hoisted: HoistedHeaders | undefined;
}

const NO_QUERY: QueryMeaning = { query: new Map(), signing: undefined, hoisted: undefined };
/** Of what was not understood. */
export const NOWHERE: RequestTarget = { rawPath: '', rawQuery: '', bucket: '', key: '', ...NO_QUERY };
const PLAIN = /^[\x21-\x24\x26-\x7e]*$/;
const ASCII = /^[\0-\x7f]*$/;
const NOT_ASCII = /[\x80-\xff]/g;

/**
 * Reads a request line's target. `host` is the Host header and `domains` the names under which buckets are subdomains
 * (virtual-host style). Throws InvalidURI.
 */
export function parseTarget(
  url: string,
  host: string | undefined,
  domains: readonly string[],
): RequestTarget {
  const target = originForm(url);
  const queryAt = target.indexOf('?');
  const rawPath = queryAt < 0 ? target : target.slice(0, queryAt);
  const rawQuery = queryAt < 0 ? '' : target.slice(queryAt + 1);
  const { query, signing, hoisted } = rawQuery === '' ? NO_QUERY : meaningOf(target, queryAt + 1, parseQuery);
  const hostBucket = domains.length === 0 || host === undefined ? undefined : bucketOfHost(host, domains);
  if (hostBucket !== undefined)
    return {
      rawPath,
      rawQuery,
      bucket: hostBucket,
      key: decodePath(rawPath.slice(1)),
      query,
      signing,
      hoisted,
    };
  const slash = rawPath.indexOf('/', 1);
  const bucket = decodePath(slash < 0 ? rawPath.slice(1) : rawPath.slice(1, slash));
  const key = slash < 0 ? '' : decodePath(rawPath.slice(slash + 1));
  return { rawPath, rawQuery, bucket, key, query, signing, hoisted };
}

/** Clients of a proxy send the whole URL; the part before the path is dropped. */
function originForm(url: string): string {
  if (url.startsWith('/')) return url;
  const absolute = /^https?:\/\/[^/?]*(.*)$/i.exec(url);
  const rest = absolute?.[1];
  if (rest === undefined) throw new S3Error('InvalidURI', undefined, { elements: { URI: url } });
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/** `bucket.s3.example.com:29998` with the domain `s3.example.com` is the bucket `bucket`. */
function bucketOfHost(host: string, domains: readonly string[]): string | undefined {
  const colon = host.lastIndexOf(':');
  const name = (colon > host.lastIndexOf(']') ? host.slice(0, colon) : host).toLowerCase();
  for (const domain of domains)
    if (name.length > domain.length + 1 && name.endsWith(domain) && name.at(-domain.length - 1) === '.')
      return name.slice(0, -domain.length - 1);
  return undefined;
}

/** Undoes percent-encoding; bytes that are not UTF-8 are refused with InvalidURI. */
export function decodePath(text: string): string {
  if (PLAIN.test(text)) return text;
  try {
    return decodeURIComponent(ASCII.test(text) ? text : escapeBytes(text));
  } catch (cause) {
    throw new S3Error(
      'InvalidURI',
      `Couldn't parse the specified URI: ${text} is not percent-encoded UTF-8.`,
      {
        cause,
        elements: { URI: text },
      },
    );
  }
}

/** Bytes that a client did not encode are one character each. */
function escapeBytes(text: string): string {
  return text.replace(NOT_ASCII, (byte) => `%${byte.charCodeAt(0).toString(16)}`);
}

/** What a decoder has to look at: escapes, `+`, and what should have been escaped. */
const NOT_PLAIN = /[^\x21-\x24\x26-\x2a\x2c-\x7e]/g;

/** Splits `a=1&b` into names and values. Throws InvalidURI. */
export function parseQuery(rawQuery: string): Map<string, string> {
  const query = new Map<string, string>();
  let toDecode = nextToDecode(rawQuery, 0);
  for (let start = 0; start < rawQuery.length;) {
    const ampersand = rawQuery.indexOf('&', start);
    const end = ampersand < 0 ? rawQuery.length : ampersand;
    const equals = rawQuery.indexOf('=', start);
    const nameEnd = equals < 0 || equals > end ? end : equals;
    let name = rawQuery.slice(start, nameEnd);
    let value = rawQuery.slice(Math.min(end, nameEnd + 1), end);
    // Hardly any parameter has something to decode, so that all are searched for it at once.
    if (toDecode < end) {
      name = decodeQueryText(name);
      value = query.has(name) ? '' : decodeQueryText(value);
      toDecode = nextToDecode(rawQuery, end);
    }
    if (end > start && !query.has(name)) query.set(name, value);
    if (query.size > QUERY_PARAMETERS_MAX)
      throw new S3Error('InvalidURI', `A request has at most ${QUERY_PARAMETERS_MAX} query parameters.`);
    start = end + 1;
  }
  return query;
}

/** Where the next character from `start` on is that is not what it stands for. */
function nextToDecode(text: string, start: number): number {
  NOT_PLAIN.lastIndex = start;
  return NOT_PLAIN.test(text) ? NOT_PLAIN.lastIndex - 1 : text.length;
}

function decodeQueryText(text: string): string {
  return decodePath(text.includes('+') ? text.replaceAll('+', '%20') : text);
}
