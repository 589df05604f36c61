/**
 * The queries of presigned URLs. A client signs many URLs in the same second, and their queries are the same but for the
 * signature: so the signature is cut out, and what the rest means is parsed once and remembered with its text.
 *
 * What proves who asks is kept apart from what is asked, so that to everything behind the authenticator most presigned requests
 * have no query at all.
 *
 * Anybody may fill what is remembered, so it is small: at most 1 MiB of texts, and 3 MiB of what the authenticator keeps with those
 * whose keys are known; the oldest forgotten first.
 */
import { BoundedMap } from '../../core/bounded-map.js';
import { invalidArgument } from './s3-error.js';

const SIGNATURE = 'X-Amz-Signature=';
/** Any other value is no signature and stays a parameter like others. */
const SIGNATURE_CHARACTERS = 64;
const AMPERSAND = 0x26;
const QUERIES_MAX = 1000;
const TEXT_CHARACTERS_MAX = 1024;
/** Of what is in front of a signature: as much as the time and what else clients have behind it. */
const FINGERPRINT_CHARACTERS = 96;
/** 2^32 divided by the golden ratio: odd, so that no step loses anything, and with bits everywhere. */
const FINGERPRINT_MULTIPLIER = 0x9e37_79b1;

/** The parameters of Signature Version 4 (S3 API reference, "Authenticating requests: using query parameters"). */
const SIGNING_PARAMETERS = new Set(
  'Algorithm Content-Sha256 Credential Date Expires Security-Token Signature SignedHeaders'
    .split(' ')
    .map((name) => `X-Amz-${name}`),
);

/**
 * Headers of S3 that a client put into the query of a presigned URL, so that whoever uses it need not send them: SDKs do so with
 * metadata, tags and lists. Checksums are left aside, as S3 leaves them: SDKs sign that of an empty body there. Lower-case names; values are byte strings, as those of headers.
 */
export type HoistedHeaders = Readonly<Record<string, string>>;
const HOISTED = /^x-amz-[\w-]+$/;
const CHECKSUM = /^x-amz-(?:sdk-checksum-algorithm|checksum-(?!mode$).*)$/;
/** No control characters: they could end a header early. */
const HEADER_TEXT = /^[\t\x20-\x7e\x80-\u{10ffff}]*$/u;
const OUTER_SPACES = /^[ \t]+|[ \t]+$/g;
const SIGNING_NAMES = new Set([...SIGNING_PARAMETERS].map((name) => name.toLowerCase()));

export type Parameters = ReadonlyMap<string, string>;

/** What signs a presigned URL, but for the signature. */
export class SigningParameters extends Map<string, string> {
  /** Where the signature begins in every query that they stand for; -1 when there is none that has the length of one. */
  readonly signatureAt: number;
  /** What the authenticator made of them when it last read them: kept here, so that it needs not be looked up. */
  reading: object | undefined = undefined;

  constructor(signatureAt: number) {
    super();
    this.signatureAt = signatureAt;
  }
}

/** What a query says. Shared by all requests that have the same, as long as it is remembered. */
export interface QueryMeaning {
  /** What is asked. */
  readonly query: Parameters;
  /** What proves who asks, in a presigned URL; undefined in any other. */
  readonly signing: SigningParameters | undefined;
  /** Headers that came in the query of a presigned URL; undefined for none. */
  readonly hoisted: HoistedHeaders | undefined;
}

interface KnownQuery {
  /** Up to the signature, and behind it. */
  readonly before: string;
  readonly behind: string;
  readonly meaning: QueryMeaning;
}

/** By `fingerprint`: to hash a whole query for each request costs more than all else that is done with it. */
const queries = new BoundedMap<number, KnownQuery>(QUERIES_MAX);

/** The signature of a presigned URL: the first value of its parameter, when it has the length of one. */
export function signatureOf(signing: SigningParameters, rawQuery: string): string | undefined {
  const { signatureAt } = signing;
  return signatureAt < 0 ? undefined : rawQuery.slice(signatureAt, signatureAt + SIGNATURE_CHARACTERS);
}

/** The query as it came without the parameter that `signatureOf` returns. */
export function withoutSignature({ signatureAt }: SigningParameters, rawQuery: string): string {
  return signatureAt < 0 ? rawQuery : cutOut(rawQuery, signatureAt);
}

function cutOut(rawQuery: string, start: number): string {
  const before = start - SIGNATURE.length - 1;
  const end = start + SIGNATURE_CHARACTERS;
  return before < 0 ? rawQuery.slice(end + 1) : rawQuery.slice(0, before) + rawQuery.slice(end);
}

