import { createHash } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import type { ChunkVerifier } from '../../../src/http/auth/authenticator.js';
import { AwsChunkedDecoder } from '../../../src/http/s3/aws-chunked.js';
import { throwsS3 } from '../../support/throws-s3.js';

interface Encoded {
  readonly data: Buffer;
  readonly wire: Buffer;
}

const SIGNATURE = 'ab'.repeat(32);

/** A body of these chunks. */
function encode(
  chunks: readonly Uint8Array[],
  options: { signed?: boolean; trailer?: string } = {},
): Encoded {
  const extension = options.signed === true ? `;chunk-signature=${SIGNATURE}` : '';
  const pieces: Uint8Array[] = [];
  for (const chunk of chunks)
    pieces.push(Buffer.from(`${chunk.length.toString(16)}${extension}\r\n`), chunk, Buffer.from('\r\n'));
  pieces.push(Buffer.from(`0${extension}\r\n${options.trailer ?? ''}\r\n`));
  return { data: Buffer.concat(chunks), wire: Buffer.concat(pieces) };
}

function decode(pieces: readonly Uint8Array[], size: number, verifier?: ChunkVerifier) {
  const out: Uint8Array[] = [];
  const decoder = new AwsChunkedDecoder({
    size,
    onData: (slice) => out.push(Buffer.from(slice)),
    ...(verifier === undefined ? {} : { verifier }),
  });
  for (const piece of pieces) decoder.feed(piece);
  decoder.end();
  return { data: Buffer.concat(out), trailers: decoder.trailers };
}

/** Cuts `bytes` at the given places. */
function split(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  return places.slice(1).map((end, index) => bytes.subarray(places[index], end));
}

const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 6 });
const cuts = fc.array(fc.nat(1000), { maxLength: 12 });

void t.test('aws-chunked: data and trailers come out whatever way the bytes were split', async (t) => {
  fc.assert(
    fc.property(chunks, cuts, fc.boolean(), fc.boolean(), (parts, places, signed, trailing) => {
      const trailer = trailing ? 'x-amz-checksum-crc32:AAAAAA==\r\n' : '';
      const { data, wire } = encode(parts, { signed, trailer });
      const decoded = decode(split(wire, places), data.length);
      t.ok(decoded.data.equals(data));
      t.equal(decoded.trailers.get('x-amz-checksum-crc32'), trailing ? 'AAAAAA==' : undefined);
    }),
  );
});

void t.test('aws-chunked: data within one read is handed on without a copy', async (t) => {
  const { wire } = encode([Buffer.from('hello')]);
  let slice: Uint8Array | undefined;
  const decoder = new AwsChunkedDecoder({ size: 5, onData: (bytes) => (slice = bytes) });
  decoder.feed(wire);
  t.equal(slice?.buffer, wire.buffer);
});

void t.test('aws-chunked: a body cut anywhere is incomplete', async (t) => {
  const { data, wire } = encode([Buffer.from('hello'), Buffer.from('world')]);
  // The last empty line may be missing: nothing that matters is in it.
  for (let length = 0; length < wire.length - 2; length++)
    throwsS3(t, () => decode([wire.subarray(0, length)], data.length), 'IncompleteBody', `${length} bytes`);
});

void t.test('aws-chunked: more or less data than declared is refused', async (t) => {
  const { data, wire } = encode([Buffer.from('hello')]);
  throwsS3(t, () => decode([wire], data.length - 1), 'IncompleteBody');
  throwsS3(t, () => decode([wire], data.length + 1), 'IncompleteBody');
});

void t.test('aws-chunked: malformed framing is refused at once', async (t) => {
  for (const body of [
    'zz\r\n',
    '\r\n',
    '-5\r\n',
    '5;signature=1\r\n',
    '5;chunk-signature=abc\r\n',
    '5\r\nhelloworld\r\n0\r\n\r\n',
    '5\r\nhello\r\n0\r\n\r\nmore',
    'ffffffffffffffff\r\n',
    ' 5\r\n',
  ])
    t.throws(() => decode([Buffer.from(body)], 5), { message: /./ }, JSON.stringify(body));
});

void t.test('aws-chunked: lines, trailers and framing are bounded', async (t) => {
  throwsS3(t, () => decode([Buffer.alloc(2000, '0')], 5), 'InvalidRequest', /too long/);
  const trailers = Array.from({ length: 17 }, (_, index) => `h${index}:v\r\n`).join('');
  throwsS3(t, () => decode([encode([], { trailer: trailers }).wire], 0), 'MalformedTrailerError');
  const tiny = encode(
    Array.from({ length: 2000 }, () => Buffer.from('x')),
    { signed: true },
  );
  throwsS3(t, () => decode([tiny.wire], 2000), 'InvalidRequest', /too small/);
  throwsS3(t, () => decode([Buffer.from('0\r\nnocolon\r\n\r\n')], 0), 'MalformedTrailerError');
});

void t.test('aws-chunked: arbitrary bytes are decoded or refused, never more', async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(50), (bytes, size) => {
      try {
        t.equal(decode([bytes], size).data.length, size);
      } catch (error) {
        t.match(error, { name: 'HeadraceError' });
      }
    }),
    { numRuns: 300 },
  );
});

void t.test('aws-chunked: each chunk and the trailer are given to the verifier, hashed', async (t) => {
  const seen: string[] = [];
  const verifier: ChunkVerifier = {
    verifyChunk: (signature, sha256) => seen.push(`${signature} ${sha256}`) > 0,
    verifyTrailer: (signature, sha256) => seen.push(`${signature} ${sha256}`) > 0,
  };
  const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
  const trailer = `x-amz-checksum-crc32:AAAAAA==\r\nx-amz-trailer-signature:${'cd'.repeat(32)}\r\n`;
  const { wire } = encode([Buffer.from('hello')], { signed: true, trailer });
  const { trailers } = decode(split(wire, [3, 70, 90, 95]), 5, verifier);
  t.same(seen, [
    `${SIGNATURE} ${sha256('hello')}`,
    `${SIGNATURE} ${sha256('')}`,
    `${'cd'.repeat(32)} ${sha256('x-amz-checksum-crc32:AAAAAA==\n')}`,
  ]);
  t.same([...trailers.keys()], ['x-amz-checksum-crc32']);
});

void t.test('aws-chunked: a signature that does not fit refuses the body', async (t) => {
  const { wire } = encode([Buffer.from('hello')], { signed: true });
  const verifier: ChunkVerifier = { verifyChunk: () => false, verifyTrailer: () => true };
  throwsS3(t, () => decode([wire], 5, verifier), 'SignatureDoesNotMatch');
  const unsigned = encode([Buffer.from('hello')]);
  const strict: ChunkVerifier = { verifyChunk: (signature) => signature !== '', verifyTrailer: () => true };
  throwsS3(t, () => decode([unsigned.wire], 5, strict), 'SignatureDoesNotMatch');
});
