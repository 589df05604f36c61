import fc from 'fast-check';
import assert from 'node:assert/strict';
import protobuf from 'protobufjs/minimal.js';
import t from 'tap';
import { decodeEvents, encodeEvent } from '../../log/event-codec.js';
import {
  checksumAlgorithm,
  checksumType,
  commitOrigin,
  persistState,
  policyMode,
} from '../../log/event-parts.js';
import { headrace } from '../../log/events.generated.js';
import type { Event, EventType } from '../../log/events.js';
import type { ObjectCommitted } from '../../log/object-events.js';
import { writeObjectCommitted } from '../../log/object-writers.js';
import { NumberReader, NumberWriter } from '../../log/protobuf-scalars.js';
import { isErrorCode } from '../../src/core/errors.js';
import type { ObjectChecksum } from '../../src/core/object.js';
import { ARBITRARY_EVENTS } from './event-arbitraries.js';
import { GOLDEN_EVENTS } from './golden-events.js';
import { FULL_EVENTS } from './sample-events.js';

const TYPES = Object.keys(FULL_EVENTS) as EventType[];

function encode(...events: Event[]): Buffer {
  const writer = new NumberWriter();
  for (const event of events) encodeEvent(event, writer);
  return Buffer.from(writer.buf.subarray(0, writer.pos));
}

for (const type of TYPES) {
  void t.test(`event codec: any ${type} comes back as it was`, async (t) => {
    const arbitrary: fc.Arbitrary<Event> = ARBITRARY_EVENTS[type];
    const property = fc.property(arbitrary, (event) => {
      assert.deepStrictEqual(decodeEvents(encode(event), 1), [event]);
    });
    t.doesNotThrow(() => fc.assert(property, { numRuns: 100 }));
  });

  void t.test(`event codec: ${type} has the bytes it always had, and they are still read`, async (t) => {
    t.equal(encode(FULL_EVENTS[type]).toString('hex'), GOLDEN_EVENTS[type]);
    t.strictSame(decodeEvents(Buffer.from(GOLDEN_EVENTS[type], 'hex'), 1), [FULL_EVENTS[type]]);
  });
}

void t.test('event codec: the owner of a bucket is behind what was always there', async (t) => {
  const event: Event = { ...FULL_EVENTS.BucketCreated, owner: 'alice' };
  const bytes = encode(event);
  t.ok(bytes.toString('hex').endsWith(Buffer.from('\x12\x05alice').toString('hex')));
  t.strictSame(decodeEvents(bytes, 1), [event]);
});

void t.test('event codec: who began an upload is behind what was always there', async (t) => {
  const event: Event = { ...FULL_EVENTS.UploadOpened, initiator: 'alice' };
  const bytes = encode(event);
  t.ok(bytes.toString('hex').endsWith(Buffer.from('\x3a\x05alice').toString('hex')));
  t.strictSame(decodeEvents(bytes, 1), [event]);
});

void t.test('event codec: a payload is the message FramePayload of events.proto', async (t) => {
  const events = TYPES.map((type) => FULL_EVENTS[type]);
  const payload = headrace.log.FramePayload.decode(new NumberReader(encode(...events)));
  t.strictSame(
    payload.events.map((event) => event.body),
    TYPES.map((type) => type.charAt(0).toLowerCase() + type.slice(1)),
  );
  t.strictSame(
    payload.events.map((event) => event.atMs),
    events.map((event) => event.atMs),
  );
});

/** As the generated encoder takes it, from what it has to be told in another way than the event says it. */
function messageOf(event: ObjectCommitted) {
  const { object, replaced } = event;
  const checksum = (of: ObjectChecksum | undefined) =>
    of && { ...of, algorithm: checksumAlgorithm.encode(of.algorithm), type: checksumType.encode(of.type) };
  return {
    ...event,
    origin: commitOrigin.encode(event.origin),
    object: {
      ...object,
      policy: policyMode.encode(object.policy),
      state: persistState.encode(object.state),
      checksum: checksum(object.checksum),
      parts: object.parts?.map((part) => ({ ...part, checksum: checksum(part.checksum) })),
    },
    replaced: replaced && { ...replaced, state: persistState.encode(replaced.state) },
  };
}

