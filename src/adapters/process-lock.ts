/**
 * A lock file that dies with its process: at most one live process on this machine holds it.
 *
 * File layout, one value a line: process id, start time of the process in clock ticks since boot (empty where there is
 * no /proc; proc_pid_stat(5), field 22), boot id (empty where there is none), instance (16 hex digits, unique).
 *
 * Protocol. A lock appears whole, by link(2) from a private file, so no reader sees half of one and only one of
 * several takers succeeds. A lock whose process is dead is removed by whoever wins the *guard* of that one instance,
 * `<lock>.<instance>`, and finds under the guard that the lock still is that instance: so a slow taker can never remove
 * the lock of a faster one. A guard is a lock of the same kind, because its holder may die as well.
 *
 * Limit: process ids say nothing across machines or process namespaces; a data directory must not be shared between them.
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { HeadraceError } from '../core/errors.js';
import { isSystemError } from './system-call.js';

/** Rounds in which another process may change the lock before this one gives up. */
const ATTEMPTS_MAX = 32;
/** Guards of guards: each level takes a process that was killed between two system calls. */
const GUARD_LEVELS_MAX = 8;
const STAT_STATE_FIELD = 3;
const STAT_START_TIME_FIELD = 22;

export type LockAttempt =
  | { readonly outcome: 'ACQUIRED'; readonly release: () => Promise<void> }
  | { readonly outcome: 'HELD'; readonly pid: number };

interface Holder {
  /** 0 when the file does not hold what this module writes: no live process made it. */
  readonly pid: number;
  readonly startTime: string;
  readonly bootId: string;
  readonly instance: string;
}

/**
 * Takes the lock, or names the process that has it. `release` removes it; a process that ends without it leaves a
 * lock that the next one takes over. Throws the system's errors.
 */
export async function acquireProcessLock(file: string): Promise<LockAttempt> {
  const attempt = await acquire(file, 0);
  if (attempt.outcome === 'ACQUIRED') await removeLeftovers(file);
  return attempt;
}

async function acquire(file: string, guardLevel: number): Promise<LockAttempt> {
  if (guardLevel > GUARD_LEVELS_MAX) throw undecided(file);
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const own = await describeOwnProcess();
    if (await place(file, own)) {
      return { outcome: 'ACQUIRED', release: () => removeInstance(file, own.instance) };
    }
    const holder = await readHolder(file);
    if (holder === undefined) continue;
    if (await isAlive(holder)) return { outcome: 'HELD', pid: holder.pid };
    const guard = await acquire(`${file}.${holder.instance}`, guardLevel + 1);
    if (guard.outcome === 'HELD') return guard;
    try {
      await removeInstance(file, holder.instance);
    } finally {
      await guard.release();
    }
  }
  throw undecided(file);
}

/** Makes the lock appear with its whole content; false when there is one, or when the private file was cleaned up. */
async function place(file: string, holder: Holder): Promise<boolean> {
  const draft = `${file}.${holder.instance}.new`;
  const lines = [holder.pid, holder.startTime, holder.bootId, holder.instance];
  await fs.writeFile(draft, `${lines.join('\n')}\n`, { flag: 'wx', mode: 0o600 });
  try {
    await fs.link(draft, file);
    return true;
  } catch (error) {
    if (isSystemError(error, 'EEXIST', 'ENOENT')) return false;
    throw error;
  } finally {
    await removeIfThere(draft);
  }
}

/** Undefined when there is no lock. */
async function readHolder(file: string): Promise<Holder | undefined> {
  const text = await readText(file);
  if (text === undefined) return undefined;
  const [pid = '', startTime = '', bootId = '', instance = ''] = text.split('\n');
  const isWhole = /^[1-9][0-9]{0,9}$/.test(pid) && /^[0-9a-f]{16}$/.test(instance);
  // A file that a power failure left empty: every such file is as dead as the next, so they share an instance.
  return isWhole
    ? { pid: Number(pid), startTime, bootId, instance }
    : { pid: 0, startTime: '', bootId: '', instance: 'damaged' };
}

async function isAlive(holder: Holder): Promise<boolean> {
  if (holder.pid === 0) return false;
  const bootId = await readBootId();
  if (holder.bootId !== '' && bootId !== '' && holder.bootId !== bootId) return false;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    // EPERM: there is such a process, of another user.
    if (isSystemError(error, 'ESRCH')) return false;
  }
  const stat = await readProcessStat(holder.pid);
  if (stat === undefined) return true;
  // A zombie holds nothing any more; another start time means that the id was given to another process.
  if (stat.state === 'Z' || stat.state === 'X') return false;
  return holder.startTime === '' || stat.startTime === holder.startTime;
}

async function describeOwnProcess(): Promise<Holder> {
  const stat = await readProcessStat(process.pid);
  const instance = randomBytes(8).toString('hex');
  return { pid: process.pid, startTime: stat?.startTime ?? '', bootId: await readBootId(), instance };
}

/** Undefined where there is no /proc, or it hides the process. */
async function readProcessStat(pid: number): Promise<{ state: string; startTime: string } | undefined> {
  const text = await readText(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  // The second field is the name in parentheses, which may itself hold blanks and parentheses.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const state = fields[STAT_STATE_FIELD - 3];
  const startTime = fields[STAT_START_TIME_FIELD - 3];
  return state === undefined || startTime === undefined ? undefined : { state, startTime };
}

async function readBootId(): Promise<string> {
  return (await readText('/proc/sys/kernel/random/boot_id'))?.trim() ?? '';
}

/** What killed processes left. The holder may remove it: a guard counts only while its lock is in place. */
async function removeLeftovers(file: string): Promise<void> {
  const directory = path.dirname(file);
  const prefix = `${path.basename(file)}.`;
  for (const name of await fs.readdir(directory)) {
    if (name.startsWith(prefix)) await removeIfThere(path.join(directory, name));
  }
}

/** For the holder of the instance, or of its guard: nobody else removes it between the look and the removal. */
async function removeInstance(file: string, instance: string): Promise<void> {
  const current = await readHolder(file);
  if (current?.instance === instance) await removeIfThere(file);
}

async function readText(file: string): Promise<string | undefined> {
  try {
    return await fs.readFile(file, 'utf8');
  } catch (error) {
    // ESRCH: a process ended while its /proc file was read.
    const isGone = isSystemError(error, 'ENOENT', 'ESRCH');
    if (isGone || file.startsWith('/proc/')) return undefined;
    throw error;
  }
}

async function removeIfThere(file: string): Promise<void> {
  try {
    await fs.unlink(file);
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error;
  }
}

function undecided(file: string): HeadraceError {
  return new HeadraceError(
    'DATA_DIRECTORY_IN_USE',
    `the lock ${file} keeps changing hands: stop the other processes that start with it, then try again`,
  );
}
