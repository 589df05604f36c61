/**
 * Splits what is to be evicted or deleted into appends: bounded in objects, and in extents, of which a multipart object has up to
 * 10,000, because an append has to fit into one frame of the log.
 */

const OBJECTS_MAX = 1000;
/** An extent takes about 30 bytes in the event: so many stay far below the longest frame of the log. */
const EXTENTS_MAX = 10_000;

/** `items` in order, in batches of which each fits into one append. */
export function* appendBatches<Item extends { readonly extentCount: number }>(
  items: Iterable<Item>,
): Generator<readonly Item[]> {
  let batch: Item[] = [];
  let extents = 0;
  for (const item of items) {
    const isFull = batch.length === OBJECTS_MAX || extents + item.extentCount > EXTENTS_MAX;
    if (isFull && batch.length > 0) {
      yield batch;
      batch = [];
      extents = 0;
    }
    batch.push(item);
    extents += item.extentCount;
  }
  if (batch.length > 0) yield batch;
}

/** A version that may be evicted. */
export interface EvictionTarget {
  readonly bucket: string;
  readonly key: string;
  readonly version: number;
  readonly extentCount: number;
}