void t.test('event codec: what is written by hand is what the generated encoder writes', async (t) => {
  const bytesOf = (writer: NumberWriter) => Buffer.from(writer.buf.subarray(0, writer.pos)).toString('hex');
  const check = (event: ObjectCommitted): void => {
    const own = new NumberWriter();
    const generated = new NumberWriter();
    writeObjectCommitted(event, own);
    headrace.log.ObjectCommitted.encode(messageOf(event), generated);
    assert.equal(bytesOf(own), bytesOf(generated));
  };
  t.doesNotThrow(() => fc.assert(fc.property(ARBITRARY_EVENTS.ObjectCommitted, check), { numRuns: 1000 }));
  const extent = { segment: 0, position: 0, size: 0, checksum: 0n };
  const bare: ObjectCommitted = {
    type: 'ObjectCommitted',
    atMs: 0,
    bucket: '',
    key: '',
    object: {
      size: 0,
      etag: '',
      lastModifiedMs: 0,
      extents: [extent],
      headers: { system: { '': '' }, user: {}, tags: {} },
      policy: 'WRITE_BACK',
      state: 'PENDING',
      parts: [],
      ufsEtag: '',
    },
    origin: 'WRITE',
    writeId: '',
    reservedBytes: 0,
    uploadId: '',
    uploadBytes: 0,
    discarded: [],
    replaced: { version: 0, size: 0, state: 'PENDING', extents: [] },
    replacedDelete: 0,
  };
  t.doesNotThrow(() => check(bare), 'of what is empty');
  t.doesNotThrow(() => check({ ...bare, discarded: [extent, extent] }));
});

void t.test('event codec: every whole number is written as protobufjs does', async (t) => {
  const edges = [0, 127, 128, 2 ** 28, 2 ** 32 - 1, 2 ** 32, 2 ** 35, 2 ** 49 - 1, 2 ** 49, 2 ** 53 - 1];
  const property = fc.property(fc.oneof(fc.maxSafeNat(), fc.constantFrom(...edges)), (value) => {
    const own = new NumberWriter().uint64(value);
    const expected = protobuf.Writer.create().uint64(value).finish();
    assert.deepEqual([...own.buf.subarray(0, own.pos)], [...expected]);
    assert.equal(new NumberReader(expected).uint64(), value);
  });
  t.doesNotThrow(() => fc.assert(property, { numRuns: 1000 }));
});

void t.test('event codec: metadata named __proto__ is data like any other', async (t) => {
  const user = JSON.parse('{"__proto__":"x","constructor":"y"}') as Record<string, string>;
  const event: Event = { ...FULL_EVENTS.UploadOpened, headers: { system: {}, user } };
  const [decoded] = decodeEvents(encode(event), 1);
  t.ok(decoded?.type === 'UploadOpened');
  if (decoded?.type !== 'UploadOpened') return;
  t.strictSame(Object.entries(decoded.headers.user), [
    ['__proto__', 'x'],
    ['constructor', 'y'],
  ]);
  t.equal(Object.getPrototypeOf(decoded.headers.user), Object.prototype);
});

void t.test('event codec: half a surrogate pair is refused, wherever it is', async (t) => {
  for (const key of ['\ud800', 'a\udc00', `${'x'.repeat(200)}\ud800`])
    t.throws(() => encode({ ...FULL_EVENTS.DeletePersisted, key }), { code: 'INVALID_ARGUMENT' });
});

void t.test(
  'event codec: a number that is not whole, negative or above 2^53 - 1 stops the program',
  async (t) => {
    for (const version of [0.5, -1, 2 ** 53, NaN, Infinity])
      t.throws(() => encode({ ...FULL_EVENTS.DeletePersisted, version }), { name: 'AssertionError' });
  },
);

void t.test('event codec: an event or a value of a newer version is named, not guessed', async (t) => {
  const unknownBody = new NumberWriter();
  unknownBody
    .uint32(10)
    .fork()
    .uint32(8)
    .uint64(1)
    .uint32((4000 << 3) | 2)
    .fork()
    .ldelim()
    .ldelim();
  t.throws(() => decodeEvents(unknownBody.buf.subarray(0, unknownBody.pos), 1), {
    code: 'UNSUPPORTED_FORMAT',
    message: /number 4000/,
  });
  const unknownReason = new NumberWriter();
  unknownReason
    .uint32(10)
    .fork()
    .uint32(8)
    .uint64(1)
    .uint32((8 << 3) | 2)
    .fork();
  unknownReason
    .uint32(5 << 3)
    .uint32(9)
    .ldelim()
    .ldelim();
  t.throws(() => decodeEvents(unknownReason.buf.subarray(0, unknownReason.pos), 1), {
    code: 'UNSUPPORTED_FORMAT',
    message: /abandon reason number 9/,
  });
});

