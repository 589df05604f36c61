/** What every `Disk` does, real or simulated. */
import t, { type Test } from 'tap';
import { AssertionError } from '../../src/core/assert.js';
import { type ErrorCode, HeadraceError } from '../../src/core/errors.js';
import type { Disk } from '../../src/core/ports.js';

export interface DiskSubject {
  /** Empty. */
  readonly disk: Disk;
  /** Lets `work` come to its end: in virtual time where the disk lives in it. */
  run<Value>(work: () => Promise<Value>): Promise<Value>;
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
const bytes = (value: string): Buffer => Buffer.from(value, 'latin1');

async function failsWith(t: Test, code: ErrorCode, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof HeadraceError)) throw error;
    t.equal(error.code, code, error.message);
    if (code === 'IO_FAILED') t.ok(error.cause instanceof Error, 'the cause is kept');
    return;
  }
  t.fail(`${code} was expected`);
}

async function contentOf(disk: Disk, path: string): Promise<string> {
  const file = await disk.open(path, { readOnly: true });
  const target = new Uint8Array(await file.size());
  await file.read(0, target);
  await file.close();
  return text(target);
}

async function store(disk: Disk, path: string, content: string): Promise<void> {
  const file = await disk.create(path);
  await file.write(0, bytes(content));
  await file.close();
}

export function diskContract(name: string, make: (t: Test) => DiskSubject): void {
  const claim = (what: string, work: (t: Test, disk: Disk) => Promise<void>): void => {
    void t.test(`${name}: ${what}`, async (t) => {
      const subject = make(t);
      await subject.run(() => work(t, subject.disk));
    });
  };
  fileClaims(claim);
  sizeClaims(claim);
  handleClaims(claim);
  nameClaims(claim);
  refusalClaims(claim);
}

type Claim = (what: string, work: (t: Test, disk: Disk) => Promise<void>) => void;

function fileClaims(claim: Claim): void {
  claim('what was written is read back at its position', async (t, disk) => {
    const file = await disk.create('file');
    t.equal(file.path, 'file');
    await file.write(0, bytes('hello world'));
    await file.write(6, bytes('there'));
    const target = new Uint8Array(8);
    t.equal(await file.read(3, target), 8);
    t.equal(text(target), 'lo there');
    t.equal(file.readSync(0, target), 8);
    t.equal(text(target), 'hello th');
    await file.close();
  });

  claim('a read ends at the end of the file', async (t, disk) => {
    const file = await disk.create('file');
    await file.write(0, bytes('abcdef'));
    const target = Buffer.alloc(4, 'x');
    t.equal(await file.read(4, target), 2);
    t.equal(text(target), 'efxx', 'what lies behind is left alone');
    t.equal(file.readSync(4, target), 2);
    t.equal(await file.read(6, target), 0);
    t.equal(await file.read(1_000_000, target), 0);
    t.equal(file.readSync(1_000_000, target), 0);
    t.equal(await file.read(0, new Uint8Array(0)), 0);
    await file.close();
  });

  claim('a gap reads as zeros', async (t, disk) => {
    const file = await disk.create('file');
    await file.write(200_000, bytes('end'));
    const target = Buffer.alloc(200_003, 'x');
    t.equal(await file.read(0, target), 200_003);
    t.ok(target.subarray(0, 200_000).every((byte) => byte === 0));
    t.equal(text(target.subarray(200_000)), 'end');
    await file.close();
  });

  claim('writes in flight at once all arrive whole', async (t, disk) => {
    const file = await disk.create('file', { durableWrites: true });
    const pieces = Array.from({ length: 40 }, (_, index) => Buffer.alloc(5000 + index, index));
    let position = 0;
    const writes = pieces.map((piece) => {
      const write = file.write(position, piece);
      position += piece.length;
      return write;
    });
    await Promise.all(writes);
    await file.sync();
    const target = Buffer.alloc(position);
    t.equal(await file.read(0, target), position);
    t.ok(target.equals(Buffer.concat(pieces)));
    await file.close();
  });

  claim('an empty write changes nothing', async (t, disk) => {
    const file = await disk.create('file');
    await file.write(10, new Uint8Array(0));
    t.equal(await file.size(), 0);
    await file.close();
  });
}

function sizeClaims(claim: Claim): void {
  claim('a file can be cut and extended', async (t, disk) => {
    const file = await disk.create('file');
    await file.write(0, bytes('abcdef'));
    await file.truncate(3);
    t.equal(await file.size(), 3);
    await file.truncate(5);
    const target = Buffer.alloc(6, 'x');
    t.equal(await file.read(0, target), 5);
    t.equal(text(target), 'abc\0\0x', 'what was cut does not come back');
    await file.close();
  });

  claim('sizes are told, and undefined for what is not a file', async (t, disk) => {
    await store(disk, 'file', 'abc');
    await disk.makeDirectory('directory');
    t.equal(await disk.sizeOf('file'), 3);
    t.equal(await disk.sizeOf('none'), undefined);
    t.equal(await disk.sizeOf('none/below'), undefined);
    t.equal(await disk.sizeOf('directory'), undefined);
  });

  claim('free space is part of the whole', async (t, disk) => {
    const { freeBytes, totalBytes } = await disk.space();
    t.ok(freeBytes > 0 && freeBytes <= totalBytes, `${freeBytes} of ${totalBytes}`);
  });
}

