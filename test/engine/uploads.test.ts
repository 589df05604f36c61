/** Multipart uploads: all or nothing, whatever happens to their parts, with the space of every part accounted for. */
import t from 'tap';
import { KIB, MIB, MINUTE_MS, SECOND_MS } from '../../src/core/units.js';
import { ACL_METADATA } from '../../src/engine/access-list.js';
import { BUCKET, EngineWorld, codeOf } from '../support/engine-world.js';
import { makeBody } from '../support/object-model.js';

const PART = 5 * MIB;
const POLICIES = ['WRITE_BACK', 'TRANSIENT', 'WRITE_THROUGH', 'NO_CACHE'] as const;
const roomy = { engine: { capacityBytes: 64 * MIB } };

for (const policy of POLICIES) {
  void t.test(`${policy}: parts make one object, in their order, by one event`, async (t) => {
    const world = await EngineWorld.open({ ...roomy, policies: { default: policy } });
    await world.put('key', makeBody(9, 1000));
    const uploadId = await world.createUpload('key');
    const last = await world.putPart('key', uploadId, 7, makeBody(3, 10 * KIB));
    const first = await world.putPart('key', uploadId, 2, makeBody(1, PART));
    t.same(await world.read('key'), makeBody(9, 1000), 'nothing shows before the completion');
    t.equal(world.state.pinned.partBytes, PART + 10 * KIB);
    const receipt = await world.completeUpload('key', uploadId, [first, last]);
    const body = Buffer.concat([makeBody(1, PART), makeBody(3, 10 * KIB)]);
    const read = await world.get('key');
    t.same(read?.body, body);
    t.match(read?.object, { etag: receipt.etag, size: body.length });
    t.match(receipt.etag, /-2$/);
    t.equal(world.state.pinned.partBytes, 0);
    t.equal(world.state.orphans.size, 0);
    await world.drained();
    t.same(world.inUfs('key'), policy === 'TRANSIENT' ? undefined : body);
    t.equal(world.engine.core.admission.pinnedBytes, policy === 'TRANSIENT' ? body.length : 0);
    const { body: part } = (await world.get('key', { partNumber: 2 })) ?? {};
    if (policy !== 'NO_CACHE') t.same(part, makeBody(3, 10 * KIB), 'a part can be read by its place');
    await world.restart();
    t.same(await world.read('key'), body);
    const report = await world.run(world.admin.verify({ data: true }));
    t.ok(report.ok, report.problems.join('; '));
  });

  void t.test(`${policy}: an abort gives the space of all parts back`, async (t) => {
    const world = await EngineWorld.open({ ...roomy, policies: { default: policy } });
    const uploadId = await world.createUpload('key');
    const part = await world.putPart('key', uploadId, 1, makeBody(1, MIB));
    await world.putPart('key', uploadId, 2, makeBody(2, MIB));
    await world.run(world.objects.abortUpload(BUCKET, 'key', uploadId));
    t.equal(world.engine.core.admission.pinnedBytes, 0);
    await world.sleep(SECOND_MS);
    t.equal(world.fileBytes, 0);
    const late = world.run(world.objects.abortUpload(BUCKET, 'key', uploadId));
    t.equal(await codeOf(late), 'NO_SUCH_UPLOAD');
    t.equal(await codeOf(world.completeUpload('key', uploadId, [part])), 'NO_SUCH_UPLOAD');
    t.equal(await codeOf(world.putPart('key', uploadId, 1, makeBody(1, 10))), 'NO_SUCH_UPLOAD');
    t.equal(await world.read('key'), undefined);
  });
}

void t.test(
  'a part that is sent again takes the place of the first, and the first gives its space back',
  async (t) => {
    const world = await EngineWorld.open();
    const uploadId = await world.createUpload('key');
    const old = await world.putPart('key', uploadId, 1, makeBody(1, 2 * MIB));
    const part = await world.putPart('key', uploadId, 1, makeBody(2, MIB));
    t.equal(world.engine.core.admission.pinnedBytes, MIB);
    await world.sleep(SECOND_MS);
    t.ok(world.fileBytes < 1.1 * MIB, `${world.fileBytes} bytes of files`);
    t.equal(await codeOf(world.completeUpload('key', uploadId, [old])), 'INVALID_PART');
    await world.completeUpload('key', uploadId, [part]);
    t.same(await world.read('key'), makeBody(2, MIB));
  },
);

