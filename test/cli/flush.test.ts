/** `headrace flush`: what it asks of the server, and with which exit code it ends. */
import t from 'tap';
import { NOTHING_LEFT, START_MS } from '../support/memory-admin-service.js';
import { CliFixture } from './cli-fixture.js';

void t.test('flush: asks for what was named and ends with 0 when it is in the UFS', async (t) => {
  const fixture = await CliFixture.open(t);
  fixture.admin.flushResult = {
    ...NOTHING_LEFT,
    outcome: 'PERSISTED',
    blocked: [],
    persistedObjects: 3,
    persistedBytes: 2048,
    elapsedMs: 1500,
  };
  const { exitCode, stdout } = await fixture.run(['flush']);
  t.equal(exitCode, 0);
  t.equal(stdout, 'everything is in the UFS: 3 objects (2 KiB) since the call, in 1.5 s\n');
  const options = ['--key', '--up-to-offset', '1:7', '--timeout', '30s', '--json'];
  const json = await fixture.run(['flush', 's3://b/k', ...options]);
  t.match(JSON.parse(json.stdout), { outcome: 'PERSISTED' });
  t.match(fixture.admin.flushes, [
    { path: '/' },
    { path: '/b/k', exact: true, upToOffset: '1:7', timeoutMs: 30_000 },
  ]);
});

void t.test('flush: says that nothing is stored at the path', async (t) => {
  const fixture = await CliFixture.open(t);
  fixture.admin.flushResult = { ...NOTHING_LEFT, outcome: 'PERSISTED', blocked: [], isEmpty: true };
  const below = await fixture.run(['flush', 's3://bucket/dri/']);
  t.equal(below.exitCode, 0);
  t.equal(below.stdout, 'nothing to wait for: there are no objects below s3://bucket/dri/\n');
  const key = await fixture.run(['flush', '/bucket/ke', '--key']);
  t.equal(key.stdout, 'nothing to wait for: there is no object s3://bucket/ke\n');
  const json = await fixture.run(['flush', '/bucket/dri/', '--json']);
  t.match(JSON.parse(json.stdout), { outcome: 'PERSISTED', isEmpty: true });
});

void t.test('flush: ends with 4 when time is up, and says what it waits for', async (t) => {
  const fixture = await CliFixture.open(t);
  fixture.admin.flushResult = {
    ...NOTHING_LEFT,
    outcome: 'TIMEOUT',
    blocked: [],
    objects: 5,
    bytes: 5 * 1024 ** 2,
    elapsedMs: 30_000,
    oldest: {
      bucket: 'b',
      key: 'k',
      sinceMs: START_MS,
      attempt: 2,
      cause: 'UFS_UNAVAILABLE',
      message: 'no answer',
    },
  };
  const { exitCode, stderr } = await fixture.run(['flush', '/b', '--timeout', '30s']);
  t.equal(exitCode, 4);
  t.equal(
    stderr,
    'error: after 30.0 s 5 objects (5 MiB) are not in the UFS yet; the oldest is /b/k, whose last error is: no answer\n',
  );
});

void t.test('flush: ends with 5 when the UFS refused something, and names it', async (t) => {
  const fixture = await CliFixture.open(t);
  const blocked = [{ bucket: 'b', key: 'k', version: 4, cause: 'UFS_REJECTED', message: 'too large' }];
  fixture.admin.flushResult = { ...NOTHING_LEFT, outcome: 'BLOCKED', blocked, objects: 1, blockedObjects: 1 };
  const { exitCode, stdout, stderr } = await fixture.run(['flush', '/b']);
  t.equal(exitCode, 5);
  t.equal(stdout, 'BLOCKED  CAUSE         LAST ERROR\n/b/k     UFS_REJECTED  too large\n');
  t.match(stderr, 'the UFS refused 1 objects for good');
  const json = await fixture.run(['flush', '/b', '--json']);
  t.equal(json.exitCode, 5);
  t.match(JSON.parse(json.stdout), { blocked });
});

void t.test('flush: shows its progress on a terminal', async (t) => {
  const fixture = await CliFixture.open(t);
  fixture.admin.flushSteps = [{ ...NOTHING_LEFT, objects: 2, bytes: 1024, blockedObjects: 1 }];
  const { stderr } = await fixture.run(['flush'], { terminal: true });
  t.match(stderr, '2 objects left (1 KiB), 1 blocked');
});
