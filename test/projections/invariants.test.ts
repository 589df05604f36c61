/** What must hold after every event, whatever the commands: each projection equals a recount of the index. */
import fc from 'fast-check';
import t from 'tap';
import { decodeEvents, encodeEvent } from '../../log/event-codec.js';
import { NumberWriter } from '../../log/protobuf-scalars.js';
import {
  decodeSnapshot,
  emptyPartitionState,
  encodeSnapshot,
  foldPartition,
} from '../../projections/partition-state.js';
import { RECORD_CODEC } from '../../projections/record-codec.js';
import { emptyUploadStreamCounts, foldUploadStream } from '../../projections/upload-stream.js';
import {
  namelessUploadKey,
  queueKey,
  queueVersion,
  staleUploadKey,
  type IndexRecord,
} from '../../projections/records.js';
import { applyCommand, COMMANDS, KEYS } from '../support/decision-commands.js';
import { DecisionWorld } from '../support/decision-world.js';
import { MapRecords } from '../support/record-maps.js';

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
    fc.property(COMMANDS, (commands) => {
      const world = new DecisionWorld();
      for (const step of commands) {
        applyCommand(world, step);
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
      fc.property(COMMANDS, (commands) => {
        const world = new DecisionWorld();
        for (const step of commands) applyCommand(world, step);
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

void t.test('projections: a stale upload without a name ends wherever it is kept', async (t) => {
  for (const keyOf of [staleUploadKey, namelessUploadKey]) {
    const records = new MapRecords();
    const [version, place] = [7, { bucket: 'bucket', key: 'a' }];
    records.set(keyOf(version), { kind: 'staleUpload', ...place, id: '', sinceMs: 1 });
    const event = { type: 'UfsUploadEnded', atMs: 2, ...place, version, ufsUpload: '' } as const;
    foldUploadStream(records, emptyUploadStreamCounts(), event, 9);
    t.equal(records.entries.size, 0);
  }
});

void t.test(
  'projections: parts at the UFS are known only of an upload that is, and one without an entry is stale',
  async (t) => {
    fc.assert(
      fc.property(COMMANDS, (commands) => {
        const world = new DecisionWorld();
        const begun = new Map<number, string>();
        const ever = new Set<number>();
        for (const step of commands) applyCommand(world, step);
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
          const queued = records.get(queueKey(version));
          const stale = records.get(id === '' ? namelessUploadKey(version) : staleUploadKey(version));
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
      fc.property(COMMANDS, fc.nat(), (commands, cut) => {
        const world = new DecisionWorld();
        for (const step of commands) applyCommand(world, step);
        const log = throughCodec(world);
        const at = log.length === 0 ? 0 : cut % log.length;
        let records = new MapRecords();
        let state = emptyPartitionState(records);
        for (const [offset, event] of log.entries()) {
          if (offset === at) {
            const reread = new MapRecords();
            for (const [key, record] of records.entries)
              reread.set(key, RECORD_CODEC.decode(key, RECORD_CODEC.encode(record)));
            state = decodeSnapshot(encodeSnapshot(state), reread);
            records = reread;
          }
          foldPartition(state, event, offset);
        }
        const encoded = (of: MapRecords): string[] =>
          [...of.entries]
            .map(([key, record]) => key + Buffer.from(RECORD_CODEC.encode(record)).toString('hex'))
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
