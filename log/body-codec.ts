/** What a codec of one event type is, and what all of them are built with. */
import type { MessageType } from './events.generated.js';
import type { Event, EventType } from './events.js';
import type { NumberReader, NumberWriter } from './protobuf-scalars.js';

export interface BodyCodec<Type extends EventType = EventType> {
  readonly type: Type;
  /** Number of the field of `Event` that holds the body. */
  readonly field: number;
  encode(event: EventOf<Type>, writer: NumberWriter): void;
  decode(reader: NumberReader, length: number, atMs: number): EventOf<Type>;
}

export type EventOf<Type extends EventType> = Extract<Event, { type: Type }>;

/** Builds a codec from the generated message type and the two mappings. */
export function body<Type extends EventType, Message>(
  type: Type,
  field: number,
  message: MessageType<Message>,
  toMessage: (event: EventOf<Type>) => Message,
  fromMessage: (message: Message, atMs: number) => EventOf<Type>,
): BodyCodec<Type> {
  return {
    type,
    field,
    encode(event, writer) {
      message.encode(toMessage(event), writer);
    },
    decode: (reader, length, atMs) => fromMessage(message.decode(reader, length), atMs),
  };
}

/** Builds a codec from the generated message type for writing, and a reader by hand: for events that there are many of. */
export function bodyReadBy<Type extends EventType, Message>(
  type: Type,
  field: number,
  message: MessageType<Message>,
  toMessage: (event: EventOf<Type>) => Message,
  read: (reader: NumberReader, end: number, atMs: number) => EventOf<Type>,
): BodyCodec<Type> {
  return {
    type,
    field,
    encode(event, writer) {
      message.encode(toMessage(event), writer);
    },
    decode: decodeBy(read),
  };
}

/** Builds a codec from a writer and a reader by hand: for the event of every write. */
export function bodyByHand<Type extends EventType>(
  type: Type,
  field: number,
  write: (event: EventOf<Type>, writer: NumberWriter) => void,
  read: (reader: NumberReader, end: number, atMs: number) => EventOf<Type>,
): BodyCodec<Type> {
  return { type, field, encode: write, decode: decodeBy(read) };
}

function decodeBy<Type extends EventType>(
  read: (reader: NumberReader, end: number, atMs: number) => EventOf<Type>,
): BodyCodec<Type>['decode'] {
  return (reader, length, atMs) => {
    const end = reader.pos + length;
    const event = read(reader, end, atMs);
    reader.endPart(end);
    return event;
  };
}

/** For an event whose properties are the fields of its message as they are. */
export const asIs = <E>(event: E): E => event;

export function isPresent<Value>(value: Value | null | undefined): value is Value {
  return value !== null && value !== undefined;
}
