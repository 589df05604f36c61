/** The bytes that one write may take; volatile, because a crash ends the write. */
import type { Admission } from './admission.js';
import type { Budget } from './space-budgets.js';

export class Reservation {
  readonly #admission: Admission;
  readonly #budget: Budget | undefined;
  #bytes: number;

  constructor(admission: Admission, bytes: number, budget: Budget | undefined) {
    this.#admission = admission;
    this.#bytes = bytes;
    this.#budget = budget;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Reserves more; errors as `reserve`. */
  async grow(bytes: number): Promise<void> {
    await this.#admission.take({ bytes, budget: this.#budget, heldBytes: this.#bytes });
    this.#bytes += bytes;
  }

  release(): void {
    this.#admission.giveBack(this.#bytes, this.#budget);
    this.#bytes = 0;
  }
}
