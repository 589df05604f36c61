/** Decisions as given / when / then. */
import t from 'tap';
import { isErrorCode } from '../../src/core/errors.js';
import { decideCommit, decideDelete, decideEvict, decidePersisted } from '../../src/engine/decide.js';
import type { WriteConditions } from '../../src/engine/object-service.js';
import { decideHeaders } from '../../src/engine/tag-path.js';
import { DecisionWorld, versionWith } from '../support/decision-world.js';

const target = { bucket: 'bucket', key: 'key' };
const ETAG = 'a'.repeat(32);

function given(state?: 'PENDING' | 'PERSISTED' | 'TRANSIENT'): DecisionWorld {
  const world = new DecisionWorld();
  if (state !== undefined) put(world, state);
  return world;
}

function put(
  world: DecisionWorld,
  state: 'PENDING' | 'PERSISTED' | 'TRANSIENT',
  conditions?: WriteConditions,
  ufsEtag?: string,
): void {
  world.run((view) =>
    decideCommit(view, {
      ...target,
      origin: 'WRITE',
      object: versionWith([world.extent(10)], state, ETAG),
      conditions,
      ufsEtag,
    }),
  );
}

void t.test('evict: only a persisted version loses its local copy', async (t) => {
  for (const state of ['PENDING', 'TRANSIENT'] as const) {
    const world = given(state);
    t.equal(world.run((view) => decideEvict(view, [target], 'PRESSURE')).objects, 0, state);
    t.ok(world.object('key'), `${state} stays`);
  }
  const world = given('PERSISTED');
  t.same(
    world.run((view) => decideEvict(view, [target], 'REQUEST')),
    { objects: 1, bytes: 10 },
  );
  t.equal(world.object('key'), undefined);
});

void t.test('persisted: a version that was overwritten meanwhile stays pending', async (t) => {
  const world = given('PENDING');
  const old = world.object('key')?.version ?? -1;
  put(world, 'PENDING');
  world.run((view) => decidePersisted(view, { ...target, version: old, ufsEtag: 'e' }));
  t.equal(world.object('key')?.state, 'PENDING');
});

void t.test('fill: never takes the place of what the cache knows', async (t) => {
  const fill = (world: DecisionWorld): unknown =>
    world.run((view) =>
      decideCommit(view, { ...target, origin: 'FILL', object: versionWith([world.extent(5)], 'PERSISTED') }),
    );
  const dirty = given('PENDING');
  fill(dirty);
  t.equal(dirty.object('key')?.size, 10, 'a dirty version stays');
  const deleted = given('PENDING');
  deleted.run((view) => decideDelete(view, { ...target, ufsDelete: true }));
  fill(deleted);
  t.equal(deleted.object('key'), undefined, 'a pending delete stays');
});

void t.test(
  'conditions: decided on what is current, or on the UFS where the cache holds nothing',
  async (t) => {
    const refused = (
      world: DecisionWorld,
      code: 'PRECONDITION_FAILED' | 'NO_SUCH_KEY',
      conditions: WriteConditions,
      ufsEtag?: string,
    ): void => {
      try {
        put(world, 'PENDING', conditions, ufsEtag);
        t.fail(`${JSON.stringify(conditions)} was accepted`);
      } catch (error) {
        t.ok(isErrorCode(error, code), `${JSON.stringify(conditions)} is refused with ${code}`);
      }
    };
    refused(given('PENDING'), 'PRECONDITION_FAILED', { ifNoneMatch: ['*'] });
    refused(given('PENDING'), 'PRECONDITION_FAILED', { ifMatch: ['b'.repeat(32)] });
    refused(given(), 'NO_SUCH_KEY', { ifMatch: [ETAG] });
    refused(given(), 'PRECONDITION_FAILED', { ifNoneMatch: ['*'] }, ETAG);
    const deleted = given('PERSISTED');
    deleted.run((view) => decideDelete(view, { ...target, ufsDelete: true }));
    refused(deleted, 'NO_SUCH_KEY', { ifMatch: [ETAG] }, ETAG);
    for (const [world, conditions, ufsEtag] of [
      [given(), { ifNoneMatch: ['*'] }, undefined],
      [given('PENDING'), { ifMatch: [ETAG] }, undefined],
      [given(), { ifMatch: [ETAG] }, ETAG],
    ] as const) {
      put(world, 'PENDING', conditions, ufsEtag);
      t.ok(world.object('key'), `${JSON.stringify(conditions)} is accepted`);
    }
  },
);

void t.test('put over a pending delete: the upload takes its place, a TRANSIENT one does not', async (t) => {
  const queued = (world: DecisionWorld): number => world.state.uploads.pending;
  const back = given('PERSISTED');
  back.run((view) => decideDelete(view, { ...target, ufsDelete: true }));
  put(back, 'PENDING');
  t.equal(queued(back), 1, 'only the upload is left');
  const transient = given('PERSISTED');
  transient.run((view) => decideDelete(view, { ...target, ufsDelete: true }));
  put(transient, 'TRANSIENT');
  t.equal(queued(transient), 1, 'the delete is still to be done');
});

void t.test('tags: a new version over the same bytes, which the UFS has yet to learn', async (t) => {
  for (const state of ['PENDING', 'PERSISTED', 'TRANSIENT'] as const) {
    const world = given(state);
    const before = world.object('key');
    t.ok(world.run((view) => decideHeaders(view, target, (headers) => ({ ...headers, tags: { a: '1' } }))));
    const after = world.object('key');
    t.same(after?.headers.tags, { a: '1' });
    t.same(after?.extents, before?.extents);
    t.equal(after?.etag, ETAG);
    t.equal(after?.lastModifiedMs, before?.lastModifiedMs);
    t.equal(after?.state, state === 'TRANSIENT' ? 'TRANSIENT' : 'PENDING');
    t.equal(world.state.uploads.pending, state === 'TRANSIENT' ? 0 : 1, 'one upload, of the new version');
    world.run((view) =>
      decidePersisted(view, { ...target, version: before?.version ?? -1, ufsEtag: 'late' }),
    );
    t.equal(world.object('key')?.state, after?.state, 'an upload of the old version ends nothing');
  }
  t.notOk(
    given().run((view) => decideHeaders(view, target, (headers) => headers)),
    'what is not there has no tags',
  );
});
