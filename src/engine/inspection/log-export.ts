/**
 * Makes an export: the events of a range, and what is needed to fold them to the state that they led to.
 *
 * | what is kept                                   | how the export begins                                             |
 * |------------------------------------------------|-------------------------------------------------------------------|
 * | the log from offset 0, and `from` is 0         | with the first event; the state before it is empty                |
 * | a checkpoint at or before `from`               | with the state at that checkpoint, and the events behind it       |
 * | a checkpoint in the range                      | with events; the state follows at the checkpoint                  |
 * | none of these                                  | events alone                                                      |
 *
 * At every other checkpoint in the range the export has the hash of the engine's state, for the replay to be compared with.
 */
import { HeadraceError } from '../../core/errors.js';
import type { IndexCheckpoint, IndexStore } from '../../core/index-store.js';
import { xxhash64 } from '../../core/hashing.js';
import { KIB } from '../../core/units.js';
import type { DurableBatch } from '../../../log/log-store.js';
import { FRAME_BYTES_MAX, FrameBuilder } from '../../../log/frame.js';
import { decodeSnapshot, encodeSnapshot } from '../../../projections/partition-state.js';
import type { IndexRecord } from '../../../projections/records.js';
import { DurableRecords } from '../overlay.js';
import {
  encodeFileHeader,
  encodeJsonRecord,
  encodeRecord,
  StatePage,
  type ExportDescription,
  type ExportedPartition,
} from './export-format.js';
import { ExportScope } from './export-scope.js';
import type { ExportRequest, InspectedPartition, InspectionSources, LogSource } from './log-inspection.js';
import { recountState } from './recount.js';
import { StateHash } from './state-hash.js';

/** Small records leave together. */
const PIECE_BYTES = 64 * KIB;
/** Index entries that are looked at in one turn of the event loop. */
const SCAN_PAGE = 512;
const INDEX_END = '\xff';

interface Plan extends Required<ExportedPartition> {
  readonly source: InspectedPartition;
  /** Where the whole state is put. */
  readonly state: IndexCheckpoint | undefined;
  /** Where its hash is put. */
  readonly checks: readonly IndexCheckpoint[];
}

/** The pieces of an export. `INVALID_ARGUMENT`, `LOG_TRIMMED`, both before the first piece. */
export async function* exportLog(
  sources: InspectionSources,
  request: ExportRequest,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (request.prefix !== undefined && request.bucket === undefined)
    throw new HeadraceError(
      'INVALID_ARGUMENT',
      'a prefix needs a bucket: keys of two buckets have nothing in common',
    );
  const plans = sources.partitions.map((source) => planOf(source, request));
  const exporter = new Exporter(sources, request, plans);
  yield* inPieces(exporter.records());
}

function planOf(source: InspectedPartition, request: ExportRequest): Plan {
  const { partition, oldestOffset, durableOffset } = source.log;
  const to = request.to ?? durableOffset;
  const wanted = request.from ?? oldestOffset;
  const range = `partition ${partition} has offsets ${oldestOffset} to ${durableOffset}`;
  if (to > durableOffset) throw new HeadraceError('INVALID_ARGUMENT', `${range}: ${to} is behind its end`);
  if (wanted > to)
    throw new HeadraceError('INVALID_ARGUMENT', `from ${wanted} to ${to} is no range: ${range}`);
  if (wanted < oldestOffset) throw new HeadraceError('LOG_TRIMMED', `${range}: ${wanted} is no longer kept`);
  const checkpoints = source.index.checkpoints.filter(({ offset }) => offset >= oldestOffset && offset <= to);
  const before = checkpoints.findLast(({ offset }) => offset <= wanted);
  const from = wanted > 0 && before !== undefined ? before.offset : wanted;
  const state = from === 0 ? undefined : checkpoints.find(({ offset }) => offset >= from);
  const known = from === 0 ? 0 : (state?.offset ?? Number.POSITIVE_INFINITY);
  const checks = checkpoints.filter(({ offset }) => offset > known);
  return { partition, from, to, end: durableOffset, source, state, checks };
}

class Exporter {
  readonly #sources: InspectionSources;
  readonly #scope: ExportScope;
  readonly #plans: readonly Plan[];
  readonly #description: ExportDescription;
  readonly #exportId: bigint;
  readonly #builder = new FrameBuilder();
  readonly #done = { frames: 0, events: 0, records: 0 };

