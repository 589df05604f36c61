import fc from 'fast-check';
import t from 'tap';
import type { AuthenticationRequest } from '../../../src/http/auth/authenticator.js';
import { canonicalRequest } from '../../../src/http/auth/canonical-request.js';
import { parseClaim, startOfString, type SignatureClaim } from '../../../src/http/auth/signature-claims.js';
import type { SignatureParts } from '../../../src/http/auth/signature-parts.js';
import { sha256Of, SigningKey } from '../../../src/core/signing-key.js';

const KEYS = [new SigningKey(Buffer.from('one')), new SigningKey(Buffer.from('another'))];

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly host: string | undefined;
  readonly time: string;
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
  query: fc.constantFrom('', 'X-Amz-Date=20130524T000000Z', 'prefix=a', 'q'.repeat(2100)),
  time: fc.constantFrom('20130524T000000Z', '20130524T000001Z'),
  host: fc.constantFrom('a:1', 'b:1', 'h\xe9', undefined, 'h'.repeat(3000)),
  payload: fc.constantFrom('UNSIGNED-PAYLOAD', 'e3b0'),
  key: fc.nat({ max: KEYS.length - 1 }),
});

function partsOf(claim: SignatureClaim, { payload, query, time }: Asked): SignatureParts {
  return {
    claim,
    time,
    timeMs: 0,
    payload,
    query,
    start: startOfString(claim, time),
    expiresSeconds: 60,
    hasToken: false,
    room: claim.room,
  };
}

function requestOf({ method, path, query, host, time }: Asked): AuthenticationRequest {
  const headers = { 'x-amz-date': time, ...(host === undefined ? {} : { host }) };
  return {
    method,
    rawPath: path,
    rawQuery: query,
    query: new Map(),
    signing: undefined,
    headers,
    rawHeaders: [],
  };
}

void t.test(
  'signing room: a signature is that of the canonical request, whatever was signed there before',
  async (t) => {
    const signedHeaders = fc.constantFrom('host', 'host;x-amz-date', 'x-amz-date;host;absent');
    fc.assert(
      fc.property(signedHeaders, fc.array(asked, { minLength: 1, maxLength: 12 }), (names, all) => {
        const claim = parseClaim('K/20130524/us-east-1/s3/aws4_request', names, (what) => new Error(what));
        for (const one of all) {
          const parts = partsOf(claim, one);
          const request = requestOf(one);
          const key = KEYS[one.key] ?? KEYS[0]!;
          const signature = claim.room.sign(request, one.path, parts, key);
          const startFits = one.method.length + one.path.length + 2 <= 256;
          const restFits = one.query.length < 2000 && (one.host?.length ?? 0) < 2000;
          const expected = key.sign(sha256Of(canonicalRequest(request, one.path, parts)), parts.start);
          t.equal(signature, startFits && restFits ? expected : undefined, JSON.stringify(one));
        }
      }),
      { numRuns: 200 },
    );
  },
);
