/** What must hold after every event, whatever the commands: each projection equals a recount of the index. */
import fc from 'fast-check';
import t from 'tap';
import {
  decideCommit,
  decideDelete,
  decideDeletePersisted,
  decideEvict,
  decideMove,
  decidePersisted,
  decidePersistFailed,
} from '../../src/engine/decide.js';
import {
  decideDiscard,
  decideRetry,
  decideUfsPartStored,
  decideUfsUploadEnded,
  decideUfsUploadStarted,
} from '../../src/engine/decide-persists.js';
import {
  decideAbortUpload,
  decideCompleteUpload,
  decideOpenUpload,
  decideStorePart,
} from '../../src/engine/decide-uploads.js';
import { decodeEvents, encodeEvent } from '../../log/event-codec.js';
import { NumberWriter } from '../../log/protobuf-scalars.js';
import {
  decodeSnapshot,
  emptyPartitionState,
  encodeSnapshot,
  foldPartition,
} from '../../projections/partition-state.js';
import { RECORD_CODEC } from '../../projections/record-codec.js';
import {
  partKey,
  queueKey,
  queueVersion,
  staleUploadKey,
  type IndexRecord,
} from '../../projections/records.js';
import { decideTags } from '../../src/engine/tag-path.js';
import { DecisionWorld, versionWith } from '../support/decision-world.js';
import { MapRecords } from '../support/record-maps.js';

const KEYS = ['a', 'b', 'c'];
const UPLOADS = ['1', '2'].map((digit) => digit.repeat(32));
const bucket = 'bucket';

const command = fc.oneof(
  fc.record({
    do: fc.constant('put' as const),
    key: fc.constantFrom(...KEYS),
    size: fc.nat(100),
    state: fc.constantFrom('PENDING' as const, 'TRANSIENT' as const, 'PERSISTED' as const),
    segment: fc.integer({ min: 1, max: 3 }),
  }),
  fc.record({ do: fc.constant('fill' as const), key: fc.constantFrom(...KEYS), size: fc.nat(100) }),
  fc.record({ do: fc.constant('delete' as const), key: fc.constantFrom(...KEYS), ufsDelete: fc.boolean() }),
  fc.record({ do: fc.constant('persist' as const), key: fc.constantFrom(...KEYS) }),
  fc.record({ do: fc.constant('fail' as const), key: fc.constantFrom(...KEYS), quarantined: fc.boolean() }),
  fc.record({ do: fc.constant('retry' as const), key: fc.constantFrom(...KEYS) }),
  fc.record({ do: fc.constant('discard' as const), key: fc.constantFrom(...KEYS) }),
  fc.record({
    do: fc.constant('ufsUpload' as const),
    key: fc.constantFrom(...KEYS),
    id: fc.constantFrom('', 'upload-1', 'upload-2'),
    end: fc.boolean(),
    part: fc.integer({ min: 1, max: 10_000 }),
  }),
  fc.record({ do: fc.constant('evict' as const), key: fc.constantFrom(...KEYS) }),
  fc.record({ do: fc.constant('move' as const), key: fc.constantFrom(...KEYS) }),
  fc.record({ do: fc.constant('tag' as const), key: fc.constantFrom(...KEYS) }),
  fc.record({
    do: fc.constant('open' as const),
    key: fc.constantFrom(...KEYS),
    upload: fc.constantFrom(...UPLOADS),
  }),
  fc.record({
    do: fc.constant('part' as const),
    key: fc.constantFrom(...KEYS),
    upload: fc.constantFrom(...UPLOADS),
    number: fc.integer({ min: 1, max: 3 }),
    size: fc.nat(100),
  }),
  fc.record({
    do: fc.constant('complete' as const),
    key: fc.constantFrom(...KEYS),
    upload: fc.constantFrom(...UPLOADS),
    state: fc.constantFrom('PENDING' as const, 'PERSISTED' as const),
  }),
  fc.record({
    do: fc.constant('abort' as const),
    key: fc.constantFrom(...KEYS),
    upload: fc.constantFrom(...UPLOADS),
  }),
);
type Command = typeof command extends fc.Arbitrary<infer Value> ? Value : never;

