/**
 * Which under-store an object belongs to. A bucket without a mount is the bucket of the same name in the root store.
 *
 * A mount's path is `/<bucket>` or `/<bucket>/<prefix>`; the longest path that contains the object wins.
 */
import { HeadraceError } from '../core/errors.js';
import type { Logger } from '../core/logger.js';
import type { ObjectStore } from '../core/object-store.js';
import type { Mount } from '../../projections/control.js';

/** An object, or a prefix, in its under-store. */
export interface UfsLocation {
  readonly store: ObjectStore;
  readonly mount: string;
  readonly bucket: string;
  readonly key: string;
  /** Whether what somebody else changed there must not be overwritten. */
  readonly conditional: boolean;
}

/** A store together with the bucket and prefix in it that a mount stands for. */
export interface MountedStore {
  readonly store: ObjectStore;
  readonly bucket: string;
  readonly prefix: string;
}

/** Opens what a mount points at. `INVALID_SETTING` for a URI that is none. */
export type OpenMount = (mount: Mount) => Promise<MountedStore>;

/** For a mount that somebody asks for now. */
export interface MountChecks {
  /** Looks at the store that was opened. */
  readonly confirm?: (store: ObjectStore) => Promise<void>;
  /** Called in the turn in which the mount takes effect. */
  readonly accept?: () => void;
}

/** Of what is mounted nowhere: the root store. */
export const ROOT_MOUNT = '/';
/** Option of a mount: what persisting does with an object that somebody else changed in the UFS. */
export const SAFE_PERSIST_OPTION = 'safe.persist';
export type SafePersistMode = 'overwrite' | 'conditional';

/** A store with the keys of a bucket that it stands for: those that begin with `keyPrefix`. */
export interface MountSource extends MountedStore {
  /** Of the mount; `/` for the root store. */
  readonly path: string;
  readonly keyPrefix: string;
}

/** A key, or a prefix, of the bucket as the store has it. */
export function keyInStore(source: Pick<MountSource, 'prefix' | 'keyPrefix'>, key: string): string {
  return source.prefix + key.slice(source.keyPrefix.length);
}

interface Entry extends MountSource {
  readonly bucketName: string;
  readonly conditional: boolean;
}

export class MountTable {
  readonly #root: ObjectStore;
  readonly #open: OpenMount;
  readonly #logger: Logger;
  /** By mount path, the longest prefix first, so that the first that fits is the one. */
  #entries: [path: string, entry: Entry][] = [];
  readonly #rootConditional: boolean;

