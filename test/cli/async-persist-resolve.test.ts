/** `headrace async-persist resolve` and `mount add --safe-persist`. */
import t from 'tap';
import { persistEntry } from '../support/memory-admin-service.js';
import { CliFixture } from './cli-fixture.js';

void t.test('resolve: asks the server to keep ours or theirs', async (t) => {
  const fixture = await CliFixture.open(t);
  fixture.admin.pending.push(persistEntry('k', 7, { phase: 'CONFLICT', cause: 'UFS_CONFLICT' }));
  const ours = await fixture.run(['async-persist', 'resolve', '--path', 's3://b/k', '--keep', 'ours']);
  t.equal(ours.exitCode, 0, ours.stderr);
  t.equal(ours.stdout, 'ours of /b/k is written over what the UFS has now\n');
  const theirs = await fixture.run([
    'async-persist',
    'resolve',
    '--path',
    '/b/k',
    '--keep',
    'theirs',
    '--json',
  ]);
  t.match(JSON.parse(theirs.stdout), { bucket: 'b', key: 'k', version: 7, keep: 'theirs' });
  t.match(fixture.admin.persists.resolutions, [{ keep: 'ours' }, { keep: 'theirs' }]);
  const list = await fixture.run(['async-persist', 'list', '--state', 'CONFLICT']);
  t.match(list.stdout, /CONFLICT/);
});

void t.test('resolve: without saying whose it is wrong use', async (t) => {
  const fixture = await CliFixture.open(t);
  t.equal((await fixture.run(['async-persist', 'resolve', '--path', '/b/k'])).exitCode, 2);
  t.equal((await fixture.run(['async-persist', 'resolve', '--path', '/b/k', '--keep', 'both'])).exitCode, 2);
});

void t.test('mount add: --safe-persist is an option of the mount', async (t) => {
  const fixture = await CliFixture.open(t);
  const added = await fixture.run(['mount', 'add', '/archive', 's3://x', '--safe-persist', 'conditional']);
  t.equal(added.exitCode, 0, added.stderr);
  t.match(await fixture.admin.mounts(), [{ path: '/archive', options: { 'safe.persist': 'conditional' } }]);
});
