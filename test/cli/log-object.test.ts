import t from 'tap';
import type { OfflineLog } from '../../src/cli/context.js';
import { MemoryAdminService, START_MS } from '../support/memory-admin-service.js';
import { CliFixture, endpointWithoutServer, runCli } from './cli-fixture.js';

const COMMIT = {
  type: 'ObjectCommitted',
  bucket: 'b',
  key: 'k',
  origin: 'WRITE',
  object: { size: 2048, etag: 'abc', policy: 'WRITE_BACK', state: 'PENDING', extents: [] },
};
const FAILED = {
  type: 'PersistFailed',
  bucket: 'b',
  key: 'k',
  version: 1,
  attempt: 1,
  cause: 'UFS_UNAVAILABLE',
  message: 'connection \x1b[2Jrefused',
  nextAttemptAtMs: START_MS + 1000,
  quarantined: false,
};

function fill(admin: MemoryAdminService): void {
  admin.append(1, { ...COMMIT, key: 'other' });
  admin.append(1, COMMIT);
  admin.append(1, FAILED);
}

void t.test(
  'log history: one line per event with time, offset and words, nothing of other objects',
  async (t) => {
    const fixture = await CliFixture.open(t);
    fill(fixture.admin);
    const { stdout, exitCode } = await fixture.run(['log', 'history', 's3://b/k']);
    t.equal(exitCode, 0);
    t.same(stdout.trimEnd().split('\n'), [
      '2024-01-02 03:04:05  1:1         put by one request: 2 KiB, ETag abc, policy WRITE_BACK; committed as version 1, durable here, still to be persisted',
      '2024-01-02 03:04:05  1:2         upload attempt 1 of version 1 failed because connection \\x1b[2Jrefused (UFS_UNAVAILABLE); the next attempt is due 1 s later',
    ]);
    const json = JSON.parse((await fixture.run(['log', 'history', '/b/k', '--json', '--limit', '1'])).stdout);
    t.match(json, {
      bucket: 'b',
      key: 'k',
      omitted: 1,
      entries: [{ offset: 2, type: 'PersistFailed', event: { attempt: 1 } }],
    });
    t.match(await fixture.run(['log', 'history', '/b/none']), {
      stdout: 'the log has no event of s3://b/none\n',
    });
    t.match(await fixture.run(['log', 'history', '/b']), { exitCode: 2, stderr: /must name an object/ });
  },
);

void t.test('log explain: a sentence and what follows from it', async (t) => {
  const fixture = await CliFixture.open(t);
  fill(fixture.admin);
  const { stdout } = await fixture.run(['log', 'explain', 's3://b/k']);
  t.match(
    stdout,
    /^s3:\/\/b\/k: version 1 \(2 KiB\) is not persisted for 0 ms: upload attempt 1 failed because/,
  );
  t.match(stdout, '\n  the next attempt is due in 1 s\n');
  t.match(JSON.parse((await fixture.run(['log', 'explain', '/b/k', '--json'])).stdout), {
    persisted: false,
    situation: 'WAITING',
  });
  const coloured = await fixture.run(['log', 'explain', 's3://b/k'], { terminal: true });
  t.match(coloured.stdout, '\x1b[33ms3://b/k');
});

void t.test('log: a data directory that is named is read although a server runs', async (t) => {
  const fixture = await CliFixture.open(t);
  fill(fixture.admin);
  const admin = new MemoryAdminService();
  admin.append(1, { ...COMMIT, key: 'copy' });
  const offline: OfflineLog = {
    logHead: () => admin.logHead(),
    logRead: (request) => admin.logRead(request),
    verify: (request) => admin.verify(request),
    inspection: admin.inspection,
    travelTo: () => Promise.reject(new Error('nobody travels here')),
    close: async () => {},
  };
  const named = await fixture.run(['log', 'history', '/b/copy', '--data-dir', '/copy'], { offline });
  t.match(named.stdout, /put by one request/);
  t.equal(named.stderr, '');
  const online = await fixture.run(
    ['log', 'history', '/b/copy', '--data-dir', '/copy', '--endpoint', fixture.endpoint],
    {
      offline,
    },
  );
  t.match(online.stdout, /no event of/);
  const endpoint = await endpointWithoutServer();
  const fallback = await runCli(['log', 'explain', '/b/copy'], {
    offline,
    env: { HEADRACE_ADMIN_PORT: new URL(endpoint).port },
  });
  t.match(fallback, {
    exitCode: 0,
    stdout: /waits for .* for its first upload/,
    stderr: /reading .\/data itself/,
  });
});
