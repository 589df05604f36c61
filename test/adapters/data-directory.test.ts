import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import fsPromises from 'node:fs/promises';
import path from 'node:path';
import t, { type Test } from 'tap';
import { SimRandom } from '../../simulations/sim-random.js';
import { openDataDirectory } from '../../src/adapters/data-directory.js';
import { acquireProcessLock } from '../../src/adapters/process-lock.js';
import { isErrorCode } from '../../src/core/errors.js';

const MODULE = new URL('../../src/adapters/data-directory.js', import.meta.url).href;
const CHILD = `
  import { openDataDirectory } from ${JSON.stringify(MODULE)};
  process.stdin.resume();
  process.stdin.on('end', () => process.exit(0));
  try {
    await openDataDirectory(process.argv[1], { formatVersion: 1 });
    console.log('OPEN');
  } catch (error) {
    console.log(error.code);
  }
`;

/** A process that tries to open the directory, says what came of it, and stays until its input ends. */
async function startChild(directory: string): Promise<{ child: ChildProcess; outcome: string }> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', CHILD, directory], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, outcome: line.toString().trim() };
}

async function stopChild(child: ChildProcess, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
  child.kill(signal);
  await once(child, 'exit');
}

async function failure(work: Promise<unknown>): Promise<{ code: string; message: string }> {
  try {
    await work;
  } catch (error) {
    if (isErrorCode(error, 'DATA_DIRECTORY_UNUSABLE', 'DATA_DIRECTORY_IN_USE', 'UNSUPPORTED_FORMAT'))
      return error;
    throw error;
  }
  throw new Error('the call was expected to fail');
}

const VERSION_1 = { formatVersion: 1 };

void t.test('data directory: it is created with its parents and keeps its identity', async (t) => {
  const root = path.join(t.testdir(), 'a', 'b');
  const first = await openDataDirectory(root, VERSION_1);
  t.equal(first.path, root);
  t.match(first.storeId, /^[0-9a-f-]{36}$/);
  await first.release();
  await first.release();
  t.strictSame(fs.readdirSync(root), ['headrace.json']);
  const second = await openDataDirectory(root, VERSION_1);
  t.equal(second.storeId, first.storeId);
  t.equal(second.formatVersion, 1);
  await second.release();
});

void t.test(
  'data directory: a live process that uses it is named, and a killed one is succeeded',
  async (t) => {
    const root = t.testdir();
    const { child, outcome } = await startChild(root);
    t.equal(outcome, 'OPEN');
    const error = await failure(openDataDirectory(root, VERSION_1));
    t.equal(error.code, 'DATA_DIRECTORY_IN_USE');
    t.match(error.message, `process ${child.pid}`);
    t.match(error.message, 'stop that process first');
    await stopChild(child, 'SIGKILL');
    t.ok(fs.existsSync(path.join(root, 'headrace.pid')), 'the dead process left its lock');
    const taken = await openDataDirectory(root, VERSION_1);
    await taken.release();
    t.strictSame(fs.readdirSync(root), ['headrace.json']);
  },
);

void t.test(
  'data directory: of processes that start at once over a stale lock exactly one wins',
  async (t) => {
    const root = t.testdir();
    const dead = await startChild(root);
    await stopChild(dead.child, 'SIGKILL');
    const starters = await Promise.all([1, 2, 3].map(() => startChild(root)));
    const outcomes = starters.map((starter) => starter.outcome).sort();
    await Promise.all(starters.map(({ child }) => stopChild(child, 'SIGTERM')));
    t.strictSame(outcomes, ['DATA_DIRECTORY_IN_USE', 'DATA_DIRECTORY_IN_USE', 'OPEN']);
  },
);

void t.test('data directory: the same process cannot open it twice', async (t) => {
  const root = t.testdir();
  const first = await openDataDirectory(root, VERSION_1);
  const error = await failure(openDataDirectory(root, VERSION_1));
  t.equal(error.code, 'DATA_DIRECTORY_IN_USE');
  await first.release();
});

void t.test('data directory: what is not a store is refused, and nothing is written into it', async (t) => {
  const root = t.testdir({ 'holiday.jpg': 'x', documents: {} });
  const error = await failure(openDataDirectory(root, VERSION_1));
  t.equal(error.code, 'DATA_DIRECTORY_UNUSABLE');
  t.match(error.message, 'found documents, holiday.jpg');
  t.strictSame(fs.readdirSync(root).sort(), ['documents', 'holiday.jpg']);
});

void t.test('data directory: prepared mount points and an under-store may be there before', async (t) => {
  const root = t.testdir({
    ufs: { bucket: { key: 'x' } },
    log: { 'lost+found': {} },
    segments: {},
    index: {},
  });
  const opened = await openDataDirectory(root, VERSION_1);
  await opened.release();
  t.ok(fs.existsSync(path.join(root, 'headrace.json')));
});

