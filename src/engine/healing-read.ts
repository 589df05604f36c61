/**
 * A read of a large object from the cache that goes on from the UFS when local bytes turn out damaged.
 *
 * Every chunk is verified before it is handed out, so that what was handed out is right and the rest can come from elsewhere.
 */

export interface HealingSources {
  /** Local bytes from `first` to `last`. */
  readonly local: AsyncIterator<Uint8Array>;
  /** Gives the damaged copy up; false when the UFS cannot replace it, and the error stands. */
  readonly giveUp: (error: unknown) => Promise<boolean>;
  /** The bytes from `position` on of the same version, from the UFS. */
  readonly fetch: (position: number) => Promise<AsyncIterable<Uint8Array>>;
}

/** Reads from position `first` on. However it is left, the source that is open is ended. */
export function healingRead(first: number, sources: HealingSources): AsyncIterableIterator<Uint8Array> {
  let position = first;
  let current = sources.local;
  let isLocal = true;
  const next = async (): Promise<IteratorResult<Uint8Array>> => {
    try {
      const step = await current.next();
      if (step.done !== true) position += step.value.length;
      return step;
    } catch (error) {
      if (!isLocal || !(await sources.giveUp(error))) throw error;
      isLocal = false;
      current = (await sources.fetch(position))[Symbol.asyncIterator]();
      return next();
    }
  };
  const iterator: AsyncIterableIterator<Uint8Array> = {
    [Symbol.asyncIterator]: () => iterator,
    next,
    return: async () => {
      await current.return?.(undefined);
      return { done: true, value: undefined };
    },
  };
  return iterator;
}
