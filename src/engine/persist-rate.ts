/**
 * The upload rate limit: a token bucket for objects and one for bytes, each a second deep (RFC 2697 has the idea).
 *
 * An object begins when neither is in debt, and may then go into debt: so the average holds whatever the sizes. A large body pays
 * piece by piece as it is read, so that the rate holds while it is on its way.
 */
import type { Clock } from '../core/ports.js';
import { MIB } from '../core/units.js';

export interface PersistRateOptions {
  /** Undefined: no limit. */
  readonly bytesPerS: number | undefined;
  readonly objectsPerS: number | undefined;
}

/** A body up to this size pays at once. */
const PAID_AT_ONCE_BYTES_MAX = MIB;

export class PersistRate {
  readonly #clock: Clock;
  readonly #bytes: TokenBucket | undefined;
  readonly #objects: TokenBucket | undefined;

  constructor({ bytesPerS, objectsPerS }: PersistRateOptions, clock: Clock) {
    this.#clock = clock;
    if (bytesPerS !== undefined) this.#bytes = new TokenBucket(bytesPerS, clock);
    if (objectsPerS !== undefined) this.#objects = new TokenBucket(objectsPerS, clock);
  }

  /** How long until the next object may begin; 0 when it may now. */
  get delayMs(): number {
    return Math.max(this.#bytes?.delayMs ?? 0, this.#objects?.delayMs ?? 0);
  }

  /** An object of this size begins. */
  took(sizeBytes: number): void {
    this.#objects?.take(1);
    if (sizeBytes <= PAID_AT_ONCE_BYTES_MAX) this.#bytes?.take(sizeBytes);
  }

  /** Time that the limit adds to moving `sizeBytes` when `sharing` bodies are on their way. */
  extraMs(sizeBytes: number, sharing: number): number {
    return this.#bytes === undefined ? 0 : (sizeBytes * 1000 * sharing) / this.#bytes.perS;
  }

  /** The bytes of an object of `sizeBytes`, no faster than the limit allows. */
  paced(sizeBytes: number, source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    const bytes = this.#bytes;
    if (bytes === undefined || sizeBytes <= PAID_AT_ONCE_BYTES_MAX) return source;
    return pacedBy(bytes, source, this.#clock);
  }
}

async function* pacedBy(
  bytes: TokenBucket,
  source: AsyncIterable<Uint8Array>,
  clock: Clock,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const piece of source) {
    for (let delayMs = bytes.delayMs; delayMs > 0; delayMs = bytes.delayMs) await clock.sleep(delayMs);
    bytes.take(piece.length);
    yield piece;
  }
}

class TokenBucket {
  readonly perS: number;
  readonly #clock: Clock;
  #tokens: number;
  #atMs: number;

  constructor(perS: number, clock: Clock) {
    this.perS = perS;
    this.#clock = clock;
    this.#tokens = perS;
    this.#atMs = clock.monotonicTimeMs();
  }

  get delayMs(): number {
    const nowMs = this.#clock.monotonicTimeMs();
    this.#tokens = Math.min(this.perS, this.#tokens + ((nowMs - this.#atMs) * this.perS) / 1000);
    this.#atMs = nowMs;
    // Whole tokens only: with less than one object's share the next has to wait.
    return this.#tokens >= 1 ? 0 : Math.max(1, Math.ceil(((1 - this.#tokens) * 1000) / this.perS));
  }

  take(tokens: number): void {
    this.#tokens -= tokens;
  }
}
