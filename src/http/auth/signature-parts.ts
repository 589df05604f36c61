/**
 * What a signed request says about its signature, in the Authorization header or in the query of a presigned URL. Only read and
 * checked for form here; messages and codes are those of S3.
 */
import { signatureOf, withoutSignature, type SigningParameters } from '../s3/presigned-query.js';
import { S3Error } from '../s3/s3-error.js';
import { parseCompactDate, parseDate, formatCompactDate } from '../s3/timestamps.js';
import type { AuthenticationRequest } from './authenticator.js';
import { canonicalQuery } from './canonical-request.js';
import { ALGORITHM, parseClaim, startOfString } from './signature-claims.js';
import type { SignatureClaim, SignatureClaims } from './signature-claims.js';
import { SigningRoom } from './signing-room.js';

/** Longest life of a presigned URL: a week. */
const EXPIRES_SECONDS_MAX = 604_800;

export interface SignatureParts {
  readonly claim: SignatureClaim;
  /** When it was signed, as signed: `20130524T000000Z`. */
  readonly time: string;
  readonly timeMs: number;
  readonly payload: string;
  /** The canonical query: without the signature, encoded and sorted. */
  readonly query: string;
  /** How the string to sign begins: algorithm, time and scope, a line each. */
  readonly start: string;
  /** Seconds that a presigned URL is good for; undefined for a header. */
  readonly expiresSeconds: number | undefined;
  /** Whether it comes with the token of temporary credentials. */
  readonly hasToken: boolean;
  /** Where it is verified, and the next request that is signed alike. */
  readonly room: SigningRoom;
}

/** A signature as it came, and what else the header says. */
export interface HeaderParts extends SignatureParts {
  readonly signature: string;
}

const HEADER = /^AWS4-HMAC-SHA256 +Credential=([^,]+), *SignedHeaders=([^,]+), *Signature=([^, ]+) *$/;
const SIGNATURE = /^[\da-f]{64}$/;
const TOKEN_HEADER = 'x-amz-security-token';
const TOKEN_PARAMETER = 'X-Amz-Security-Token';
const SIGNATURE_CHARACTERS = 64;

/** Throws AuthorizationHeaderMalformed, InvalidRequest, InvalidArgument, AccessDenied. */
export function partsOfHeader(
  request: AuthenticationRequest,
  authorization: string,
  claims: SignatureClaims,
): HeaderParts {
  const { claim, signature } = parseHeader(authorization, claims);
  const { time, timeMs } = timeOfHeader(request);
  const { date } = claim.scope;
  if (!time.startsWith(date))
    throw malformed(
      `Invalid credential date "${date}". This date is not the same as X-Amz-Date: "${time.slice(0, 8)}"`,
    );
  const payload = request.headers['x-amz-content-sha256'];
  if (typeof payload !== 'string')
    throw new S3Error('InvalidRequest', 'Missing required header for this request: x-amz-content-sha256');
  const query = request.rawQuery === '' ? '' : canonicalQuery(request.rawQuery);
  const start = startOfString(claim, time);
  const hasToken = TOKEN_HEADER in request.headers || request.query.has(TOKEN_PARAMETER);
  return {
    claim,
    signature,
    time,
    timeMs,
    payload,
    query,
    start,
    expiresSeconds: undefined,
    hasToken,
    room: claim.room,
  };
}

/** For a signature that does not fit, so that only wrong ones are looked at twice. Throws AuthorizationHeaderMalformed. */
export function checkSignatureForm({ expiresSeconds }: SignatureParts, signature: string): void {
  if (expiresSeconds === undefined && !SIGNATURE.test(signature))
    throw malformed('the Signature is not 64 hexadecimal digits');
}

/** The signature is last, and what is before it is the same in all requests of a client. */
function parseHeader(
  authorization: string,
  claims: SignatureClaims,
): { claim: SignatureClaim; signature: string } {
  const at = authorization.length - SIGNATURE_CHARACTERS;
  const text = authorization.slice(0, at);
  const known = claims.get(text);
  if (known !== undefined) return { claim: known, signature: authorization.slice(at) };
  const match = HEADER.exec(authorization) ?? inAnyOrder(authorization);
  if (match === undefined) throw headerMalformed(authorization);
  const [, credential = '', signedHeaders = '', signature = ''] = match;
  const claim = parseClaim(credential, signedHeaders, (what) => malformed(what));
  if (text.endsWith('Signature=')) claims.add(text, claim);
  return { claim, signature };
}

/** The three fields in another order than every SDK has them. */
function inAnyOrder(authorization: string): string[] | undefined {
  if (!authorization.startsWith(`${ALGORITHM} `)) return undefined;
  const fields = new Map<string, string>();
  for (const field of authorization.slice(ALGORITHM.length).split(',')) {
    const equals = field.indexOf('=');
    fields.set(field.slice(0, Math.max(0, equals)).trim(), field.slice(equals + 1).trim());
  }
  const values = ['Credential', 'SignedHeaders', 'Signature'].map((name) => fields.get(name) ?? '');
  return values.includes('') ? undefined : ['', ...values];
}

function headerMalformed(authorization: string): S3Error {
  if (/^(AWS |AWS4-ECDSA)/.test(authorization)) return unsupportedMechanism();
  if (!authorization.startsWith(ALGORITHM))
    return new S3Error('InvalidArgument', 'Unsupported Authorization Type');
  return malformed('it needs a Credential, SignedHeaders and a Signature');
}

/** Signature Version 2 and asymmetric signatures. */
export function unsupportedMechanism(): S3Error {
  return new S3Error(
    'InvalidRequest',
    `The authorization mechanism you have provided is not supported. Please use ${ALGORITHM}.`,
  );
}

