/**
 * Counting the calls by which a process changes its disk or the under-store: the moments between which a crash makes a difference.
 */
import type { ObjectStore } from '../src/core/object-store.js';
import type { Disk, DiskFile, OpenOptions } from '../src/core/ports.js';
import { replaced } from './armed-faults.js';
import { ForwardedFile } from './forwarded-file.js';

type Phase = 'life' | 'recovery';

/** Counts the calls of the first life and of the recovery behind it, and tells when one is reached. */
export class PortCallCounter {
  /** The calls at which the power is to fail; never where undefined. */
  crashAt: Readonly<Record<Phase, number | undefined>> = { life: undefined, recovery: undefined };
  readonly #counts: Record<Phase, number> = { life: 0, recovery: 0 };
  #phase: Phase | undefined;
  #isReached = false;

  get counts(): Readonly<Record<Phase, number>> {
    return { ...this.#counts };
  }

  /** Whether the call was made at which the power is to fail in this phase. */
  get isReached(): boolean {
    return this.#isReached;
  }

  begin(phase: Phase | undefined): void {
    this.#phase = phase;
    this.#isReached = false;
  }

  count(): void {
    const phase = this.#phase;
    if (phase === undefined) return;
    if (++this.#counts[phase] === this.crashAt[phase]) this.#isReached = true;
  }
}

class WatchedFile extends ForwardedFile {
  readonly #onCall: () => void;

  constructor(file: DiskFile, onCall: () => void) {
    super(file);
    this.#onCall = onCall;
  }

  override write(position: number, bytes: Uint8Array): Promise<void> {
    const written = this.file.write(position, bytes);
    this.#onCall();
    return written;
  }

  override sync(): Promise<void> {
    const synced = this.file.sync();
    this.#onCall();
    return synced;
  }

  override truncate(size: number): Promise<void> {
    const truncated = this.file.truncate(size);
    this.#onCall();
    return truncated;
  }
}

/** `onCall` is called when a call that changes the disk has been handed over and nothing of it has happened yet. */
export function watchPorts(disk: Disk, onCall: () => void): Disk {
  const after = <Value>(result: Value): Value => {
    onCall();
    return result;
  };
  const watched = (file: DiskFile): DiskFile => new WatchedFile(file, onCall);
  return replaced(disk, {
    create: async (path: string, options?: OpenOptions) => watched(await after(disk.create(path, options))),
    open: async (path: string, options?: OpenOptions) => watched(await disk.open(path, options)),
    makeDirectory: (path) => after(disk.makeDirectory(path)),
    rename: (from, to) => after(disk.rename(from, to)),
    remove: (path) => after(disk.remove(path)),
    syncDirectory: (path) => after(disk.syncDirectory(path)),
  });
}

/**
 * As `watchPorts`, for an under-store. A call counts twice: when it has been handed over and may yet arrive or not, and when its
 * answer is there, which nobody has written down.
 */
export function watchStorePorts(store: ObjectStore, onCall: () => void): ObjectStore {
  const around = <Value>(result: Promise<Value>): Promise<Value> => {
    onCall();
    result.then(onCall, onCall);
    return result;
  };
  const methods: Partial<ObjectStore> = {
    createBucket: (...parameters) => around(store.createBucket(...parameters)),
    deleteBucket: (...parameters) => around(store.deleteBucket(...parameters)),
    put: (...parameters) => around(store.put(...parameters)),
    delete: (...parameters) => around(store.delete(...parameters)),
  };
  const { multipart } = store;
  if (multipart === undefined) return replaced(store, methods);
  const parted = replaced(multipart, {
    begin: (...parameters) => around(multipart.begin(...parameters)),
    putPart: (...parameters) => around(multipart.putPart(...parameters)),
    complete: (...parameters) => around(multipart.complete(...parameters)),
    abort: (...parameters) => around(multipart.abort(...parameters)),
  });
  return replaced(store, { ...methods, multipart: parted });
}