void t.test('event codec: a field of a newer version beside or inside a body is skipped', async (t) => {
  const writer = new NumberWriter();
  writer
    .uint32(10)
    .fork()
    .uint32(8)
    .uint64(5)
    .uint32((20 << 3) | 2)
    .string('later');
  writer
    .uint32((32 << 3) | 2)
    .fork()
    .uint32(10)
    .string('photos')
    .uint32((9 << 3) | 2)
    .string('later');
  writer
    .ldelim()
    .uint32(31 << 3)
    .uint64(7)
    .ldelim();
  const events = decodeEvents(writer.buf.subarray(0, writer.pos), 1);
  t.strictSame(events, [{ type: 'BucketCreated', atMs: 5, bucket: 'photos' }]);
});

void t.test(
  'event codec: a field of a newer version is skipped in every body, wherever it stands',
  async (t) => {
    const unknown = new NumberWriter();
    unknown.uint32((2000 << 3) | 2).string('later');
    unknown.uint32(2001 << 3).uint64(2 ** 40);
    const later = Buffer.from(unknown.buf.subarray(0, unknown.pos));
    for (const type of TYPES) {
      const [, ...bodyBytes] = splitEvent(encode(FULL_EVENTS[type]));
      const [tag, body] = bodyBytes as [number, Buffer];
      for (const grown of [Buffer.concat([later, body]), Buffer.concat([body, later])]) {
        const writer = new NumberWriter();
        writer.uint32(10).fork().uint32(8).uint64(FULL_EVENTS[type].atMs).uint32(tag).fork();
        writer.raw(grown).ldelim().ldelim();
        t.strictSame(decodeEvents(writer.buf.subarray(0, writer.pos), 1), [FULL_EVENTS[type]], type);
      }
    }
  },
);

/** The wall time, the tag of the body and the body of an encoded event. */
function splitEvent(bytes: Buffer): [atMs: number, tag: number, body: Buffer] {
  const reader = new NumberReader(bytes);
  reader.tag();
  reader.beginPart();
  reader.tag();
  const atMs = reader.uint64();
  const tag = reader.tag();
  const end = reader.beginPart();
  return [atMs, tag, bytes.subarray(reader.pos, end)];
}

void t.test('event codec: text that is no UTF-8 is damage, also where it was seen before', async (t) => {
  const bytes = encode({ ...FULL_EVENTS.DeletePersisted, bucket: 'bucket-x', key: 'key-x' });
  for (const name of ['bucket-x', 'key-x']) {
    const damaged = Buffer.from(bytes);
    damaged[damaged.indexOf(name)] = 0xff;
    for (let time = 0; time < 2; time++)
      t.throws(() => decodeEvents(damaged, 1), { code: 'CORRUPT_FRAME' }, name);
  }
});

void t.test('event codec: headers that are as those before are shared, and cannot be changed', async (t) => {
  const [one, two] = decodeEvents(encode(FULL_EVENTS.UploadOpened, FULL_EVENTS.UploadOpened), 2);
  if (one?.type !== 'UploadOpened' || two?.type !== 'UploadOpened') throw new Error('not what was encoded');
  t.equal(one.headers, two.headers);
  const [later] = decodeEvents(encode({ ...FULL_EVENTS.UploadOpened, headers: { system: {}, user: {} } }), 1);
  t.match(later, { headers: { system: {}, user: {} } });
  for (const names of [two.headers, two.headers.system, two.headers.user, two.headers.tags])
    t.ok(Object.isFrozen(names));
});

void t.test('event codec: damaged bytes give an error of the log, whatever the damage', async (t) => {
  const events = TYPES.map((type) => FULL_EVENTS[type]);
  const bytes = encode(...events);
  const attempt = (payload: Uint8Array, count: number): void => {
    try {
      decodeEvents(payload, count);
    } catch (error) {
      if (!isErrorCode(error, 'CORRUPT_FRAME', 'UNSUPPORTED_FORMAT')) throw error;
    }
  };
  for (let i = 0; i < bytes.length; i++) {
    const damaged = Buffer.from(bytes);
    damaged[i] = (damaged[i] as number) ^ (1 << (i % 8));
    attempt(damaged, events.length);
    attempt(bytes.subarray(0, i), events.length);
  }
  t.throws(() => decodeEvents(bytes, events.length + 1), { code: 'CORRUPT_FRAME' });
  t.throws(() => decodeEvents(bytes.subarray(0, -1), events.length), { code: 'CORRUPT_FRAME' });
});
