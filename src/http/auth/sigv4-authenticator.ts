/**
 * Signature Version 4: in the Authorization header, in presigned URLs and in the chunks of aws-chunked bodies (S3 API
 * reference, "Authenticating requests").
 *
 * Signatures are compared in constant time. A header is good for 15 minutes around its time, a presigned URL until it expires.
 * No verdict is remembered, only what texts mean and what hashes say: a key that was disabled ends its URLs at once, and a table of
 * what was let in would tell by its speed what signatures are. Every `x-amz-*` header that came must have been signed, so that nobody on the way can add a meaning to a request.
 */
import type { Clock } from '../../core/ports.js';
import { sha256Of, type SigningKey } from '../../core/signing-key.js';
import { MINUTE_MS, SECOND_MS } from '../../core/units.js';
import { S3Error } from '../s3/s3-error.js';
import { formatXmlDate } from '../s3/timestamps.js';
import type { Authenticator, AuthenticationRequest, ChunkVerifier, Identity } from './authenticator.js';
import { canonicalPath, canonicalRequest } from './canonical-request.js';
import type { Credential, CredentialStore } from './credential-store.js';
import { checkForm } from './form-signature.js';
import { KnownSignatures } from './known-signatures.js';
import {
  checkSignatureForm,
  partsOfHeader,
  partsOfQuery,
  signatureInQuery,
  unsupportedMechanism,
} from './signature-parts.js';
import type { SignatureParts } from './signature-parts.js';
import { ALGORITHM, SignatureClaims } from './signature-claims.js';
import { isSameSignature, SigningKeys } from './signing-keys.js';

const SKEW_MS_MAX = 15 * MINUTE_MS;
const ANONYMOUS: Identity = { accessKeyId: undefined, user: undefined };
const UNSIGNED_PAYLOAD = 'UNSIGNED-PAYLOAD';
/** The first letter of the headers that have to be signed. */
const X = 0x78;
const SIGNED_CHUNKS = /^STREAMING-AWS4-HMAC-SHA256-PAYLOAD(?:-TRAILER)?$/;

export interface SigV4Options {
  readonly credentials: CredentialStore;
  readonly clock: Clock;
  /** Whether requests without a signature are let in, as anonymous. */
  readonly anonymous: boolean;
}

export class SigV4Authenticator implements Authenticator {
  readonly #credentials: CredentialStore;
  readonly #clock: Clock;
  readonly #anonymous: boolean;
  readonly #keys = new SigningKeys();
  readonly #claims = new SignatureClaims();
  readonly #presigned = new KnownSignatures();

  constructor({ credentials, clock, anonymous }: SigV4Options) {
    this.#credentials = credentials;
    this.#clock = clock;
    this.#anonymous = anonymous;
  }

