/** Each suite of the bench runs here in its smallest form: its figures mean nothing, but it cannot rot. */
import t, { type Test } from 'tap';
import { TINY_SCALE, type Suite } from '../../bench/context.js';
import { renderTable, type Row } from '../../bench/report.js';
import { benchEviction } from '../../bench/suites/eviction.js';
import { benchFdbLog } from '../../bench/suites/fdb-log.js';
import { benchFolds } from '../../bench/suites/folds.js';
import { benchGet } from '../../bench/suites/get.js';
import { benchGrowth } from '../../bench/suites/growth.js';
import { benchMemory } from '../../bench/suites/memory.js';
import { benchPersist } from '../../bench/suites/persist.js';
import { benchPut } from '../../bench/suites/put.js';
import { benchRivals } from '../../bench/suites/rivals.js';
import { benchS3 } from '../../bench/suites/s3.js';
import { benchSimulator } from '../../bench/suites/simulator.js';
import { benchWriteAmplification } from '../../bench/suites/write-amplification.js';

/** Scenarios (by how they begin) that a suite must have measured. */
const SUITES: readonly (readonly [name: string, suite: Suite, scenarios: readonly string[]])[] = [
  ['put', benchPut, ['PUT 10 KiB', 'PUT 10 KiB', 'PUT 1 MiB']],
  ['get', benchGet, ['GET 10 KiB', 'GET 1 MiB']],
  ['growth', benchGrowth, ['PUT 10 KiB as the cache grows', 'Restart after kill -9', 'Record looked up']],
  ['memory', benchMemory, ['Peak RSS', 'RSS over']],
  [
    'persist',
    benchPersist,
    ['Persist 10 KiB objects', 'PUT 10 KiB in front', 'Persist 16 MiB', 'GET 256 KiB', '64 readers'],
  ],
  [
    's3',
    benchS3,
    [
      'Checksum of a body',
      'PUT 10 KiB by signature',
      'GET 10 KiB by signature',
      'ListObjectsV2 of',
      'DeleteObjects of',
    ],
  ],
  ['write-amplification', benchWriteAmplification, ['Bytes written per byte stored']],
  ['eviction', benchEviction, ['PUT 10 KiB, 1000/s, into a cache of']],
  ['fdb-log', benchFdbLog, ['Log in FoundationDB']],
  ['folds', benchFolds, ['Fold of', 'log replay of', 'State of']],
  ['simulator', benchSimulator, ['Simulation, one', 'Simulation of']],
  // What it measures depends on what is installed.
  ['rivals', benchRivals, []],
];

// Many processes, one after the other; a busy machine needs its time.
t.setTimeout(300_000);

for (const [name, suite, scenarios] of SUITES) {
  void t.test(`bench: the suite ${name} measures what it promises`, async (t) => {
    const rows = await suite({ scale: TINY_SCALE, directory: t.testdir(), progress: () => {} });
    for (const scenario of scenarios)
      t.ok(
        rows.some((row) => row.scenario.startsWith(scenario)),
        scenario,
      );
    for (const row of rows) checkRow(t, row);
    const table = renderTable([{ suite: name, elapsedMs: 1, rows }]);
    for (const row of rows) t.match(table, row.side);
  });
}

function checkRow(t: Test, row: Row): void {
  const what = `${row.scenario}, ${row.side}`;
  if (row.measurement !== undefined) {
    t.ok(row.measurement.operationsPerSecond > 0, `${what}: operations were counted`);
    t.ok(row.measurement.p50Ms <= row.measurement.p999Ms, `${what}: percentiles ascend`);
  }
  for (const check of row.checks) t.notMatch(check.value, /NaN|Infinity|undefined/, `${what}: ${check.what}`);
}
