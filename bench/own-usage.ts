/** Work of this process, or of children that it waits for, as a measurement. */
import { readFileSync } from 'node:fs';
import type { Measurement } from './measurement.js';

/** USER_HZ, in which /proc counts CPU time: 100 on all platforms that Node supports. */
const TICK_US = 10_000;

/** `operations` are what the work counts as. The latency is that of the whole. */
export async function measureWork(operations: number, work: () => unknown): Promise<Measurement> {
  const cpuBefore = cpuUs();
  const startedMs = performance.now();
  await work();
  const elapsedMs = performance.now() - startedMs;
  return {
    operationsPerSecond: (operations * 1000) / elapsedMs,
    bytesPerSecond: 0,
    p50Ms: elapsedMs,
    p90Ms: elapsedMs,
    p99Ms: elapsedMs,
    p999Ms: elapsedMs,
    cpuUsPerOperation: (cpuUs() - cpuBefore) / operations,
    generatorCpuUsPerOperation: NaN,
  };
}

/** User and system time of this process and of all children that have ended (proc(5), `cutime` and `cstime`). */
function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  const stat = readFileSync('/proc/self/stat', 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return user + system + (Number(fields[13]) + Number(fields[14])) * TICK_US;
}
