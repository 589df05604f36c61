/** Counting the calls by which a process changes its disk: the moments between which a crash makes a difference. */
import type { Disk, DiskFile, OpenOptions } from '../src/core/ports.js';
import { replaced } from './armed-faults.js';

export interface PortCall {
  readonly kind:
    'create' | 'makeDirectory' | 'rename' | 'remove' | 'syncDirectory' | 'write' | 'sync' | 'truncate';
  readonly path: string;
}

/** `onCall` is called when a call has been handed over and nothing of it has happened yet. */
export function watchPorts(disk: Disk, onCall: (call: PortCall) => void): Disk {
  const after = <Value>(call: PortCall, result: Value): Value => {
    onCall(call);
    return result;
  };
  const watched = (file: DiskFile): DiskFile =>
    replaced(file, {
      write: (position, bytes) => after({ kind: 'write', path: file.path }, file.write(position, bytes)),
      sync: () => after({ kind: 'sync', path: file.path }, file.sync()),
      truncate: (size) => after({ kind: 'truncate', path: file.path }, file.truncate(size)),
    });
  return replaced(disk, {
    create: async (path: string, options?: OpenOptions) =>
      watched(await after({ kind: 'create', path }, disk.create(path, options))),
    open: async (path: string, options?: OpenOptions) => watched(await disk.open(path, options)),
    makeDirectory: (path) => after({ kind: 'makeDirectory', path }, disk.makeDirectory(path)),
    rename: (from, to) => after({ kind: 'rename', path: to }, disk.rename(from, to)),
    remove: (path) => after({ kind: 'remove', path }, disk.remove(path)),
    syncDirectory: (path) => after({ kind: 'syncDirectory', path }, disk.syncDirectory(path)),
  });
}