void t.test('data directory: a log without a marker is never taken for a new store', async (t) => {
  const error = await failure(openDataDirectory(t.testdir({ log: { '0001': 'x' } }), VERSION_1));
  t.equal(error.code, 'DATA_DIRECTORY_UNUSABLE');
  t.match(error.message, 'headrace.json is missing although log/ holds data');
});

void t.test('data directory: a damaged marker is refused', async (t) => {
  for (const text of [
    '',
    '{',
    '[]',
    '{"format":"other","version":1}',
    '{"format":"headrace","version":"1"}',
  ]) {
    const root = t.testdir({ 'headrace.json': text });
    const error = await failure(openDataDirectory(root, VERSION_1));
    t.equal(error.code, 'DATA_DIRECTORY_UNUSABLE', text);
    t.strictSame(fs.readdirSync(root), ['headrace.json'], 'the lock is given up');
  }
});

void t.test(
  'data directory: a newer format is refused with both versions, an older one is read',
  async (t) => {
    const root = t.testdir();
    await (await openDataDirectory(root, { formatVersion: 2 })).release();
    const error = await failure(openDataDirectory(root, VERSION_1));
    t.equal(error.code, 'UNSUPPORTED_FORMAT');
    t.match(error.message, 'format version 2');
    t.match(error.message, 'up to version 1');
    const newer = await openDataDirectory(root, { formatVersion: 3 });
    t.equal(newer.formatVersion, 2);
    await newer.release();
  },
);

void t.test('data directory: a file in its place is named', async (t) => {
  const root = t.testdir({ file: 'x' });
  for (const name of [path.join(root, 'file'), path.join(root, 'file', 'below')]) {
    const error = await failure(openDataDirectory(name, VERSION_1));
    t.equal(error.code, 'DATA_DIRECTORY_UNUSABLE');
    t.match(error.message, `${name} cannot be used as the data directory: it is not a directory`);
  }
});

void t.test(
  'data directory: locks of reused process ids, older boots and torn files are stale',
  async (t) => {
    const bootId = fs.existsSync('/proc/sys/kernel/random/boot_id')
      ? fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
      : '';
    const stale = {
      'process id given to this process': `${process.pid}\n1\n${bootId}\n0123456789abcdef\n`,
      'an older boot': `${process.pid}\n1\n00000000-0000-0000-0000-000000000000\n0123456789abcdef\n`,
      'empty after a power failure': '',
      'zero-filled after a power failure': '\0'.repeat(64),
      'a process group instead of a process': `0\n\n\n0123456789abcdef\n`,
    };
    for (const [name, text] of Object.entries(stale)) {
      const root = t.testdir({ 'headrace.pid': text });
      const opened = await openDataDirectory(root, VERSION_1);
      await opened.release();
      t.strictSame(fs.readdirSync(root), ['headrace.json'], name);
    }
  },
);

/** Lets calls of the file system begin after a random number of turns, so that takers overtake each other. */
function stagger(t: Test, random: SimRandom): void {
  const { link, readFile, unlink } = fsPromises;
  t.teardown(() => Object.assign(fsPromises, { link, readFile, unlink }));
  const late =
    <Arguments extends unknown[]>(call: (...given: Arguments) => Promise<unknown>) =>
    async (...given: Arguments): Promise<unknown> => {
      for (let turns = random.chance(0.2) ? random.below(100) : 0; turns > 0; turns--) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      return await call(...given);
    };
  Object.assign(fsPromises, { link: late(link), readFile: late(readFile), unlink: late(unlink) });
}

void t.test(
  'process lock: exactly one of many takers gets a stale lock, however they overtake each other',
  async (t) => {
    stagger(t, new SimRandom('takers'));
    for (let round = 0; round < 100; round++) {
      const fixture: Record<string, string> = {
        'headrace.pid': `${process.pid}\n1\nother-boot\n0123456789abcdef\n`,
      };
      // The guard of a taker that was killed, and the guard of that one.
      if (round % 2 === 1) {
        fixture['headrace.pid.0123456789abcdef'] = '';
        fixture['headrace.pid.0123456789abcdef.damaged'] = '';
      }
      const file = path.join(t.testdir(fixture), 'headrace.pid');
      const attempts = await Promise.all(Array.from({ length: 6 }, () => acquireProcessLock(file)));
      const winners = attempts.filter((attempt) => attempt.outcome === 'ACQUIRED');
      if (winners.length !== 1) t.fail(`round ${round}: ${winners.length} takers hold the lock`);
      for (const winner of winners) await winner.release();
      if (fs.existsSync(file)) t.fail(`round ${round}: the lock was not given up`);
    }
  },
);
