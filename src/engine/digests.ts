/** MD5 as the engine uses it: small bodies together in SIMD lanes, large ones as they stream. */
import { HeadraceError } from '../core/errors.js';
import { createMd5 } from '../core/hashing.js';
import { Md5Lanes } from '../core/md5-lanes.js';
import type { Clock } from '../core/ports.js';
import type { Digests, StreamDigest } from './engine-core.js';

export function createDigests(clock: Clock): Digests {
  const lanes = new Md5Lanes((callback) => clock.nextTurn(callback));
  return {
    small: (chunks, size) => new Promise((resolve) => lanes.digest(chunks, size, resolve)),
    smallThen: (chunks, size, receiver) => lanes.digest(chunks, size, receiver),
    stream: () => streamDigest(),
  };
}

function streamDigest(): StreamDigest {
  const md5 = createMd5();
  return {
    update: (chunk) => {
      md5.update(chunk);
    },
    digest: () => Promise.resolve(md5.digest()),
  };
}

export function checkMd5(expected: Uint8Array | undefined, actual: Uint8Array): void {
  if (expected === undefined || Buffer.compare(expected, actual) === 0) return;
  throw new HeadraceError(
    'BAD_DIGEST',
    `the body's MD5 is ${Buffer.from(actual).toString('base64')}, not ${Buffer.from(expected).toString('base64')}`,
  );
}
