/** A signer for tests, written from the specification and apart from the server's code: one HMAC object after the other. */
import { createHash, createHmac } from 'node:crypto';

export interface Signer {
  readonly accessKeyId: string;
  readonly secret: string;
  readonly region: string;
  /** `20130524T000000Z` */
  readonly time: string;
}

export interface SignerRequest {
  readonly method: string;
  /** Encoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Lower-case names, `host` included. */
  readonly headers: Readonly<Record<string, string>>;
  readonly payload: string;
  /** Whether the texts are byte strings, as headers are on the wire. */
  readonly bytes?: boolean;
}

const sha256 = (text: string | Uint8Array): string => createHash('sha256').update(text).digest('hex');
const hmac = (key: string | Uint8Array, text: string): Buffer =>
  createHmac('sha256', key).update(text).digest();

const uriEncode = (text: string): string =>
  encodeURIComponent(text).replaceAll(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

const scopeOf = ({ time, region }: Signer): string => `${time.slice(0, 8)}/${region}/s3/aws4_request`;

function sign(signer: Signer, text: string): string {
  const date = hmac(`AWS4${signer.secret}`, signer.time.slice(0, 8));
  const key = hmac(hmac(hmac(date, signer.region), 's3'), 'aws4_request');
  return hmac(key, text).toString('hex');
}

function signatureOf(signer: Signer, request: SignerRequest): string {
  const names = Object.keys(request.headers).toSorted();
  const query = Object.entries(request.query ?? {})
    .map(([name, value]) => `${uriEncode(name)}=${uriEncode(value)}`)
    .toSorted()
    .join('&');
  const headers = names.map((name) => `${name}:${request.headers[name] ?? ''}\n`).join('');
  const canonical = [request.method, request.path, query, headers, names.join(';'), request.payload].join(
    '\n',
  );
  const canonicalBytes = Buffer.from(canonical, request.bytes === true ? 'latin1' : 'utf8');
  return sign(signer, ['AWS4-HMAC-SHA256', signer.time, scopeOf(signer), sha256(canonicalBytes)].join('\n'));
}

/** The headers of a signed request, Authorization among them. */
export function signHeaders(signer: Signer, request: SignerRequest): Record<string, string> {
  const headers = { ...request.headers, 'x-amz-date': signer.time, 'x-amz-content-sha256': request.payload };
  const signature = signatureOf(signer, { ...request, headers });
  const names = Object.keys(headers).toSorted().join(';');
  const authorization = `AWS4-HMAC-SHA256 Credential=${signer.accessKeyId}/${scopeOf(signer)},SignedHeaders=${names},Signature=${signature}`;
  return { ...headers, authorization };
}

/** The query of a presigned URL. */
export function presign(
  signer: Signer,
  request: Omit<SignerRequest, 'payload'>,
  expiresSeconds: number,
  payload = 'UNSIGNED-PAYLOAD',
): string {
  const query: Record<string, string> = {
    ...request.query,
    'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
    'X-Amz-Credential': `${signer.accessKeyId}/${scopeOf(signer)}`,
    'X-Amz-Date': signer.time,
    'X-Amz-Expires': String(expiresSeconds),
    'X-Amz-SignedHeaders': Object.keys(request.headers).toSorted().join(';'),
  };
  const signature = signatureOf(signer, { ...request, query, payload });
  const pairs = Object.entries({ ...query, 'X-Amz-Signature': signature });
  return pairs.map(([name, value]) => `${uriEncode(name)}=${uriEncode(value)}`).join('&');
}

/** An aws-chunked body whose chunks, and trailers if there are any, are signed. */
export function signChunks(
  signer: Signer,
  seed: string,
  chunks: readonly Uint8Array[],
  trailers: Readonly<Record<string, string>> = {},
): Buffer {
  let previous = seed;
  const pieces: Uint8Array[] = [];
  for (const chunk of [...chunks, Buffer.alloc(0)]) {
    const text = [
      'AWS4-HMAC-SHA256-PAYLOAD',
      signer.time,
      scopeOf(signer),
      previous,
      sha256(''),
      sha256(chunk),
    ];
    previous = sign(signer, text.join('\n'));
    pieces.push(Buffer.from(`${chunk.length.toString(16)};chunk-signature=${previous}\r\n`), chunk);
    if (chunk.length > 0) pieces.push(Buffer.from('\r\n'));
  }
  const lines = Object.entries(trailers).map(([name, value]) => `${name}:${value}`);
  if (lines.length > 0) {
    const hash = sha256(lines.map((line) => `${line}\n`).join(''));
    const text = ['AWS4-HMAC-SHA256-TRAILER', signer.time, scopeOf(signer), previous, hash].join('\n');
    lines.push(`x-amz-trailer-signature:${sign(signer, text)}`);
  }
  pieces.push(Buffer.from(lines.map((line) => `${line}\r\n`).join('') + '\r\n'));
  return Buffer.concat(pieces);
}
