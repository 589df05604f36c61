/** What a codec of one event type is, and what all of them are built with. */
import type { EnumValue, MessageType } from './events.generated.js';
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

/** For an event whose properties are the fields of its message as they are. */
export const asIs = <E>(event: E): E => event;

export function isPresent<Value>(value: Value | null | undefined): value is Value {
  return value !== null && value !== undefined;
}

/** Whether a field of an enum type was there: no value has the number 0. */
export function isWritten(value: EnumValue | undefined): value is EnumValue {
  return value !== undefined && value !== 0;
}
