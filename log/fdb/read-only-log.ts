/**
 * Partitions of a store in FoundationDB for those who only look: no epoch is claimed and nothing is written, so that the process
 * that owns them may be running.
 *
 * Invariant: what is returned was durable. The end is that of the head when the log was opened; what a trim takes away meanwhile
 * is `LOG_TRIMMED`.
 */
import type { ReadOnlyLog } from '../embedded/read-only-log.js';
import { expectIdentity, type ExpectedStore } from './identity.js';
import { readFrames, type FrameReadOptions } from './read-frames.js';
import { decodeHead, decodeNumber, headRange, PartitionKeys } from './schema.js';
import { transact } from './transact.js';

/** Keys of one read. */
const PAGE_KEYS = 1000;

/** Every partition that was ever owned, in the order of their numbers. `DATA_DIRECTORY_UNUSABLE`, `CORRUPT_FRAME`, `IO_FAILED`. */
export async function openReadOnlyPartitions(options: ExpectedStore): Promise<ReadOnlyLog[]> {
  const { prefix, storeId } = options;
  const { incarnation } = await expectIdentity(options);
  const { begin, end, partitionOf } = headRange(prefix, incarnation);
  const logs: ReadOnlyLog[] = [];
  let from = begin;
  for (;;) {
    const page = await transact(options, (transaction) =>
      transaction.range({ begin: from, end, limit: PAGE_KEYS }),
    );
    const last = page.at(-1);
    if (last === undefined) return logs;
    for (const { key } of page) {
      const partition = partitionOf(key);
      const keys = new PartitionKeys(prefix, incarnation, partition);
      logs.push(await openReadOnlyPartition({ ...options, keys, owner: { partition, storeId } }));
    }
    from = Buffer.concat([last.key, Buffer.alloc(1)]);
  }
}

async function openReadOnlyPartition(options: FrameReadOptions): Promise<ReadOnlyLog> {
  const { keys, owner } = options;
  const [headValue, oldestValue] = await transact(options, (transaction) =>
    Promise.all([transaction.peek(keys.head), transaction.peek(keys.oldest)]),
  );
  const head = headValue === undefined ? { epoch: 0, nextOffset: 0 } : decodeHead(headValue);
  return {
    partition: owner.partition,
    epoch: head.epoch,
    oldestOffset: oldestValue === undefined ? 0 : decodeNumber(oldestValue),
    durableOffset: head.nextOffset,
    read: (from) => readFrames(options, from, head.nextOffset),
  };
}
