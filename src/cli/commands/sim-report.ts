/** What `headrace sim` prints: the line that repeats it first and last, violations with their window, what was done. */
import { CliFailure } from '../context.js';
import { printable, type Printer } from '../printer.js';
import type { RunReport, ViolationReport } from '../simulator.js';

/** Failed runs that are shown in full. */
const SHOWN_MAX = 5;

export class SimReport {
  readonly printer: Printer;
  readonly #commit: string;
  readonly #line: string;
  #seed = '';
  #failingSeed: string | undefined;
  #shown = 0;
  readonly #invariants = new Map<string, number>();

  constructor(printer: Printer, commit: string, line: string) {
    this.printer = printer;
    this.#commit = commit;
    this.#line = line;
  }

  /** Runs that found something, by invariant. */
  get violations(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#invariants);
  }

  get hasFailed(): boolean {
    return this.#invariants.size > 0;
  }

  async begin(seed: string): Promise<void> {
    this.#seed = seed;
    if (!this.printer.json) await this.printer.text(this.#repeat(seed));
  }

  /** The line that repeats the run, or the first one that failed. */
  async end(): Promise<void> {
    if (!this.printer.json) await this.printer.text(this.#repeat(this.#failingSeed ?? this.#seed));
  }

  async violation(
    seed: string,
    { invariant, message, window }: ViolationReport,
    where = '',
    faults = '',
  ): Promise<void> {
    this.#failingSeed ??= seed;
    this.#invariants.set(invariant, (this.#invariants.get(invariant) ?? 0) + 1);
    const { printer } = this;
    if (printer.json) return printer.jsonLine({ seed, where, invariant, message, faults, window });
    if (this.#shown++ === SHOWN_MAX) await printer.text('more violations are counted and not shown');
    if (this.#shown > SHOWN_MAX) return;
    const lead = `VIOLATION seed ${seed}${where}: ${invariant}`;
    await printer.text(printer.paint(lead, 'red'));
    await printer.text(`  ${message.split('\n').map(printable).join('\n  ')}`);
    if (faults !== '') await printer.text(`  faults: ${faults}`);
    for (const line of window) await printer.text(`  | ${printable(line)}`);
  }

  /** Ends the command with exit code 1 when anything was found. */
  conclude(): void {
    if (!this.hasFailed) return;
    const names = [...this.#invariants].map(([name, count]) => `${name} (${count})`).join(', ');
    throw new CliFailure('VIOLATION', `seed ${this.#failingSeed ?? ''} and others violate: ${names}`);
  }

  #repeat(seed: string): string {
    const line = this.#line.replace(`--seed ${this.#seed}`, `--seed ${seed}`);
    return `SEED=${seed} COMMIT=${this.#commit} headrace ${line}`;
  }
}

/** `ufsReset=0.02 kill=0.5`, or `none`. */
export function describeFaults(faults: RunReport['faults']): string {
  const armed = Object.entries(faults).filter(([, rate]) => rate > 0);
  return armed.length === 0 ? 'none' : armed.map(([name, rate]) => `${name}=${rate}`).join(' ');
}
