import fc from 'fast-check';
import t from 'tap';
import type { AuthenticationRequest } from '../../../src/http/auth/authenticator.js';
import { canonicalRequest } from '../../../src/http/auth/canonical-request.js';
import { PresignedRoom } from '../../../src/http/auth/presigned-room.js';
import { parseClaim } from '../../../src/http/auth/signature-claims.js';
import type { SignatureParts } from '../../../src/http/auth/signature-parts.js';
import { sha256Of, SigningKey } from '../../../src/http/auth/signing-keys.js';

const QUERY = 'X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20130524T000000Z&X-Amz-SignedHeaders=host';
const START = 'AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n';
const KEYS = [new SigningKey(Buffer.from('one')), new SigningKey(Buffer.from('another'))];

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly host: string | undefined;
  readonly payload: string;
  readonly key: number;
}

const asked: fc.Arbitrary<Asked> = fc.record({
  method: fc.constantFrom('GET', 'PUT', 'DELETE'),
  path: fc.oneof(
    fc.constantFrom('/b/k', '/b/l', '/', '', '/b/%20'),
    // Around what there is room for in front of the rest.
    fc.integer({ min: 245, max: 260 }).map((length) => 'k'.repeat(length)),
    fc.string({ unit: 'grapheme-ascii', maxLength: 40 }),
  ),
  host: fc.constantFrom('a:1', 'b:1', 'h\xe9', undefined, 'h'.repeat(3000)),
  payload: fc.constantFrom('UNSIGNED-PAYLOAD', 'e3b0'),
  key: fc.nat({ max: KEYS.length - 1 }),
});

function partsOf(payload: string, signedHeaders: string, room: PresignedRoom): SignatureParts {
  const claim = parseClaim('K/20130524/us-east-1/s3/aws4_request', signedHeaders, (what) => new Error(what));
  return {
    claim,
    signature: '',
    time: '20130524T000000Z',
    timeMs: 0,
    payload,
    query: QUERY,
    start: START,
    expiresSeconds: 60,
    hasToken: false,
    room,
  };
}

function requestOf({ method, path, host }: Asked): AuthenticationRequest {
  const headers = host === undefined ? {} : { host };
  return {
    method,
    rawPath: path,
    rawQuery: QUERY,
    query: new Map(),
    signing: undefined,
    headers,
    rawHeaders: [],
  };
}

void t.test(
  'presigned room: a signature is that of the canonical request, whatever was signed there before',
  async (t) => {
    fc.assert(
      fc.property(fc.array(asked, { minLength: 1, maxLength: 12 }), (all) => {
        const room = new PresignedRoom(QUERY, START);
        for (const one of all) {
          const parts = partsOf(one.payload, 'host', room);
          const request = requestOf(one);
          const key = KEYS[one.key] ?? KEYS[0]!;
          const signature = room.sign(request, one.path, parts, key);
          const hasRoom = one.method.length + one.path.length + 2 <= 256 && (one.host?.length ?? 0) < 1000;
          const expected = key.sign(sha256Of(canonicalRequest(request, one.path, parts)), START);
          t.equal(signature, hasRoom ? expected : undefined, JSON.stringify(one));
        }
      }),
      { numRuns: 200 },
    );
  },
);

void t.test('presigned room: what signs more than the host is left to others', async (t) => {
  const room = new PresignedRoom(QUERY, START);
  const one: Asked = { method: 'GET', path: '/b/k', host: 'h', payload: 'UNSIGNED-PAYLOAD', key: 0 };
  const parts = partsOf(one.payload, 'host;x-amz-acl', room);
  t.equal(room.sign(requestOf(one), one.path, parts, new SigningKey(Buffer.from('one'))), undefined);
});