void t.test('parts that the completion does not name are discarded with it', async (t) => {
  const world = await EngineWorld.open({ ...roomy, policies: { default: 'TRANSIENT' } });
  const uploadId = await world.createUpload('key');
  const parts = [];
  for (let number = 1; number <= 3; number++)
    parts.push(await world.putPart('key', uploadId, number, makeBody(number, MIB)));
  await world.putPart('key', uploadId, 4, makeBody(4, 10 * KIB));
  const [, second] = parts;
  if (second === undefined) throw new Error('there are three parts');
  await world.completeUpload('key', uploadId, [second]);
  t.equal(world.engine.core.admission.pinnedBytes, MIB);
  await world.sleep(SECOND_MS);
  t.ok(world.fileBytes < 1.1 * MIB, `${world.fileBytes} bytes of files`);
  t.same(await world.read('key'), makeBody(2, MIB));
  await world.delete('key');
  await world.sleep(SECOND_MS);
  t.equal(world.state.segments.size, 0);
});

void t.test('a wrong list of parts is refused, and the upload goes on', async (t) => {
  const world = await EngineWorld.open(roomy);
  const uploadId = await world.createUpload('key');
  const a = await world.putPart('key', uploadId, 1, makeBody(1, 100));
  const b = await world.putPart('key', uploadId, 2, makeBody(2, 100));
  const complete = (parts: readonly { number: number; etag: string }[]): Promise<string> =>
    codeOf(world.completeUpload('key', uploadId, parts));
  t.equal(await complete([]), 'INVALID_ARGUMENT');
  t.equal(await complete([b, a]), 'INVALID_PART_ORDER');
  t.equal(await complete([a, a]), 'INVALID_PART_ORDER');
  t.equal(await complete([{ number: 3, etag: a.etag }]), 'INVALID_PART');
  t.equal(await complete([{ number: 1, etag: b.etag }]), 'INVALID_PART');
  t.equal(await complete([a, b]), 'PART_TOO_SMALL');
  t.equal(await complete([b]), 'success');
});

for (const policy of ['WRITE_BACK', 'WRITE_THROUGH'] as const) {
  void t.test(
    `${policy}: compaction that moves a part never stands in the way of its completion`,
    async (t) => {
      for (let seed = 1; seed <= 8; seed++) {
        const world = await EngineWorld.open({ seed, policies: { default: policy } });
        const uploadId = await world.createUpload('key');
        // The part shares its segment with objects that will be garbage, so that it is moved.
        for (let i = 0; i < 10; i++) await world.put(`garbage-${i}`, makeBody(i, 60 * KIB));
        const part = await world.putPart('key', uploadId, 1, makeBody(1, 20 * KIB));
        await world.drained();
        if (policy === 'WRITE_THROUGH') world.ufs.arm('throttled', { operation: 'put' });
        const free = world.admin.free({});
        await world.sleep(world.random.between(0, 30));
        const completions = [
          codeOf(world.objects.completeUpload({ bucket: BUCKET, key: 'key', uploadId, parts: [part] })),
        ];
        const [first] = await world.run(Promise.all([...completions, free]));
        if (first !== 'success') {
          t.equal(first, 'UFS_THROTTLED');
          await world.completeUpload('key', uploadId, [part]);
        }
        t.same(await world.read('key'), makeBody(1, 20 * KIB), `seed ${seed}`);
        await world.drained();
        t.same(world.inUfs('key'), makeBody(1, 20 * KIB));
        const moved = (await world.eventTypes('key')).includes('ExtentsMoved');
        t.comment(`seed ${seed}: ${moved ? 'moved' : 'not moved'}`);
        const report = await world.run(world.admin.verify({ data: true }));
        t.ok(report.ok, report.problems.join('; '));
      }
    },
  );
}

void t.test('WRITE_THROUGH: a completion that the UFS refuses leaves the upload as it was', async (t) => {
  const world = await EngineWorld.open({ policies: { default: 'WRITE_THROUGH' } });
  const uploadId = await world.createUpload('key');
  const part = await world.putPart('key', uploadId, 1, makeBody(1, MIB));
  world.ufs.setFaults({ unavailable: 1 });
  t.equal(await codeOf(world.completeUpload('key', uploadId, [part])), 'UFS_UNAVAILABLE');
  world.ufs.setFaults({});
  t.equal(await world.read('key'), undefined);
  await world.completeUpload('key', uploadId, [part]);
  t.same(world.inUfs('key'), makeBody(1, MIB));
});

