/** MD5 as the engine uses it: small bodies together in SIMD lanes, large ones as they stream. */
import { createMd5 } from '../core/hashing.js';
import { Md5Lanes } from '../core/md5-lanes.js';
import type { Clock } from '../core/ports.js';
import type { Digests, StreamDigest } from './engine-core.js';

export function createDigests(clock: Clock): Digests {
  const lanes = new Md5Lanes((callback) => clock.nextTurn(callback));
  return {
    small: (chunks, size) => new Promise((resolve) => lanes.digest(chunks, size, resolve)),
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
