import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { NodeDisk } from '../../src/adapters/node-disk.js';
import { SystemRandom } from '../../src/adapters/system-random.js';
import { SILENT_LOGGER } from '../../src/core/logger.js';
import {
  addGrants,
  formatGrant,
  parseGrant,
  parseStoredUser,
  removeGrants,
  RIGHTS,
} from '../../src/engine/users-document.js';
import { SecretBox } from '../../src/engine/users-secret-box.js';
import { Users } from '../../src/engine/users.js';
import { FixedClock } from '../support/fixed-clock.js';
import { createMemoryUsers } from '../support/memory-users.js';

async function temporary(t: Test): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'headrace-users-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

const open = (): ReturnType<typeof createMemoryUsers> => createMemoryUsers({ clock: new FixedClock(1000) });

void t.test('secrets: sealed text opens for its owner only, with the same key file', async (t) => {
  const directory = await temporary(t);
  const disk = new NodeDisk(directory);
  const random = new SystemRandom();
  const box = await SecretBox.open(disk, random);
  await t.rejects(stat(join(directory, 'secrets.key')), { code: 'ENOENT' }, 'made when it is needed');
  const [seal, sealAgain] = await Promise.all([box.sealer(), box.sealer()]);
  const sealed = seal('a secret', 'alice/1');
  t.notMatch(Buffer.from(sealed, 'base64url').toString('latin1'), 'a secret');
  t.not(sealAgain('a secret', 'alice/1'), sealed, 'each has its own nonce');
  t.equal((await stat(join(directory, 'secrets.key'))).mode & 0o777, 0o600);
  const reopened = await SecretBox.open(disk, random);
  t.equal(reopened.open(sealed, 'alice/1'), 'a secret');
  t.equal(reopened.open(sealed, 'bob/1'), undefined, 'moved to another owner');
  const bytes = Buffer.from(sealed.slice(2), 'base64url');
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = Buffer.from(bytes);
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    if (reopened.open(`1.${changed.toString('base64url')}`, 'alice/1') !== undefined) t.fail(`bit ${bit}`);
  }
  t.equal(reopened.open(sealed.slice(0, 20), 'alice/1'), undefined);
});

void t.test('secrets: a damaged key file is named, and never replaced', async (t) => {
  const directory = await temporary(t);
  await writeFile(join(directory, 'secrets.key'), 'rubbish');
  await t.rejects(SecretBox.open(new NodeDisk(directory), new SystemRandom()), {
    code: 'CORRUPT_CHECKPOINT',
    message: /secrets\.key .* has 7 bytes/,
  });
  t.equal(await readFile(join(directory, 'secrets.key'), 'utf8'), 'rubbish');
});

void t.test('users: the secret is told once, and is in no event and no later answer', async (t) => {
  const { users, events } = open();
  t.equal(users.exist, false);
  const made = await users.add('alice', [parseGrant('read,list:photos/2024/')]);
  t.match(made.accessKeyId, /^HR[A-Z2-7]{18}$/);
  t.match(made.secretAccessKey, /^[A-Za-z\d]{40}$/);
  t.equal(users.exist, true);
  t.same(users.find(made.accessKeyId), {
    user: 'alice',
    secretAccessKey: made.secretAccessKey,
    enabled: true,
  });
  t.notMatch(JSON.stringify([events, await users.list(), await users.get('alice')]), made.secretAccessKey);
  t.same(await users.get('alice'), {
    name: 'alice',
    enabled: true,
    createdMs: 1000,
    keys: [{ id: made.accessKeyId, enabled: true, createdMs: 1000 }],
    grants: ['read,list:photos/2024/'],
  });
});