void t.test('two completions of one upload at the same time make one object', async (t) => {
  for (const policy of ['WRITE_BACK', 'WRITE_THROUGH'] as const) {
    const world = await EngineWorld.open({ policies: { default: policy } });
    const uploadId = await world.createUpload('key');
    const part = await world.putPart('key', uploadId, 1, makeBody(1, MIB));
    const complete = (): Promise<string> =>
      codeOf(world.objects.completeUpload({ bucket: BUCKET, key: 'key', uploadId, parts: [part] }));
    const codes = await world.run(Promise.all([complete(), complete()]));
    t.same(codes, ['success', 'success'], 'a completion that is sent again is answered as the first');
    const committed = (await world.eventTypes('key')).filter((type) => type === 'ObjectCommitted');
    t.equal(committed.length, 1);
    t.same(await world.read('key'), makeBody(1, MIB));
  }
});

void t.test('uploads and parts are listed in pages', async (t) => {
  const world = await EngineWorld.open();
  const uploads: string[] = [];
  for (const key of ['a', 'b/1', 'b/2', 'c', 'c']) uploads.push(`${key} ${await world.createUpload(key)}`);
  for (const maxUploads of [1, 2, 100]) {
    const found: string[] = [];
    let [keyMarker, uploadIdMarker] = ['', ''];
    for (;;) {
      const page = world.objects.listUploads({
        bucket: BUCKET,
        prefix: '',
        delimiter: '',
        keyMarker,
        uploadIdMarker,
        maxUploads,
      });
      const { uploads: listed, truncated } = await world.run(page);
      for (const { key, uploadId } of listed) found.push(`${key} ${uploadId}`);
      const last = listed.at(-1);
      if (!truncated || last === undefined) break;
      [keyMarker, uploadIdMarker] = [last.key, last.uploadId];
    }
    t.same(found, uploads.toSorted(), `by ${maxUploads}`);
  }
  const [key = '', uploadId = ''] = (uploads[0] ?? '').split(' ');
  for (let number = 1; number <= 5; number++)
    await world.putPart(key, uploadId, number * 3, makeBody(number, 10));
  const numbers: number[] = [];
  let partNumberMarker = 0;
  for (;;) {
    const page = await world.run(
      world.objects.listParts({ bucket: BUCKET, key, uploadId, partNumberMarker, maxParts: 2 }),
    );
    numbers.push(...page.parts.map((part) => part.number));
    if (!page.truncated) break;
    partNumberMarker = numbers.at(-1) ?? 0;
  }
  t.same(numbers, [3, 6, 9, 12, 15]);
});

void t.test('parts are pinned: they are neither evicted nor lost in a crash', async (t) => {
  const world = await EngineWorld.open();
  const uploadId = await world.createUpload('key');
  const part = await world.putPart('key', uploadId, 1, makeBody(1, 3 * MIB));
  for (let i = 0; i < 20; i++) {
    await world.put(`other-${i}`, makeBody(i, MIB));
    await world.drained();
  }
  world.crash();
  await world.start();
  await world.sleep(MINUTE_MS);
  await world.run(world.admin.free({}));
  await world.completeUpload('key', uploadId, [part]);
  t.same(await world.read('key'), makeBody(1, 3 * MIB));
});

void t.test('who began an upload, and who will own its object, is still known after a restart', async (t) => {
  const world = await EngineWorld.open();
  const bucket = BUCKET;
  const none = { system: {}, user: {} };
  const owned = { system: {}, user: { [ACL_METADATA]: 'owner=carol READ=*' } };
  const begun = world.objects.createUpload({ bucket, key: 'a', headers: none, initiator: 'bob' });
  const { uploadId } = await world.run(begun);
  await world.run(world.objects.createUpload({ bucket, key: 'b', headers: owned, initiator: 'carol' }));
  await world.createUpload('c');
  for (const restarts of [0, 1]) {
    if (restarts > 0) await world.restart();
    const parts = { bucket, key: 'a', uploadId, partNumberMarker: 0, maxParts: 1 };
    t.same((await world.run(world.objects.listParts(parts))).people, { initiator: 'bob', owner: undefined });
    const page = { bucket, prefix: '', delimiter: '', keyMarker: '', uploadIdMarker: '', maxUploads: 9 };
    const { uploads } = await world.run(world.objects.listUploads(page));
    t.same(
      uploads.map(({ key, initiator, owner }) => [key, initiator, owner]),
      [
        ['a', 'bob', undefined],
        ['b', 'carol', 'carol'],
        ['c', undefined, undefined],
      ],
    );
  }
});