function malformed(what: string): S3Error {
  return new S3Error('AuthorizationHeaderMalformed', `The authorization header is malformed; ${what}.`);
}

function timeOfHeader(request: AuthenticationRequest): { time: string; timeMs: number } {
  const stated = request.headers['x-amz-date'];
  const time = typeof stated === 'string' ? stated : '';
  const timeMs = parseCompactDate(time);
  if (timeMs !== undefined) return { time, timeMs };
  const dateMs = stated === undefined ? parseDate(request.headers.date ?? '') : undefined;
  if (dateMs !== undefined) return { time: formatCompactDate(dateMs), timeMs: dateMs };
  throw new S3Error('AccessDenied', 'AWS authentication requires a valid Date or x-amz-date header');
}

/** What the query of a presigned URL says besides the signature. Kept with its parameters, which URLs of the same second share. */
class QueryParts {
  readonly claim: SignatureClaim;
  readonly time: string;
  readonly timeMs: number;
  readonly payload: string;
  readonly query: string;
  readonly start: string;
  readonly expiresSeconds: number;
  readonly hasToken: boolean;
  readonly room = new SigningRoom();

  constructor(parts: Omit<SignatureParts, 'room'> & { readonly expiresSeconds: number }) {
    this.claim = parts.claim;
    this.time = parts.time;
    this.timeMs = parts.timeMs;
    this.payload = parts.payload;
    this.query = parts.query;
    this.start = parts.start;
    this.expiresSeconds = parts.expiresSeconds;
    this.hasToken = parts.hasToken;
  }
}

/** The signature of a presigned URL as it came. Throws AuthorizationQueryParametersError. */
export function signatureInQuery({ rawQuery }: AuthenticationRequest, parameters: SigningParameters): string {
  return signatureOf(parameters, rawQuery) ?? parameter(parameters, 'X-Amz-Signature');
}

/** `parameters` are those that sign. Throws AuthorizationQueryParametersError, InvalidRequest. */
export function partsOfQuery(
  { rawQuery, headers }: AuthenticationRequest,
  parameters: SigningParameters,
  claims: SignatureClaims,
): SignatureParts {
  const { reading } = parameters;
  const parts = reading instanceof QueryParts ? reading : readQueryParts(parameters, rawQuery, claims);
  const payload = headers['x-amz-content-sha256'];
  if (payload === undefined && headers[TOKEN_HEADER] === undefined) return parts;
  const { claim, time, timeMs, query, start, expiresSeconds, room } = parts;
  return {
    claim,
    time,
    timeMs,
    query,
    start,
    expiresSeconds,
    room,
    payload: typeof payload === 'string' ? payload : parts.payload,
    hasToken: parts.hasToken || headers[TOKEN_HEADER] !== undefined,
  };
}

function readQueryParts(
  parameters: SigningParameters,
  rawQuery: string,
  claims: SignatureClaims,
): QueryParts {
  const query = canonicalQuery(withoutSignature(parameters, rawQuery), 'X-Amz-Signature');
  const parts = parseQueryParts(parameters, query, claims);
  parameters.reading = parts;
  return parts;
}

function parseQueryParts(
  parameters: ReadonlyMap<string, string>,
  query: string,
  claims: SignatureClaims,
): QueryParts {
  const algorithm = parameter(parameters, 'X-Amz-Algorithm');
  const credential = parameter(parameters, 'X-Amz-Credential');
  const time = parameter(parameters, 'X-Amz-Date');
  const signedHeaders = parameter(parameters, 'X-Amz-SignedHeaders');
  const expires = parameter(parameters, 'X-Amz-Expires');
  if (algorithm.startsWith('AWS4-ECDSA')) throw unsupportedMechanism();
  if (algorithm !== ALGORITHM) throw queryError(`X-Amz-Algorithm only supports "${ALGORITHM}"`);
  const timeMs = parseCompactDate(time);
  if (timeMs === undefined)
    throw queryError(`X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd'T'HHmmss'Z'"`);
  const text = `${credential}\n${signedHeaders}`;
  let claim = claims.get(text);
  if (claim === undefined) {
    claim = parseClaim(credential, signedHeaders, (what) =>
      queryError(`Error parsing the X-Amz-Credential parameter; ${what}.`),
    );
    claims.add(text, claim);
  }
  if (!time.startsWith(claim.scope.date))
    throw queryError(
      `Invalid credential date "${claim.scope.date}". This date is not the same as X-Amz-Date: "${time.slice(0, 8)}".`,
    );
  const payload = parameters.get('X-Amz-Content-Sha256') ?? 'UNSIGNED-PAYLOAD';
  const start = startOfString(claim, time);
  const hasToken = parameters.has(TOKEN_PARAMETER);
  return new QueryParts({
    claim,
    time,
    timeMs,
    payload,
    query,
    start,
    expiresSeconds: parseExpires(expires),
    hasToken,
  });
}

function parameter(query: ReadonlyMap<string, string>, name: string): string {
  const value = query.get(name);
  if (value !== undefined && value !== '') return value;
  throw queryError(
    'Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.',
  );
}

function parseExpires(text: string): number {
  if (!/^-?\d{1,12}$/.test(text)) throw queryError('X-Amz-Expires should be a number');
  const seconds = Number(text);
  if (seconds < 0) throw queryError('X-Amz-Expires must be non-negative');
  if (seconds > EXPIRES_SECONDS_MAX)
    throw queryError(
      `X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than ${EXPIRES_SECONDS_MAX} seconds`,
    );
  return seconds;
}

function queryError(message: string): S3Error {
  return new S3Error('AuthorizationQueryParametersError', message);
}
