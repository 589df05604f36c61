/** Random commands on a few objects and uploads, for what must hold whatever the commands are. */
import fc from 'fast-check';
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
import { decideHeaders } from '../../src/engine/tag-path.js';
import { partKey, queueVersion } from '../../projections/records.js';
import { versionWith, type DecisionWorld } from './decision-world.js';

export const KEYS = ['a', 'b', 'c'];
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
export const COMMANDS = fc.array(command, { maxLength: 60 });

type Command = typeof command extends fc.Arbitrary<infer Value> ? Value : never;
type CommandOf<Name extends Command['do']> = Extract<Command, { readonly do: Name }>;

/** Does nothing where the command has nothing to work on. */
export function applyCommand(world: DecisionWorld, step: Command): void {
  switch (step.do) {
    case 'put':
    case 'fill':
    case 'delete':
    case 'tag':
    case 'evict':
    case 'move':
      applyToObject(world, step);
      return;
    case 'persist':
    case 'fail':
    case 'retry':
    case 'discard':
    case 'ufsUpload':
      applyToQueue(world, step);
      return;
    case 'open':
    case 'part':
    case 'complete':
    case 'abort':
      applyToUpload(world, step);
  }
}

function applyToObject(
  world: DecisionWorld,
  step: CommandOf<'put' | 'fill' | 'delete' | 'tag' | 'evict' | 'move'>,
): void {
  const { key } = step;
  const object = world.object(key);
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
    case 'tag':
      world.run((view) =>
        decideHeaders(view, { bucket, key }, (headers) => ({ ...headers, tags: { tag: 'value' } })),
      );
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
  }
}

/** What waits for the UFS: the entry of the key, if there is one. */
function applyToQueue(
  world: DecisionWorld,
  step: CommandOf<'persist' | 'fail' | 'retry' | 'discard' | 'ufsUpload'>,
): void {
  const { key } = step;
  const queued = [...world.records.entries].find(
    ([, record]) => record.kind === 'queued' && record.key === key,
  );
  if (queued === undefined || queued[1].kind !== 'queued') return;
  const version = queueVersion(queued[0]);
  const target = { bucket, key, version };
  const object = world.object(key);
  switch (step.do) {
    case 'persist':
      if (queued[1].action === 'delete') world.run((view) => decideDeletePersisted(view, target));
      else if (object !== undefined)
        world.run((view) => decidePersisted(view, { bucket, key, version: object.version, ufsEtag: 'e' }));
      return;
    case 'fail':
      world.run((view) =>
        decidePersistFailed(view, {
          bucket,
          key,
          version,
          attempt: 1,
          cause: 'UFS_DENIED',
          message: 'no',
          delayMs: 1,
          quarantined: step.quarantined,
        }),
      );
      return;
    case 'retry':
      world.run((view) => decideRetry(view, [target]));
      return;
    case 'discard':
      world.run((view) => decideDiscard(view, target, 'test'));
      return;
    case 'ufsUpload': {
      if (step.end) return world.run((view) => decideUfsUploadEnded(view, target, step.id));
      world.run((view) => decideUfsUploadStarted(view, target, step.id));
      const part = { number: step.part, size: 1, etag: 'e' };
      return world.run((view) => decideUfsPartStored(view, target, part));
    }
  }
}

function applyToUpload(world: DecisionWorld, step: CommandOf<'open' | 'part' | 'complete' | 'abort'>): void {
  const { key } = step;
  switch (step.do) {
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
