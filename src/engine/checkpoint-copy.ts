/**
 * A checkpoint of a partition as bytes, to be kept beside its log: for an owner whose own index is lost.
 *
 * | at | bytes | contents                                                                    |
 * |---:|------:|-----------------------------------------------------------------------------|
 * |  0 |     4 | format version, 1                                                           |
 * |  4 |     4 | bytes of the snapshot of the small projections                              |
 * |  8 |       | the snapshot (`projections/partition-state.ts`)                             |
 * |    |       | then each record, ascending: bytes of its key (2), of its value (4), key, value (`projections/record-codec.ts`) |
 *
 * All numbers are little-endian. Whoever keeps the bytes checks them: what comes back is what was given, or nothing.
 */
import { HeadraceError } from '../core/errors.js';
import type { IndexStore } from '../core/index-store.js';
import type { Clock } from '../core/ports.js';
import { RECORD_CODEC } from '../../projections/record-codec.js';
import type { IndexRecord } from '../../projections/records.js';

const FORMAT_VERSION = 1;
const HEADER_BYTES = 8;
const RECORD_HEADER_BYTES = 6;
/** Records between two turns of the event loop. */
const PAGE = 256;
/** Behind every key of the index: they begin with a letter. */
const KEYS_END = '\xff';

export interface EncodedCopy {
  readonly pieces: AsyncIterable<Buffer>;
  /** So far. */
  readonly records: () => number;
}

/** `view` has to stand still: a view of a checkpoint (`IndexStore.openAt`). */
export function encodeCopy(view: IndexStore<IndexRecord>, meta: Uint8Array, clock: Clock): EncodedCopy {
  let records = 0;
  async function* pieces(): AsyncGenerator<Buffer, void, undefined> {
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUInt32LE(FORMAT_VERSION, 0);
    header.writeUInt32LE(meta.length, 4);
    yield Buffer.concat([header, meta]);
    for (let from = ''; ;) {
      const page: Buffer[] = [];
      let last: string | undefined;
      for (const [key, record] of view.scan(from, KEYS_END)) {
        page.push(encodeRecord(key, record));
        last = key;
        if (page.length >= PAGE) break;
      }
      if (last === undefined) return;
      records += page.length;
      yield Buffer.concat(page);
      from = `${last}\0`;
      await nextTurn(clock);
    }
  }
  return { pieces: pieces(), records: () => records };
}

/** Puts every record into `index`, which is empty, and returns the snapshot. `UNSUPPORTED_FORMAT`, `CORRUPT_CHECKPOINT`. */
export async function decodeCopy(
  state: Buffer,
  index: IndexStore<IndexRecord>,
  clock: Clock,
): Promise<Uint8Array> {
  const version = state.length >= HEADER_BYTES ? state.readUInt32LE(0) : 0;
  if (version > FORMAT_VERSION)
    throw new HeadraceError(
      'UNSUPPORTED_FORMAT',
      `the checkpoint in the log has format ${version}, and this version reads up to ${FORMAT_VERSION}`,
    );
  if (version !== FORMAT_VERSION) throw damaged();
  let at = HEADER_BYTES + state.readUInt32LE(4);
  if (at > state.length) throw damaged();
  const meta = state.subarray(HEADER_BYTES, at);
  for (let count = 1; at < state.length; count++) {
    if (at + RECORD_HEADER_BYTES > state.length) throw damaged();
    const valueAt = at + RECORD_HEADER_BYTES + state.readUInt16LE(at);
    const end = valueAt + state.readUInt32LE(at + 2);
    if (end > state.length) throw damaged();
    const key = state.toString('latin1', at + RECORD_HEADER_BYTES, valueAt);
    index.set(key, RECORD_CODEC.decode(key, state.subarray(valueAt, end)));
    at = end;
    if (count % PAGE === 0) await nextTurn(clock);
  }
  return meta;
}

function encodeRecord(key: string, record: IndexRecord): Buffer {
  const value = RECORD_CODEC.encode(record);
  const bytes = Buffer.allocUnsafe(RECORD_HEADER_BYTES + key.length + value.length);
  bytes.writeUInt16LE(key.length, 0);
  bytes.writeUInt32LE(value.length, 2);
  bytes.write(key, RECORD_HEADER_BYTES, 'latin1');
  bytes.set(value, RECORD_HEADER_BYTES + key.length);
  return bytes;
}

function nextTurn(clock: Clock): Promise<void> {
  return new Promise((resolve) => clock.nextTurn(resolve));
}

function damaged(): HeadraceError {
  return new HeadraceError('CORRUPT_CHECKPOINT', 'the checkpoint in the log is damaged');
}
