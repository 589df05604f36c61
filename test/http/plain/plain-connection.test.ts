import { setImmediate as turn, setTimeout } from 'node:timers/promises';
import { MIB } from '../../../src/core/units.js';
import type { Body, ObjectService } from '../../../src/engine/object-service.js';
import { Gate, HOST, TWICE, get, goesOn, onBothReads, put, until } from '../../support/plain-requests.js';
import { codeOf, openRaw, startEndpoint } from '../../support/s3-endpoint.js';

const LARGE_BYTES = 10 * MIB;
const BUDGET_BYTES = 10;

onBothReads('a client that leaves in mid-body leaves nothing behind', async (t) => {
  let ended = 0;
  const kinds: Body['kind'][] = [];
  const wrap = (objects: ObjectService): Partial<ObjectService> => ({
    putObject: (request) => {
      kinds.push(request.body.kind);
      return objects.putObject(request);
    },
  });
  const options = { smallBodiesBytesMax: BUDGET_BYTES };
  const { port } = await startEndpoint(t, { options, observer: () => ended++ }, wrap);
  for (const leave of ['destroy', 'resetAndDestroy'] as const) {
    const raw = openRaw(t, port);
    raw.send(put(BUDGET_BYTES), 'half');
    await setTimeout(20);
    const before = ended;
    raw.socket[leave]();
    await until(() => ended > before);
    const next = openRaw(t, port);
    next.send(get('/bucket/k'));
    t.equal(codeOf(await next.answer()), 'NoSuchKey', 'nothing is stored');
  }
  t.same(kinds, []);
  const raw = openRaw(t, port);
  raw.send(put(BUDGET_BYTES), 'x'.repeat(BUDGET_BYTES));
  t.equal((await raw.answer()).status, 200);
  t.same(kinds, ['chunks'], 'the budget is whole again');
});

onBothReads('a client that leaves before its answer ends the request, which is done', async (t) => {
  const gate = new Gate();
  let begun = 0;
  let ended = 0;
  const { port, objects } = await startEndpoint(t, { observer: () => ended++ }, (inner) => ({
    putObject: async (request) => {
      begun++;
      await gate.opened;
      return inner.putObject(request);
    },
  }));
  const raw = openRaw(t, port);
  raw.send(put(2), 'ab');
  await until(() => begun === 1);
  raw.socket.resetAndDestroy();
  await setTimeout(20);
  gate.open();
  await until(() => ended === 1);
  t.equal((await objects.headObject({ bucket: 'bucket', key: 'k' })).size, 2);
});

onBothReads('a client that closes its side in mid-body is told that it is incomplete', async (t) => {
  const { port } = await startEndpoint(t);
  for (const [size, ...sent] of [[5], [5, 'abcd'], [1_000_000, Buffer.alloc(999_999)]] as const) {
    const raw = openRaw(t, port);
    raw.send(put(size), ...sent);
    raw.socket.end();
    const answer = await raw.answer();
    t.equal(codeOf(answer), 'IncompleteBody');
    t.equal(answer.headers.get('connection'), 'close');
    t.equal((await raw.ended()).length, 0);
  }
});

onBothReads('a client that closes its side between requests is closed', async (t) => {
  const { port } = await startEndpoint(t);
  const fresh = openRaw(t, port);
  fresh.socket.end();
  t.equal((await fresh.ended()).length, 0);
  const used = openRaw(t, port);
  await goesOn(t, used);
  used.socket.end();
  t.equal((await used.ended()).length, 0);
});