  /** Throws the errors of S3 that say what is wrong with a signature. */
  authenticate(request: AuthenticationRequest): Identity {
    const { query, signing } = request;
    const { authorization } = request.headers;
    if (query.size > 0 && query.has('AWSAccessKeyId') && query.has('Signature')) throw unsupportedMechanism();
    if (signing === undefined) {
      if (authorization !== undefined) {
        const parts = partsOfHeader(request, authorization, this.#claims);
        return this.#verify(request, parts, parts.signature);
      }
      if (this.#anonymous) return ANONYMOUS;
      throw new S3Error('AccessDenied');
    }
    if (authorization !== undefined)
      throw new S3Error(
        'InvalidArgument',
        'Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified',
      );
    const signature = signatureInQuery(request, signing);
    return this.#verify(request, partsOfQuery(request, signing, this.#claims), signature);
  }

  authenticateForm(fields: ReadonlyMap<string, string>): Identity {
    const signed = checkForm(fields);
    if (signed === undefined) {
      if (this.#anonymous) return ANONYMOUS;
      throw new S3Error('AccessDenied');
    }
    const { claim, policy, signature } = signed;
    const { accessKeyId } = claim;
    const { user, secretAccessKey } = this.#find(accessKeyId, fields.has('x-amz-security-token'));
    if (isSameSignature(signature, this.#keys.get(accessKeyId, secretAccessKey, claim.scope).sign(policy)))
      return { accessKeyId, user };
    throw new S3Error('SignatureDoesNotMatch', undefined, {
      elements: { AWSAccessKeyId: accessKeyId, StringToSign: policy, SignatureProvided: signature },
    });
  }

  #verify(request: AuthenticationRequest, parts: SignatureParts, signature: string): Identity {
    const { claim, payload } = parts;
    const { accessKeyId, scope } = claim;
    const credential = this.#find(accessKeyId, parts.hasToken);
    this.#checkTime(parts);
    checkSignedHeaders(request, parts);
    const key = this.#keys.get(accessKeyId, credential.secretAccessKey, scope);
    if (!this.#isKnown(request, parts, signature, key)) {
      checkSignature(request, parts, signature, key);
      if (parts.expiresSeconds !== undefined && parts.claim.signedHeadersText === 'host')
        this.#presigned.add(request, parts, key, signature);
    }
    const { user } = credential;
    if (payload !== UNSIGNED_PAYLOAD && SIGNED_CHUNKS.test(payload))
      return { accessKeyId, user, chunks: new SignedChunks(parts, signature, key) };
    return parts.expiresSeconds === undefined ? { accessKeyId, user } : { accessKeyId, user, payload };
  }

  #isKnown(
    request: AuthenticationRequest,
    parts: SignatureParts,
    signature: string,
    key: SigningKey,
  ): boolean {
    if (parts.expiresSeconds === undefined) return false;
    const known = this.#presigned.get(request, parts, key);
    return known !== undefined && isSameSignature(signature, known);
  }

  #find(accessKeyId: string, hasToken: boolean): Credential {
    const credential = this.#credentials.find(accessKeyId);
    if (credential === undefined || !credential.enabled)
      throw new S3Error('InvalidAccessKeyId', undefined, { elements: { AWSAccessKeyId: accessKeyId } });
    // There are no temporary credentials here, and only those come with a token.
    if (hasToken) throw new S3Error('InvalidToken');
    return credential;
  }

  #checkTime({ time, timeMs, expiresSeconds }: SignatureParts): void {
    const nowMs = this.#clock.wallTimeMs();
    if (expiresSeconds === undefined) {
      if (Math.abs(nowMs - timeMs) <= SKEW_MS_MAX) return;
      throw new S3Error('RequestTimeTooSkewed', undefined, {
        elements: {
          RequestTime: time,
          ServerTime: formatXmlDate(nowMs),
          MaxAllowedSkewMilliseconds: String(SKEW_MS_MAX),
        },
      });
    }
    if (timeMs - nowMs > SKEW_MS_MAX) throw new S3Error('AccessDenied', 'Request is not yet valid');
    const expiresMs = timeMs + expiresSeconds * SECOND_MS;
    if (nowMs > expiresMs)
      throw new S3Error('AccessDenied', 'Request has expired', {
        elements: {
          'X-Amz-Expires': String(expiresSeconds),
          Expires: formatXmlDate(expiresMs),
          ServerTime: formatXmlDate(nowMs),
        },
      });
  }
}

function checkSignedHeaders(
  request: AuthenticationRequest,
  { claim: { signedHeaders, signsHost } }: SignatureParts,
): void {
  let unsigned: string[] | undefined;
  if (!signsHost) unsigned = ['host'];
  for (const name in request.headers)
    if (name.charCodeAt(0) === X && name.startsWith('x-amz-') && !signedHeaders.includes(name))
      (unsigned ??= []).push(name);
  if (unsigned !== undefined)
    throw new S3Error('AccessDenied', 'There were headers present in the request which were not signed', {
      elements: { HeadersNotSigned: unsigned.join(', ') },
    });
}

function checkSignature(
  request: AuthenticationRequest,
  parts: SignatureParts,
  signature: string,
  key: SigningKey,
): void {
  const { rawPath } = request;
  // Mostly the path is canonical as it is sent, and some clients sign it just so.
  if (isSameSignature(signature, signatureFor(request, parts, key, rawPath))) return;
  const path = canonicalPath(rawPath);
  if (path !== rawPath && isSameSignature(signature, signatureFor(request, parts, key, path))) return;
  checkSignatureForm(parts, signature);
  const { start } = parts;
  const canonical = canonicalRequest(request, path, parts);
  throw new S3Error('SignatureDoesNotMatch', undefined, {
    elements: {
      AWSAccessKeyId: parts.claim.accessKeyId,
      StringToSign: start + sha256Of(canonical),
      SignatureProvided: signature,
      CanonicalRequest: canonical,
    },
  });
}

/** The signature that the request should have. */
function signatureFor(
  request: AuthenticationRequest,
  parts: SignatureParts,
  key: SigningKey,
  path: string,
): string {
  return (
    parts.room.sign(request, path, parts, key) ??
    key.sign(sha256Of(canonicalRequest(request, path, parts)), parts.start)
  );
}

const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

/** Each chunk's signature covers the one before, the first that of the request. */
class SignedChunks implements ChunkVerifier {
  readonly #key: SigningKey;
  readonly #head: string;
  #previous: string;

  constructor(parts: SignatureParts, signature: string, key: SigningKey) {
    this.#key = key;
    this.#head = `${parts.time}\n${parts.claim.scopeText}`;
    this.#previous = signature;
  }

  verifyChunk(signature: string, sha256: string): boolean {
    return this.#verify(`${ALGORITHM}-PAYLOAD`, signature, `${EMPTY_SHA256}\n${sha256}`);
  }

  verifyTrailer(signature: string, sha256: string): boolean {
    return this.#verify(`${ALGORITHM}-TRAILER`, signature, sha256);
  }

  #verify(algorithm: string, signature: string, content: string): boolean {
    const text = `${algorithm}\n${this.#head}\n${this.#previous}\n${content}`;
    this.#previous = signature;
    return isSameSignature(signature, this.#key.sign(text));
  }
}
