/**
 * `npm run bench [-- suite… --json FILE …]`: measures the real server over HTTP, each figure with the raw floor beside
 * it, taken in the same minutes on the same machine. docs/benchmarks.md tells how to read it.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { FULL_SCALE, TINY_SCALE, type BenchContext, type Suite } from './context.js';
import { headraceExists, HEADRACE_ENTRY } from './headrace-process.js';
import { describeMachine, machineLine } from './machine.js';
import { countChecks, renderTable, type SuiteReport } from './report.js';
import { benchEviction } from './suites/eviction.js';
import { benchFdbLog } from './suites/fdb-log.js';
import { benchFolds } from './suites/folds.js';
import { benchGet } from './suites/get.js';
import { benchGrowth } from './suites/growth.js';
import { benchMemory } from './suites/memory.js';
import { benchPersist } from './suites/persist.js';
import { benchPut } from './suites/put.js';
import { benchRivals } from './suites/rivals.js';
import { benchS3 } from './suites/s3.js';
import { benchSimulator } from './suites/simulator.js';
import { benchWriteAmplification } from './suites/write-amplification.js';

const SUITES: Readonly<Record<string, Suite>> = {
  put: benchPut,
  get: benchGet,
  growth: benchGrowth,
  memory: benchMemory,
  s3: benchS3,
  persist: benchPersist,
  'write-amplification': benchWriteAmplification,
  eviction: benchEviction,
  'fdb-log': benchFdbLog,
  folds: benchFolds,
  rivals: benchRivals,
  simulator: benchSimulator,
};
const DEFAULT_SUITES = ['put', 'get'];

const USAGE = `Usage: npm run bench -- [suite…] [options]

Suites: ${Object.keys(SUITES).join(', ')} (default: ${DEFAULT_SUITES.join(' ')})

  --rounds N         measurements of each side, in turn (default ${FULL_SCALE.rounds})
  --round-ms N       length of one measurement (default ${FULL_SCALE.roundMs})
  --minutes N        length of the mixed load of the memory suite (default ${FULL_SCALE.mixedLoadMs / 60_000})
  --directory DIR    where the data goes: the file system to measure (default node_modules/.cache)
  --json FILE        write the figures to a file as well
  --gate             exit with 1 when a target is missed
  --tiny             seconds instead of minutes: does it still work?`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string' },
      'round-ms': { type: 'string' },
      minutes: { type: 'string' },
      directory: { type: 'string' },
      json: { type: 'string' },
      gate: { type: 'boolean' },
      tiny: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) {
    console.log(USAGE);
    return 0;
  }
  const names = positionals.length > 0 ? positionals : DEFAULT_SUITES;
  const unknown = names.find((name) => !(name in SUITES));
  if (unknown !== undefined) throw new Error(`there is no suite "${unknown}"\n\n${USAGE}`);
  if (!headraceExists()) throw new Error(`${HEADRACE_ENTRY} does not exist: run npm run build first`);

  const scale = values.tiny === true ? TINY_SCALE : FULL_SCALE;
  const parent = values.directory ?? join('node_modules', '.cache');
  mkdirSync(parent, { recursive: true });
  const directory = resolve(mkdtempSync(join(parent, 'headrace-bench-')));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));

  const context: BenchContext = {
    scale: {
      ...scale,
      rounds: positive('--rounds', values.rounds, scale.rounds),
      roundMs: positive('--round-ms', values['round-ms'], scale.roundMs),
      mixedLoadMs: positive('--minutes', values.minutes, scale.mixedLoadMs / 60_000) * 60_000,
    },
    directory,
    progress: (line) => console.error(line),
  };
  const machine = describeMachine(directory);
  const startedAt = new Date().toISOString();
  console.log(machineLine(machine));
  const suites: SuiteReport[] = [];
  for (const name of names) {
    const startedMs = performance.now();
    const rows = (await SUITES[name]?.(context)) ?? [];
    suites.push({ suite: name, elapsedMs: performance.now() - startedMs, rows });
  }
  console.log(`\n${renderTable(suites)}\n`);
  const { passed, missed } = countChecks(suites);
  console.log(`${passed} targets passed, ${missed} missed`);
  if (values.json !== undefined)
    writeFileSync(values.json, `${JSON.stringify({ machine, startedAt, suites }, undefined, 2)}\n`);
  return values.gate === true && missed > 0 ? 1 : 0;
}

function positive(flag: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (!(value > 0)) throw new Error(`${flag} ${text} is not a number above 0`);
  return value;
}

main().then(
  (code) => process.exit(code),
  (error: Error) => {
    console.error(error.message);
    process.exit(2);
  },
);
