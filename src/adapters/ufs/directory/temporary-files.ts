/**
 * Names for files that are being written, and the removal of those that a crash left behind.
 *
 * `<host>.<pid>.<instance>.<number>`: host is a hash of the machine's name, instance is random. A leftover is removed when
 * its process on this machine is gone, or, from another machine that shares the directory, when nobody wrote to it for
 * a day.
 */
import crypto from 'node:crypto';
import os from 'node:os';
import type { Clock, Random } from '../../../core/ports.js';
import { DAY_MS } from '../../../core/units.js';
import { readNames, removeFile, removeTree, statPath } from './file-calls.js';

const FOREIGN_AGE_MS_MAX = DAY_MS;
const NAME = /^([0-9a-f]{8})\.(\d+)\.([0-9a-f]{8})\.(\d+)\/?$/;
const HOST = crypto.hash('sha256', os.hostname(), 'hex').slice(0, 8);
/** Stores that are open in this process. */
const liveInstances = new Set<string>();

export class TemporaryFiles {
  readonly #directory: string;
  readonly #instance: string;
  readonly #clock: Clock;
  #count = 0;

  constructor(directory: string, { clock, random }: { readonly clock: Clock; readonly random: Random }) {
    this.#directory = directory;
    this.#clock = clock;
    this.#instance = random.uint32().toString(16).padStart(8, '0');
    liveInstances.add(this.#instance);
  }

  /** A path nobody else uses. */
  next(): string {
    this.#count += 1;
    return `${this.#directory}/${HOST}.${process.pid}.${this.#instance}.${this.#count}`;
  }

  /** Removes what crashed processes left. */
  async clean(): Promise<void> {
    for (const name of await readNames(this.#directory)) {
      const path = `${this.#directory}/${name}`;
      if (!(await this.#isLeftover(name, path))) continue;
      if (name.endsWith('/')) await removeTree(path);
      else await removeFile(path);
    }
  }

  close(): void {
    liveInstances.delete(this.#instance);
  }

  async #isLeftover(name: string, path: string): Promise<boolean> {
    const [, host, pid, instance] = NAME.exec(name) ?? [];
    if (host === undefined || pid === undefined || instance === undefined) return false;
    if (host === HOST) {
      return Number(pid) === process.pid ? !liveInstances.has(instance) : !isAlive(Number(pid));
    }
    const stats = await statPath(path);
    return stats !== undefined && this.#clock.wallTimeMs() - stats.mtimeMs > FOREIGN_AGE_MS_MAX;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is there, and somebody else's.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
