/**
 * A request of the load generator as bytes in which only the name and the signatures change from one to the next.
 *
 * A signature costs the generator three hashes of a few hundred bytes, because everything around the name is laid out
 * beforehand. What is signed, and where it stands in the request, is that of Signature Version 4 (S3 API reference,
 * "Authenticating requests").
 */
import { hash } from 'node:crypto';
import { checksumOf } from '../src/core/checksum.js';
import type { SigningKey } from '../src/core/signing-key.js';
import { SigningKeys } from '../src/http/auth/signing-keys.js';
import { formatCompactDate } from '../src/http/s3/timestamps.js';

/** How a request proves who sends it. */
export interface RequestSigning {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /**
   * `signed-payload`: the header, with the SHA-256 of the body. `unsigned-payload`: the header, `UNSIGNED-PAYLOAD`.
   * `signed-trailer`: an aws-chunked body of one chunk whose chunks and trailer are signed. `presigned`: in the query.
   */
  readonly form: 'signed-payload' | 'unsigned-payload' | 'signed-trailer' | 'presigned';
}

export interface TemplateOptions {
  readonly method: string;
  readonly port: number;
  /** The target without its slash and without the name at its end. */
  readonly prefix: string;
  /** Size of the whole body that is said to come; undefined for none. */
  readonly bodyBytes: number | undefined;
  /** The whole body, when it is sent together with the head. */
  readonly body: Buffer | undefined;
  readonly signing: RequestSigning | undefined;
  /** How long ago a presigned URL was made, so that not all are of the same second; 0 when absent. */
  readonly ageSeconds?: number;
}

const NAME_CHARACTERS = 8;
const NAME = '0'.repeat(NAME_CHARACTERS);
const SIGNATURE = '0'.repeat(64);
const NO_BYTES = Buffer.alloc(0);
const REGION = 'us-east-1';
const EXPIRES_SECONDS = 3600;
const EMPTY_SHA256 = hash('sha256', '', 'hex');

export class RequestTemplate {
  /** What is sent: the head, and the body that was given. */
  readonly bytes: Buffer;
  readonly #nameAt: number;
  readonly #signer: RequestSigner | undefined;

  constructor(options: TemplateOptions) {
    const { method, prefix, signing } = options;
    this.#nameAt = method.length + 2 + prefix.length;
    if (signing === undefined) {
      this.bytes = Buffer.concat([Buffer.from(headOf(options, '', [])), options.body ?? NO_BYTES]);
      return;
    }
    this.#signer = new RequestSigner(options, signing);
    this.bytes = this.#signer.bytes;
  }

  /** Makes `bytes` the request for this name, which has `NAME_CHARACTERS` that need no encoding. */
  prepare(name: string): void {
    this.bytes.write(name, this.#nameAt, NAME_CHARACTERS, 'latin1');
    this.#signer?.sign(name);
  }
}

function headOf(
  { method, port, prefix, bodyBytes }: TemplateOptions,
  query: string,
  headers: readonly string[],
): string {
  const size = bodyBytes === undefined ? [] : [`Content-Length: ${bodyBytes}`];
  const lines = [`Host: 127.0.0.1:${port}`, ...size, ...headers];
  return `${method} /${prefix}${NAME}${query} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`;
}

class RequestSigner {
  readonly bytes: Buffer;
  readonly #key: SigningKey;
  /** The canonical request, and where the name stands in it. */
  readonly #canonical: Buffer;
  readonly #nameAt: number;
  /** The string to sign up to the hash of the canonical request. */
  readonly #start: string;
  readonly #signatureAt: number;
  readonly #chunks: SignedChunks | undefined;