  constructor(sources: InspectionSources, request: ExportRequest, plans: readonly Plan[]) {
    const { bucket, prefix, salt } = request;
    this.#sources = sources;
    this.#scope = new ExportScope(request);
    this.#plans = plans;
    const { partition, durableOffset } = sources.control;
    const hidden = salt !== undefined;
    this.#description = {
      headrace: sources.version,
      createdMs: sources.nowMs(),
      // With hashed names also what was asked for would tell names.
      ...(bucket === undefined || hidden ? {} : { bucket }),
      ...(prefix === undefined || hidden ? {} : { prefix }),
      hashed: hidden,
      selected: this.#scope.isSelection,
      partitions: [
        ...(hidden ? [] : [{ partition, from: sources.control.oldestOffset, to: durableOffset }]),
        ...plans.map(({ partition: number, from, to, end }) => ({ partition: number, from, to, end })),
      ],
    };
    this.#exportId = xxhash64(Buffer.from(JSON.stringify(this.#description)));
  }

  async *records(): AsyncGenerator<Buffer, void, undefined> {
    yield encodeFileHeader();
    yield encodeJsonRecord('DESCRIPTION', this.#description);
    const { control } = this.#sources;
    // All of it, whatever the range: buckets, mounts and rules are in force until they change.
    if (!this.#description.hashed) yield* this.#events(control, control.oldestOffset, control.durableOffset);
    for (const plan of this.#plans) yield* this.#partition(plan);
    yield encodeJsonRecord('END', this.#done);
  }

  async *#partition({ source, from, to, state, checks }: Plan): AsyncGenerator<Buffer, void, undefined> {
    let next = from;
    if (state !== undefined) {
      yield* this.#events(source.log, next, state.offset);
      yield* this.#state(source, state);
      next = state.offset;
    }
    for (const check of this.#scope.isWhole ? checks : []) {
      yield* this.#events(source.log, next, check.offset);
      const hash = await hashOf(source, check, this.#sources);
      yield encodeJsonRecord('CHECKPOINT', { partition: source.log.partition, offset: check.offset, hash });
      next = check.offset;
    }
    yield* this.#events(source.log, next, to);
  }

  /** Events of a range, in the frames they were logged in, less what stays behind. */
  async *#events(log: LogSource, from: number, to: number): AsyncGenerator<Buffer, void, undefined> {
    if (from >= to) return;
    for await (const batch of log.read(from)) {
      let runStart: number | undefined;
      for (const [at, event] of batch.events.entries()) {
        const offset = batch.firstOffset + at;
        const exported = offset < from || offset >= to ? undefined : this.#scope.event(event);
        if (exported === undefined) {
          if (runStart !== undefined) yield this.#frame(batch, runStart);
          runStart = undefined;
          continue;
        }
        runStart ??= offset;
        if (this.#builder.add([exported], FRAME_BYTES_MAX)) continue;
        yield this.#frame(batch, runStart);
        runStart = offset;
        this.#builder.add([exported], FRAME_BYTES_MAX);
      }
      if (runStart !== undefined) yield this.#frame(batch, runStart);
      if (batch.firstOffset + batch.events.length >= to) return;
    }
  }

  #frame({ partition, epoch, wallTimeMs }: DurableBatch, firstOffset: number): Buffer {
    const { count } = this.#builder;
    const frame = this.#builder.finish({
      partition,
      epoch,
      wallTimeMs,
      firstOffset,
      storeId: this.#exportId,
    });
    const record = encodeRecord('FRAME', frame);
    this.#builder.reset();
    this.#done.frames += 1;
    this.#done.events += count;
    return record;
  }

  async *#state(
    source: InspectedPartition,
    checkpoint: IndexCheckpoint,
  ): AsyncGenerator<Buffer, void, undefined> {
    const { partition } = source.log;
    const view = await source.index.openAt(checkpoint);
    try {
      const hash = this.#scope.isWhole ? new StateHash() : undefined;
      const versions = new Set<number>();
      if (hash === undefined)
        for await (const page of pagesOf(view, this.#sources)) this.#scope.collectVersions(page, versions);
      const page = new StatePage();
      let records = 0;
      const kept: IndexRecord[] = [];
      for await (const entries of pagesOf(view, this.#sources)) {
        for (const [key, record] of entries) {
          const exported = this.#scope.record(key, record, versions);
          if (exported === undefined) continue;
          hash?.add(key, record);
          if (hash === undefined) kept.push(exported[1]);
          page.add(...exported);
          records += 1;
        }
        const full = page.isFull ? page.take(partition) : undefined;
        if (full !== undefined) yield full;
      }
      const last = page.take(partition);
      if (last !== undefined) yield last;
      const snapshot = hash === undefined ? this.#partialSnapshot(view, kept, checkpoint) : checkpoint.meta;
      this.#done.records += records;
      yield encodeJsonRecord('STATE', {
        partition,
        offset: checkpoint.offset,
        records,
        snapshot: Buffer.from(snapshot).toString('utf8'),
        ...(hash === undefined ? {} : { hash: hash.finish(checkpoint.meta) }),
      });
    } finally {
      await view.close();
    }
  }

  /** The counts of a part of the records, which no checkpoint has. */
  #partialSnapshot(
    view: IndexStore<IndexRecord>,
    kept: readonly IndexRecord[],
    { meta }: IndexCheckpoint,
  ): Uint8Array {
    const index = new DurableRecords(view);
    const orphans = this.#scope.orphans(decodeSnapshot(meta, index).orphans);
    return encodeSnapshot(recountState(index, kept, orphans));
  }
}

async function hashOf(
  source: InspectedPartition,
  checkpoint: IndexCheckpoint,
  sources: InspectionSources,
): Promise<string> {
  const view = await source.index.openAt(checkpoint);
  try {
    const hash = new StateHash();
    for await (const page of pagesOf(view, sources)) for (const [key, record] of page) hash.add(key, record);
    return hash.finish(checkpoint.meta);
  } finally {
    await view.close();
  }
}

/** All entries in order, in pages that may be awaited between. */
async function* pagesOf(
  index: IndexStore<IndexRecord>,
  { nextTurn }: Pick<InspectionSources, 'nextTurn'>,
): AsyncGenerator<(readonly [key: string, record: IndexRecord])[], void, undefined> {
  for (let from = ''; ;) {
    const page: (readonly [string, IndexRecord])[] = [];
    for (const entry of index.scan(from, INDEX_END)) {
      page.push(entry);
      if (page.length >= SCAN_PAGE) break;
    }
    const last = page.at(-1);
    if (last === undefined) return;
    yield page;
    await nextTurn();
    from = `${last[0]}\0`;
  }
}

async function* inPieces(records: AsyncIterable<Buffer>): AsyncGenerator<Uint8Array, void, undefined> {
  let held: Buffer[] = [];
  let heldBytes = 0;
  for await (const record of records) {
    held.push(record);
    heldBytes += record.length;
    if (heldBytes < PIECE_BYTES) continue;
    yield Buffer.concat(held);
    held = [];
    heldBytes = 0;
  }
  if (heldBytes > 0) yield Buffer.concat(held);
}
