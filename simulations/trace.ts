/**
 * What happened in a simulation, line by line, in virtual time: its hash is what two runs are compared by, its last lines are what
 * a failure is explained with.
 *
 * Every step of the scheduler is in the hash as well, without a line: a run that differs in order alone has another hash. Lines are
 * kept as they were given and made into text when somebody looks, and are hashed many at a time: few runs are ever looked at.
 */
import { createHash } from 'node:crypto';

/** Older lines are forgotten; the hash still covers them. */
const LINES_MAX = 50_000;
/** A window shows at most so many. */
const WINDOW_LINES_MAX = 60;

/** Characters of lines that are hashed at once. */
const HASHED_AT_ONCE = 32 * 1024;

interface TraceLine {
  readonly timeMs: number;
  readonly what: string;
  /** The object it is about; undefined for what concerns all of them. */
  readonly key: string | undefined;
}

export class Trace {
  readonly #hash = createHash('sha256');
  readonly #lines: TraceLine[] = [];
  readonly #nowMs: () => number;
  #first = 0;
  #steps = 0x811c9dc5;
  #unhashed = '';

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Lines so far, those forgotten included. */
  get length(): number {
    return this.#first + this.#lines.length;
  }

  line(what: string, key?: string): void {
    const timeMs = this.#nowMs();
    this.#unhashed += `${timeMs} ${what}\n`;
    if (this.#unhashed.length >= HASHED_AT_ONCE) this.#hashLines();
    this.#lines.push({ timeMs, what, key });
    if (this.#lines.length < 2 * LINES_MAX) return;
    this.#lines.splice(0, LINES_MAX);
    this.#first += LINES_MAX;
  }

  /** One callback of the scheduler. */
  step(timeMs: number, sequence: number): void {
    const time = Math.floor(timeMs * 1024);
    let hash = Math.imul(this.#steps ^ (time | 0), 0x01000193);
    hash = Math.imul(hash ^ Math.floor(time / 2 ** 32), 0x01000193);
    this.#steps = Math.imul(hash ^ sequence, 0x01000193);
  }

  /** Of everything until now, in hex. */
  digest(): string {
    this.#hashLines();
    const steps = (this.#steps >>> 0).toString(16).padStart(8, '0');
    return `${this.#hash.copy().digest('hex').slice(0, 32)}${steps}`;
  }

  /** All lines that are kept. */
  lines(): string[] {
    return this.#lines.map(textOf);
  }

  /**
   * What explains a failure: the lines about `key` since `from`, with what concerned everything meanwhile; the newest ones when
   * they are many. Without a key all of the last lines.
   */
  window(key: string | undefined, from = 0): string[] {
    const lines = this.#lines.slice(Math.max(0, from - this.#first));
    const about =
      key === undefined ? lines : lines.filter((line) => line.key === undefined || line.key === key);
    return about.slice(-WINDOW_LINES_MAX).map(textOf);
  }

  #hashLines(): void {
    this.#hash.update(this.#unhashed);
    this.#unhashed = '';
  }
}

function textOf({ timeMs, what }: TraceLine): string {
  return `${timeMs.toFixed(3).padStart(10)} ${what}`;
}
