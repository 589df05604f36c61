import { connect, createServer, type Socket } from 'node:net';
import t from 'tap';
import { ReadBuffer } from '../../../src/http/plain/read-buffer.js';
import { until } from '../../support/plain-requests.js';

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