function apply(world: DecisionWorld, { ...step }: Command): void {
  const key = step.key;
  const object = world.object(key);
  const queued = [...world.records.entries].find(
    ([, record]) => record.kind === 'queued' && record.key === key,
  );
  switch (step.do) {
    case 'put':
      world.run((view) =>
        decideCommit(view, {
          bucket,
          key,
          origin: 'WRITE',
          object: versionWith([world.extent(step.size, step.segment)], step.state),
        }),
      );
      return;
    case 'fill':
      world.run((view) =>
        decideCommit(view, {
          bucket,
          key,
          origin: 'FILL',
          object: versionWith([world.extent(step.size)], 'PERSISTED'),
        }),
      );
      return;
    case 'delete':
      world.run((view) => decideDelete(view, { bucket, key, ufsDelete: step.ufsDelete }));
      return;
    case 'persist':
      if (queued === undefined || queued[1].kind !== 'queued') return;
      if (queued[1].action === 'delete')
        world.run((view) => decideDeletePersisted(view, { bucket, key, version: queueVersion(queued[0]) }));
      else if (object !== undefined)
        world.run((view) => decidePersisted(view, { bucket, key, version: object.version, ufsEtag: 'e' }));
      return;
    case 'fail':
      if (queued === undefined) return;
      world.run((view) =>
        decidePersistFailed(view, {
          bucket,
          key,
          version: queueVersion(queued[0]),
          attempt: 1,
          cause: 'UFS_DENIED',
          message: 'no',
          delayMs: 1,
          quarantined: step.quarantined,
        }),
      );
      return;
    case 'retry':
    case 'discard': {
      if (queued === undefined) return;
      const target = { bucket, key, version: queueVersion(queued[0]) };
      if (step.do === 'retry') world.run((view) => decideRetry(view, [target]));
      else world.run((view) => decideDiscard(view, target, 'test'));
      return;
    }
    case 'ufsUpload': {
      if (queued === undefined) return;
      const target = { bucket, key, version: queueVersion(queued[0]) };
      if (step.end) return world.run((view) => decideUfsUploadEnded(view, target, step.id));
      world.run((view) => decideUfsUploadStarted(view, target, step.id));
      const part = { number: step.part, size: 1, etag: 'e' };
      return world.run((view) => decideUfsPartStored(view, target, part));
    }
    case 'tag':
      world.run((view) => decideTags(view, { bucket, key }, { tag: 'value' }));
      return;
    case 'evict':
      world.run((view) => decideEvict(view, [{ bucket, key }], 'PRESSURE'));
      return;
    case 'move':
      if (object !== undefined)
        world.run((view) =>
          decideMove(
            view,
            { bucket, key, version: object.version },
            object.extents,
            object.extents.map(({ size }) => world.extent(size, 4)),
          ),
        );
      return;
    case 'open':
      if (world.records.get(`u${bucket}\0${key}\0${step.upload}`) === undefined)
        world.run((view) =>
          decideOpenUpload(
            view,
            { bucket, key, uploadId: step.upload },
            { headers: { system: {}, user: {} } },
          ),
        );
      return;
    case 'part':
      attempt(() =>
        world.run((view) =>
          decideStorePart(view, {
            bucket,
            key,
            uploadId: step.upload,
            partNumber: step.number,
            size: step.size,
            etag: 'e',
            extents: [world.extent(step.size)],
          }),
        ),
      );
      return;
    case 'complete': {
      const part = world.records.get(partKey(bucket, key, step.upload, 1));
      if (part?.kind !== 'part') return;
      const request = { bucket, key, uploadId: step.upload, parts: [{ number: 1, etag: 'e' }] };
      attempt(() =>
        world.run((view) =>
          decideCompleteUpload(view, { request, object: versionWith(part.extents, step.state) }),
        ),
      );
      return;
    }
    case 'abort':
      attempt(() =>
        world.run((view) => decideAbortUpload(view, { bucket, key, uploadId: step.upload }, 'CLIENT')),
      );
  }
}

/** A command on an upload that is not open is refused, which is right. */
function attempt(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof Error) || !error.message.includes('there is no upload')) throw error;
  }
}

interface Recount {
  pendingBytes: number;
  transientBytes: number;
  partBytes: number;
  pending: number;
  quarantined: number;
  objects: number;
  readonly segments: Map<number, { liveBytes: number; pinnedBytes: number; extents: number }>;
}

function recount(records: Iterable<IndexRecord>): Recount {
  const found: Recount = {
    pendingBytes: 0,
    transientBytes: 0,
    partBytes: 0,
    pending: 0,
    quarantined: 0,
    objects: 0,
    segments: new Map(),
  };
  for (const record of records) {
    if (record.kind === 'queued') {
      found.pending += 1;
      if (record.quarantined) found.quarantined += 1;
    }
    if (record.kind !== 'object' && record.kind !== 'part') continue;
    const pinned = record.kind === 'part' || record.state !== 'PERSISTED';
    if (record.kind === 'part') found.partBytes += record.size;
    else {
      found.objects += 1;
      if (record.state === 'TRANSIENT') found.transientBytes += record.size;
      else if (record.state !== 'PERSISTED') found.pendingBytes += record.size;
    }
    for (const { segment, size } of record.extents) {
      const usage = found.segments.get(segment) ?? { liveBytes: 0, pinnedBytes: 0, extents: 0 };
      usage.liveBytes += size;
      usage.extents += 1;
      if (pinned) usage.pinnedBytes += size;
      found.segments.set(segment, usage);
    }
  }
  return found;
}

function sorted(segments: Recount['segments']): unknown {
  return [...segments].toSorted(([a], [b]) => a - b);
}

