/** `headrace sim mutants`: whether each known mistake is found, by what, and after how many seeds. */
import type { SimSession } from './sim-session.js';
import { CliFailure, EXIT_USAGE } from '../context.js';
import { printable, type Printer } from '../printer.js';
import { createProgressBar } from '../progress-bar.js';
import type { MutantInfo, ViolationReport } from '../simulator.js';

/** Hunts begin so far apart, so that they have no seed in common. */
const HUNT_SEEDS = 100_000;

interface Hunted {
  readonly mutant: MutantInfo;
  /** Seeds that each successful hunt took. */
  readonly seeds: readonly number[];
  readonly missed: number;
  readonly invariants: readonly string[];
  /** The first finding, with its seed. */
  readonly first: { readonly seed: string; readonly violation: ViolationReport } | undefined;
}

export async function huntMutants(
  session: SimSession,
  options: { readonly seeds: number; readonly only?: string; readonly repeats: number },
): Promise<void> {
  const { context, simulator, report } = session;
  const { printer } = report;
  const mutants = simulator.mutants.filter(({ name }) => options.only === undefined || name === options.only);
  if (mutants.length === 0)
    throw new CliFailure(
      'INVALID_ARGUMENT',
      `there is no mutant "${options.only}": \`sim list\` shows them`,
      EXIT_USAGE,
    );
  const bar = createProgressBar(context, { unit: 'mutants' });
  const hunted: Hunted[] = [];
  const left = mutants.values();
  const lanes = Array.from({ length: simulator.concurrency }, async () => {
    for (const mutant of left) {
      hunted.push(await hunt(session, mutant, options));
      bar.update(hunted.length, mutants.length);
    }
  });
  try {
    await Promise.all(lanes);
  } finally {
    bar.stop();
  }
  hunted.sort((a, b) => (a.mutant.name < b.mutant.name ? -1 : 1));
  const survivors = hunted.filter(({ missed }) => missed > 0).map(({ mutant }) => mutant.name);
  if (printer.json)
    for (const { mutant, seeds, missed, invariants } of hunted)
      await printer.jsonLine({
        mutant: mutant.name,
        caught: missed === 0,
        medianSeeds: median(seeds),
        invariants,
      });
  else
    await printer.table(
      hunted.map(({ mutant, seeds, missed, invariants }) => [
        mutant.name,
        missed === 0 ? 'caught' : 'SURVIVED',
        seeds.length === 0 ? '-' : String(median(seeds)),
        invariants.join(', '),
      ]),
      ['MUTANT', '', 'MEDIAN SEEDS', 'BY'],
    );
  if (options.only !== undefined && !printer.json)
    for (const { first } of hunted) if (first !== undefined) await show(printer, first);
  if (survivors.length > 0)
    throw new CliFailure(
      'MUTANT_SURVIVED',
      `not caught within ${options.seeds} seeds: ${survivors.join(', ')}`,
    );
  if (!printer.json) await printer.text(`${hunted.length} mutants, all caught`);
}

/** How it was found, as a violation of the real engine would be shown. */
async function show(printer: Printer, { seed, violation }: NonNullable<Hunted['first']>): Promise<void> {
  await printer.text(`\nseed ${seed}: ${violation.invariant}`);
  await printer.text(`  ${violation.message.split('\n').map(printable).join('\n  ')}`);
  for (const line of violation.window) await printer.text(`  | ${printable(line)}`);
}

async function hunt(
  { simulator }: SimSession,
  mutant: MutantInfo,
  { seeds, repeats }: { readonly seeds: number; readonly repeats: number },
): Promise<Hunted> {
  const took: number[] = [];
  const invariants = new Set<string>();
  let first: Hunted['first'];
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (let tried = 1; tried <= seeds; tried++) {
      const seed = String(repeat * HUNT_SEEDS + tried);
      const { violation } = await simulator.runMutant(mutant.name, seed);
      if (violation === undefined) continue;
      // Found by something that has nothing to do with it, it would not show that anything works.
      if (!mutant.caughtBy.includes(violation.invariant))
        throw new CliFailure(
          'MUTANT_MISTAKEN',
          `${mutant.name} was found by ${violation.invariant}, not by ${mutant.caughtBy.join(' or ')}: ${violation.message}`,
        );
      first ??= { seed, violation };
      took.push(tried);
      invariants.add(violation.invariant);
      break;
    }
  }
  return { mutant, seeds: took, missed: repeats - took.length, invariants: [...invariants].sort(), first };
}

function median(values: readonly number[]): number | undefined {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
