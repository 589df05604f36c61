/**
 * What a signed request says about its signature, in the Authorization header or in the query of a presigned URL. Only read and
 * checked for form here; messages and codes are those of S3.
 */
import { S3Error } from '../s3/s3-error.js';
import { parseCompactDate, parseDate, formatCompactDate } from '../s3/timestamps.js';
import type { AuthenticationRequest } from './authenticator.js';
import { parseClaim } from './signature-claims.js';
import type { SignatureClaim, SignatureClaims } from './signature-claims.js';

export const ALGORITHM = 'AWS4-HMAC-SHA256';
/** Longest life of a presigned URL: a week. */
const EXPIRES_SECONDS_MAX = 604_800;

export interface SignatureParts {
  readonly claim: SignatureClaim;
  /** 64 hexadecimal digits, lower case. */
  readonly signature: string;
  /** When it was signed, as signed: `20130524T000000Z`. */
  readonly time: string;
  readonly timeMs: number;
  readonly payload: string;
  /** Seconds that a presigned URL is good for; undefined for a header. */
  readonly expiresSeconds: number | undefined;
}

const HEADER = /^AWS4-HMAC-SHA256 +Credential=([^,]+), *SignedHeaders=([^,]+), *Signature=([^, ]+) *$/;
const SIGNATURE = /^[\da-f]{64}$/;
const SIGNATURE_CHARACTERS = 64;

/** Throws AuthorizationHeaderMalformed, InvalidRequest, InvalidArgument, AccessDenied. */
export function partsOfHeader(
  request: AuthenticationRequest,
  authorization: string,
  claims: SignatureClaims,
): SignatureParts {
  const { claim, signature } = parseHeader(authorization, claims);
  const { time, timeMs } = timeOfHeader(request);
  if (!SIGNATURE.test(signature)) throw malformed('the Signature is not 64 hexadecimal digits');
  const { date } = claim.scope;
  if (!time.startsWith(date))
    throw malformed(
      `Invalid credential date "${date}". This date is not the same as X-Amz-Date: "${time.slice(0, 8)}"`,
    );
  const payload = request.headers['x-amz-content-sha256'];
  if (typeof payload !== 'string')
    throw new S3Error('InvalidRequest', 'Missing required header for this request: x-amz-content-sha256');
  return { claim, signature, time, timeMs, payload, expiresSeconds: undefined };
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

const QUERY_PARAMETERS = [
  'X-Amz-Algorithm',
  'X-Amz-Credential',
  'X-Amz-Signature',
  'X-Amz-Date',
  'X-Amz-SignedHeaders',
  'X-Amz-Expires',
];

/** Throws AuthorizationQueryParametersError, InvalidRequest. */
export function partsOfQuery(request: AuthenticationRequest, claims: SignatureClaims): SignatureParts {
  const [algorithm = '', credential = '', signature = '', time = '', signedHeaders = '', expires = ''] =
    QUERY_PARAMETERS.map((name) => request.query.get(name));
  if ([algorithm, credential, signature, time, signedHeaders, expires].includes(''))
    throw queryError(
      'Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.',
    );
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
  const stated = request.headers['x-amz-content-sha256'] ?? request.query.get('X-Amz-Content-Sha256');
  const payload = typeof stated === 'string' ? stated : 'UNSIGNED-PAYLOAD';
  return { claim, signature, time, timeMs, payload, expiresSeconds: parseExpires(expires) };
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
