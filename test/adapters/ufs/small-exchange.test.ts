/** Small requests on connections of their own: reuse, limits, and every way in which one can end. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import https from 'node:https';
import net from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { SmallExchanges, type SmallRequest } from '../../../src/adapters/ufs/small-exchange.js';
import { runCommand } from '../../support/headrace-process.js';

const hasOpenssl = await runCommand('openssl', ['version']).then(
  ({ code }) => code === 0,
  () => false,
);
const skip = hasOpenssl ? false : 'openssl, which makes the certificate, is not installed';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';
const LONG_MS = 60_000;

/** A server that answers each request with what it is told, written to the socket. */
async function serve(t: Test, reply: (socket: net.Socket, request: string) => void, connectionsMax = 4) {
  const state = { connections: 0 };
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    state.connections++;
    sockets.add(socket);
    let held = '';
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      held += bytes.toString('latin1');
      if (!held.endsWith('body')) return;
      const request = held;
      held = '';
      reply(socket, request);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const exchanges = new SmallExchanges({
    connectTimeoutMs: LONG_MS,
    idleTimeoutMs: 50,
    unusedTimeoutMs: LONG_MS,
    connectionsMax,
  });
  t.teardown(async () => {
    await exchanges.destroy();
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as net.AddressInfo;
  const request: SmallRequest = {
    origin: `http://127.0.0.1:${port}`,
    method: 'PUT',
    path: '/b/k',
    headers: { host: 'x', 'content-length': '4' },
    body: Buffer.from('body'),
  };
  const send = (signal?: AbortSignal) => exchanges.send(request, signal);
  return { exchanges, request, send, state };
}

void t.test('small exchange: the request arrives as it is, and connections are used again', async (t) => {
  const requests: string[] = [];
  const { send, state } = await serve(t, (socket, request) => {
    requests.push(request);
    socket.write(OK);
  });
  for (let i = 0; i < 20; i++) t.match(await send(), { status: 200 });
  const [head, body] = (requests[2] ?? '').split('\r\n\r\n');
  t.equal(body, 'body');
  t.same((head ?? '').split('\r\n').toSorted(), [
    'PUT /b/k HTTP/1.1',
    'connection: keep-alive',
    'content-length: 4',
    'host: x',
  ]);
  t.ok(state.connections <= 2, `${state.connections} connections`);
});

void t.test('small exchange: an answer that comes byte by byte is put together', async (t) => {
  const { send } = await serve(t, (socket) => {
    socket.setNoDelay(true);
    const text = 'HTTP/1.1 403 x\r\ncontent-length: 3\r\n\r\nwhy';
    const next = (at: number): void => {
      if (at < text.length) socket.write(text.charAt(at), () => next(at + 1));
    };
    next(0);
  });
  const { status, body } = await send();
  t.same([status, body.toString()], [403, 'why']);
});

void t.test(
  'small exchange: requests at once have connections each, up to a number; the rest wait',
  async (t) => {
    const waiting: net.Socket[] = [];
    let answers = 0;
    const { send, state } = await serve(
      t,
      (socket) => {
        waiting.push(socket);
        if (waiting.length < 2 && answers === 0) return;
        for (const each of waiting.splice(0)) {
          answers++;
          each.write(OK);
        }
      },
      2,
    );
    await Promise.all([send(), send(), send()]);
    t.equal(state.connections, 2);
  },
);

void t.test('small exchange: one that closes behind its answer is not used again', async (t) => {
  const { send, state } = await serve(t, (socket) =>
    socket.end('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'),
  );
  await send();
  await send();
  t.equal(state.connections, 2);
});

void t.test('small exchange: what breaks off, says nonsense or stands still is an error', async (t) => {
  const replies: ((socket: net.Socket) => void)[] = [
    (socket) => void socket.end(),
    (socket) => void socket.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe'),
    (socket) => void socket.write('nonsense\r\n\r\n'),
    () => undefined,
  ];
  const { send } = await serve(t, (socket) => replies.shift()?.(socket));
  await t.rejects(send(), { code: 'UND_ERR_SOCKET' });
  await t.rejects(send(), { code: 'UND_ERR_SOCKET' });
  await t.rejects(send(), { code: /^HPE_/ });
  await t.rejects(send(), { code: 'UND_ERR_HEADERS_TIMEOUT' });
});

void t.test('small exchange: a signal ends it at once, and its connection', async (t) => {
  const controller = new AbortController();
  let closed: Promise<unknown> = Promise.resolve();
  const { send } = await serve(t, (socket) => {
    closed = once(socket, 'close');
    controller.abort(new Error('enough'));
  });
  await t.rejects(send(controller.signal), { message: 'enough' });
  await t.resolves(closed);
});

void t.test('small exchange: a signal ends one that waits for a connection', async (t) => {
  const controller = new AbortController();
  let first: net.Socket | undefined;
  const { send } = await serve(
    t,
    (socket) => {
      first = socket;
      controller.abort(new Error('enough'));
    },
    1,
  );
  const answered = send();
  await t.rejects(send(controller.signal), { message: 'enough' });
  first?.write(OK);
  t.match(await answered, { status: 200 });
});

void t.test('small exchange: nobody listening is an error', async (t) => {
  const { exchanges, request } = await serve(t, () => undefined);
  const gone = net.createServer().listen(0, '127.0.0.1');
  await once(gone, 'listening');
  const { port } = gone.address() as net.AddressInfo;
  await new Promise((resolve) => gone.close(resolve));
  await t.rejects(exchanges.send({ ...request, origin: `http://127.0.0.1:${port}` }, undefined), {
    code: 'ECONNREFUSED',
  });
});

void t.test(
  'small exchange: a connection that the store keeps no longer than a second is left alone',
  async (t) => {
    const { send, state } = await serve(t, (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1, max=5\r\nContent-Length: 0\r\n\r\n');
      ended = once(socket, 'close');
    });
    let ended: Promise<unknown> = Promise.resolve();
    await send();
    await ended;
    await send();
    t.equal(state.connections, 2);
  },
);

void t.test('small exchange: TLS with a certificate that is trusted, and only then', { skip }, async (t) => {
  const directory = t.testdir({});
  const [keyFile, certificateFile] = [join(directory, 'key'), join(directory, 'certificate')];
  const made = await runCommand('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...['-subj', '/CN=localhost', '-keyout', keyFile, '-out', certificateFile],
  ]);
  t.equal(made.code, 0, made.stderr);
  const files = { key: await readFile(keyFile), cert: await readFile(certificateFile) };
  const server = https.createServer(files, (incoming, response) => {
    incoming.resume().on('end', () => response.end('chunked'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as net.AddressInfo;
  const { exchanges, request } = await serve(t, () => undefined);
  const send = () => exchanges.send({ ...request, origin: `https://127.0.0.1:${port}` }, undefined);
  await t.rejects(send(), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
  t.teardown(() => void delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']);
  t.match(await send(), { status: 200, body: Buffer.from('chunked') });
  t.match(await send(), { status: 200 }, 'on the same connection');
});
