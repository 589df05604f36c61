import t from 'tap';
import type { Event } from '../../log/events.js';
import {
  eventsOf,
  FRAME_HEADER_BYTES,
  FrameBuilder,
  frameBytesAt,
  type FrameHeader,
  isOwn,
  verifyFrame,
} from '../../log/frame.js';
import { xxhash64 } from '../../src/core/hashing.js';
import { FULL_EVENTS, numberedEvents } from './sample-events.js';

const HEADER: Omit<FrameHeader, 'count'> = {
  partition: 3,
  epoch: 7,
  firstOffset: 2 ** 40 + 5,
  wallTimeMs: 1_767_225_600_123,
  storeId: 0x0123456789abcdefn,
};
const EVENTS = [FULL_EVENTS.BucketCreated, FULL_EVENTS.MountRemoved];

/** Frame of version 1. Never changed: logs that are out there hold such frames. */
const GOLDEN_FRAME =
  'f5485246' + // magic
  '978fcbca2bad0a9d' + // checksum
  '0100' + // version
  '4000' + // header bytes
  '2c000000' + // payload bytes
  '03000000' + // partition
  '0700000000000000' + // epoch
  '0500000000010000' + // first offset
  '7ba8da769b010000' + // wall time
  'efcdab8967452301' + // store id
  '02000000' + // count
  '00000000' + // reserved
  '0a1708fbd0eab6b7338202' + // events
  '0d0a0b636865636b706f696e7473' +
  '0a1108fbd0eab6b733aa02070a052f64617461' +
  '00000000'; // padding

function build(events: readonly Event[] = EVENTS): Buffer {
  const builder = new FrameBuilder();
  builder.add(events, 2 ** 20);
  return Buffer.from(builder.finish(HEADER));
}

/** As a damaged frame is looked at: the header says where it ends, if it can. */
function read(bytes: Buffer): FrameHeader | undefined {
  const frameBytes = frameBytesAt(bytes, 0);
  if (frameBytes === undefined || frameBytes > bytes.length) return undefined;
  return verifyFrame(bytes.subarray(0, frameBytes));
}

void t.test('frame: has the bytes it always had', async (t) => {
  t.equal(build().toString('hex'), GOLDEN_FRAME);
});

void t.test('frame: the bytes it always had are still read', async (t) => {
  const bytes = Buffer.from(GOLDEN_FRAME, 'hex');
  const header = read(bytes);
  t.strictSame(header, { ...HEADER, count: 2 });
  if (header !== undefined) t.strictSame(eventsOf(bytes, header), EVENTS);
});

void t.test('frame: is damaged when any bit of it is flipped', async (t) => {
  const bytes = build();
  const accepted: number[] = [];
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const damaged = Buffer.from(bytes);
    damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
    if (read(damaged) !== undefined) accepted.push(bit);
  }
  t.strictSame(accepted, []);
});

void t.test('frame: is damaged when it is cut anywhere', async (t) => {
  const bytes = build();
  const accepted: number[] = [];
  for (let length = 0; length < bytes.length; length++) {
    const rest = Buffer.alloc(bytes.length);
    bytes.copy(rest, 0, 0, length);
    if (bytes.subarray(length).every((byte) => byte === 0)) continue;
    if (read(rest) !== undefined) accepted.push(length);
    if (length >= FRAME_HEADER_BYTES && read(bytes.subarray(0, length)) !== undefined) accepted.push(length);
  }
  t.strictSame(accepted, []);
});

void t.test('frame: starts and ends at a multiple of 8, whatever its events', async (t) => {
  for (let padding = 0; padding < 20; padding++) t.equal(build(numberedEvents(0, 1, padding)).length % 8, 0);
});

void t.test('frame: a seal is a header without events', async (t) => {
  const bytes = build([]);
  t.equal(bytes.length, FRAME_HEADER_BYTES);
  t.equal(read(bytes)?.count, 0);
});

void t.test('frame: an intact one of a newer version is not taken for damage', async (t) => {
  const bytes = build();
  bytes.writeUInt16LE(2, 12);
  bytes.writeBigUInt64LE(xxhash64(bytes.subarray(12)), 4);
  t.throws(() => verifyFrame(bytes), { code: 'UNSUPPORTED_FORMAT', message: /version 2/ });
});

void t.test('frame: a length that no frame has is not believed', async (t) => {
  const bytes = build();
  bytes.writeUInt32LE(2 ** 31, 16);
  t.equal(frameBytesAt(bytes, 0), undefined);
});

void t.test('frame: another store or partition is told from its own', async (t) => {
  const header = { ...HEADER, count: 2 };
  t.ok(isOwn(header, { partition: 3, storeId: HEADER.storeId }));
  t.notOk(isOwn(header, { partition: 4, storeId: HEADER.storeId }));
  t.notOk(isOwn(header, { partition: 3, storeId: 1n }));
});

void t.test('frame: events that do not fit, or cannot be written, leave the frame as it was', async (t) => {
  const builder = new FrameBuilder();
  t.ok(builder.add(EVENTS, 2 ** 20));
  const { frameBytes } = builder;
  t.notOk(builder.add(numberedEvents(0, 100), 1024));
  const unwritable = { ...FULL_EVENTS.BucketCreated, bucket: '\ud800' };
  t.throws(() => builder.add([...EVENTS, unwritable], 2 ** 20), { code: 'INVALID_ARGUMENT' });
  t.equal(builder.frameBytes, frameBytes);
  t.equal(Buffer.from(builder.finish(HEADER)).toString('hex'), GOLDEN_FRAME);
});

void t.test('frame: memory is used again without a trace of the frame before', async (t) => {
  const builder = new FrameBuilder();
  builder.add(numberedEvents(0, 100, 50), 2 ** 20);
  builder.finish(HEADER);
  builder.reset();
  builder.add(EVENTS, 2 ** 20);
  t.equal(Buffer.from(builder.finish(HEADER)).toString('hex'), GOLDEN_FRAME);
});