onBothReads('a body that nobody reads waits at the client', async (t) => {
  const gate = new Gate();
  let size = 0;
  const { port } = await startEndpoint(t, {}, (inner) => ({
    putObject: async (request) => {
      const { body } = request;
      if (body.kind !== 'stream') return inner.putObject(request);
      const iterator = body.stream[Symbol.asyncIterator]();
      for (let piece = await iterator.next(); piece.done !== true; piece = await iterator.next()) {
        size += piece.value.length;
        await gate.opened;
      }
      return inner.putObject({ ...request, body: { kind: 'chunks', chunks: [], size: 0 } });
    },
  }));
  const raw = openRaw(t, port);
  raw.send(put(LARGE_BYTES), Buffer.alloc(LARGE_BYTES, 'x'), put(2), 'ab', get('/bucket/k'));
  await setTimeout(200);
  t.ok(raw.socket.writableLength > 0, `${raw.socket.writableLength} bytes wait`);
  gate.open();
  t.equal((await raw.answer()).status, 200);
  t.equal(size, LARGE_BYTES);
  t.equal((await raw.answer()).status, 200);
  t.equal((await raw.answer()).body.toString(), 'ab');
  await goesOn(t, raw);
});

onBothReads('an answer that the client does not read waits in the engine', async (t) => {
  const { port, objects } = await startEndpoint(t);
  const bytes = Buffer.alloc(LARGE_BYTES, 'large ');
  const body: Body = { kind: 'chunks', chunks: [bytes], size: bytes.length };
  await objects.putObject({ bucket: 'bucket', key: 'large', body, headers: { system: {}, user: {} } });
  const raw = openRaw(t, port);
  raw.socket.pause();
  raw.send(get('/bucket/large'), put(2), 'ab');
  await setTimeout(200);
  t.equal(objects.openStreams, 1);
  raw.socket.resume();
  t.ok((await raw.answer()).body.equals(bytes));
  t.equal(objects.openStreams, 0);
  t.equal((await raw.answer()).status, 200);
  await goesOn(t, raw);
});

onBothReads('a client that reads no answers is not asked for more requests', async (t) => {
  let ended = 0;
  const { port } = await startEndpoint(t, { observer: () => ended++ });
  const raw = openRaw(t, port);
  raw.socket.pause();
  raw.socket.setNoDelay(true);
  const count = 5000;
  for (let sent = 1; sent <= count; sent++) {
    raw.send(get(`/bucket/${'k'.repeat(1000)}`));
    // One after the other, so that every read is a whole head.
    for (let turns = 0; ended < sent && turns < (ended + 1 === sent ? 100 : 1); turns++) await turn();
  }
  t.ok(ended < count, `${ended} of ${count} are done`);
  raw.socket.resume();
  for (let index = 0; index < count; index++) if ((await raw.answer()).status !== 404) t.fail('not answered');
  await goesOn(t, raw);
});

onBothReads('requests that were sent ahead are answered to a client that has closed its side', async (t) => {
  const { port } = await startEndpoint(t);
  const raw = openRaw(t, port);
  raw.send(put(2), 'ab');
  t.equal((await raw.answer()).status, 200);
  raw.send(get('/bucket/k').repeat(3));
  raw.socket.end();
  for (let index = 0; index < 3; index++) t.equal((await raw.answer()).body.toString(), 'ab');
  t.equal((await raw.ended()).length, 0);
});

onBothReads('metadata of the under-store cannot end a header early', async (t) => {
  for (const [name, value] of [
    ['a: b\r\nX-Evil', 'v'],
    ['a', 'v\r\nX-Evil: v'],
  ] as const) {
    const { port } = await startEndpoint(t, {}, (inner) => ({
      getObject: async (request) => {
        const result = await inner.getObject(request);
        const headers = { system: {}, user: { [name]: value } };
        return { ...result, object: { ...result.object, headers } };
      },
    }));
    const raw = openRaw(t, port);
    raw.send(put(2), 'ab');
    t.equal((await raw.answer()).status, 200);
    raw.send(get('/bucket/k'));
    t.equal((await raw.ended()).length, 0, 'nothing of it is sent');
  }
});

onBothReads('a body that the operation has no use for is dropped', async (t) => {
  const { port } = await startEndpoint(t);
  const raw = openRaw(t, port);
  raw.send(put(2), 'ab');
  t.equal((await raw.answer()).status, 200);
  for (const size of [1, 70_000, 1_000_000]) {
    const length = `${HOST}Content-Length: ${size}\r\n`;
    raw.send(get('/bucket/k', length), Buffer.alloc(size, 'GET '));
    t.equal((await raw.answer()).body.toString(), 'ab');
    raw.send(get('/bucket/k', length));
    t.equal((await raw.answer()).body.toString(), 'ab');
    raw.send(Buffer.alloc(size - 1));
    await setTimeout(5);
    raw.send('x');
    await goesOn(t, raw);
  }
});

