/**
 * Who asks: the seam between the S3 endpoint and the ways to prove it.
 *
 * An authenticator sees the head of a request only and answers at once. What has to be checked while the body arrives (the
 * signature of each chunk) it hands back as a `ChunkVerifier`.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { SigningParameters } from '../s3/presigned-query.js';

/** The head of a request, as it came. */
export interface AuthenticationRequest {
  readonly method: string;
  /** Before any decoding: a signature is made over it. */
  readonly rawPath: string;
  readonly rawQuery: string;
  /** Without what signs a presigned URL. */
  readonly query: ReadonlyMap<string, string>;
  /**
   * What signs a presigned URL, but for the signature; undefined in any other. The same object as long as the text of the query is
   * the same, as often as not.
   */
  readonly signing: SigningParameters | undefined;
  /** Names are lower case; values are byte strings (one character per byte). */
  readonly headers: IncomingHttpHeaders;
  /** Names and values alternate, as they came: what `headers` joined is apart here. */
  readonly rawHeaders: readonly string[];
}

export interface Identity {
  /** Undefined for an anonymous request. */
  readonly accessKeyId: string | undefined;
  readonly user: string | undefined;
  /** What was signed about the body, when it was not said in `x-amz-content-sha256`. */
  readonly payload?: string;
  /** Present when the body is an aws-chunked stream whose chunks are signed and can be checked. */
  readonly chunks?: ChunkVerifier;
}

/** Checks the signatures of an aws-chunked body, each of which covers the one before. */
export interface ChunkVerifier {
  /** Whether `signature` fits the next chunk, whose data has this SHA-256 (hex). */
  verifyChunk(signature: string, sha256: string): boolean;
  /** Whether `signature` fits the trailer, whose canonical form has this SHA-256 (hex). */
  verifyTrailer(signature: string, sha256: string): boolean;
}

export interface Authenticator {
  /** Throws an `S3Error` when the request is refused. */
  authenticate(request: AuthenticationRequest): Identity;
  /** The same for a form, whose fields are signed by way of its policy. */
  authenticateForm(fields: ReadonlyMap<string, string>): Identity;
}
