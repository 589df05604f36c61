/**
 * The names on the simulated disk: which file a path means now, and which it means after a crash.
 *
 * Invariants: a change of names is durable once one of its directories was synced, and with it every earlier change of
 * that directory; a crash keeps or forgets each other change, one by one and in their order, never half of one (a
 * rename is one change). A kept change whose file never got its earlier name is forgotten too. A directory is durable
 * once it is made. Renames of directories are not modelled.
 */
import { assert } from '../src/core/assert.js';
import type { SimFile } from './sim-file.js';
import type { SimRandom } from './sim-random.js';

interface NameChange {
  readonly number: number;
  readonly directories: readonly string[];
  readonly file: SimFile;
  readonly apply: (names: Map<string, SimFile>) => void;
}

/** Why the system refuses a call, as its error code. */
export type NameRefusal = 'ENOENT' | 'EEXIST' | 'ENOTDIR' | 'EISDIR';

export class SimNames {
  readonly #directories = new Set<string>(['']);
  #visible = new Map<string, SimFile>();
  #durable = new Map<string, SimFile>();
  #unsynced: NameChange[] = [];
  #changes = 0;

  /** Counts the changes: a sync covers those up to the count at its start. */
  get changes(): number {
    return this.#changes;
  }

  get files(): ReadonlyMap<string, SimFile> {
    return this.#visible;
  }

  /** Every file that has a name now or may have one after a crash. */
  everyFile(): Set<SimFile> {
    const files = new Set([...this.#durable.values(), ...this.#visible.values()]);
    for (const { file } of this.#unsynced) files.add(file);
    return files;
  }

  isDirectory(path: string): boolean {
    return this.#directories.has(path);
  }

  /** Sorted names in a directory. */
  list(directory: string): string[] {
    const prefix = directory === '' ? '' : `${directory}/`;
    const names: string[] = [];
    for (const path of [...this.#visible.keys(), ...this.#directories]) {
      const name = path.slice(prefix.length);
      if (path.startsWith(prefix) && name !== '' && !name.includes('/')) names.push(name);
    }
    return names.sort();
  }

  makeDirectory(path: string): NameRefusal | undefined {
    const names = path === '' ? [] : path.split('/');
    for (let depth = 1; depth <= names.length; depth++) {
      const ancestor = names.slice(0, depth).join('/');
      if (this.#visible.has(ancestor)) return depth === names.length ? 'EEXIST' : 'ENOTDIR';
      this.#directories.add(ancestor);
    }
    return undefined;
  }

  create(path: string, file: SimFile): NameRefusal | undefined {
    if (!this.#directories.has(parentOf(path))) return 'ENOENT';
    if (this.#visible.has(path) || this.#directories.has(path)) return 'EEXIST';
    this.#change([parentOf(path)], file, (names) => names.set(path, file));
    return undefined;
  }

  rename(from: string, to: string): NameRefusal | undefined {
    assert(
      !this.#directories.has(from),
      `'${from}' is a directory: the simulated disk does not rename those`,
    );
    const file = this.#visible.get(from);
    if (file === undefined || !this.#directories.has(parentOf(to))) return 'ENOENT';
    if (this.#directories.has(to)) return 'EISDIR';
    this.#change([parentOf(from), parentOf(to)], file, (names) => {
      if (names.get(from) !== file) return;
      names.delete(from);
      names.set(to, file);
    });
    return undefined;
  }

  remove(path: string): NameRefusal | undefined {
    if (this.#directories.has(path)) return 'EISDIR';
    const file = this.#visible.get(path);
    if (file === undefined) return undefined;
    this.#change([parentOf(path)], file, (names) => {
      if (names.get(path) === file) names.delete(path);
    });
    return undefined;
  }

  /** Makes the changes of a directory up to `lastChange` durable, with those of other directories that they build on. */
  commit(directory: string, lastChange: number): void {
    const directories = new Set([directory]);
    const covered = new Set<NameChange>();
    for (const change of this.#unsynced.toReversed()) {
      if (change.number > lastChange || !change.directories.some((name) => directories.has(name))) continue;
      covered.add(change);
      for (const name of change.directories) directories.add(name);
    }
    for (const change of this.#unsynced) if (covered.has(change)) change.apply(this.#durable);
    this.#unsynced = this.#unsynced.filter((change) => !covered.has(change));
  }

  /** Keeps or forgets each change that was not synced; what is left is all there is. */
  crash(random: SimRandom): void {
    for (const change of this.#unsynced) if (random.chance(0.5)) change.apply(this.#durable);
    this.#unsynced = [];
    this.#visible = new Map(this.#durable);
  }

  #change(directories: readonly string[], file: SimFile, apply: NameChange['apply']): void {
    apply(this.#visible);
    this.#unsynced.push({ number: ++this.#changes, directories, file, apply });
  }
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}
