import t from 'tap';
import { xxhash64 } from '../../../src/core/hashing.js';
import {
  alignUp,
  decodeExtentHeader,
  decodeSegmentHeader,
  encodeExtentHeader,
  encodeSegmentHeader,
  extentEnd,
  extentHeaderBytes,
  placeExtentHeader,
  segmentIdOf,
  segmentName,
  tablePosition,
} from '../../../src/engine/segments/segment-format.js';

const SEGMENT_HEADER = [
  '17690d26576cadc5', // checksum
  '48525347', // HRSG
  '01000000', // version 1
  '07070707070707070707070707070707', // store
  '2a00000000000000', // segment 42
  '00'.repeat(24),
].join('');

const EXTENT_HEADER = [
  'a0f2d184a52d9e32', // checksum
  '48524558', // HREX
  '3800', // header of 56 bytes
  '0500', // owner of 5 bytes
  '2a00000000000000', // segment 42
  '3810000000000000', // payload at 4152
  '0028000000000000', // 10,240 bytes
  'efcdab8967452301', // checksum of the payload
  '6f776e6572000000', // owner
].join('');

function segmentHeader(): Buffer {
  const header = Buffer.alloc(64, 0xff);
  encodeSegmentHeader(header, new Uint8Array(16).fill(7), 42);
  return header;
}

function extentHeader(): Buffer {
  const header = Buffer.alloc(56, 0xff);
  const checksum = 0x0123456789abcdefn;
  encodeExtentHeader(header, 0, {
    headerBytes: extentHeaderBytes(5),
    owner: 'owner',
    size: 10_240,
    checksum,
  });
  placeExtentHeader(header, 0, 42, 4096 + 56);
  return header;
}

void t.test('segment format: version 1 has the bytes that the page describes', async (t) => {
  t.equal(segmentHeader().toString('hex'), SEGMENT_HEADER);
  t.equal(extentHeader().toString('hex'), EXTENT_HEADER);
});

void t.test('segment format: headers are read as they were written', async (t) => {
  const segment = decodeSegmentHeader(Buffer.from(SEGMENT_HEADER, 'hex'));
  t.same(segment, { version: 1, storeId: new Uint8Array(16).fill(7), segment: 42 });
  const extent = decodeExtentHeader(Buffer.from(EXTENT_HEADER, 'hex'), 0, 42, 4096);
  t.same(extent, { headerBytes: 56, owner: 'owner', size: 10_240, checksum: 0x0123456789abcdefn });
});

void t.test('segment format: a header elsewhere, cut, or with any flipped bit is none', async (t) => {
  const header = extentHeader();
  t.equal(decodeExtentHeader(header, 0, 43, 4096), undefined, 'another segment');
  t.equal(decodeExtentHeader(header, 0, 42, 4104), undefined, 'another position');
  for (let length = 0; length < 53; length++) {
    t.equal(decodeExtentHeader(header.subarray(0, length), 0, 42, 4096), undefined);
    t.equal(decodeSegmentHeader(segmentHeader().subarray(0, length)), undefined);
  }
  for (let bit = 0; bit < 53 * 8; bit++) {
    const damaged = Buffer.from(header);
    damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    t.equal(decodeExtentHeader(damaged, 0, 42, 4096), undefined);
  }
  for (let bit = 0; bit < 64 * 8; bit++) {
    const damaged = segmentHeader();
    damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    t.equal(decodeSegmentHeader(damaged), undefined);
  }
});

void t.test('segment format: names have ten digits', async (t) => {
  t.equal(segmentName(42), '0000000042.seg');
  t.equal(segmentIdOf('0000000042.seg'), 42);
  for (const name of ['42.seg', '0000000042.seg~', 'a000000042.seg', ''])
    t.equal(segmentIdOf(name), undefined);
});

void t.test('segment format: an extent ends behind its table, at a multiple of 8', async (t) => {
  const chunk = 256 * 1024;
  t.equal(alignUp(4097, 4096), 8192);
  t.equal(extentEnd(100, 4), 104);
  t.equal(extentEnd(4096, chunk), 4096 + chunk);
  t.equal(tablePosition(4096, chunk + 1), 4096 + chunk + 8);
  t.equal(extentEnd(4096, chunk + 1), 4096 + chunk + 8 + 16);
  t.equal(xxhash64(Buffer.alloc(0)), 0xef46db3751d8e999n);
});
