/** The pure and the small parts of the directory store. */
import fs from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { DirectoryNames } from '../../../../src/adapters/ufs/directory-names.js';
import { FILE_NAMES, holdsFile } from '../../../../src/adapters/ufs/directory/directory-tree.js';
import { Places } from '../../../../src/adapters/ufs/directory/places.js';
import {
  decodeSideFile,
  encodeSideFile,
  fileEtag,
  matchingRecord,
} from '../../../../src/adapters/ufs/directory/side-file.js';
import { storeError } from '../../../../src/adapters/ufs/directory/system-errors.js';
import { KeyLocks } from '../../../../src/adapters/ufs/key-locks.js';
import { TreeWalk } from '../../../../src/adapters/ufs/tree-walk.js';
import { SystemClock } from '../../../../src/adapters/system-clock.js';
import { HeadraceError } from '../../../../src/core/errors.js';

void t.test(
  'places: keys that differ only in case get their own files where the file system folds names',
  async (t) => {
    const places = new Places('/root');
    t.equal(places.natural('b', 'Dir/File')?.file, '/root/b/Dir/File');
    places.rules = { foldsNames: true };
    t.equal(places.natural('b', 'Dir/File'), undefined);
    t.equal(places.natural('b', 'e\u0301'), undefined);
    t.equal(places.natural('b', 'dir/file')?.file, '/root/b/dir/file');
    t.not(places.overflow('b', 'FILE').file, places.overflow('b', 'File').file);
  },
);

void t.test(
  'places: side files of a directory are together, and never in the way of another object',
  async (t) => {
    const places = new Places('/root');
    const [a, b, c] = ['x/a', 'x/b', 'x/a/c'].map((key) => places.natural('b', key));
    t.equal(a?.sideDirectory, b?.sideDirectory);
    t.not(a?.sideDirectory, c?.sideDirectory);
    t.notOk(c?.sideFile.startsWith(`${a?.sideFile}/`));
  },
);

void t.test('side file: version 1 is still read', async (t) => {
  const text =
    '{"format":1,"key":"a/b","versions":[{"size":5,"mtimeMs":1700000000123.001,"ino":7,"etag":"5d41402abc4b2a76b9719d911017c592",' +
    '"lastModifiedMs":1700000000123,"headers":{"system":{"content-type":"text/plain"},"user":{"a":"b"},"tags":{"t":"u"}}}]}';
  const side = decodeSideFile(text);
  t.equal(side && encodeSideFile(side), text);
  t.match(side, { key: 'a/b', versions: [{ headers: { tags: { t: 'u' } } }] });
});

void t.test('side file: the inode decides between two records that fit, and only then', async (t) => {
  const headers = { system: {}, user: {} };
  const record = { size: 1, mtimeMs: 5, lastModifiedMs: 5, headers };
  const versions = [
    { ...record, ino: 10, etag: 'new' },
    { ...record, ino: 20, etag: 'old' },
  ];
  const side = { key: 'k', versions };
  t.equal(matchingRecord(side, { size: 1, mtimeMs: 5, ino: 20 })?.etag, 'old');
  t.equal(matchingRecord(side, { size: 1, mtimeMs: 5, ino: 99 })?.etag, 'new');
  t.equal(matchingRecord(side, { size: 1, mtimeMs: 5.001, ino: 10 }), undefined);
  t.equal(matchingRecord(side, { size: 2, mtimeMs: 5, ino: 10 }), undefined);
});

void t.test('side file: the ETag of a foreign file tells its time and size', async (t) => {
  t.equal(fileEtag({ size: 255, mtimeMs: 1.5, ino: 1 }), '00000000000005dc00000000000000ff-0');
});

void t.test('system errors: a full disk is worth a retry, a quota is not', async (t) => {
  const codeOf = (code: string, changing = false): unknown => {
    const error = storeError('put x', Object.assign(new Error(code), { code, syscall: 'write' }), changing);
    return error instanceof HeadraceError ? error.code : error;
  };
  t.equal(codeOf('ENOSPC'), 'UFS_UNAVAILABLE');
  t.equal(codeOf('EIO'), 'UFS_UNAVAILABLE');
  t.equal(codeOf('EDQUOT'), 'UFS_REJECTED');
  t.equal(codeOf('EACCES'), 'UFS_DENIED');
  t.equal(codeOf('EROFS'), 'UFS_DENIED');
  t.equal(codeOf('EIO', true), 'UFS_UNKNOWN_OUTCOME');
  const own = new HeadraceError('CORRUPT_EXTENT', 'x');
  t.equal(storeError('put x', own), own);
});

void t.test('key locks: one key is held by one at a time, in the order of asking', async (t) => {
  const locks = new KeyLocks();
  const order: string[] = [];
  const hold = (name: string): Promise<void> =>
    locks.hold('k', async () => {
      order.push(`${name} in`);
      await new Promise<void>((resolve) => setImmediate(resolve));
      order.push(`${name} out`);
    });
  const failing = locks.hold('k', () => Promise.reject(new Error('fails')));
  await Promise.allSettled([failing, hold('1'), hold('2'), hold('3')]);
  t.same(order, ['1 in', '1 out', '2 in', '2 out', '3 in', '3 out']);
});

void t.test('walk: directories that cannot hold what is asked for are not read', async (t) => {
  const root = t.testdir();
  for (const file of ['a/1', 'a/b/2', 'a/c/3', 'd/e/4', 'd/f/5', 'g']) {
    fs.mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    fs.writeFileSync(path.join(root, file), '');
  }
  class CountingNames extends DirectoryNames {
    readonly asked: string[] = [];
    override read(directory: string): Promise<readonly string[]> {
      this.asked.push(path.relative(root, directory));
      return super.read(directory);
    }
  }
  const walk = async (prefix: string, startAfter: string, directoriesAreEntries: boolean) => {
    const names = new CountingNames(new SystemClock(), FILE_NAMES);
    const request = { bucketDirectory: root, prefix, startAfter, directoriesAreEntries };
    const walking = new TreeWalk({ read: (directory) => names.read(directory), holdsFile }, request);
    const found: string[] = [];
    for (let next = await walking.next(); next !== undefined; next = await walking.next()) found.push(next);
    return { found, asked: names.asked };
  };
  t.same(await walk('a/b/', '', false), { found: ['a/b/2'], asked: ['a/b'] });
  t.same(await walk('a/b', '', false), { found: ['a/b/2'], asked: ['a', 'a/b'] });
  t.same(await walk('', 'a/c/3', false), {
    found: ['d/e/4', 'd/f/5', 'g'],
    asked: ['', 'a', 'a/c', 'd', 'd/e', 'd/f'],
  });
  t.same(await walk('', 'd/e/4', false), { found: ['d/f/5', 'g'], asked: ['', 'd', 'd/e', 'd/f'] });
  t.same(await walk('', '', true), { found: ['a/', 'd/', 'g'], asked: [''] });
  t.same(await walk('d/', 'd/e/4', true), { found: ['d/f/'], asked: ['d', 'd/e'] });
});
