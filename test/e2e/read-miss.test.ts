/**
 * Reading back what only the directory holds, loading it before, and mounts inside each other: the real server and command
 * line.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { KIB, MIB } from '../../src/core/units.js';
import { TestServer } from '../support/headrace-process.js';
import { makeBody } from '../support/object-model.js';
import { S3Client } from '../support/s3-client.js';

void t.test(
  '64 clients read a file that is only in the directory, whole and by ranges; a job loads the rest',
  async (t) => {
    const server = await TestServer.start(t);
    const client = new S3Client(server.process.s3Port);
    const directory = join(server.ufsDirectory, 'bucket');
    await mkdir(join(directory, 'in'), { recursive: true });
    const large = makeBody(1, 8 * MIB);
    await writeFile(join(directory, 'large'), large);
    for (let i = 0; i < 30; i++) await writeFile(join(directory, 'in', `${i}`), makeBody(i, 20 * KIB));

    const range = await client.request('GET', '/bucket/large', undefined, { range: 'bytes=5000000-5000999' });
    t.equal(range.status, 206);
    t.equal(range.headers['content-range'], `bytes 5000000-5000999/${large.length}`);
    t.ok(range.body.equals(large.subarray(5_000_000, 5_001_000)));
    const reads = await Promise.all(Array.from({ length: 64 }, () => client.request('GET', '/bucket/large')));
    t.ok(reads.every(({ status, body }) => status === 200 && body.equals(large)));

    const loaded = await server.cli('job', 'load', 's3://bucket/in/');
    t.equal(loaded.code, 0, loaded.stderr);
    t.match(loaded.stdout, /^loaded 600 KiB of 30 objects; 0 were there already\n$/);
    t.notMatch(loaded.stderr, '\x1b', 'no bar where there is no terminal');
    const again = await server.cli('job', 'load', '/bucket/in/', '--json');
    t.match(JSON.parse(again.stdout), { id: '2', state: 'DONE', objects: 0, skippedObjects: 30 });
    await server.process.kill();
    await server.restart();
    t.match((await server.cli('job', 'list')).stdout, /^ID .*\n2 +load +DONE .*\n1 +load +DONE /);
    t.ok((await client.request('GET', '/bucket/in/7')).body.equals(makeBody(7, 20 * KIB)));
  },
);

void t.test(
  'a directory that is mounted inside a bucket hides what is there, and is given back when it is removed',
  async (t) => {
    const server = await TestServer.start(t);
    const client = new S3Client(server.process.s3Port);
    const inner = join(server.directory, 'inner');
    await mkdir(join(server.ufsDirectory, 'bucket', 'a'), { recursive: true });
    await mkdir(inner);
    await writeFile(join(server.ufsDirectory, 'bucket', 'a', 'hidden'), 'outer');
    await writeFile(join(server.ufsDirectory, 'bucket', 'b'), 'outer');
    await writeFile(join(inner, 'shown'), 'inner');
    const keys = async (): Promise<string[]> => {
      const listing = (await client.request('GET', '/bucket?list-type=2')).body.toString();
      return [...listing.matchAll(/<Key>([^<]*)<\/Key>/g)].map((match) => match[1] ?? '');
    };
    t.same(await keys(), ['a/hidden', 'b']);
    const added = await server.cli('mount', 'add', '/bucket/a', inner);
    t.equal(added.code, 0, added.stderr);
    t.same(await keys(), ['a/shown', 'b'], 'at once, whatever was known before');
    t.equal((await client.request('GET', '/bucket/a/shown')).body.toString(), 'inner');
    t.equal((await client.request('GET', '/bucket/a/hidden')).status, 404);
    const removed = await server.cli('mount', 'remove', '/bucket/a', '--drain', '--json');
    t.same(JSON.parse(removed.stdout), { path: '/bucket/a', lostObjects: 0, lostBytes: 0, lostDeletes: 0 });
    t.same(await keys(), ['a/hidden', 'b']);
    t.equal((await client.request('GET', '/bucket/a/hidden')).body.toString(), 'outer');
    const wrong = await server.cli('mount', 'remove', '/bucket/a');
    t.equal(wrong.code, 1);
    t.match(wrong.stderr, 'nothing is mounted at "/bucket/a": there are no mounts');
  },
);
