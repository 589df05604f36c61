/**
 * `log verify`: the log is read again and folded from the oldest checkpoint that is kept; the result must equal the live
 * state. With data, every extent that the state refers to is read and its checksum compared.
 *
 * The live state goes on changing meanwhile, so the comparison is made at one moment: the refold catches up with the log until it
 * stands at the applied offset, and both are hashed in slices from a checkpoint taken then.
 */
import { HeadraceError, isErrorCode } from '../core/errors.js';
import type { IndexStore } from '../core/index-store.js';
import { isControlEvent } from '../../projections/control.js';
import {
  decodeSnapshot,
  encodeSnapshot,
  foldPartition,
  type PartitionState,
} from '../../projections/partition-state.js';
import { parseObjectKey, parsePartKey, type IndexRecord } from '../../projections/records.js';
import type { VerifyReport } from './admin-service.js';
import type { EngineCore } from './engine-core.js';
import { holdExtents, readObject } from './object-bytes.js';
import { StateHash } from './inspection/state-hash.js';
import { DurableRecords } from './overlay.js';
import type { Partition } from './partition.js';

const PAGE = 512;
const PROBLEMS_MAX = 1000;
/** How often the comparison begins anew when the log forgets faster than it is folded. */
const ATTEMPTS_MAX = 5;

export interface VerifyRequest {
  readonly data: boolean;
  readonly onProgress?: (done: number, total: number) => void;
}

interface Tally {
  frames: number;
  events: number;
  fromOffset: number;
  toOffset: number;
  extents: number;
  extentBytes: number;
  readonly problems: string[];
  readonly stateHashes: string[];
  readonly refoldedHashes: string[];
}

/**
 * Verifies every partition, one after the other, while the store goes on serving. Nothing but checkpoints is written. What is wrong
 * with the store is in `problems`, up to 1,000 of them; `LOG_TRIMMED` when checkpoints came too fast for five comparisons,
 * `CORRUPT_CHECKPOINT` when there is none to begin with, and what the index throws.
 */
export async function verifyStore(core: EngineCore, request: VerifyRequest): Promise<VerifyReport> {
  const tally: Tally = {
    frames: 0,
    events: 0,
    fromOffset: 0,
    toOffset: 0,
    extents: 0,
    extentBytes: 0,
    problems: [],
    stateHashes: [],
    refoldedHashes: [],
  };
  await readFrames(tally, core.control.log);
  for (const partition of core.partitions) {
    await verifyPartition(core, partition, tally, request);
    if (request.data) await verifyExtents(core, partition, tally, request);
  }
  const stateHash = tally.stateHashes.join(',');
  const refoldedHash = tally.refoldedHashes.join(',');
  if (stateHash !== refoldedHash)
    tally.problems.push(`the refolded state ${refoldedHash} differs from ${stateHash}`);
  const { frames, events, fromOffset, toOffset, extents, extentBytes, problems } = tally;
  return {
    ok: problems.length === 0,
    frames,
    events,
    fromOffset,
    toOffset,
    stateHash,
    refoldedHash,
    extents,
    extentBytes,
    problems,
  };
}

/** Reads every frame that the log still has. What it forgets meanwhile is passed over: nothing needs that any more. */
async function readFrames(tally: Tally, log: Partition['log']): Promise<void> {
  let from: number | undefined = log.oldestOffset;
  while (from !== undefined) {
    let next = from;
    from = undefined;
    try {
      for await (const batch of log.read(next)) {
        tally.frames += 1;
        tally.events += batch.events.length;
        next = batch.firstOffset + batch.events.length;
      }
    } catch (error) {
      if (!(error instanceof HeadraceError)) throw error;
      from = keptAfter(error, next);
      if (from === undefined) tally.problems.push(`partition ${log.partition}: ${error.message}`);
    }
  }
}

/** Where the log begins that was trimmed while it was read up to `next`; undefined for any other error. */
function keptAfter(error: HeadraceError, next: number): number | undefined {
  const { oldestOffset } = error.details;
  const isTrim = error.code === 'LOG_TRIMMED' && typeof oldestOffset === 'number' && oldestOffset > next;
  return isTrim ? oldestOffset : undefined;
}

async function verifyPartition(
  core: EngineCore,
  partition: Partition,
  tally: Tally,
  request: VerifyRequest,
): Promise<void> {
  await readFrames(tally, partition.log);
  for (let attempt = 1; ; attempt++) {
    try {
      return await compareState(core, partition, tally, request);
    } catch (error) {
      // Checkpoints taken meanwhile let the log forget what was still to be folded: begin at the oldest one that is kept now.
      if (!isErrorCode(error, 'LOG_TRIMMED') || attempt === ATTEMPTS_MAX) throw error;
    }
  }
}

