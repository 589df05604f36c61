/**
 * Reads an export from its bytes, record by record, and refuses what is damaged, cut short or not one. Memory is that of the
 * longest record, whatever the length of the file.
 */
import { HeadraceError } from '../../core/errors.js';
import { xxhash64 } from '../../core/hashing.js';
import type { Event } from '../../../log/events.js';
import { eventsOf, frameBytesAt, verifyFrame, type FrameHeader } from '../../../log/frame.js';
import type { IndexRecord } from '../../../projections/records.js';
import {
  checkFileHeader,
  decodePage,
  FILE_HEADER_BYTES,
  PAYLOAD_BYTES_MAX,
  RECORD_HEADER_BYTES,
  RECORD_TYPES,
  recordBytes,
  type ExportDescription,
  type ExportedCheckpoint,
  type ExportedState,
  type ExportEnd,
} from './export-format.js';

export type ExportItem =
  | { readonly kind: 'DESCRIPTION'; readonly description: ExportDescription }
  | { readonly kind: 'FRAME'; readonly header: FrameHeader; readonly events: readonly Event[] }
  | {
      readonly kind: 'PAGE';
      readonly partition: number;
      readonly entries: readonly (readonly [key: string, record: IndexRecord])[];
    }
  | { readonly kind: 'STATE'; readonly state: ExportedState }
  | { readonly kind: 'CHECKPOINT'; readonly checkpoint: ExportedCheckpoint }
  | { readonly kind: 'END'; readonly end: ExportEnd };

/** `INVALID_ARGUMENT` for another kind of file, `UNSUPPORTED_FORMAT`, `CORRUPT_FRAME`. */
export async function* readExport(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<ExportItem, void, undefined> {
  const bytes = new ByteQueue(chunks);
  checkFileHeader((await bytes.take(FILE_HEADER_BYTES)) ?? new Uint8Array());
  for (;;) {
    const { position } = bytes;
    const header = await bytes.peek(RECORD_HEADER_BYTES);
    if (header === undefined)
      throw corrupt(position, 'the file ends without its last record: it was cut short');
    const payloadBytes = header.readUInt32LE(12);
    if (payloadBytes > PAYLOAD_BYTES_MAX) throw corrupt(position, 'a record is damaged');
    const record = await bytes.take(recordBytes(payloadBytes));
    if (record === undefined) throw corrupt(position, 'a record is cut short');
    const end = RECORD_HEADER_BYTES + payloadBytes;
    if (xxhash64(record.subarray(8, end)) !== record.readBigUInt64LE(0))
      throw corrupt(position, 'a record is damaged');
    const item = decode(record.readUInt16LE(8), record.subarray(RECORD_HEADER_BYTES, end), position);
    yield item;
    if (item.kind === 'END') return;
  }
}

function decode(type: number, payload: Buffer, position: number): ExportItem {
  switch (type) {
    case RECORD_TYPES.DESCRIPTION:
      return { kind: 'DESCRIPTION', description: parse(payload, position) };
    case RECORD_TYPES.FRAME: {
      const whole = payload.length >= RECORD_HEADER_BYTES && frameBytesAt(payload, 0) === payload.length;
      const header = whole ? verifyFrame(payload) : undefined;
      if (header === undefined) throw corrupt(position, 'a frame is damaged');
      return { kind: 'FRAME', header, events: eventsOf(payload, header) };
    }
    case RECORD_TYPES.PAGE:
      return { kind: 'PAGE', ...decodePage(payload) };
    case RECORD_TYPES.STATE:
      return { kind: 'STATE', state: parse(payload, position) };
    case RECORD_TYPES.CHECKPOINT:
      return { kind: 'CHECKPOINT', checkpoint: parse(payload, position) };
    case RECORD_TYPES.END:
      return { kind: 'END', end: parse(payload, position) };
    default:
      throw new HeadraceError(
        'UNSUPPORTED_FORMAT',
        `the export has a record of type ${type}, which this version does not know: it was written by a newer one`,
      );
  }
}

/** The checksum held, so what is in it is what was written. */
function parse<Value>(payload: Buffer, position: number): Value {
  try {
    return JSON.parse(payload.toString('utf8')) as Value;
  } catch {
    throw corrupt(position, 'a record is not JSON');
  }
}

function corrupt(position: number, what: string): HeadraceError {
  return new HeadraceError('CORRUPT_FRAME', `the export at byte ${position}: ${what}`, {
    details: { position },
  });
}

/** Bytes that arrive in pieces, taken in other pieces. */
class ByteQueue {
  position = 0;
  readonly #chunks: AsyncIterator<Uint8Array>;
  #held: Buffer[] = [];
  #heldBytes = 0;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** The next bytes, which stay; undefined when there are not so many. */
  async peek(count: number): Promise<Buffer | undefined> {
    while (this.#heldBytes < count) {
      const next = await this.#chunks.next();
      if (next.done === true) return undefined;
      const { buffer, byteOffset, byteLength } = next.value;
      this.#held.push(Buffer.from(buffer, byteOffset, byteLength));
      this.#heldBytes += byteLength;
    }
    const [first] = this.#held;
    if (first === undefined || first.length < count) this.#held = [Buffer.concat(this.#held)];
    return this.#held[0]?.subarray(0, count);
  }

  async take(count: number): Promise<Buffer | undefined> {
    const bytes = await this.peek(count);
    const [first] = this.#held;
    if (bytes === undefined || first === undefined) return undefined;
    this.#held[0] = first.subarray(count);
    this.#heldBytes -= count;
    this.position += count;
    return bytes;
  }
}
