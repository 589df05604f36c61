/**
 * The body of an object as it comes from the UFS, whole or not at all: one that breaks off is fetched on from there, if the UFS
 * still has the same version, and an end before the last byte is an error.
 */
import { HeadraceError, isErrorCode } from '../core/errors.js';
import type { ByteRange } from '../core/object-store.js';

/** How often a body that breaks off is fetched on. */
const RESUMES_MAX = 3;

export class FillSource {
  readonly #size: number;
  readonly #fetch: (range: ByteRange) => Promise<AsyncIterable<Uint8Array>>;
  #body: AsyncIterator<Uint8Array>;
  #received = 0;
  #resumes = 0;
  #isEnded = false;
  /** Ends the wait for a piece. */
  #giveUp: (error: HeadraceError) => void = () => undefined;

  constructor(
    body: AsyncIterable<Uint8Array>,
    size: number,
    fetch: (range: ByteRange) => Promise<AsyncIterable<Uint8Array>>,
  ) {
    this.#body = body[Symbol.asyncIterator]();
    this.#size = size;
    this.#fetch = fetch;
  }

  /** The next piece; undefined behind the last byte. `UFS_*`, `SLOW_DOWN` when the UFS has another version by now. */
  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      try {
        return await this.#read();
      } catch (error) {
        if (this.#isEnded || !isErrorCode(error, 'UFS_UNAVAILABLE', 'UFS_THROTTLED')) throw error;
        // A UFS that fell silent has used up the time that the reader has.
        const isLate = error.details['outcomeUnknown'] === true;
        if (isLate || this.#resumes === RESUMES_MAX || this.#received === 0) throw error;
        this.#resumes += 1;
        const rest = await this.#fetch({ first: this.#received, last: this.#size - 1 });
        this.#body = rest[Symbol.asyncIterator]();
        if (this.#isEnded) this.end();
      }
    }
  }

  /** Nothing more is wanted. Not waited for: it may end only behind a piece that does not come. */
  end(): void {
    this.#isEnded = true;
    this.#giveUp(new HeadraceError('CLOSED', 'the fetch from the UFS was ended'));
    this.#body.return?.(undefined).catch(() => undefined);
  }

  async #read(): Promise<Uint8Array | undefined> {
    const step = await new Promise<IteratorResult<Uint8Array>>((resolve, reject) => {
      this.#giveUp = reject;
      this.#body.next().then(resolve, reject);
    });
    const missing = this.#size - this.#received;
    if (step.done === true) {
      if (missing === 0) return undefined;
      throw new HeadraceError('UFS_UNAVAILABLE', `the body broke off ${missing} bytes before its end`);
    }
    if (step.value.length > missing)
      throw new HeadraceError('UFS_REJECTED', `the UFS sent more than ${this.#size} bytes`);
    this.#received += step.value.length;
    return step.value;
  }
}
