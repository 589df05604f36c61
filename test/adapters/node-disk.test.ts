import fs from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { NodeDisk } from '../../src/adapters/node-disk.js';
import { AssertionError } from '../../src/core/assert.js';
import { isErrorCode } from '../../src/core/errors.js';
import { diskContract } from '../contracts/disk.js';

diskContract('node disk', (t) => ({
  disk: new NodeDisk(t.testdir()),
  run: (work) => work(),
}));

void t.test('node disk: the root must be absolute', async (t) => {
  t.throws(() => new NodeDisk('relative'), AssertionError);
});

void t.test('node disk: a failure names the file and what the system said', async (t) => {
  const root = t.testdir();
  await t.rejects(new NodeDisk(root).open('none'), { code: 'IO_FAILED', cause: { code: 'ENOENT' } });
  await t.rejects(
    new NodeDisk(root).open('none'),
    new RegExp(`cannot open ${path.join(root, 'none')}: ENOENT`),
  );
});

const FULL_DEVICE = '/dev/full';
void t.test(
  'node disk: a full disk is told apart from a broken one',
  { skip: !fs.existsSync(FULL_DEVICE) },
  async (t) => {
    const file = await new NodeDisk(path.dirname(FULL_DEVICE)).open(path.basename(FULL_DEVICE));
    try {
      await file.write(0, new Uint8Array(10));
      t.fail('the write was expected to fail');
    } catch (error) {
      if (!isErrorCode(error, 'DISK_FULL')) throw error;
      t.equal(error.kind, 'OUT_OF_SPACE');
      t.match(error.message, '/dev/full');
      t.match(error.cause, { code: 'ENOSPC' });
    }
    await file.close();
  },
);

void t.test(
  'node disk: durable writes are opened with O_DSYNC',
  { skip: !fs.existsSync('/proc/self/fdinfo') },
  async (t) => {
    const root = t.testdir();
    const disk = new NodeDisk(root);
    const file = await disk.create('durable', { durableWrites: true });
    const descriptor = fs
      .readdirSync('/proc/self/fd')
      .find((name) => linkOf(`/proc/self/fd/${name}`) === path.join(root, 'durable'));
    const flags =
      /^flags:\s+(\d+)$/m.exec(fs.readFileSync(`/proc/self/fdinfo/${descriptor}`, 'utf8'))?.[1] ?? '0';
    t.equal(Number.parseInt(flags, 8) & fs.constants.O_DSYNC, fs.constants.O_DSYNC);
    await file.close();
  },
);

function linkOf(name: string): string | undefined {
  try {
    return fs.readlinkSync(name);
  } catch {
    return undefined;
  }
}

void t.test('node disk: files and directories belong to their user alone', async (t) => {
  const root = t.testdir();
  const disk = new NodeDisk(root);
  await disk.makeDirectory('directory');
  await (await disk.create('directory/file')).close();
  t.equal(fs.statSync(path.join(root, 'directory')).mode & 0o077, 0);
  t.equal(fs.statSync(path.join(root, 'directory/file')).mode & 0o077, 0);
});

/** Puts a stand-in for a call of node:fs in place until the test ends. */
function replaceCall<Name extends 'write' | 'read'>(t: Test, name: Name, replacement: unknown): void {
  const original = fs[name];
  t.teardown(() => {
    fs[name] = original;
  });
  fs[name] = replacement as (typeof fs)[Name];
}

type Transfer = (
  descriptor: number,
  bytes: Uint8Array,
  offset: number,
  length: number,
  position: number,
  done: (error: Error | null, count: number) => void,
) => void;

/** The same call, but every second time interrupted and never more than three bytes at once. */
function meagre(original: Transfer): Transfer {
  let calls = 0;
  return (descriptor, bytes, offset, length, position, done) => {
    if (calls++ % 2 === 0) done(Object.assign(new Error('interrupted'), { code: 'EINTR' }), 0);
    else original(descriptor, bytes, offset, Math.min(length, 3), position, done);
  };
}

void t.test('node disk: short and interrupted transfers are continued until they are whole', async (t) => {
  const file = await new NodeDisk(t.testdir()).create('file');
  const content = Buffer.from('a text that takes several rounds');
  replaceCall(t, 'write', meagre(fs.write as Transfer));
  replaceCall(t, 'read', meagre(fs.read as Transfer));
  await file.write(5, content);
  const target = Buffer.alloc(100);
  t.equal(await file.read(5, target), content.length);
  t.ok(target.subarray(0, content.length).equals(content));
  await file.close();
});

void t.test('node disk: a transfer that never gets on is given up', async (t) => {
  const file = await new NodeDisk(t.testdir()).create('file');
  const again = Object.assign(new Error('try again'), { code: 'EAGAIN' });
  const refuse: Transfer = (_descriptor, _bytes, _offset, _length, _position, done) => done(again, 0);
  replaceCall(t, 'write', refuse);
  replaceCall(t, 'read', refuse);
  await t.rejects(file.write(0, new Uint8Array(1)), { code: 'IO_FAILED', cause: again });
  await t.rejects(file.read(0, new Uint8Array(1)), { code: 'IO_FAILED', cause: again });
  const takeNothing: Transfer = (_descriptor, _bytes, _offset, _length, _position, done) => done(null, 0);
  replaceCall(t, 'write', takeNothing);
  await t.rejects(file.write(0, new Uint8Array(1)), { code: 'IO_FAILED' });
  await file.close();
});
