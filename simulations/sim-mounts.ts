/** Mounts of the simulated world, all of them parts of its one under-store. */
import { HeadraceError } from '../src/core/errors.js';
import type { ObjectStore } from '../src/core/object-store.js';
import type { MountedStore } from '../src/engine/mount-table.js';

/**
 * `sim://<bucket>/<prefix>` of `store`. `sim-fixed://…`: so that the bucket is not made through the mount. `INVALID_SETTING` for
 * anything else.
 */
export function openSimMount(ufs: string, store: ObjectStore): MountedStore {
  const [, fixed, bucket, prefix = ''] = /^sim(-fixed)?:\/\/([^/]+)\/?(.*)$/.exec(ufs) ?? [];
  if (bucket === undefined)
    throw new HeadraceError('INVALID_SETTING', `"${ufs}" is no part of the simulated store`);
  return {
    store: fixed === undefined ? unclosable(store) : fixedBucket(store, bucket),
    bucket,
    prefix,
  };
}

/** A mount that is removed closes its store, which here is the root as well. */
function unclosable(store: ObjectStore, calls: Partial<ObjectStore> = {}): ObjectStore {
  const own: Partial<ObjectStore> = { close: () => Promise.resolve(), ...calls };
  return new Proxy(store, {
    get: (target, name) => {
      if (Object.hasOwn(own, name)) return Reflect.get(own, name) as unknown;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

/** As a mount of S3 is: one bucket, which is there or not, and which is not made through the mount. */
function fixedBucket(store: ObjectStore, bucket: string): ObjectStore {
  const require = async (signal?: AbortSignal): Promise<void> => {
    if (await store.bucketExists(bucket, signal)) return;
    throw new HeadraceError('NO_SUCH_BUCKET', `the store has no bucket "${bucket}": create it there`);
  };
  return unclosable(store, { check: require, createBucket: (_bucket, signal) => require(signal) });
}
