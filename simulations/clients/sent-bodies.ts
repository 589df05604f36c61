/** Bodies as simulated clients send them: at once, by and by, at a rate, or broken off. */
import type { Clock } from '../../src/core/ports.js';
import { KIB } from '../../src/core/units.js';
import { SMALL_BODY_BYTES_MAX, type Body } from '../../src/engine/object-service.js';
import type { SimRandom } from '../sim-random.js';

/** In so many pieces a body comes whose rate is given. */
const PACED_PIECES = 8;

/** A client that goes away before its body has ended. */
export class ClientGone extends Error {}

/** As the S3 endpoint hands it over; a large one comes by and by. It breaks off with `ClientGone` when so many bytes were sent. */
export function sentBody(
  bytes: Buffer,
  { clock, random }: { readonly clock: Clock; readonly random: SimRandom },
  breakAt = Number.POSITIVE_INFINITY,
): Body {
  if (bytes.length <= SMALL_BODY_BYTES_MAX && breakAt > bytes.length)
    return { kind: 'chunks', chunks: [bytes], size: bytes.length };
  async function* stream(): AsyncGenerator<Uint8Array> {
    const piece = 32 * KIB + random.below(128 * KIB);
    for (let at = 0; at < bytes.length; at += piece) {
      if (at >= breakAt) throw new ClientGone('the client went away');
      if (random.chance(0.3)) await clock.sleep(random.between(0, 50));
      yield bytes.subarray(at, at + piece);
    }
  }
  const known = random.chance(0.8);
  return { kind: 'stream', stream: stream(), size: known ? bytes.length : undefined };
}

/** A body whose bytes come at a rate, and whose size is known. */
export function pacedBody(bytes: Buffer, bytesPerS: number, clock: Clock): Body {
  async function* stream(): AsyncGenerator<Uint8Array> {
    const piece = Math.max(1, Math.ceil(bytes.length / PACED_PIECES));
    for (let at = 0; at < bytes.length; at += piece) {
      const chunk = bytes.subarray(at, at + piece);
      await clock.sleep((chunk.length / bytesPerS) * 1000);
      yield chunk;
    }
  }
  return { kind: 'stream', stream: stream(), size: bytes.length };
}
