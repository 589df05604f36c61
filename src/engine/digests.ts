/** MD5 as the engine uses it: bodies together in SIMD lanes, small ones as a whole and large ones as they stream. */
import { HeadraceError } from '../core/errors.js';
import { Md5Lanes } from '../core/md5-lanes.js';
import { Md5Streams } from '../core/md5-streams.js';
import type { Clock } from '../core/ports.js';
import type { Digests } from './engine-core.js';

export function createDigests(clock: Clock): Digests {
  const lanes = new Md5Lanes((callback) => clock.nextTurn(callback));
  const streams = new Md5Streams((callback) => clock.nextTurn(callback));
  return {
    small: (chunks, size) => new Promise((resolve) => lanes.digest(chunks, size, resolve)),
    smallThen: (chunks, size, receiver) => lanes.digest(chunks, size, receiver),
    stream: () => streams.open(),
  };
}

export function checkMd5(expected: Uint8Array | undefined, actual: Uint8Array): void {
  if (expected === undefined || Buffer.compare(expected, actual) === 0) return;
  throw new HeadraceError(
    'BAD_DIGEST',
    `the body's MD5 is ${Buffer.from(actual).toString('base64')}, not ${Buffer.from(expected).toString('base64')}`,
  );
}
