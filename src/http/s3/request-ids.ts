/** Names for requests, to find one in the log again: cheap to make, unique, and impossible to guess across restarts. */
import type { Random } from '../../core/ports.js';

/** The count is told in two halves: the last one, in so many digits, changes with each request. */
const LOW_DIGITS = 4;
const LOW_MAX = 16 ** LOW_DIGITS - 1;

export class RequestIds {
  readonly #prefix: string;
  #high: number;
  #low: number;
  /** All but the last half of the count. */
  #start: string;
  /** `x-amz-id-2`: names this server since its start. */
  readonly hostId: string;

  constructor(random: Random) {
    this.#prefix = hexadecimal(random.uint32(), 8);
    const count = random.uint32();
    this.#high = count >>> 16;
    this.#low = count & LOW_MAX;
    this.#start = this.#prefix + hexadecimal(this.#high, LOW_DIGITS);
    this.hostId = Buffer.from(random.bytes(24)).toString('base64');
  }

  /** `x-amz-request-id`: 16 hexadecimal digits. */
  next(): string {
    if (this.#low === LOW_MAX) {
      this.#low = -1;
      this.#high = (this.#high + 1) & LOW_MAX;
      this.#start = this.#prefix + hexadecimal(this.#high, LOW_DIGITS);
    }
    this.#low++;
    return this.#start + hexadecimal(this.#low, LOW_DIGITS);
  }
}

function hexadecimal(value: number, digits: number): string {
  return value.toString(16).toUpperCase().padStart(digits, '0');
}
