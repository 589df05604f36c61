/** How much of all processors' time nobody used, from Linux's /proc/stat (proc(5)). */
import { readFileSync } from 'node:fs';

interface ProcessorTime {
  readonly idleTicks: number;
  readonly totalTicks: number;
}

/** Fields of the first line: user, nice, system, idle, iowait, irq, softirq, steal; what guests use is among the user's. */
const FIELDS = 8;
const IDLE_FIELDS = [3, 4];

export function readProcessorTime(): ProcessorTime {
  const [line = ''] = readFileSync('/proc/stat', 'latin1').split('\n', 1);
  const ticks = line
    .split(/\s+/)
    .slice(1, 1 + FIELDS)
    .map(Number);
  const sum = (from: readonly number[]): number => from.reduce((total, each) => total + each, 0);
  return { idleTicks: sum(IDLE_FIELDS.map((field) => ticks[field] ?? 0)), totalTicks: sum(ticks) };
}

/** From 0 to 1, between two readings. */
export function idleShare(before: ProcessorTime, after: ProcessorTime): number {
  return (after.idleTicks - before.idleTicks) / Math.max(1, after.totalTicks - before.totalTicks);
}
