import { createServer, connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { setImmediate as turn, setTimeout } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { MIB } from '../../../src/core/units.js';
import type { Body, ObjectService } from '../../../src/engine/object-service.js';
import { ReadBuffer } from '../../../src/http/plain/read-buffer.js';
import type { S3ServerOptions } from '../../../src/http/s3/options.js';
import type { S3Server } from '../../../src/http/s3/s3-server.js';
import { codeOf, openRaw, startEndpoint, type RawConnection } from '../../support/s3-endpoint.js';

const HOST = 'Host: 127.0.0.1\r\n';
const TWICE = `${HOST}x-twice: 1\r\nx-twice: 2\r\n`;
const LARGE_BYTES = 10 * MIB;
const BUDGET_BYTES = 10;
/** Longer than anything here takes. */
const LONG_MS = 60_000;

function put(size: number, headers = HOST): string {
  return `PUT /bucket/k HTTP/1.1\r\n${headers}Content-Length: ${size}\r\n\r\n`;
}

function get(path: string, headers = HOST): string {
  return `GET ${path} HTTP/1.1\r\n${headers}\r\n`;
}

/** Something that is waited for until it is let go. */
class Gate {
  readonly opened: Promise<void>;
  open: () => void = () => {};

  constructor() {
    this.opened = new Promise((resolve) => (this.open = resolve));
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await setTimeout(1);
}

/** Whatever happened on it, the next request is answered. */
async function goesOn(t: Test, raw: RawConnection): Promise<void> {
  raw.send(get('/nobody'));
  t.equal(codeOf(await raw.answer()), 'NoSuchBucket', 'the connection goes on');
}

/** The object that has the method by which sockets are read without allocations. */
async function readingPrototype(): Promise<object> {
  const server = createServer((socket) => socket.destroy()).listen(0);
  const client = connect((server.address() as { port: number }).port);
  await once(client, 'connect');
  let prototype = Reflect.get(client, '_handle') as object;
  while (!Object.hasOwn(prototype, 'useUserBuffer')) prototype = Object.getPrototypeOf(prototype) as object;
  client.destroy();
  server.close();
  return prototype;
}

/** Runs a test with the fields of sockets that reads need, and where a version of Node has not got them. */
function onBothReads(name: string, test: (t: Test) => Promise<void>): void {
  void t.test(`plain connection: ${name}`, test);
  void t.test(`plain connection, read as a stream: ${name}`, async (t) => {
    const prototype = await readingPrototype();
    const method: unknown = Reflect.get(prototype, 'useUserBuffer');
    Reflect.set(prototype, 'useUserBuffer', undefined);
    t.teardown(() => Reflect.set(prototype, 'useUserBuffer', method));
    await test(t);
  });
}

void t.test(
  'read buffer: what a server accepts is read without allocations, until it is given back',
  async (t) => {
    const reads = new ReadBuffer();
    const accepted: Socket[] = [];
    const received: string[] = [];
    const buffers = new Set<ArrayBufferLike>();
    const server = createServer((socket) => {
      accepted.push(socket);
      const isBare = reads.read(socket, (bytes, length) => {
        received.push(bytes.toString('latin1', 0, length));
        buffers.add(bytes.buffer);
        return true;
      });
      t.ok(isBare);
    }).listen(0);
    t.teardown(() => server.close());
    const { port } = server.address() as { port: number };
    const clients = [connect(port), connect(port)];
    for (const [index, client] of clients.entries()) {
      client.write(`a${index}`);
      await until(() => received.length === index + 1);
    }
    t.same(received, ['a0', 'a1']);
    t.equal(buffers.size, 1, 'one buffer for all');
    const [client] = clients;
    const socket = accepted.find(({ remotePort }) => remotePort === client?.localPort);
    if (socket === undefined || client === undefined) throw new Error('nothing was accepted');
    reads.release(socket);
    const pieces: Buffer[] = [];
    socket.on('data', (bytes: Buffer) => pieces.push(bytes));
    client.write('b');
    await until(() => pieces.length === 1);
    client.write('c');
    await until(() => pieces.length === 2);
    t.equal(Buffer.concat(pieces).toString(), 'bc', 'pieces are the listener’s to keep');
    t.equal(received.length, 2);
    for (const one of clients) one.destroy();
  },
);

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

/** A connection on which an answer waits that is longer than what both sides' kernels take. */
async function openUnread(
  t: Test,
  options: Partial<S3ServerOptions>,
): Promise<{ raw: RawConnection; server: S3Server }> {
  const buckets = Array.from({ length: 9999 }, () => ({
    name: 'b'.repeat(1000),
    createdMs: 0,
    location: undefined,
  }));
  const { port, server } = await startEndpoint(t, { options }, () => ({
    listBuckets: () => Promise.resolve(buckets),
  }));
  const raw = openRaw(t, port);
  raw.socket.pause();
  raw.send(get('/'));
  await setTimeout(300);
  return { raw, server };
}

async function isWhole(raw: RawConnection): Promise<boolean> {
  raw.socket.resume();
  return (await raw.answer()).body.toString('latin1').endsWith('</ListAllMyBucketsResult>');
}

onBothReads('one that waits for its answer to be read is not one that waits for a request', async (t) => {
  const { raw } = await openUnread(t, { keepAliveTimeoutMs: 50 });
  t.ok(await isWhole(raw));
  t.equal((await raw.ended()).length, 0);
});

onBothReads('an answer that nobody reads is given up', async (t) => {
  const { raw } = await openUnread(t, { idleTimeoutMs: 50 });
  await t.rejects(isWhole(raw), { message: /too early/ });
});

onBothReads('an answer that nobody reads is given up, also behind a request that took long', async (t) => {
  const bytes = Buffer.alloc(32 * MIB);
  const { port } = await startEndpoint(t, { options: { idleTimeoutMs: 50 } }, (inner) => ({
    getObject: async (request) => {
      const object = { ...(await inner.headObject(request)), size: bytes.length };
      await setTimeout(200);
      return { object, body: { kind: 'bytes', bytes, release: () => {} } };
    },
  }));
  const raw = openRaw(t, port);
  raw.send(put(2), 'ab');
  t.equal((await raw.answer()).status, 200);
  raw.socket.pause();
  raw.send(get('/bucket/k'));
  await setTimeout(500);
  raw.socket.resume();
  await t.rejects(raw.answer(), { message: /too early/ });
});

onBothReads('once an answer was read the client may wait as long as any', async (t) => {
  const { raw } = await openUnread(t, { idleTimeoutMs: 400, keepAliveTimeoutMs: LONG_MS });
  t.ok(await isWhole(raw));
  await setTimeout(1200);
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

onBothReads('closing lets an answer that was given go out', async (t) => {
  const { raw, server } = await openUnread(t, {});
  const closed = server.close(LONG_MS);
  t.ok(await isWhole(raw));
  await closed;
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

onBothReads('closing ends what waits, handed over or not, and lets what is busy end', async (t) => {
  const gate = new Gate();
  let begun = 0;
  const { port, server } = await startEndpoint(t, {}, () => ({
    listBuckets: async () => {
      begun++;
      await gate.opened;
      return [];
    },
  }));
  const [plain, handedOver, busyPlain, busyHandedOver, fresh] = Array.from({ length: 5 }, () =>
    openRaw(t, port),
  );
  if (!plain || !handedOver || !busyPlain || !busyHandedOver || !fresh) throw new Error('not five');
  await once(fresh.socket, 'connect');
  for (const [raw, headers] of [
    [plain, HOST],
    [handedOver, TWICE],
  ] as const) {
    raw.send(get('/nobody', headers));
    t.equal((await raw.answer()).status, 404);
  }
  busyPlain.send(get('/'));
  busyHandedOver.send(get('/', TWICE));
  await until(() => begun === 2);
  const closed = server.close(LONG_MS);
  for (const raw of [plain, handedOver, fresh]) t.equal((await raw.ended()).length, 0);
  gate.open();
  for (const raw of [busyPlain, busyHandedOver]) {
    t.match(await raw.answer(), { status: 200, headers: new Map([['connection', 'close']]) });
    t.equal((await raw.ended()).length, 0);
  }
  await closed;
});

onBothReads('one that was used may wait for as long as is set, and no longer', async (t) => {
  const options = { keepAliveTimeoutMs: 60, headersTimeoutMs: LONG_MS, idleTimeoutMs: LONG_MS };
  const { port } = await startEndpoint(t, { options });
  const fresh = openRaw(t, port);
  const used = openRaw(t, port);
  for (let index = 0; index < 5; index++) {
    await goesOn(t, used);
    await setTimeout(30);
  }
  t.equal((await used.ended()).length, 0);
  await goesOn(t, fresh);
});

onBothReads('one that says nothing is told so, and ended', async (t) => {
  const options = { keepAliveTimeoutMs: LONG_MS, headersTimeoutMs: 50, idleTimeoutMs: LONG_MS };
  const { port } = await startEndpoint(t, { options });
  const raw = openRaw(t, port);
  const answer = await raw.answer();
  t.equal(codeOf(answer), 'RequestTimeout');
  t.equal(answer.headers.get('connection'), 'close');
  t.equal((await raw.ended()).length, 0);
});

onBothReads('a body that does not go on is answered, one that was refused is not', async (t) => {
  const { port } = await startEndpoint(t, { options: { idleTimeoutMs: 60 } });
  const raw = openRaw(t, port);
  raw.send(put(1000), 'x');
  await setTimeout(40);
  raw.send('x');
  const answer = await raw.answer();
  t.equal(codeOf(answer), 'RequestTimeout');
  t.equal((await raw.ended()).length, 0);
  const refused = openRaw(t, port);
  refused.send(`PUT /bucket?replication HTTP/1.1\r\n${HOST}Content-Length: 1000\r\n\r\n`);
  t.equal((await refused.answer()).status, 501);
  t.equal((await refused.ended()).length, 0);
});

onBothReads('a request that takes longer than connections may idle is answered', async (t) => {
  const gate = new Gate();
  const options = { keepAliveTimeoutMs: 50, idleTimeoutMs: 50, headersTimeoutMs: 50 };
  const { port } = await startEndpoint(t, { options }, (inner) => ({
    putObject: async (request) => {
      await gate.opened;
      return inner.putObject(request);
    },
  }));
  const raw = openRaw(t, port);
  raw.send(put(2), 'ab');
  await setTimeout(200);
  gate.open();
  t.equal((await raw.answer()).status, 200);
});
