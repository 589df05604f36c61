/**
 * A simulated machine with a log on it: virtual time, a disk that keeps only what was synced, and ways to
 * kill the process, cut the power and damage files.
 */
import { EmbeddedLogStore, type EmbeddedLogOptions } from '../../log/embedded/log-store.js';
import type { DurableBatch, PartitionLog } from '../../log/log-store.js';
import { Scheduler } from '../../simulations/scheduler.js';
import { SimClock } from '../../simulations/sim-clock.js';
import { SimDisk } from '../../simulations/sim-disk.js';
import { SimRandom } from '../../simulations/sim-random.js';
import { type Logger, SILENT_LOGGER } from '../../src/core/logger.js';

/** Small, so that a test fills several segments. */
export const SMALL_SEGMENTS: Partial<EmbeddedLogOptions> = {
  segmentBytes: 64 * 1024,
  firstSegmentBytes: 64 * 1024,
  retention: { bytes: 0, timeMs: 0 },
};
export const PARTITION = 1;
export const PARTITION_DIRECTORY = 'log/p0001';

export class LogWorld {
  readonly scheduler = new Scheduler();
  readonly random: SimRandom;
  readonly warnings: string[] = [];
  disk: SimDisk;
  clock: SimClock;
  #generation = 0;

  constructor(seed: number | string = 1) {
    this.random = new SimRandom(seed);
    this.disk = new SimDisk(this.scheduler, this.random.fork('disk'));
    this.clock = new SimClock(this.scheduler);
  }

  /** Lets `work` come to its end in virtual time. */
  run<Value>(work: () => Promise<Value>): Promise<Value> {
    return this.scheduler.complete(work());
  }

  store(options: Partial<EmbeddedLogOptions> = {}): EmbeddedLogStore {
    const logger: Logger = { ...SILENT_LOGGER, warn: (_, message) => void this.warnings.push(message) };
    const random = this.random.fork(`store ${this.#generation}`);
    const { disk, clock } = this;
    return new EmbeddedLogStore({ disk, clock, random, logger, options: { ...SMALL_SEGMENTS, ...options } });
  }

  open(options: Partial<EmbeddedLogOptions> = {}): Promise<PartitionLog> {
    return this.run(() => this.store(options).openPartition(PARTITION));
  }

  /** The process dies; what it wrote stays with the kernel. */
  kill(): void {
    this.#end(this.disk.kill(this.random.fork(`kill ${this.#generation}`)));
  }

  /** The power fails: what was not synced is lost, torn or kept. */
  crash(): void {
    this.#end(this.disk.crash(this.random.fork(`crash ${this.#generation}`)));
  }

  #end(disk: SimDisk): void {
    this.clock.stop();
    this.disk = disk;
    this.clock = new SimClock(this.scheduler);
    this.#generation++;
  }

  /** Segment files, oldest first. */
  segments(): Promise<string[]> {
    return this.run(async () => {
      const names = await this.disk.list(PARTITION_DIRECTORY);
      return names
        .filter((name) => !name.startsWith('spare'))
        .map((name) => `${PARTITION_DIRECTORY}/${name}`);
    });
  }

  async newestSegment(): Promise<string> {
    return (await this.segments()).at(-1) as string;
  }

  content(path: string): Promise<Buffer> {
    return this.run(async () => {
      const file = await this.disk.open(path, { readOnly: true });
      const bytes = Buffer.alloc(await file.size());
      await file.read(0, bytes);
      await file.close();
      return bytes;
    });
  }

  /** Writes over a part of a file, durably. */
  patch(path: string, position: number, bytes: Uint8Array): Promise<void> {
    return this.run(async () => {
      const file = await this.disk.open(path, { durableWrites: true });
      await file.write(position, bytes);
      await file.close();
    });
  }

  /** Flips one bit of a file. */
  async flip(path: string, position: number): Promise<void> {
    const bytes = await this.content(path);
    await this.patch(path, position, Buffer.from([(bytes[position] as number) ^ 1]));
  }
}

export async function readAll(log: PartitionLog, from: number): Promise<DurableBatch[]> {
  const batches: DurableBatch[] = [];
  for await (const batch of log.read(from)) batches.push(batch);
  return batches;
}

/** The number of each event (`numberedEvent`) from an offset on. */
export async function readNumbers(log: PartitionLog, from: number): Promise<number[]> {
  const numbers: number[] = [];
  for (const { events, firstOffset } of await readAll(log, from))
    for (const [i, event] of events.entries())
      if (firstOffset + i >= from) numbers.push(event.type === 'DeletePersisted' ? event.version : -1);
  return numbers;
}

/** From `first` (inclusive) to `end` (exclusive). */
export function range(first: number, end: number): number[] {
  return Array.from({ length: Math.max(0, end - first) }, (_, i) => first + i);
}