/**
 * What a query says, without the signature that `signatureOf` returns: all of `target` from `from` on, since characters of a text
 * that is not part of another are found in half the time. Throws InvalidArgument, and what `parse` throws.
 */
export function meaningOf(
  target: string,
  from: number,
  parse: (query: string) => Map<string, string>,
): QueryMeaning {
  // Most have it at their end.
  const last = target.length - SIGNATURE_CHARACTERS;
  const known = last - from < SIGNATURE.length ? undefined : knownAround(target, from, last);
  if (known !== undefined) return known;
  const start = findSignature(target, from);
  if (start < 0) return split(parse(target.slice(from)), start);
  return knownAround(target, from, start) ?? read(target.slice(from), start - from, parse);
}

/** What is remembered of a query whose signature, if it is one, begins at `start`. */
function knownAround(target: string, from: number, start: number): QueryMeaning | undefined {
  const known = queries.get(fingerprint(target, from, start));
  if (known === undefined || target.slice(from, start) !== known.before) return undefined;
  const end = start + SIGNATURE_CHARACTERS;
  if (target.slice(end) !== known.behind) return undefined;
  // In what is before it the search for the signature ended here, so that it does again.
  return isSignature(target, start) ? known.meaning : undefined;
}

function read(rawQuery: string, start: number, parse: (query: string) => Map<string, string>): QueryMeaning {
  if (rawQuery.length > TEXT_CHARACTERS_MAX) return split(parse(cutOut(rawQuery, start)), start);
  const text = copyOf(rawQuery);
  const meaning = split(parse(cutOut(text, start)), start);
  const name = fingerprint(text, 0, start);
  const behind = text.slice(start + SIGNATURE_CHARACTERS);
  queries.set(name, { before: text.slice(0, start), behind, meaning });
  return meaning;
}

/** What is cut out of a text keeps all of it in memory, and this one is part of a URL that may be long. */
function copyOf(text: string): string {
  const copy = Buffer.from(text, 'latin1').toString('latin1');
  return copy === text ? copy : text;
}

/**
 * Of queries with other names nothing is the same but by chance, or because somebody made them so: then they take each other's
 * place, and are parsed each time. It is made of the length and of the parameters in front of the signature, among which clients
 * have the time.
 */
function fingerprint(target: string, from: number, start: number): number {
  const end = start - SIGNATURE.length;
  let hash = target.length - from;
  // Two at a time: each step waits for the one before.
  for (let at = Math.max(from, end - FINGERPRINT_CHARACTERS); at + 1 < end; at += 2)
    hash = Math.imul(
      hash ^ ((target.charCodeAt(at) << 8) | target.charCodeAt(at + 1)),
      FINGERPRINT_MULTIPLIER,
    );
  return hash;
}

/** `signatureAt` is where a signature begins that is not among the parameters; -1 for none. */
function split(parameters: Map<string, string>, signatureAt: number): QueryMeaning {
  if (signatureAt < 0 && !parameters.has('X-Amz-Algorithm') && !parameters.has('X-Amz-Signature'))
    return { query: parameters, signing: undefined, hoisted: undefined };
  const signing = new SigningParameters(signatureAt);
  let hoisted: Record<string, string> | undefined;
  for (const [name, value] of parameters) {
    const header = name.toLowerCase();
    if (SIGNING_PARAMETERS.has(name)) signing.set(name, value);
    else if (isHoisted(header)) (hoisted ??= {})[header] ??= headerValue(name, value);
    else continue;
    parameters.delete(name);
  }
  return { query: parameters, signing, hoisted };
}

function isHoisted(header: string): boolean {
  return HOISTED.test(header) && !SIGNING_NAMES.has(header) && !CHECKSUM.test(header);
}

/** Throws InvalidArgument. */
function headerValue(name: string, text: string): string {
  if (!HEADER_TEXT.test(text))
    throw invalidArgument(`The value of ${name} has characters that no header may have.`, name, text);
  return Buffer.from(text, 'utf8').toString('latin1').replaceAll(OUTER_SPACES, '');
}

/** Where the signature begins in `target`; -1 for none. */
function findSignature(target: string, from: number): number {
  const at = target.indexOf(SIGNATURE, from);
  if (at < 0 || (at > from && target.charCodeAt(at - 1) !== AMPERSAND)) return -1;
  const start = at + SIGNATURE.length;
  return isSignature(target, start) ? start : -1;
}

/** Whether a value that begins at `start` ends where a signature does, and is written as it is. */
function isSignature(target: string, start: number): boolean {
  const end = start + SIGNATURE_CHARACTERS;
  const ampersand = target.indexOf('&', start);
  if ((ampersand < 0 ? target.length : ampersand) !== end) return false;
  const percent = target.indexOf('%', start);
  return percent < 0 || percent >= end;
}