  constructor(options: TemplateOptions, signing: RequestSigning) {
    const ageMs = signing.form === 'presigned' ? 1000 * (options.ageSeconds ?? 0) : 0;
    const time = formatCompactDate(Date.now() - ageMs);
    const scope = { date: time.slice(0, 8), region: REGION, service: 's3' };
    const scopeText = `${scope.date}/${REGION}/s3/aws4_request`;
    this.#key = new SigningKeys().get(signing.accessKeyId, signing.secretAccessKey, scope);
    this.#start = `AWS4-HMAC-SHA256\n${time}\n${scopeText}\n`;
    const credential = `${signing.accessKeyId}/${scopeText}`;
    const canonicalStart = `${options.method}\n/${options.prefix}`;
    this.#nameAt = canonicalStart.length;
    if (signing.form === 'presigned') {
      const query =
        `X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=${credential.replaceAll('/', '%2F')}&X-Amz-Date=${time}` +
        `&X-Amz-Expires=${EXPIRES_SECONDS}&X-Amz-SignedHeaders=host`;
      const head = headOf(options, `?${query}&X-Amz-Signature=${SIGNATURE}`, []);
      this.bytes = Buffer.concat([Buffer.from(head), options.body ?? NO_BYTES]);
      this.#signatureAt = head.indexOf('X-Amz-Signature=') + 'X-Amz-Signature='.length;
      this.#canonical = Buffer.from(
        `${canonicalStart}${NAME}\n${query}\nhost:127.0.0.1:${options.port}\n\nhost\nUNSIGNED-PAYLOAD`,
      );
      return;
    }
    const body = options.body ?? NO_BYTES;
    this.#chunks =
      signing.form === 'signed-trailer' ? new SignedChunks(this.#key, time, scopeText, body) : undefined;
    const payload =
      this.#chunks?.payload ?? (signing.form === 'signed-payload' ? sha256(body) : 'UNSIGNED-PAYLOAD');
    const signed: readonly (readonly [name: string, value: string])[] = [
      ...(this.#chunks === undefined ? [] : [['content-encoding', 'aws-chunked'] as const]),
      ['host', `127.0.0.1:${options.port}`],
      ['x-amz-content-sha256', payload],
      ['x-amz-date', time],
      ...(this.#chunks?.headers ?? []),
    ];
    const names = signed.map(([name]) => name).join(';');
    const headers = signed.map(([name, value]) => `${name}:${value}\n`).join('');
    this.#canonical = Buffer.from(`${canonicalStart}${NAME}\n\n${headers}\n${names}\n${payload}`);
    const wire = this.#chunks?.bytes ?? body;
    const authorization = `Authorization: AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${names}, Signature=`;
    const head = headOf(
      { ...options, bodyBytes: this.#chunks === undefined ? options.bodyBytes : wire.length },
      '',
      [
        ...signed.filter(([name]) => name !== 'host').map(([name, value]) => `${name}: ${value}`),
        authorization + SIGNATURE,
      ],
    );
    this.#signatureAt = head.indexOf(authorization) + authorization.length;
    this.bytes = Buffer.concat([Buffer.from(head), wire]);
    this.#chunks?.moveTo(this.bytes, head.length);
  }

  sign(name: string): void {
    this.#canonical.write(name, this.#nameAt, NAME_CHARACTERS, 'latin1');
    const signature = this.#key.sign(this.#start + hash('sha256', this.#canonical, 'hex'));
    this.bytes.write(signature, this.#signatureAt, 'latin1');
    this.#chunks?.sign(signature);
  }
}

/** A body as one signed chunk, the empty last one, and a signed CRC32 behind it. */
class SignedChunks {
  readonly payload = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER';
  readonly headers: readonly (readonly [name: string, value: string])[];
  bytes: Buffer;
  #start = 0;
  readonly #key: SigningKey;
  readonly #places: readonly number[];
  /** The strings to sign, each up to and behind the signature before it. */
  readonly #texts: readonly (readonly [before: string, behind: string])[];

  constructor(key: SigningKey, time: string, scopeText: string, body: Buffer) {
    this.#key = key;
    this.headers = [
      ['x-amz-decoded-content-length', String(body.length)],
      ['x-amz-trailer', 'x-amz-checksum-crc32'],
    ];
    const trailer = `x-amz-checksum-crc32:${checksumOf('CRC32', [body])}`;
    const heads = [
      `${body.length.toString(16)};chunk-signature=`,
      '\r\n0;chunk-signature=',
      `\r\n${trailer}\r\nx-amz-trailer-signature:`,
    ];
    const pieces = [
      Buffer.from(`${heads[0]}${SIGNATURE}\r\n`),
      body,
      Buffer.from(`${heads[1]}${SIGNATURE}${heads[2]}${SIGNATURE}\r\n\r\n`),
    ];
    this.bytes = Buffer.concat(pieces);
    let at = 0;
    this.#places = heads.map((head) => {
      at = this.bytes.indexOf(head, at) + head.length;
      return at;
    });
    const chunkStart = `AWS4-HMAC-SHA256-PAYLOAD\n${time}\n${scopeText}\n`;
    this.#texts = [
      [chunkStart, `\n${EMPTY_SHA256}\n${sha256(body)}`],
      [chunkStart, `\n${EMPTY_SHA256}\n${EMPTY_SHA256}`],
      [`AWS4-HMAC-SHA256-TRAILER\n${time}\n${scopeText}\n`, `\n${sha256(Buffer.from(`${trailer}\n`))}`],
    ];
  }

  /** The body lies in a larger buffer now. */
  moveTo(bytes: Buffer, start: number): void {
    this.bytes = bytes;
    this.#start = start;
  }

  sign(seed: string): void {
    let previous = seed;
    for (const [i, [before, behind]] of this.#texts.entries()) {
      previous = this.#key.sign(before + previous + behind);
      this.bytes.write(previous, this.#start + (this.#places[i] ?? 0), 'latin1');
    }
  }
}

function sha256(bytes: Buffer): string {
  return hash('sha256', bytes, 'hex');
}