void t.test('users: a rotated key works beside the one before until that is disabled', async (t) => {
  const { users } = open();
  const first = await users.add('alice', []);
  const second = await users.rotate('alice');
  t.not(second.accessKeyId, first.accessKeyId);
  t.equal(users.find(first.accessKeyId)?.enabled, true);
  await users.setEnabled('alice', false, first.accessKeyId);
  t.equal(users.find(first.accessKeyId)?.enabled, false);
  t.equal(users.find(second.accessKeyId)?.enabled, true);
  await users.setEnabled('alice', false);
  t.equal(users.find(second.accessKeyId)?.enabled, false);
  await users.setEnabled('alice', true);
  t.equal(users.find(second.accessKeyId)?.enabled, true);
  await users.remove('alice', first.accessKeyId);
  t.equal(users.find(first.accessKeyId), undefined);
  await users.remove('alice');
  t.equal(users.find(second.accessKeyId), undefined);
  t.equal(users.exist, false);
  for (let keys = 0; keys < 10; keys++) await (keys === 0 ? users.add('bob', []) : users.rotate('bob'));
  await t.rejects(users.rotate('bob'), { code: 'INVALID_ARGUMENT', message: /10 access keys/ });
});

void t.test('users: all of them come back from the control stream with their secrets', async (t) => {
  const directory = await temporary(t);
  const { control } = open();
  const disk = new NodeDisk(directory);
  const random = new SystemRandom();
  const parts = { control, random, logger: SILENT_LOGGER };
  const users = new Users({ ...parts, secrets: await SecretBox.open(disk, random) });
  const made = await Promise.all(['a', 'b', 'c'].map((name) => users.add(name, [])));
  const again = new Users({ ...parts, secrets: await SecretBox.open(disk, random) });
  for (const { accessKeyId, secretAccessKey } of made) t.match(again.find(accessKeyId), { secretAccessKey });
  await rm(join(directory, 'secrets.key'));
  const without = new Users({ ...parts, secrets: await SecretBox.open(disk, random) });
  t.equal(without.find(made[0]?.accessKeyId ?? ''), undefined, 'a lost key file locks out, it does not open');
  t.equal(without.exist, true);
  const rotated = await without.rotate('a');
  t.match(without.find(rotated.accessKeyId), { user: 'a' });
});

void t.test('users: wrong names, unknown users and wrong grants are refused by name', async (t) => {
  const { users, events } = open();
  for (const name of ['', '-a', 'a b', 'a/b', 'x'.repeat(65), 'anonymous'])
    await t.rejects(users.add(name, []), { code: 'INVALID_ARGUMENT' }, name);
  await users.add('alice', []);
  await t.rejects(users.add('alice', []), { code: 'USER_EXISTS' });
  const unknown: Promise<unknown>[] = [
    users.get('bob'),
    users.rotate('bob'),
    users.grant('bob', []),
    users.remove('bob'),
    users.setEnabled('bob', true),
    users.rotate('anonymous'),
  ];
  for (const call of unknown) await t.rejects(call, { code: 'NO_SUCH_USER' });
  await t.rejects(users.setEnabled('alice', false, 'HRX'), { code: 'INVALID_ARGUMENT', message: /HRX/ });
  await t.rejects(users.grant('anonymous', [parseGrant('write:b23')]), { code: 'INVALID_ARGUMENT' });
  const many = Array.from({ length: 1001 }, (_, at) => parseGrant(`read:bucket/${at}`));
  await t.rejects(users.grant('alice', many), { code: 'INVALID_ARGUMENT', message: /1000 grants/ });
  t.equal(events.length, 1);
});

void t.test('users: anonymous can be granted reads and has no access keys', async (t) => {
  const { users } = open();
  t.same(users.grantsOf(undefined), []);
  await users.grant('anonymous', [parseGrant('read:site/public/')]);
  t.equal(users.exist, false, 'it is no user that could sign');
  t.same(users.grantsOf(undefined), [{ bucket: 'site', prefix: 'public/', rights: ['read'] }]);
  await users.setEnabled('anonymous', false);
  t.same(users.grantsOf(undefined), []);
  await users.remove('anonymous');
  t.same(await users.list(), []);
});