onBothReads('a short rest of a refused body is dropped, whenever it comes', async (t) => {
  const { port } = await startEndpoint(t);
  const raw = openRaw(t, port);
  for (const size of [1, 100_000, 262_144]) {
    const refused = `PUT /bucket?replication HTTP/1.1\r\n${HOST}Content-Length: ${size}\r\n\r\n`;
    raw.send(refused, Buffer.alloc(size, 'GET '), refused, Buffer.alloc(size - 1), '\n', get('/nobody'));
    for (const status of [501, 501, 404]) t.equal((await raw.answer()).status, status);
  }
});

onBothReads('behind a long rest of a refused body the connection ends', async (t) => {
  const { port } = await startEndpoint(t);
  const raw = openRaw(t, port);
  const size = 300_000;
  raw.send(`PUT /bucket?replication HTTP/1.1\r\n${HOST}Content-Length: ${size}\r\n\r\n`, Buffer.alloc(size));
  raw.send(put(2), 'ab');
  const answer = await raw.answer();
  t.equal(answer.status, 501);
  t.equal(answer.headers.get('connection'), 'close');
  t.equal((await raw.ended()).length, 0);
  const next = openRaw(t, port);
  next.send(get('/bucket/k'));
  t.equal(codeOf(await next.answer()), 'NoSuchKey', 'what came behind the last answer is not done');
});

onBothReads('requests that are plain and that are not are answered in their order', async (t) => {
  const gate = new Gate();
  const { port } = await startEndpoint(t, {}, (inner) => ({
    putObject: async (request) => {
      await gate.opened;
      return inner.putObject(request);
    },
  }));
  const raw = openRaw(t, port);
  const chunked = `PUT /bucket/k HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n2\r\ncd\r\n0\r\n\r\n`;
  raw.send(put(2), `ab${get('/bucket/k')}${chunked}${get('/bucket/k')}`);
  await setTimeout(20);
  raw.send(get('/bucket/k', TWICE), put(2), 'ef', get('/bucket/k'));
  await setTimeout(20);
  gate.open();
  for (const body of ['', 'ab', '', 'cd', 'cd', '', 'ef']) {
    const answer = await raw.answer();
    t.match([answer.status, answer.body.toString()], [200, body]);
  }
  await goesOn(t, raw);
});

onBothReads('a connection that was handed over takes bodies and gives answers of any size', async (t) => {
  const { port } = await startEndpoint(t);
  const bytes = Buffer.alloc(LARGE_BYTES, 'large ');
  for (const first of [put(bytes.length, TWICE), `${get('/nobody', TWICE)}${put(bytes.length)}`]) {
    const raw = openRaw(t, port);
    raw.send(Buffer.concat([Buffer.from(first), bytes]));
    if (first.startsWith('GET')) t.equal((await raw.answer()).status, 404);
    t.equal((await raw.answer()).status, 200);
    raw.socket.pause();
    raw.send(get('/bucket/k'));
    await setTimeout(50);
    raw.socket.resume();
    t.ok((await raw.answer()).body.equals(bytes));
    await goesOn(t, raw);
    raw.socket.end();
    t.equal((await raw.ended()).length, 0);
  }
});

onBothReads('a head that comes in pieces is node:http’s, and so is what follows', async (t) => {
  const { port } = await startEndpoint(t);
  const raw = openRaw(t, port);
  await goesOn(t, raw);
  for (const byte of put(2)) {
    raw.send(byte);
    await setTimeout(1);
  }
  raw.send('a');
  await setTimeout(1);
  raw.send('b');
  t.equal((await raw.answer()).status, 200);
  await goesOn(t, raw);
});
