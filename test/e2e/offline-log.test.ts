/** The log of a data directory is read beside a running server, and from a copy, without changing either. */
import { createHash } from 'node:crypto';
import { cp, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { eventually, TestServer } from '../support/headrace-process.js';

/** Every file below a directory, with a hash of its bytes. */
async function fingerprint(directory: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile())
      found[path] = createHash('sha1')
        .update(await readFile(path))
        .digest('hex');
  }
  return found;
}

void t.test(
  'log commands read a directory beside its server, and a copy of it, and write to neither',
  async (t) => {
    const server = await TestServer.start(t);
    await server.process.s3('PUT', '/bucket');
    await server.process.s3('PUT', '/bucket/key', 'body');
    await server.process.s3('PUT', '/bucket/key', 'another body');
    await eventually(
      async () => (await server.status()).pendingObjects === 0,
      () => 'something is still pending',
    );
    const beside = await server.cli('log', 'history', 's3://bucket/key', '--data-dir', server.dataDirectory);
    t.equal(beside.code, 0, beside.stderr);
    t.match(beside.stdout, /put by .*: 4 bytes/);
    t.match(beside.stdout, /local copy of version 0 was given up, because the UFS gets/);
    t.match(beside.stdout, /put by .*: 12 bytes/);
    const online = await server.cli('log', 'history', 's3://bucket/key');
    t.equal(online.stdout, beside.stdout, 'the server tells the same');
    const refused = await server.cli('log', 'verify', '--data-dir', server.dataDirectory);
    t.equal(refused.code, 1);
    t.match(refused.stderr, /is in use by the running process/);

    const file = join(server.directory, 'incident.hrlog');
    t.equal((await server.cli('log', 'export', '-o', file)).code, 0);
    await server.process.kill();
    const copy = join(server.directory, 'copy');
    await cp(server.dataDirectory, copy, { recursive: true });
    const before = await fingerprint(copy);
    const commands = [
      'head',
      'cat',
      'history s3://bucket/key',
      'explain s3://bucket/key',
      'replay',
      'replay s3://bucket/key --show object',
      'replay --until 1 --steps -1',
    ];
    for (const command of commands)
      t.match(await server.cli('log', ...command.split(' '), '--data-dir', copy), { code: 0 }, command);
    const offline = join(server.directory, 'offline.hrlog');
    t.match(await server.cli('log', 'export', '-o', offline, '--data-dir', copy), { code: 0 });
    t.same(await fingerprint(copy), before);
    const [one, other] = await Promise.all(
      [file, offline].map(async (name) =>
        JSON.parse((await server.cli('log', 'replay', name, '--json')).stdout),
      ),
    );
    t.equal(one.replayed.complete, true);
    t.equal(one.replayed.stateHash, other.replayed.stateHash, 'both exports come to the same state');
  },
);
