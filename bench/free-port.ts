/**
 * Ports for servers that are told a number. Below the range that outgoing connections draw from (32,768 on, ip(7)), so
 * that no client's socket takes one between the choice and the server's own `listen`.
 */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

const PORT_MIN = 10_240;
const PORT_MAX = 29_000;

/** A port of 127.0.0.1 on which nothing listens. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = randomInt(PORT_MIN, PORT_MAX);
    const server = createServer();
    server.listen({ port, host: '127.0.0.1', exclusive: true });
    const outcome = await Promise.race([
      once(server, 'listening').then(() => true),
      once(server, 'error').then(() => false),
    ]).catch(() => false);
    if (!outcome) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
  throw new Error(`no free port was found between ${PORT_MIN} and ${PORT_MAX}`);
}