void t.test('projections: after every command each count equals a recount of the index', async (t) => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
      const world = new DecisionWorld();
      for (const step of commands) {
        apply(world, step);
        const counted = recount(world.records.entries.values());
        const { pinned, uploads, cache, segments } = world.state;
        if (
          pinned.pendingBytes !== counted.pendingBytes ||
          pinned.transientBytes !== counted.transientBytes ||
          pinned.partBytes !== counted.partBytes ||
          uploads.pending !== counted.pending ||
          uploads.quarantined !== counted.quarantined ||
          cache.objects !== counted.objects ||
          JSON.stringify(sorted(segments)) !== JSON.stringify(sorted(counted.segments))
        ) {
          throw new Error(
            `after ${JSON.stringify(step)}: ${JSON.stringify({ pinned, uploads, cache })} but ${JSON.stringify(counted)}`,
          );
        }
      }
    }),
    { numRuns: 300 },
  );
  t.pass('300 histories');
});

void t.test(
  'projections: at most one queued entry per object, and every pending version has one',
  async (t) => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
        const world = new DecisionWorld();
        for (const step of commands) apply(world, step);
        const queued = [...world.records.entries.values()].filter(
          (record) => record.kind === 'queued' && record.action === 'put',
        );
        const keys = queued.map((record) => (record.kind === 'queued' ? record.key : ''));
        const dirty = KEYS.filter((key) =>
          ['PENDING', 'QUARANTINED'].includes(world.object(key)?.state ?? ''),
        );
        return (
          new Set(keys).size === keys.length && JSON.stringify(keys.toSorted()) === JSON.stringify(dirty)
        );
      }),
      { numRuns: 300 },
    );
    t.pass('300 histories');
  },
);

void t.test(
  'projections: parts at the UFS are known only of an upload that is, and one without an entry is stale',
  async (t) => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
        const world = new DecisionWorld();
        const begun = new Map<number, string>();
        const ever = new Set<number>();
        for (const step of commands) apply(world, step);
        for (const event of world.log) {
          if (event.type === 'UfsUploadStarted') {
            begun.set(event.version, event.ufsUpload);
            ever.add(event.version);
          }
          if (event.type === 'UfsUploadEnded' && begun.get(event.version) === event.ufsUpload)
            begun.delete(event.version);
          if (event.type === 'ObjectPersisted') begun.delete(event.version);
        }
        const { records } = world;
        for (const [version, id] of begun) {
          // A later one of the same version may take the place of one without a name.
          if (id === '') continue;
          const queued = records.get(queueKey(version));
          const stale = records.get(staleUploadKey(version));
          const known = queued?.kind === 'queued' ? queued.upload : stale;
          if (known === undefined || !('id' in known) || known.id !== id) return false;
        }
        return [...records.entries].every(([key, record]) => {
          if (record.kind === 'staleUpload') return ever.has(queueVersion(key));
          return record.kind !== 'ufsPart' || begun.has(queueVersion(key));
        });
      }),
      { numRuns: 300 },
    );
    t.pass('300 histories');
  },
);

void t.test(
  'projections: fold(log) = fold(checkpoint + suffix), through the codecs, wherever the checkpoint is',
  async (t) => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60 }), fc.nat(), (commands, cut) => {
        const world = new DecisionWorld();
        for (const step of commands) apply(world, step);
        const log = throughCodec(world);
        const at = log.length === 0 ? 0 : cut % log.length;
        let records = new MapRecords();
        let state = emptyPartitionState(records);
        for (const [offset, event] of log.entries()) {
          if (offset === at) {
            const reread = new MapRecords();
            for (const [key, record] of records.entries)
              reread.set(key, RECORD_CODEC.decode(key, RECORD_CODEC.encode(key, record)));
            state = decodeSnapshot(encodeSnapshot(state), reread);
            records = reread;
          }
          foldPartition(state, event, offset);
        }
        const encoded = (of: MapRecords): string[] =>
          [...of.entries]
            .map(([key, record]) => key + Buffer.from(RECORD_CODEC.encode(key, record)).toString('hex'))
            .toSorted();
        return (
          JSON.stringify(encoded(records)) === JSON.stringify(encoded(world.records)) &&
          JSON.stringify(state.pinned) === JSON.stringify(world.state.pinned) &&
          JSON.stringify(sorted(state.segments)) === JSON.stringify(sorted(world.state.segments)) &&
          JSON.stringify([...state.orphans]) === JSON.stringify([...world.state.orphans])
        );
      }),
      { numRuns: 300 },
    );
    t.pass('300 histories');
  },
);

function throughCodec(world: DecisionWorld): DecisionWorld['log'] {
  const writer = new NumberWriter();
  for (const event of world.log) encodeEvent(event, writer);
  return decodeEvents(writer.buf.slice(0, writer.pos), world.log.length) as DecisionWorld['log'];
}
