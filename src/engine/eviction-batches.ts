/** Evictions that go into one append: bounded in objects, and in extents, of which a multipart object has up to 10,000. */

export interface EvictionTarget {
  readonly bucket: string;
  readonly key: string;
  readonly version: number;
  readonly extentCount: number;
}

const OBJECTS_MAX = 256;
/** An extent takes about 30 bytes in the event: so many stay far below the longest frame of the log. */
const EXTENTS_MAX = 10_000;

export function* evictionBatches(targets: Iterable<EvictionTarget>): Generator<readonly EvictionTarget[]> {
  let batch: EvictionTarget[] = [];
  let extents = 0;
  for (const target of targets) {
    const isFull = batch.length === OBJECTS_MAX || extents + target.extentCount > EXTENTS_MAX;
    if (isFull && batch.length > 0) {
      yield batch;
      batch = [];
      extents = 0;
    }
    batch.push(target);
    extents += target.extentCount;
  }
  if (batch.length > 0) yield batch;
}
