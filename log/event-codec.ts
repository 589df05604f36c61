/**
 * Events to and from the payload of a frame, which is the message `FramePayload` of `events.proto`.
 *
 * The two outer layers (the list, and the choice of the body) are written and read here and not by generated
 * code, so that an event goes straight into the frame's buffer, and so that the decoder tells an event it
 * does not know from one that is damaged.
 */
import { HeadraceError } from '../src/core/errors.js';
import type { BodyCodec } from './body-codec.js';
import { BODIES } from './event-bodies.js';
import type { Event } from './events.js';
import { NumberReader, type NumberWriter } from './protobuf-scalars.js';

const VARINT = 0;
const LENGTH_DELIMITED = 2;

const EVENTS_TAG = (1 << 3) | LENGTH_DELIMITED;
const AT_MS_TAG = (1 << 3) | VARINT;
/** Fields of `Event` that are not bodies. */
const SKIPPED_FIELD_MIN = 16;
const SKIPPED_FIELD_MAX = 31;

const bodiesByField: (BodyCodec | undefined)[] = [];
for (const body of Object.values(BODIES)) bodiesByField[body.field] = body as BodyCodec;

/** Appends one event to the payload that `writer` holds. What a failed call wrote must be rewound. */
export function encodeEvent(event: Event, writer: NumberWriter): void {
  const body = BODIES[event.type] as BodyCodec;
  writer.uint32(EVENTS_TAG).fork().uint32(AT_MS_TAG).uint64(event.atMs);
  writer.uint32((body.field << 3) | LENGTH_DELIMITED).fork();
  body.encode(event, writer);
  writer.ldelim().ldelim();
}

/**
 * All events of a payload. Throws `UNSUPPORTED_FORMAT` for an event or a value that a newer version wrote,
 * and `CORRUPT_FRAME` for bytes that are not events or do not hold `count` of them. Zeros behind the last
 * event are padding.
 */
export function decodeEvents(payload: Uint8Array, count: number): Event[] {
  const reader = new NumberReader(payload);
  const events: Event[] = [];
  try {
    for (let i = 0; i < count; i++) {
      const tag = reader.tag();
      if (tag !== EVENTS_TAG) throw new RangeError(`tag ${tag} at byte ${reader.pos} where an event starts`);
      const length = reader.size();
      const end = reader.pos + length;
      if (end > payload.length) throw new RangeError(`an event of ${length} bytes at byte ${reader.pos}`);
      events.push(decodeEvent(reader, end));
    }
  } catch (error) {
    if (error instanceof HeadraceError) throw error;
    throw new HeadraceError(
      'CORRUPT_FRAME',
      `event ${events.length} of ${count} in a payload of ${payload.length} bytes cannot be read`,
      { cause: error },
    );
  }
  return events;
}

function decodeEvent(reader: NumberReader, end: number): Event {
  let atMs: number | undefined;
  let event: Event | undefined;
  while (reader.pos < end) {
    const tag = reader.tag();
    const field = tag >>> 3;
    const body = bodiesByField[field];
    if (body !== undefined && atMs !== undefined && (tag & 7) === LENGTH_DELIMITED) {
      const length = reader.size();
      if (reader.pos + length > end) throw new RangeError(`a body of ${length} bytes at byte ${reader.pos}`);
      event = body.decode(reader, length, atMs);
    } else if (tag === AT_MS_TAG) {
      atMs = reader.uint64();
    } else {
      if (field < SKIPPED_FIELD_MIN || field > SKIPPED_FIELD_MAX) throw unknownEvent(field);
      reader.skipType(tag & 7, 0, tag);
    }
  }
  if (event === undefined || reader.pos !== end) throw new RangeError('an event without a body');
  return event;
}

function unknownEvent(field: number): HeadraceError {
  return new HeadraceError(
    'UNSUPPORTED_FORMAT',
    `the log has an event of type number ${field}, which this version does not know: it was written by a newer one`,
  );
}
