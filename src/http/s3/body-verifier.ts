/**
 * Checks a body against what its request said: checksum and signed SHA-256. The MD5 is the engine's, which needs it for the
 * ETag anyway.
 */
import { createChecksummer } from '../../core/checksum.js';
import type { Checksummer } from '../../core/checksum.js';
import type { ObjectChecksum } from '../../core/object.js';
import type { BodyPlan } from './body-plan.js';
import { trailingChecksum } from './checksum-headers.js';
import { PieceHash } from './piece-hash.js';
import { S3Error } from './s3-error.js';

export class BodyVerifier {
  readonly #plan: BodyPlan;
  readonly #checksummer: Checksummer | undefined;
  readonly #sha256: PieceHash | undefined;
  #checksum: ObjectChecksum | undefined;

  constructor(plan: BodyPlan) {
    this.#plan = plan;
    this.#checksummer = plan.checksum === undefined ? undefined : createChecksummer(plan.checksum.algorithm);
    this.#sha256 = plan.sha256 === undefined ? undefined : new PieceHash(plan.size);
  }

  update(bytes: Uint8Array): void {
    this.#checksummer?.update(bytes);
    this.#sha256?.update(bytes);
  }

  /** The body is whole. Throws BadDigest, XAmzContentSHA256Mismatch, MalformedTrailerError, InvalidRequest. */
  finish(trailers: ReadonlyMap<string, string>): void {
    const computed = this.#sha256?.digest();
    if (computed !== this.#plan.sha256)
      throw new S3Error('XAmzContentSHA256Mismatch', undefined, {
        elements: {
          ClientComputedContentSHA256: this.#plan.sha256 ?? '',
          S3ComputedContentSHA256: computed ?? '',
        },
      });
    const planned = this.#plan.checksum;
    if (planned === undefined || this.#checksummer === undefined) return;
    const { algorithm } = planned;
    const expected = planned.kind === 'header' ? planned.expected : trailingChecksum(algorithm, trailers);
    const value = this.#checksummer.digest();
    if (value !== expected)
      throw new S3Error(
        'BadDigest',
        `The ${algorithm} you specified did not match the calculated checksum: ${expected} was stated, ${value} was received.`,
      );
    this.#checksum = { algorithm, value, type: 'FULL_OBJECT' };
  }

  /** What was verified, to be kept with the object. Undefined before `finish`. */
  get checksum(): ObjectChecksum | undefined {
    return this.#checksum;
  }
}
