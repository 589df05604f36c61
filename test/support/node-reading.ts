/** What node:http makes of bytes: the reader that all others are compared with. */
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Duplex } from 'node:stream';

/** The requests that node:http finds, until it gives up. */
export class Reading extends Duplex {
  readonly requests: IncomingMessage[] = [];
  failed = false;

  override _read(): void {}

  override _write(_bytes: unknown, _encoding: string, callback: () => void): void {
    callback();
  }
}

const server = createServer({ requireHostHeader: false, maxHeaderSize: 32 * 1024 });
for (const event of ['request', 'checkContinue', 'checkExpectation'])
  server.on(event, (request: IncomingMessage, _response: ServerResponse) => {
    (request.socket as unknown as Reading).requests.push(request.resume());
  });
server.on('clientError', (_error, socket) => ((socket as unknown as Reading).failed = true));

/** Of bytes that come in one read. */
export async function readByNode(bytes: Buffer): Promise<Reading> {
  const reading = new Reading();
  server.emit('connection', reading);
  reading.push(bytes);
  await new Promise((resolve) => setImmediate(resolve));
  return reading;
}
