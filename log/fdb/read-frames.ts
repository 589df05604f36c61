/**
 * Reads frames of one partition from FoundationDB, a page of keys per transaction, so that none lives longer than a database that
 * keeps five seconds of versions allows.
 *
 * Invariants: every frame is verified and must continue the one before it. A frame that a trim took away meanwhile is
 * `LOG_TRIMMED`, one that is missing or damaged otherwise `CORRUPT_FRAME`.
 */
import { HeadraceError } from '../../src/core/errors.js';
import type { KeyValue } from '../../src/core/key-value-database.js';
import { eventsOf, frameBytesAt, FRAME_HEADER_BYTES, type FrameOwner, isOwn, verifyFrame } from '../frame.js';
import type { DurableBatch } from '../log-store.js';
import { decodeNumber, type PartitionKeys } from './schema.js';
import { transact, type Transacting } from './transact.js';

/** Keys of one read: at most 9 MB. */
const PAGE_KEYS = 100;

export interface FrameReadOptions extends Transacting {
  readonly keys: PartitionKeys;
  readonly owner: FrameOwner;
}

/** First offset of the frame that holds `offset` or, when there is none behind, of the last one below. */
export async function frameAt(options: FrameReadOptions, offset: number): Promise<number | undefined> {
  const { keys } = options;
  const [last] = await transact(options, (transaction) =>
    transaction.range({ begin: keys.frame(0), end: keys.frame(offset + 1), limit: 1, reverse: true }),
  );
  return last === undefined ? undefined : keys.parseFrame(last.key).offset;
}

/** The oldest offset that is kept. */
export async function oldestKept(options: FrameReadOptions): Promise<number> {
  const value = await transact(options, (transaction) => transaction.peek(options.keys.oldest));
  return value === undefined ? 0 : decodeNumber(value);
}

/** Whole frames that hold events from `from` (inclusive) to `upTo` (exclusive). */
export async function* readFrames(
  options: FrameReadOptions,
  from: number,
  upTo: number,
): AsyncGenerator<DurableBatch, void, undefined> {
  const { keys, owner } = options;
  if (from >= upTo) return;
  let next = await frameAt(options, from);
  if (next === undefined || next < (await oldestKept(options))) throw await lost(options, from);
  let lastEpoch = 0;
  let begin = keys.frame(next);
  let pieces: Buffer[] = [];
  while (next < upTo) {
    const page = await readPage(options, { begin, end: keys.frame(upTo), limit: PAGE_KEYS });
    const [first] = page;
    if (first === undefined) throw await lost(options, next);
    for (const { key, value } of page) {
      const { offset, chunk } = keys.parseFrame(key);
      if (offset !== next || chunk !== pieces.length) throw await lost(options, next);
      pieces.push(value);
      const bytes = wholeFrame(pieces);
      if (bytes === undefined) continue;
      const header = verifyFrame(bytes);
      const continues =
        header !== undefined &&
        isOwn(header, owner) &&
        header.firstOffset === next &&
        header.count > 0 &&
        header.epoch >= lastEpoch;
      if (!continues) throw damaged(owner, next);
      yield {
        partition: owner.partition,
        epoch: header.epoch,
        firstOffset: next,
        events: eventsOf(bytes, header),
        wallTimeMs: header.wallTimeMs,
      };
      lastEpoch = header.epoch;
      next += header.count;
      pieces = [];
    }
    begin = Buffer.concat([page.at(-1)?.key ?? begin, Buffer.alloc(1)]);
  }
}

/** An attempt that failed may have been too slow for the versions that the database keeps: the next one asks for half as much. */
export function readPage(
  options: Transacting,
  { begin, end, limit }: { readonly begin: Buffer; readonly end: Buffer; readonly limit: number },
): Promise<KeyValue[]> {
  let keys = limit;
  return transact(options, (transaction) => {
    const page = transaction.range({ begin, end, limit: keys });
    keys = Math.ceil(keys / 2);
    return page;
  });
}

/** The frame that the pieces make up; undefined while some are missing. */
function wholeFrame(pieces: readonly Buffer[]): Buffer | undefined {
  const [first] = pieces;
  if (first === undefined || first.length < FRAME_HEADER_BYTES) return first;
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const frameBytes = frameBytesAt(first, 0);
  if (frameBytes !== undefined && length < frameBytes) return undefined;
  return pieces.length === 1 ? first : Buffer.concat(pieces);
}

/** Why the frame with `offset` is not there. */
async function lost(options: FrameReadOptions, offset: number): Promise<HeadraceError> {
  const oldestOffset = await oldestKept(options);
  const { partition } = options.owner;
  if (offset >= oldestOffset) return damaged(options.owner, offset);
  return new HeadraceError(
    'LOG_TRIMMED',
    `offset ${offset} of partition ${partition} was trimmed: the log begins at ${oldestOffset}`,
    { details: { oldestOffset } },
  );
}

function damaged({ partition }: FrameOwner, offset: number): HeadraceError {
  return new HeadraceError(
    'CORRUPT_FRAME',
    `the frame with offset ${offset} of partition ${partition} is missing in FoundationDB, or damaged`,
    { details: { partition, offset } },
  );
}
