/**
 * The `aws-chunked` coding of bodies: chunks with signatures, and trailers with checksums (S3 API reference, "Signature
 * calculations: transferring a payload in multiple chunks" and "… trailing headers").
 *
 *     chunk   = size in hex [";chunk-signature=" 64 hex digits] CRLF data CRLF
 *     last    = "0" [";chunk-signature=" 64 hex digits] CRLF
 *     trailer = (name ":" value CRLF)* ["x-amz-trailer-signature:" 64 hex digits CRLF] CRLF
 *
 * The decoder is fed with whatever the socket gives, in any split, and hands the data on as slices of it, without copying.
 * Everything it keeps is bounded: a line, the trailers, and how much framing there may be around the data. It throws at the
 * first byte that does not fit; after that, and after `end`, it must not be fed.
 */
import { hash } from 'node:crypto';
import type { ChunkVerifier } from '../auth/authenticator.js';
import { PieceHash } from './piece-hash.js';
import { S3Error } from './s3-error.js';

/** A chunk's head is at most 16 + 17 + 64 characters; a trailer line has a name, a value and a colon. */
const LINE_BYTES_MAX = 1024;
const TRAILERS_MAX = 16;
/** Framing that a body may have beyond its data: bodies of one-byte chunks would otherwise cost 90 times their size. */
const FRAMING_BYTES_FREE = 64 * 1024;

const LINE_FEED = 0x0a;
const HEAD = /^([\da-fA-F]{1,13})(?:;chunk-signature=([\da-fA-F]{64}))?$/;
const TRAILER_SIGNATURE = 'x-amz-trailer-signature';

type State = 'head' | 'data' | 'data-end' | 'trailer' | 'done';

export interface AwsChunkedOptions {
  /** `x-amz-decoded-content-length`. */
  readonly size: number;
  readonly onData: (slice: Uint8Array) => void;
  /** Absent when signatures are not checked. */
  readonly verifier?: ChunkVerifier;
}

export class AwsChunkedDecoder {
  readonly #size: number;
  readonly #onData: (slice: Uint8Array) => void;
  readonly #verifier: ChunkVerifier | undefined;
  readonly #trailers = new Map<string, string>();
  #state: State = 'head';
  #line = '';
  #chunkRest = 0;
  #chunkSignature = '';
  #chunkHash: PieceHash | undefined;
  #decoded = 0;
  #framing = 0;

  constructor(options: AwsChunkedOptions) {
    this.#size = options.size;
    this.#onData = options.onData;
    this.#verifier = options.verifier;
  }

  /** What followed the last chunk; names are lower case. */
  get trailers(): ReadonlyMap<string, string> {
    return this.#trailers;
  }

  /** Takes the next bytes of the body. Throws IncompleteBody, InvalidRequest, MalformedTrailerError, SignatureDoesNotMatch. */
  feed(bytes: Uint8Array): void {
    let position = 0;
    while (position < bytes.length)
      position = this.#state === 'data' ? this.#takeData(bytes, position) : this.#takeLine(bytes, position);
  }

  /** The body is over. Throws IncompleteBody when it is not whole. */
  end(): void {
    // Some clients leave out the last empty line, which says nothing more.
    if (this.#state === 'trailer' && this.#line === '') this.#finish();
    if (this.#state !== 'done')
      throw new S3Error('IncompleteBody', 'The aws-chunked body ends before its last chunk.');
    if (this.#decoded !== this.#size)
      throw new S3Error(
        'IncompleteBody',
        `The aws-chunked body has ${this.#decoded} bytes of data and x-amz-decoded-content-length says ${this.#size}.`,
      );
  }

  #takeData(bytes: Uint8Array, position: number): number {
    const end = Math.min(bytes.length, position + this.#chunkRest);
    const slice = position === 0 && end === bytes.length ? bytes : bytes.subarray(position, end);
    this.#chunkRest -= slice.length;
    this.#decoded += slice.length;
    this.#chunkHash?.update(slice);
    this.#onData(slice);
    if (this.#chunkRest === 0) {
      this.#verifyChunk();
      this.#state = 'data-end';
    }
    return end;
  }

  #takeLine(bytes: Uint8Array, position: number): number {
    if (this.#state === 'done') throw malformed('something follows its end');
    const lineFeed = bytes.indexOf(LINE_FEED, position);
    const end = lineFeed < 0 ? bytes.length : lineFeed + 1;
    this.#framing += end - position;
    if (this.#line.length + end - position > LINE_BYTES_MAX) throw malformed('a line is too long');
    if (this.#framing > this.#size + FRAMING_BYTES_FREE)
      throw malformed('its chunks are too small: only the last one may be less than 8192 bytes');
    this.#line += Buffer.from(bytes.buffer, bytes.byteOffset + position, end - position).toString('latin1');
    if (lineFeed >= 0) {
      const line = this.#line.slice(0, this.#line.endsWith('\r\n') ? -2 : -1);
      this.#line = '';
      this.#lineIsWhole(line);
    }
    return end;
  }

  #lineIsWhole(line: string): void {
    if (this.#state === 'head') this.#takeHead(line);
    else if (this.#state === 'trailer') this.#takeTrailer(line);
    else if (line === '') this.#state = 'head';
    else throw malformed('the data of a chunk is longer than its size');
  }

  #takeHead(line: string): void {
    const match = HEAD.exec(line);
    if (match === null) throw malformed(`"${line.slice(0, 100)}" is not the head of a chunk`);
    const size = Number.parseInt(match[1] ?? '', 16);
    if (this.#decoded + size > this.#size)
      throw new S3Error(
        'IncompleteBody',
        `The aws-chunked body has more data than the ${this.#size} bytes that x-amz-decoded-content-length says.`,
      );
    this.#chunkRest = size;
    this.#chunkSignature = match[2] ?? '';
    if (this.#verifier !== undefined) this.#chunkHash = new PieceHash(size);
    if (size > 0) {
      this.#state = 'data';
      return;
    }
    this.#verifyChunk();
    this.#state = 'trailer';
  }

  #verifyChunk(): void {
    const sha256 = this.#chunkHash?.digest() ?? '';
    if (this.#verifier !== undefined && !this.#verifier.verifyChunk(this.#chunkSignature, sha256))
      throw new S3Error('SignatureDoesNotMatch', 'The signature of a chunk does not match its data.');
  }

  #takeTrailer(line: string): void {
    if (line === '') {
      this.#finish();
      return;
    }
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon)).trim().toLowerCase();
    if (name === '') throw new S3Error('MalformedTrailerError', `"${line}" is not a trailing header.`);
    if (this.#trailers.size === TRAILERS_MAX)
      throw new S3Error('MalformedTrailerError', `There are more than ${TRAILERS_MAX} trailing headers.`);
    this.#trailers.set(name, line.slice(colon + 1).trim());
  }

  #finish(): void {
    const signature = this.#trailers.get(TRAILER_SIGNATURE) ?? '';
    this.#trailers.delete(TRAILER_SIGNATURE);
    this.#state = 'done';
    if (this.#verifier === undefined || this.#trailers.size === 0) return;
    const canonical = [...this.#trailers].map(([name, value]) => `${name}:${value}\n`).toSorted();
    const sha256 = hash('sha256', Buffer.from(canonical.join(''), 'latin1'), 'hex');
    if (!this.#verifier.verifyTrailer(signature, sha256))
      throw new S3Error('SignatureDoesNotMatch', 'The signature of the trailing headers does not match.');
  }
}

function malformed(what: string): S3Error {
  return new S3Error('InvalidRequest', `The aws-chunked body is malformed: ${what}.`);
}
