/** A simulated world with one disk, for the tests of that disk. */
import { Scheduler } from '../../simulations/scheduler.js';
import { SimDisk, type SimDiskOptions } from '../../simulations/sim-disk.js';
import { SimRandom } from '../../simulations/sim-random.js';
import type { Disk, DiskFile } from '../../src/core/ports.js';

export interface World {
  readonly scheduler: Scheduler;
  readonly random: SimRandom;
  readonly disk: SimDisk;
  readonly run: <Value>(work: () => Promise<Value>) => Promise<Value>;
}

export function makeWorld(seed: number | string, options: SimDiskOptions = {}): World {
  const scheduler = new Scheduler();
  const random = new SimRandom(seed);
  const disk = new SimDisk(scheduler, random.fork('disk'), options);
  return { scheduler, random, disk, run: (work) => scheduler.complete(work()) };
}

export async function contentOf(disk: Disk, path: string): Promise<Buffer | undefined> {
  if ((await disk.sizeOf(path)) === undefined) return undefined;
  return await bytesOf(await disk.open(path));
}

export async function bytesOf(file: DiskFile): Promise<Buffer> {
  const target = Buffer.alloc(await file.size());
  await file.read(0, target);
  return target;
}

/** A file whose name is durable. */
export async function createDurably(disk: Disk, path: string, options = {}): Promise<DiskFile> {
  const file = await disk.create(path, options);
  await disk.syncDirectory('');
  return file;
}
