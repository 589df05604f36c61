/** Names for requests, to find one in the log again: cheap to make, unique, and impossible to guess across restarts. */
import type { Random } from '../../core/ports.js';

export class RequestIds {
  readonly #prefix: string;
  #count: number;
  /** `x-amz-id-2`: names this server since its start. */
  readonly hostId: string;

  constructor(random: Random) {
    this.#prefix = hexadecimal(random.uint32());
    this.#count = random.uint32();
    this.hostId = Buffer.from(random.bytes(24)).toString('base64');
  }

  /** `x-amz-request-id`: 16 hexadecimal digits. */
  next(): string {
    this.#count = (this.#count + 1) >>> 0;
    return this.#prefix + hexadecimal(this.#count);
  }
}

function hexadecimal(value: number): string {
  return value.toString(16).toUpperCase().padStart(8, '0');
}
