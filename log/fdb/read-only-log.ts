/**
 * Partitions of a store in FoundationDB for those who only look: no epoch is claimed and nothing is written, so that the process
 * that owns them may be running.
 *
 * Invariant: what is returned was durable. The end is that of the head when the log was opened; what a trim takes away meanwhile
 * is `LOG_TRIMMED`.
 */
import { HeadraceError } from '../../src/core/errors.js';
import type { ReadOnlyLog } from '../embedded/read-only-log.js';
import { readFrames, type FrameReadOptions } from './read-frames.js';
import { decodeHead, decodeIdentity, decodeNumber, headRange, metaKey, PartitionKeys } from './schema.js';
import { transact, type Transacting } from './transact.js';

export interface ReadOnlyStoreOptions extends Transacting {
  readonly prefix: Buffer;
  /** The store that is looked for: another one below the prefix is refused. */
  readonly storeId: bigint;
}

/** Keys of one read. */
const PAGE_KEYS = 1000;

/** Every partition that was ever owned, in the order of their numbers. `DATA_DIRECTORY_UNUSABLE`, `CORRUPT_FRAME`, `IO_FAILED`. */
export async function openReadOnlyPartitions(options: ReadOnlyStoreOptions): Promise<ReadOnlyLog[]> {
  const { prefix, storeId } = options;
  const incarnation = await incarnationOf(options);
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

async function incarnationOf(options: ReadOnlyStoreOptions): Promise<bigint> {
  const { prefix, storeId } = options;
  const value = await transact(options, (transaction) => transaction.peek(metaKey(prefix)));
  const place = `below the prefix ${JSON.stringify(prefix.toString())}`;
  if (value === undefined)
    throw new HeadraceError('DATA_DIRECTORY_UNUSABLE', `FoundationDB holds no store ${place}`);
  const identity = decodeIdentity(value);
  if (identity.storeId === storeId) return identity.incarnation;
  throw new HeadraceError(
    'DATA_DIRECTORY_UNUSABLE',
    `FoundationDB holds the log of another store ${place}: name the data directory that belongs to it`,
  );
}
