/** Faults that the simulated ports do not have, around them: for the one call that is to fail in one way. */
import { HeadraceError } from '../src/core/errors.js';
import type { ObjectStore } from '../src/core/object-store.js';
import type { Disk, DiskFile, OpenOptions } from '../src/core/ports.js';
import { ForwardedFile } from './forwarded-file.js';

/** What is armed, and outlives the process. */
export class ArmedFaults {
  #hang: { readonly afterBytes: number; aborted: boolean } | undefined;
  readonly #lyingWrites: string[] = [];

  /** The body of the next get stops after `bytes` bytes and never goes on. `aborted` tells whether it was given up. */
  hangNextBody(bytes: number): { readonly aborted: boolean } {
    this.#hang = { afterBytes: bytes, aborted: false };
    return this.#hang;
  }

  /** The next write to a file whose path starts so is durable, and fails all the same. */
  lieOnNextWrite(pathPrefix: string): void {
    this.#lyingWrites.push(pathPrefix);
  }

  /** Disarms everything. */
  clear(): void {
    this.#hang = undefined;
    this.#lyingWrites.length = 0;
  }

  takeHang(): { readonly afterBytes: number; aborted: boolean } | undefined {
    const hang = this.#hang;
    this.#hang = undefined;
    return hang;
  }

  takeLie(path: string): boolean {
    const at = this.#lyingWrites.findIndex((prefix) => path.startsWith(prefix));
    if (at >= 0) this.#lyingWrites.splice(at, 1);
    return at >= 0;
  }
}

/** A store whose bodies hang when that is armed. */
export function faultyStore(store: ObjectStore, faults: ArmedFaults): ObjectStore {
  const get: ObjectStore['get'] = async (bucket, key, range, signal) => {
    const hang = faults.takeHang();
    const result = await store.get(bucket, key, range, signal);
    if (hang === undefined || result === undefined) return result;
    signal?.addEventListener('abort', () => (hang.aborted = true));
    return { object: result.object, body: hangingBody(result.body, hang.afterBytes) };
  };
  return replaced(store, { get });
}

class FaultyFile extends ForwardedFile {
  readonly #faults: ArmedFaults;

  constructor(file: DiskFile, faults: ArmedFaults) {
    super(file);
    this.#faults = faults;
  }

  override write(position: number, bytes: Uint8Array): Promise<void> {
    const written = this.file.write(position, bytes);
    if (!this.#faults.takeLie(this.path)) return written;
    const failure = new HeadraceError('IO_FAILED', `the simulation makes a write of ${this.path} fail`);
    return written.then(() => Promise.reject(failure));
  }
}

/** A disk whose writes lie when that is armed. */
export function faultyDisk(disk: Disk, faults: ArmedFaults): Disk {
  const faulty = (file: DiskFile): DiskFile => new FaultyFile(file, faults);
  return replaced(disk, {
    create: async (path: string, options?: OpenOptions) => faulty(await disk.create(path, options)),
    open: async (path: string, options?: OpenOptions) => faulty(await disk.open(path, options)),
  });
}

/**
 * `target` with some of its methods replaced. The others are bound once, here: a proxy that binds at each access took a tenth of
 * the time of a simulation.
 */
export function replaced<Port extends object>(target: Port, methods: Partial<Port>): Port {
  const port: Record<string, unknown> = Object.fromEntries(Object.entries(target));
  for (const name of methodNames(Object.getPrototypeOf(target) as object))
    port[name] = (target[name as keyof Port] as (...given: unknown[]) => unknown).bind(target);
  return Object.assign(port, methods) as Port;
}

const METHOD_NAMES = new WeakMap<object, readonly string[]>();

/** Of a class, without those of its parents: ports have none. */
function methodNames(prototype: object): readonly string[] {
  if (prototype === Object.prototype) return [];
  let names = METHOD_NAMES.get(prototype);
  if (names === undefined) {
    const members = Object.entries(Object.getOwnPropertyDescriptors(prototype));
    names = members.flatMap(([name, { value }]) =>
      typeof value === 'function' && name !== 'constructor' ? [name] : [],
    );
    METHOD_NAMES.set(prototype, names);
  }
  return names;
}

async function* hangingBody(body: AsyncIterable<Uint8Array>, afterBytes: number): AsyncGenerator<Uint8Array> {
  let sent = 0;
  for await (const chunk of body) {
    if (sent + chunk.length > afterBytes) await new Promise<never>(() => undefined);
    sent += chunk.length;
    yield chunk;
  }
}