  /** `INVALID_SETTING` when persists are to be conditional and the store cannot. */
  constructor(
    root: ObjectStore,
    open: OpenMount,
    logger: Logger,
    safePersist: SafePersistMode = 'overwrite',
  ) {
    this.#rootConditional = safePersist === 'conditional';
    if (this.#rootConditional) refuseUnconditional(root);
    this.#root = root;
    this.#open = open;
    this.#logger = logger;
  }

  /** Whether persists are conditional anywhere. */
  get hasConditional(): boolean {
    return this.#rootConditional || this.#entries.some(([, { conditional }]) => conditional);
  }

  get root(): ObjectStore {
    return this.#root;
  }

  /** Every store with the path of its mount, the root first. */
  stores(): { readonly mount: string; readonly store: ObjectStore }[] {
    return [
      { mount: ROOT_MOUNT, store: this.#root },
      ...this.#entries.map(([mount, { store }]) => ({ mount, store })),
    ];
  }

  /** What a check throws is thrown, and nothing is mounted. */
  async add(mount: Mount, { confirm, accept }: MountChecks = {}): Promise<void> {
    const { bucket, prefix } = parseMountPath(mount.path);
    const conditional = isConditional(mount);
    const opened = await this.#open(mount);
    try {
      if (conditional) refuseUnconditional(opened.store);
      await confirm?.(opened.store);
      accept?.();
    } catch (error) {
      await opened.store.close();
      throw error;
    }
    this.#entries = [
      ...this.#entries.filter(([path]) => path !== mount.path),
      [mount.path, { ...opened, path: mount.path, bucketName: bucket, keyPrefix: prefix, conditional }] as [
        string,
        Entry,
      ],
    ].toSorted(([, a], [, b]) => b.keyPrefix.length - a.keyPrefix.length);
  }

  async remove(path: string): Promise<void> {
    const found = this.#entries.find(([of]) => of === path);
    this.#entries = this.#entries.filter(([of]) => of !== path);
    if (found !== undefined) await this.#close(found[1]);
  }

  /** Whether the bucket itself is a mount. */
  isMounted(bucket: string): boolean {
    return this.#entries.some(([, entry]) => entry.bucketName === bucket && entry.keyPrefix === '');
  }

  locate(bucket: string, key: string): UfsLocation {
    for (const [path, entry] of this.#entries) {
      if (entry.bucketName === bucket && key.startsWith(entry.keyPrefix)) {
        return {
          store: entry.store,
          mount: path,
          bucket: entry.bucket,
          key: keyInStore(entry, key),
          conditional: entry.conditional,
        };
      }
    }
    return { store: this.#root, mount: ROOT_MOUNT, bucket, key, conditional: this.#rootConditional };
  }

  /** The store that a prefix belongs to, and those of the mounts below it. */
  sources(bucket: string, prefix: string): readonly MountSource[] {
    const own = this.#entries.find(
      ([, entry]) => entry.bucketName === bucket && prefix.startsWith(entry.keyPrefix),
    )?.[1] ?? { store: this.#root, path: ROOT_MOUNT, bucket, prefix: '', keyPrefix: '' };
    const below: MountSource[] = [];
    for (const [, entry] of this.#entries)
      if (entry !== own && entry.bucketName === bucket && entry.keyPrefix.startsWith(prefix))
        below.push(entry);
    return [own, ...below];
  }

  /** Buckets that are mounts as a whole. */
  mountedBuckets(): string[] {
    return this.#entries.flatMap(([, entry]) => (entry.keyPrefix === '' ? [entry.bucketName] : []));
  }

  async close(): Promise<void> {
    for (const [, entry] of this.#entries) await this.#close(entry);
    await this.#root.close();
  }

  async #close(entry: Entry): Promise<void> {
    try {
      await entry.store.close();
    } catch (error) {
      this.#logger.warn({ error, ufs: entry.store.description }, 'a mount did not close cleanly');
    }
  }
}

function isConditional({ options }: Mount): boolean {
  const mode = options[SAFE_PERSIST_OPTION] ?? 'overwrite';
  if (mode !== 'overwrite' && mode !== 'conditional')
    throw new HeadraceError(
      'INVALID_ARGUMENT',
      `${SAFE_PERSIST_OPTION} is overwrite or conditional, not "${mode}"`,
    );
  return mode === 'conditional';
}

function refuseUnconditional(store: ObjectStore): void {
  if (store.conditions !== undefined) return;
  throw new HeadraceError(
    'INVALID_SETTING',
    `${store.description} has no conditional writes: ${SAFE_PERSIST_OPTION} must be overwrite`,
  );
}

/**
 * For a decision about what went to the UFS before it: `SLOW_DOWN` when the path stands for another place by now, so that the
 * cache never shows what is not there.
 */
export function refuseMoved(table: MountTable, bucket: string, key: string, before: UfsLocation): void {
  const { store, mount } = table.locate(bucket, key);
  if (store === before.store && mount === before.mount) return;
  throw new HeadraceError(
    'SLOW_DOWN',
    `"/${bucket}/${key}" belonged to the mount "${before.mount}", which has changed meanwhile: try again`,
  );
}

/** `INVALID_ARGUMENT` unless it is `/<bucket>` or `/<bucket>/<prefix>`; a prefix ends with a slash. */
export function parseMountPath(path: string): { bucket: string; prefix: string } {
  const [, bucket = '', rest = ''] = /^\/([^/]+)(?:\/(.*))?$/s.exec(path) ?? [];
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) {
    const why =
      bucket === ''
        ? 'is not of the form /<bucket> or /<bucket>/<prefix>'
        : `begins with "${bucket}", which is no bucket name: 3 to 63 lower-case letters, digits, dots and hyphens, the first and last a letter or digit`;
    throw new HeadraceError('INVALID_ARGUMENT', `the mount path "${path}" ${why}`);
  }
  return { bucket, prefix: rest === '' || rest.endsWith('/') ? rest : `${rest}/` };
}
