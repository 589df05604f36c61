/**
 * The floor under durability: a bare loop of appends, each made durable before the next, in a process of its own.
 *
 * `append`: a growing file, one write and one fdatasync per turn. `overwrite`: a file of zeros, opened with O_DSYNC, one
 * write per turn: the fastest durable write that a file system offers. With `batch` above 1, one turn makes that many
 * operations durable together: group commit.
 */
import { closeSync, constants, fdatasyncSync, fsyncSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { Histogram } from '../histogram.js';

export interface AppendFloorRequest {
  readonly path: string;
  readonly mode: 'append' | 'overwrite';
  readonly operationBytes: number;
  readonly batch: number;
  readonly durationMs: number;
}

export interface AppendFloorReply {
  readonly operations: number;
  readonly elapsedMs: number;
  readonly cpuMs: number;
  readonly latencyCounts: Uint32Array;
}

/** Size of the file that `overwrite` goes round in. */
const RING_BYTES = 64 * 1024 * 1024;

function run(request: AppendFloorRequest): AppendFloorReply {
  const turn = Buffer.alloc(request.operationBytes * request.batch, 0x61);
  const ringBytes = Math.max(turn.length, RING_BYTES - (RING_BYTES % turn.length));
  if (request.mode === 'overwrite') fillWithZeros(request.path, ringBytes);
  const flags =
    request.mode === 'append'
      ? constants.O_WRONLY | constants.O_CREAT
      : constants.O_WRONLY | constants.O_DSYNC;
  const file = openSync(request.path, flags);
  const histogram = new Histogram();
  const cpuBefore = process.cpuUsage();
  const startedMs = performance.now();
  let nowMs = startedMs;
  let position = 0;
  let operations = 0;
  while (nowMs - startedMs < request.durationMs) {
    writeSync(file, turn, 0, turn.length, position);
    if (request.mode === 'append') fdatasyncSync(file);
    position += turn.length;
    if (request.mode === 'overwrite' && position >= ringBytes) position = 0;
    const endMs = performance.now();
    histogram.record(endMs - nowMs);
    nowMs = endMs;
    operations += request.batch;
  }
  const cpu = process.cpuUsage(cpuBefore);
  closeSync(file);
  unlinkSync(request.path);
  return {
    operations,
    elapsedMs: nowMs - startedMs,
    cpuMs: (cpu.user + cpu.system) / 1000,
    latencyCounts: histogram.toCounts(),
  };
}

function fillWithZeros(path: string, bytes: number): void {
  const file = openSync(path, 'w');
  const zeros = Buffer.alloc(1024 * 1024);
  for (let at = 0; at < bytes; at += zeros.length)
    writeSync(file, zeros, 0, Math.min(zeros.length, bytes - at), at);
  fsyncSync(file);
  closeSync(file);
}

if (process.send !== undefined && process.argv[2] === 'append-floor') {
  process.on('disconnect', () => process.exit());
  process.on('message', (request: AppendFloorRequest) => {
    try {
      process.send?.({ kind: 'done', result: run(request) });
    } catch (error) {
      process.send?.({ kind: 'failed', message: (error as Error).message });
    }
  });
  process.send({ kind: 'ready' });
}
