/**
 * Names for files that are being written, and the removal of those that a crash left behind.
 *
 * `<wall time>-<instance>-<number>`, the first two in hex: the time is when the file was begun, the instance is random. A
 * leftover is one that is older than a day by its name: modification times are those of objects.
 */
import type { Clock, Random } from '../../../core/ports.js';
import { DAY_MS } from '../../../core/units.js';
import type { Parameters } from './namenode.js';

const LEFTOVER_AGE_MS_MIN = DAY_MS;
const NAME = /^([0-9a-f]{11})-[0-9a-f]{8}-\d+$/;

export class TemporaryNames {
  /** Parameters with which files are made. */
  readonly creation: Parameters;
  readonly #directory: string;
  readonly #instance: string;
  readonly #clock: Clock;
  #count = 0;

  constructor(
    directory: string,
    creation: Parameters,
    { clock, random }: { readonly clock: Clock; readonly random: Random },
  ) {
    this.creation = creation;
    this.#directory = directory;
    this.#clock = clock;
    this.#instance = random.uint32().toString(16).padStart(8, '0');
  }

  /** A path nobody else uses. */
  next(): string {
    this.#count += 1;
    const time = this.#clock.wallTimeMs().toString(16).padStart(11, '0');
    return `${this.#directory}/${time}-${this.#instance}-${this.#count}`;
  }

  isLeftover(name: string): boolean {
    const time = NAME.exec(name)?.[1];
    return time !== undefined && this.#clock.wallTimeMs() - Number.parseInt(time, 16) > LEFTOVER_AGE_MS_MIN;
  }
}