void t.test('grants: rights on the same keys are one grant, and are taken away one by one', async (t) => {
  const held = addGrants([], ['read:b23/p', 'write:b23/p', 'list:b23'].map(parseGrant));
  t.same(held.map(formatGrant), ['read,write:b23/p', 'list:b23']);
  t.same(removeGrants(held, [parseGrant('read:b23/p')]).map(formatGrant), ['write:b23/p', 'list:b23']);
  t.same(removeGrants(held, [parseGrant('read,write:b23/p')]).map(formatGrant), ['list:b23']);
  for (const wrong of ['', 'read', 'read:', ':b23', 'reed:b23', 'read:B', 'read:b*', 'read,:b23', 'read:*x'])
    t.throws(() => parseGrant(wrong), { code: 'INVALID_ARGUMENT', message: /read,list:photos/ }, wrong);
  t.throws(() => parseGrant(`read:b23/${'ü'.repeat(513)}`), { code: 'INVALID_ARGUMENT' });
  for (const [grant, why] of [
    ['read', 'as it has no colon'],
    ['read:b', 'as "b" is no name of a bucket'],
    ['read,wirte:b23', 'as "wirte" is no right'],
  ] as const)
    t.throws(() => parseGrant(grant), { message: new RegExp(`^the grant "${grant}" is not valid, ${why}`) });
});

void t.test('grants: what is written is read back', async (t) => {
  const rights = fc.subarray([...RIGHTS], { minLength: 1 });
  const bucket = fc.constantFrom('*', 'abc', 'a.b-c', 'x'.repeat(63));
  fc.assert(
    fc.property(rights, bucket, fc.string({ maxLength: 100 }), (some, name, prefix) => {
      const grant = { bucket: name, prefix, rights: some };
      t.strictSame(parseGrant(formatGrant(grant)), grant);
    }),
    { numRuns: 50 },
  );
});

void t.test('users: an event that holds no user is corruption', async (t) => {
  for (const document of ['', '{}', 'null', '{"name":"b"}', '{"name":"a","enabled":true,"keys":[{}]}'])
    t.throws(() => parseStoredUser('a', document), { code: 'CORRUPT_FRAME' }, document);
});

void t.test('users: an access key that is used elsewhere is taken over, by one user', async (t) => {
  const { users } = open();
  const pair = { accessKeyId: 'AKSPARK', secretAccessKey: 'a-secret-of-our-own' };
  await users.add('spark', [], pair);
  t.match(users.find('AKSPARK'), { user: 'spark', secretAccessKey: 'a-secret-of-our-own', enabled: true });
  await t.rejects(users.add('other', [], pair), { message: /"AKSPARK" belongs to the user "spark"/ });
  await t.rejects(users.rotate('spark', pair), { message: /belongs to/ });
  t.notOk(users.has('other'));
  for (const accessKeyId of ['', 'AK', 'A/K/Z', 'A K Z', 'Ü'.repeat(5), 'x'.repeat(129)])
    await t.rejects(users.add('other', [], { ...pair, accessKeyId }), { code: 'INVALID_ARGUMENT' });
  for (const secretAccessKey of ['', 'short', 'with a space', 'x'.repeat(129), 'ümlaut-secret']) {
    const rejected = await users.add('other', [], { accessKeyId: 'AKOTHER', secretAccessKey }).catch(String);
    t.match(rejected, /of the access key "AKOTHER" is not valid/);
    if (secretAccessKey !== '') t.notMatch(rejected, secretAccessKey);
  }
  await users.rotate('spark', { ...pair, accessKeyId: 'AKNEXT' });
  t.match(users.find('AKNEXT'), { user: 'spark' });
});

void t.test('users: that there were any stays known when the last one is removed', async (t) => {
  const { users } = open();
  await users.grant('anonymous', [parseGrant('read:site')]);
  t.notOk(users.everExisted, 'anonymous is no user');
  await users.add('alice', []);
  await users.remove('alice');
  t.same([users.exist, users.everExisted], [false, true]);
});
