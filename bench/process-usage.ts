/**
 * What a process and its descendants have used, from Linux's /proc (proc(5)): `stat` for the CPU time of all threads,
 * `status` for memory.
 */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';

/** USER_HZ, in which /proc counts CPU time: 100 on all platforms that Node supports. */
const TICKS_PER_SECOND = 100;

export interface ProcessUsage {
  readonly cpuMs: number;
  readonly residentBytes: number;
  /** The largest `residentBytes` so far, or since `resetResidentPeak`. */
  readonly residentPeakBytes: number;
}

/** Sums over the process and its live descendants. Throws when the process is gone. */
export function readProcessUsage(pid: number): ProcessUsage {
  const usages = processTree(pid).map(readOne);
  return {
    cpuMs: usages.reduce((sum, usage) => sum + usage.cpuMs, 0),
    residentBytes: usages.reduce((sum, usage) => sum + usage.residentBytes, 0),
    residentPeakBytes: usages.reduce((sum, usage) => sum + usage.residentPeakBytes, 0),
  };
}

/** CPU time of the thread that answers requests, without those that Node and the program start beside it. */
export function readMainThreadCpuMs(pid: number): number {
  return cpuMsOf(readFileSync(`/proc/${pid}/task/${pid}/stat`, 'latin1'));
}

/** The process and all its live descendants. */
export function processTree(pid: number): number[] {
  const found = [pid];
  for (const parent of found) {
    for (const thread of directoryOrNone(`/proc/${parent}/task`)) {
      const children = fileOrNone(`/proc/${parent}/task/${thread}/children`).trim();
      if (children !== '') found.push(...children.split(' ').map(Number));
    }
  }
  return found;
}

/** Starts the peak of resident memory anew (proc(5), clear_refs, value 5). */
export function resetResidentPeak(pid: number): void {
  for (const each of processTree(pid)) writeFileSync(`/proc/${each}/clear_refs`, '5');
}

function readOne(pid: number): ProcessUsage {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  return {
    cpuMs: cpuMsOf(stat),
    residentBytes: field(status, 'VmRSS') * 1024,
    residentPeakBytes: field(status, 'VmHWM') * 1024,
  };
}

/** From a `stat` of a process or a thread: user and system time. */
function cpuMsOf(stat: string): number {
  // The command name, field 2, is in parentheses and may hold spaces: count from behind it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND;
}

function field(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(text)?.[1] ?? 0);
}

function fileOrNone(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

function directoryOrNone(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
