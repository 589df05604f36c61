/** What the figures were measured on. */
import { statfsSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';

export interface Machine {
  readonly cores: number;
  readonly processor: string;
  readonly memoryBytes: number;
  readonly node: string;
  readonly fileSystem: string;
}

/** Magic numbers of statfs(2). */
const FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0xef53, 'ext4'],
  [0x58465342, 'xfs'],
  [0x9123683e, 'btrfs'],
  [0x2fc12fc1, 'zfs'],
  [0x01021994, 'tmpfs'],
  [0x794c7630, 'overlayfs'],
  [0x6969, 'nfs'],
]);

/** `directory` is where the servers under test keep their data. */
export function describeMachine(directory: string): Machine {
  const type = statfsSync(directory).type;
  return {
    cores: availableParallelism(),
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    memoryBytes: totalmem(),
    node: process.version,
    fileSystem: FILE_SYSTEMS.get(type) ?? `0x${type.toString(16)}`,
  };
}

export function machineLine(machine: Machine): string {
  const memory = `${(machine.memoryBytes / 1024 ** 3).toFixed(0)} GiB`;
  const warning =
    machine.fileSystem === 'tmpfs' ? ' (in memory: nothing is durable here, choose another --directory)' : '';
  return `${machine.cores} cores (${machine.processor}), ${memory}, Node ${machine.node}, ${machine.fileSystem}${warning}`;
}
