/** Reading an object's bytes across its extents. */
import type { Extent } from '../core/object.js';
import type { EngineCore } from './engine-core.js';

/**
 * Streams bytes `first` to `last` (inclusive) of the object that the extents make up. A yielded buffer is valid until the next
 * is asked for. The segments are kept from the call on until the iterator ends or `return` is called, which must happen.
 * `CORRUPT_EXTENT`, `IO_FAILED`.
 */
export function readObject(
  core: Pick<EngineCore, 'segments' | 'guard'>,
  extents: readonly Extent[],
  first: number,
  last: number,
): AsyncIterableIterator<Uint8Array> {
  const release = holdExtents(core, extents);
  const bytes = readExtents(core, extents, first, last);
  const iterator: AsyncIterableIterator<Uint8Array> = {
    [Symbol.asyncIterator]: () => iterator,
    next: async () => {
      try {
        const step = await bytes.next();
        if (step.done === true) release();
        return step;
      } catch (error) {
        release();
        throw error;
      }
    },
    return: async () => {
      try {
        return await bytes.return(undefined);
      } finally {
        release();
      }
    },
  };
  return iterator;
}

/** Keeps the extents' segments until the result is called. */
export function holdExtents(core: Pick<EngineCore, 'guard'>, extents: readonly Extent[]): () => void {
  for (const { segment } of extents) core.guard.pin(segment);
  let held = true;
  return () => {
    if (!held) return;
    held = false;
    for (const { segment } of extents) core.guard.unpin(segment);
  };
}

async function* readExtents(
  core: Pick<EngineCore, 'segments'>,
  extents: readonly Extent[],
  first: number,
  last: number,
): AsyncGenerator<Uint8Array, undefined> {
  let start = 0;
  for (const extent of extents) {
    const end = start + extent.size - 1;
    if (end >= first && start <= last) {
      yield* core.segments.read(extent, Math.max(first - start, 0), Math.min(last, end) - start);
    }
    start = end + 1;
  }
  return undefined;
}
