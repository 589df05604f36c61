import fc from 'fast-check';
import t from 'tap';
import {
  CHECKSUM_ALGORITHMS,
  checksumOf,
  combineChecksums,
  compositeChecksum,
  createChecksummer,
  isChecksumValue,
  isCombinable,
} from '../../src/core/checksum.js';
import { crc64nvme } from '../../src/core/crc64nvme.js';

const CHECK = Buffer.from('123456789');

void t.test('checksum: the published check values come out', async (t) => {
  const hex = (algorithm: (typeof CHECKSUM_ALGORITHMS)[number]): string =>
    Buffer.from(checksumOf(algorithm, [CHECK]), 'base64').toString('hex');
  t.equal(hex('CRC32'), 'cbf43926');
  t.equal(hex('CRC32C'), 'e3069283');
  t.equal(hex('CRC64NVME'), 'ae8b14860a799888');
  t.equal(hex('SHA1'), 'f7c3bc1d808e04732adf679965ccc34ca7ae3441');
  t.equal(hex('SHA256'), '15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225');
});

void t.test('checksum: of nothing is that of an empty body', async (t) => {
  t.equal(checksumOf('CRC32', []), 'AAAAAA==');
  t.equal(checksumOf('CRC64NVME', []), 'AAAAAAAAAAA=');
  t.equal(checksumOf('SHA256', []), '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=');
});

void t.test(
  'checksum: CRC64NVME agrees with the bitwise definition, whatever the length and the pieces',
  async (t) => {
    const bitwise = (bytes: Uint8Array): bigint => {
      let crc = 0xffff_ffff_ffff_ffffn;
      for (const byte of bytes) {
        crc ^= BigInt(byte);
        for (let bit = 0; bit < 8; bit++) crc = crc & 1n ? (crc >> 1n) ^ 0x9a6c_9329_ac4b_c9b5n : crc >> 1n;
      }
      return crc ^ 0xffff_ffff_ffff_ffffn;
    };
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(200), (bytes, at) => {
        const cut = Math.min(at, bytes.length);
        const whole = crc64nvme(bytes);
        t.equal(whole, bitwise(bytes));
        t.equal(crc64nvme(bytes.subarray(cut), crc64nvme(bytes.subarray(0, cut))), whole);
      }),
      { numRuns: 50 },
    );
    const large = Buffer.alloc(200_003, 'abcdefg');
    t.equal(crc64nvme(large.subarray(65_536), crc64nvme(large.subarray(0, 65_536))), crc64nvme(large));
  },
);

void t.test('checksum: the same in pieces as in one', async (t) => {
  const pieces = fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 8 });
  for (const algorithm of CHECKSUM_ALGORITHMS)
    fc.assert(
      fc.property(pieces, (chunks) => {
        const checksummer = createChecksummer(algorithm);
        for (const chunk of chunks) checksummer.update(chunk);
        t.equal(checksummer.digest(), checksumOf(algorithm, [Buffer.concat(chunks)]));
      }),
      { numRuns: 20 },
    );
});

void t.test('checksum: the CRC of a whole is joined from those of its parts', async (t) => {
  const parts = fc.array(fc.uint8Array({ maxLength: 60 }), { minLength: 1, maxLength: 6 });
  for (const algorithm of CHECKSUM_ALGORITHMS.filter(isCombinable))
    fc.assert(
      fc.property(parts, (chunks) => {
        const joined = combineChecksums(
          algorithm,
          chunks.map((chunk) => ({ value: checksumOf(algorithm, [chunk]), size: chunk.length })),
        );
        t.equal(joined, checksumOf(algorithm, chunks));
      }),
      { numRuns: 30 },
    );
});

void t.test('checksum: a composite is the checksum of the digests, with the number of parts', async (t) => {
  const values = ['a', 'b'].map((text) => checksumOf('SHA256', [Buffer.from(text)]));
  const digests = Buffer.concat(values.map((value) => Buffer.from(value, 'base64')));
  t.equal(compositeChecksum('SHA256', values), `${checksumOf('SHA256', [digests])}-2`);
});

void t.test('checksum: a value is base64 of exactly the digest', async (t) => {
  t.ok(isChecksumValue('CRC32', 'y/Q5Jg=='));
  for (const wrong of ['y/Q5Jg', 'y/Q5Jg=', 'y/Q5Jh==', '', 'not base64', 'y/Q5JgAA', ' y/Q5Jg=='])
    t.notOk(isChecksumValue('CRC32', wrong), wrong);
});