function handleClaims(claim: Claim): void {
  claim('closing waits for what is in flight and refuses what comes after', async (t, disk) => {
    const file = await disk.create('file');
    const order: string[] = [];
    const write = file.write(0, bytes('last words')).then(() => order.push('write'));
    const close = file.close().then(() => order.push('close'));
    await failsWith(t, 'CLOSED', () => file.write(0, bytes('too late')));
    await failsWith(t, 'CLOSED', () => file.read(0, new Uint8Array(1)));
    await failsWith(t, 'CLOSED', () => file.sync());
    await failsWith(t, 'CLOSED', async () => file.readSync(0, new Uint8Array(1)));
    await Promise.all([write, close]);
    t.strictSame(order, ['write', 'close']);
    await file.close();
    t.equal(await contentOf(disk, 'file'), 'last words');
  });

  claim('a handle keeps its file when the name goes', async (t, disk) => {
    await store(disk, 'old', 'kept');
    const renamed = await disk.open('old');
    await disk.rename('old', 'new');
    await renamed.write(4, bytes('!'));
    t.equal(await contentOf(disk, 'new'), 'kept!');
    await disk.remove('new');
    const target = new Uint8Array(5);
    t.equal(await renamed.read(0, target), 5);
    t.equal(text(target), 'kept!');
    await renamed.close();
  });

  claim('two handles of a file see the same bytes', async (t, disk) => {
    const writer = await disk.create('file', { durableWrites: true });
    const reader = await disk.open('file', { readOnly: true });
    await writer.write(0, bytes('seen'));
    const target = new Uint8Array(4);
    await reader.read(0, target);
    t.equal(text(target), 'seen');
    await Promise.all([writer.close(), reader.close()]);
  });
}

function nameClaims(claim: Claim): void {
  claim('directories are made with their parents, and listed in order', async (t, disk) => {
    await disk.makeDirectory('a/b');
    await disk.makeDirectory('a/b');
    await disk.makeDirectory('');
    await store(disk, 'a/z', '');
    await store(disk, 'a/Z', '');
    await store(disk, 'a/b/below', '');
    t.strictSame(await disk.list('a'), ['Z', 'b', 'z']);
    t.strictSame(await disk.list('a/b'), ['below']);
    t.strictSame(await disk.list(''), ['a']);
    t.strictSame(await disk.list('none'), []);
    await disk.syncDirectory('a');
    await disk.syncDirectory('');
  });

  claim('a rename takes the place of what was there', async (t, disk) => {
    await store(disk, 'draft', 'new');
    await store(disk, 'final', 'old');
    await disk.rename('draft', 'final');
    t.strictSame(await disk.list(''), ['final']);
    t.equal(await contentOf(disk, 'final'), 'new');
  });

  claim('removing takes a name away, and nothing when there is none', async (t, disk) => {
    await store(disk, 'file', 'x');
    await disk.remove('file');
    await disk.remove('file');
    t.strictSame(await disk.list(''), []);
    await store(disk, 'file', 'again');
    t.equal(await contentOf(disk, 'file'), 'again');
  });
}

function refusalClaims(claim: Claim): void {
  claim('what the system refuses fails with the cause', async (t, disk) => {
    await store(disk, 'file', 'x');
    await disk.makeDirectory('directory');
    await failsWith(t, 'IO_FAILED', () => disk.create('file'));
    await failsWith(t, 'IO_FAILED', () => disk.create('none/file'));
    await failsWith(t, 'IO_FAILED', () => disk.open('none'));
    await failsWith(t, 'IO_FAILED', () => disk.open('directory'));
    await failsWith(t, 'IO_FAILED', () => disk.rename('none', 'other'));
    await failsWith(t, 'IO_FAILED', () => disk.rename('file', 'none/file'));
    await failsWith(t, 'IO_FAILED', () => disk.rename('file', 'directory'));
    await failsWith(t, 'IO_FAILED', () => disk.remove('directory'));
    await failsWith(t, 'IO_FAILED', () => disk.list('file'));
    await failsWith(t, 'IO_FAILED', () => disk.syncDirectory('none'));
    await failsWith(t, 'IO_FAILED', () => disk.makeDirectory('file'));
    await failsWith(t, 'IO_FAILED', () => disk.makeDirectory('file/below'));
    t.equal(await contentOf(disk, 'file'), 'x');
  });

  claim('a file that was opened for reading cannot be changed', async (t, disk) => {
    await store(disk, 'file', 'safe');
    const file = await disk.open('file', { readOnly: true });
    await failsWith(t, 'IO_FAILED', () => file.write(0, bytes('x')));
    await failsWith(t, 'IO_FAILED', () => file.truncate(0));
    await file.close();
    t.equal(await contentOf(disk, 'file'), 'safe');
  });

  claim('a path that leaves the root is a mistake of the program', async (t, disk) => {
    for (const path of ['../x', 'a/../../x', 'a/..', '/etc/passwd', 'a\0b']) {
      await t.rejects(async () => await disk.open(path), AssertionError, path);
      await t.rejects(async () => await disk.rename('file', path), AssertionError, path);
    }
  });

  claim('a position that cannot be is a mistake of the program', async (t, disk) => {
    const file = await disk.create('file');
    for (const position of [-1, 0.5, NaN, 2 ** 53]) {
      await t.rejects(async () => await file.write(position, bytes('x')), AssertionError);
      await t.rejects(async () => await file.read(position, bytes('x')), AssertionError);
    }
    await file.close();
  });
}
