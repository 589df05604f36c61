/** Requests written by hand to a server's plain connections, with both ways in which those are read. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { S3ServerOptions } from '../../src/http/s3/options.js';
import type { S3Server } from '../../src/http/s3/s3-server.js';
import { codeOf, openRaw, startEndpoint, type RawConnection } from './s3-endpoint.js';

export const HOST = 'Host: 127.0.0.1\r\n';
export const TWICE = `${HOST}x-twice: 1\r\nx-twice: 2\r\n`;

/** Longer than anything here takes. */
export const LONG_MS = 60_000;

export function put(size: number, headers = HOST): string {
  return `PUT /bucket/k HTTP/1.1\r\n${headers}Content-Length: ${size}\r\n\r\n`;
}

export function get(path: string, headers = HOST): string {
  return `GET ${path} HTTP/1.1\r\n${headers}\r\n`;
}

/** Something that is waited for until it is let go. */
export class Gate {
  readonly opened: Promise<void>;
  open: () => void = () => {};

  constructor() {
    this.opened = new Promise((resolve) => (this.open = resolve));
  }
}

export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await setTimeout(1);
}

/** Whatever happened on it, the next request is answered. */
export async function goesOn(t: Test, raw: RawConnection): Promise<void> {
  raw.send(get('/nobody'));
  t.equal(codeOf(await raw.answer()), 'NoSuchBucket', 'the connection goes on');
}

/** The object that has the method by which sockets are read without allocations. */
export async function readingPrototype(): Promise<object> {
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
export function onBothReads(name: string, test: (t: Test) => Promise<void>): void {
  void t.test(`plain connection: ${name}`, test);
  void t.test(`plain connection, read as a stream: ${name}`, async (t) => {
    const prototype = await readingPrototype();
    const method: unknown = Reflect.get(prototype, 'useUserBuffer');
    Reflect.set(prototype, 'useUserBuffer', undefined);
    t.teardown(() => Reflect.set(prototype, 'useUserBuffer', method));
    await test(t);
  });
}

/** A connection on which an answer waits that is longer than what both sides' kernels take. */
export async function openUnread(
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

export async function isWhole(raw: RawConnection): Promise<boolean> {
  raw.socket.resume();
  return (await raw.answer()).body.toString('latin1').endsWith('</ListAllMyBucketsResult>');
}