/** Folds the log from the oldest checkpoint and compares with the live state. `LOG_TRIMMED` when the log was faster. */
async function compareState(
  core: EngineCore,
  partition: Partition,
  tally: Tally,
  request: VerifyRequest,
): Promise<void> {
  const oldest = partition.index.checkpoints[0];
  if (oldest === undefined)
    throw new HeadraceError('CORRUPT_CHECKPOINT', 'there is no checkpoint to fold from');
  const base = await partition.index.openAt(oldest);
  try {
    const records = new DurableRecords(base);
    const refolded = decodeSnapshot(oldest.meta, records);
    tally.fromOffset = oldest.offset;
    const offset = await foldTo(partition, refolded, oldest.offset, () => partition.appliedOffset, request);
    // A checkpoint freezes the live state at one offset; the refold is brought to the same.
    await partition.checkpoint();
    const target = partition.index.checkpoints.at(-1);
    if (target === undefined)
      throw new HeadraceError('CORRUPT_CHECKPOINT', 'the checkpoint just taken is gone');
    const reached = await foldTo(partition, refolded, offset, () => target.offset, request);
    if (reached !== target.offset) {
      // A checkpoint is never behind what was applied when it was asked for: one that is compares with nothing.
      tally.problems.push(
        `partition ${partition.number}: the refold stands at ${reached}, not at ${target.offset}`,
      );
    }
    tally.toOffset = target.offset;
    const live = await partition.index.openAt(target);
    try {
      tally.stateHashes.push(await hashState(core, live, target.meta));
      tally.refoldedHashes.push(await hashState(core, base, encodeSnapshot(refolded)));
    } finally {
      await live.close();
    }
  } finally {
    await base.close();
  }
}

/** Folds events from `from` up to (excluding) what `target` says when the log is read; the offset reached. */
async function foldTo(
  partition: Partition,
  state: PartitionState,
  from: number,
  target: () => number,
  request: VerifyRequest,
): Promise<number> {
  const end = target();
  if (from >= end) return from;
  for await (const batch of partition.log.read(from)) {
    for (const [at, event] of batch.events.entries()) {
      const offset = batch.firstOffset + at;
      if (offset < from) continue;
      if (offset >= end) return end;
      if (!isControlEvent(event)) foldPartition(state, event, offset);
    }
    request.onProgress?.(batch.firstOffset + batch.events.length, end);
  }
  return end;
}

async function hashState(
  core: EngineCore,
  index: IndexStore<IndexRecord>,
  snapshot: Uint8Array,
): Promise<string> {
  const hash = new StateHash();
  await eachRecord(core, index, '', (key, record) => hash.add(key, record));
  return hash.finish(snapshot);
}

async function verifyExtents(
  core: EngineCore,
  partition: Partition,
  tally: Tally,
  request: VerifyRequest,
): Promise<void> {
  const total = partition.state.cache.objectBytes;
  let from = 'o';
  for (;;) {
    const page: [string, IndexRecord][] = [];
    for (const [key, record] of partition.index.scan(from, 'q')) {
      page.push([key, record]);
      if (page.length >= PAGE) break;
    }
    const last = page.at(-1);
    if (last === undefined) return;
    from = `${last[0]}\0`;
    for (const [key] of page) await verifyRecord(core, partition, key, tally);
    request.onProgress?.(tally.extentBytes, total);
  }
}

async function verifyRecord(
  core: EngineCore,
  partition: Partition,
  key: string,
  tally: Tally,
): Promise<void> {
  const record = partition.index.get(key);
  if (record?.kind !== 'object' && record?.kind !== 'part') return;
  const release = holdExtents(core, record.extents);
  try {
    for await (const chunk of readObject(core, record.extents, 0, record.size - 1))
      tally.extentBytes += chunk.length;
    tally.extents += record.extents.length;
  } catch (error) {
    if (!(error instanceof HeadraceError)) throw error;
    if (tally.problems.length < PROBLEMS_MAX) tally.problems.push(`${nameOf(key)}: ${error.message}`);
  } finally {
    release();
  }
}

/** An object or a part, as a person names it. */
function nameOf(indexKey: string): string {
  if (indexKey.startsWith('p')) {
    const { bucket, key, number } = parsePartKey(indexKey);
    return `part ${number} of an upload of s3://${bucket}/${key}`;
  }
  const { bucket, key } = parseObjectKey(indexKey);
  return `s3://${bucket}/${key}`;
}

/** Every record in order, in slices that leave the event loop free. */
async function eachRecord(
  core: EngineCore,
  index: IndexStore<IndexRecord>,
  start: string,
  visit: (key: string, record: IndexRecord) => void,
): Promise<void> {
  let from = start;
  for (;;) {
    let last: string | undefined;
    let seen = 0;
    for (const [key, record] of index.scan(from, '\xff')) {
      visit(key, record);
      last = key;
      seen += 1;
      if (seen >= PAGE) break;
    }
    if (last === undefined || seen < PAGE) return;
    from = `${last}\0`;
    await new Promise<void>((resolve) => core.clock.nextTurn(resolve));
  }
}
