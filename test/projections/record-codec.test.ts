import fc from 'fast-check';
import assert from 'node:assert/strict';
import t from 'tap';
import { RECORD_CODEC } from '../../projections/record-codec.js';
import type { QueueRecord } from '../../projections/records.js';

const NAME = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ maxLength: 1024, size: 'max' }),
  fc.constantFrom('a"b', 'a\\b', 'a\nb', 'ä', '\u{1f600}', '\x7f', 'x'.repeat(1024), 'x'.repeat(5000), ''),
);
const COUNT = fc.maxSafeNat();
const QUEUED: fc.Arbitrary<QueueRecord> = fc
  .record({
    action: fc.constantFrom('put' as const, 'delete' as const),
    bucket: NAME,
    key: NAME,
    size: COUNT,
    sinceMs: COUNT,
    failure: fc.option(
      fc.record({
        attempt: fc.nat({ max: 1000 }),
        nextAttemptAtMs: COUNT,
        cause: NAME,
        message: NAME,
        quarantined: fc.boolean(),
      }),
      { nil: undefined },
    ),
    upload: fc.option(fc.record({ id: NAME, sinceMs: COUNT }), { nil: undefined }),
  })
  .map(({ failure, upload, ...rest }) => ({
    kind: 'queued',
    ...rest,
    ...(failure ?? { attempt: 0, nextAttemptAtMs: 0, cause: '', message: '', quarantined: false }),
    ...(upload === undefined ? {} : { upload: { ...upload } }),
  }));

void t.test(
  'record codec: a queue record is its kind and a JSON list, and comes back as it was',
  async (t) => {
    const property = fc.property(QUEUED, (record) => {
      const bytes = Buffer.from(RECORD_CODEC.encode(record));
      const { action, bucket, key, size, sinceMs, attempt, nextAttemptAtMs, cause, message } = record;
      const list: unknown[] = [action === 'put' ? 1 : 0, bucket, key, size, sinceMs];
      const { upload, quarantined } = record;
      const isNew = attempt === 0 && !quarantined && upload === undefined;
      if (!isNew) list.push(attempt, nextAttemptAtMs, cause, message, quarantined ? 1 : 0);
      if (upload !== undefined) list.push(upload.id, upload.sinceMs);
      assert.equal(bytes.toString('utf8'), `\x05${JSON.stringify(list)}`);
      // What an entry without an attempt failed by is not kept.
      const kept = isNew ? { ...record, nextAttemptAtMs: 0, cause: '', message: '' } : record;
      assert.deepEqual(RECORD_CODEC.decode('', bytes), kept);
    });
    t.doesNotThrow(() => fc.assert(property, { numRuns: 1000 }));
  },
);

void t.test('record codec: the version of an object is any offset', async (t) => {
  const property = fc.property(COUNT, (version) => {
    const record = {
      kind: 'object',
      version,
      size: 1,
      etag: 'e',
      lastModifiedMs: 2,
      extents: [],
      headers: { system: {}, user: {} },
      policy: 'WRITE_BACK',
      state: 'PENDING',
    } as const;
    const bytes = Buffer.from(RECORD_CODEC.encode(record));
    assert.equal(Number(bytes.readBigUInt64LE(1)), version);
    const decoded = RECORD_CODEC.decode('', bytes);
    assert.equal(decoded.kind === 'object' ? decoded.version : undefined, version);
  });
  t.doesNotThrow(() => fc.assert(property, { numRuns: 500 }));
});
