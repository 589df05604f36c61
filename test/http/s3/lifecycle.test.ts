import { PassThrough } from 'node:stream';
import type { IncomingMessage } from 'node:http';
import t from 'tap';
import { HeadraceError } from '../../../src/core/errors.js';
import type { Body, ObjectService } from '../../../src/engine/object-service.js';
import { BodyReader } from '../../../src/http/s3/body-reader.js';
import { BodyStream } from '../../../src/http/s3/body-stream.js';
import { codeOf, openRaw, startEndpoint } from '../../support/s3-endpoint.js';

const HOST = 'Host: 127.0.0.1\r\n';
const LARGE = Buffer.alloc(4_000_000, 'large body ');

void t.test(
  'lifecycle: a refusal before the body was sent reaches a client that goes on sending',
  async (t) => {
    const { port } = await startEndpoint(t);
    const raw = openRaw(t, port);
    raw.send(`PUT /nobody?replication HTTP/1.1\r\n${HOST}Content-Length: ${LARGE.length * 10}\r\n\r\n`);
    for (let index = 0; index < 3; index++) raw.send(LARGE);
    const answer = await raw.answer();
    t.equal(answer.status, 501);
    t.equal(answer.headers.get('connection'), 'close');
    await raw.ended();
  },
);

void t.test('lifecycle: after a refusal a short body is dropped and the connection goes on', async (t) => {
  const { port } = await startEndpoint(t);
  const raw = openRaw(t, port);
  raw.send(`PUT /bucket?replication HTTP/1.1\r\n${HOST}Content-Length: 100000\r\n\r\n`);
  t.equal((await raw.answer()).status, 501);
  raw.send(Buffer.alloc(100_000), `GET / HTTP/1.1\r\n${HOST}\r\n`);
  t.equal((await raw.answer()).status, 200);
});

void t.test('lifecycle: a wrong body is refused and the connection goes on', async (t) => {
  const { port } = await startEndpoint(t);
  const raw = openRaw(t, port);
  raw.send(
    `PUT /bucket/k HTTP/1.1\r\n${HOST}Content-Encoding: aws-chunked\r\nx-amz-decoded-content-length: 5\r\n`,
  );
  raw.send('Content-Length: 1000\r\n\r\nnonsense\r\n', Buffer.alloc(990));
  t.equal(codeOf(await raw.answer()), 'InvalidRequest');
  raw.send(`GET / HTTP/1.1\r\n${HOST}\r\n`);
  t.equal((await raw.answer()).status, 200);
});

void t.test('lifecycle: an engine that refuses in the middle of a body is heard', async (t) => {
  const { port } = await startEndpoint(t, {}, () => ({
    putObject: async ({ body }) => {
      if (body.kind === 'stream') for await (const _ of body.stream) break;
      throw new HeadraceError('OUT_OF_SPACE', 'no space for this');
    },
  }));
  const raw = openRaw(t, port);
  raw.send(`PUT /bucket/k HTTP/1.1\r\n${HOST}Content-Length: ${LARGE.length}\r\n\r\n`, LARGE);
  const answer = await raw.answer();
  t.equal(answer.status, 503);
  t.equal(codeOf(answer), 'OutOfSpace');
  t.equal(answer.headers.get('retry-after'), '5');
});

void t.test(
  'lifecycle: small bodies beyond the budget come as streams, and give back what they held',
  async (t) => {
    const kinds: Body['kind'][] = [];
    const wrap = (objects: ObjectService): Partial<ObjectService> => ({
      putObject: (request) => {
        kinds.push(request.body.kind);
        return objects.putObject(request);
      },
    });
    const { port } = await startEndpoint(t, { options: { smallBodiesBytesMax: 10 } }, wrap);
    const raw = openRaw(t, port);
    for (const size of [10, 11, 10, 4]) {
      raw.send(`PUT /bucket/k HTTP/1.1\r\n${HOST}Content-Length: ${size}\r\n\r\n${'x'.repeat(size)}`);
      t.equal((await raw.answer()).status, 200);
    }
    t.same(kinds, ['chunks', 'stream', 'chunks', 'chunks']);
  },
);

void t.test('lifecycle: a stream that is not read pauses the connection', async (t) => {
  const request = new PassThrough({ highWaterMark: 64 * 1024 });
  const stream = new BodyStream(() => {});
  const reader = new BodyReader(
    request as unknown as IncomingMessage,
    {
      framing: 'identity',
      size: undefined,
      wireSize: undefined,
      checksum: undefined,
      sha256: undefined,
      md5: undefined,
      chunks: undefined,
    },
    stream,
  );
  stream.attach(reader);
  reader.start();
  let sent = 0;
  const pump = (): void => {
    while (sent < 20_000_000 && request.write(Buffer.alloc(50_000))) sent += 50_000;
    if (sent >= 20_000_000) request.end();
  };
  request.on('drain', pump);
  const paused = new Promise((resolve) => request.once('pause', resolve));
  pump();
  await paused;
  t.ok(sent < 1_000_000, `${sent} bytes were taken`);
  let received = 0;
  for await (const bytes of stream) received += bytes.length;
  t.ok(received >= 20_000_000);
});

void t.test('lifecycle: a reader that goes away closes the engine’s stream', async (t) => {
  let over: () => void = () => {};
  const finished = new Promise<void>((resolve) => {
    over = resolve;
  });
  const { port, objects } = await startEndpoint(t, { observer: () => over() });
  const body: Body = {
    kind: 'chunks',
    chunks: Array.from({ length: 20 }, () => LARGE),
    size: LARGE.length * 20,
  };
  await objects.putObject({ bucket: 'bucket', key: 'k', body, headers: { system: {}, user: {} } });
  const raw = openRaw(t, port);
  raw.send(`GET /bucket/k HTTP/1.1\r\n${HOST}\r\n`);
  raw.socket.once('data', () => raw.socket.destroy());
  await finished;
  t.equal(objects.openStreams, 0);
});

void t.test(
  'lifecycle: an object that cannot be read is an error, or a cut connection once the answer began',
  async (t) => {
    for (const good of [0, 1]) {
      async function* broken(): AsyncGenerator<Uint8Array> {
        for (let index = 0; index < good; index++) yield Buffer.alloc(1000);
        throw new HeadraceError('CORRUPT_EXTENT', 'segment 3 is damaged');
      }
      const { port } = await startEndpoint(t, {}, (objects) => ({
        getObject: async (request) => ({
          object: await objects.headObject(request),
          body: { kind: 'stream', stream: broken(), size: 5000 },
        }),
      }));
      const raw = openRaw(t, port);
      raw.send(`PUT /bucket/k HTTP/1.1\r\n${HOST}Content-Length: 1\r\n\r\nx`);
      await raw.answer();
      raw.send(`GET /bucket/k HTTP/1.1\r\n${HOST}\r\n`);
      if (good === 0) t.equal(codeOf(await raw.answer()), 'InternalError');
      else await t.rejects(raw.answer(), { message: /4000 bytes too early/ });
    }
  },
);

void t.test('lifecycle: a client that has said all and closes its side gets its answers', async (t) => {
  let release: () => void = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { port } = await startEndpoint(t, {}, (objects) => ({
    putObject: async (request) => {
      await gate;
      return objects.putObject(request);
    },
  }));
  const raw = openRaw(t, port);
  raw.send(`PUT /bucket/k HTTP/1.1\r\n${HOST}Content-Length: 2\r\n\r\nab`);
  raw.send(`GET /bucket/k HTTP/1.1\r\n${HOST}\r\n`);
  raw.socket.end(() => setImmediate(release));
  t.equal((await raw.answer()).status, 200);
  t.equal((await raw.answer()).body.toString(), 'ab');
  t.equal((await raw.ended()).length, 0);
});

void t.test('lifecycle: closing lets what has begun end, and nothing else begin', async (t) => {
  let release: () => void = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  let begun: () => void = () => {};
  const started = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const { port, server } = await startEndpoint(t, {}, (objects) => ({
    listBuckets: async () => {
      begun();
      await gate;
      return objects.listBuckets();
    },
  }));
  const busy = openRaw(t, port);
  const idle = openRaw(t, port);
  const fresh = openRaw(t, port);
  idle.send(`HEAD /bucket HTTP/1.1\r\n${HOST}\r\n`);
  t.equal((await idle.answer(true)).status, 200);
  busy.send(`GET / HTTP/1.1\r\n${HOST}\r\n`);
  await started;
  const closed = server.close(60_000);
  t.equal((await idle.ended()).length, 0);
  t.equal((await fresh.ended()).length, 0);
  release();
  const answer = await busy.answer();
  t.equal(answer.status, 200);
  t.equal(answer.headers.get('connection'), 'close');
  await closed;
});

void t.test('lifecycle: closing cuts what takes longer than the grace', async (t) => {
  let begun: () => void = () => {};
  const started = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const { port, server } = await startEndpoint(t, {}, () => ({
    listBuckets: () => {
      begun();
      return new Promise(() => {});
    },
  }));
  const raw = openRaw(t, port);
  raw.send(`GET / HTTP/1.1\r\n${HOST}\r\n`);
  await started;
  await server.close(10);
  t.equal((await raw.ended()).length, 0);
});

void t.test('lifecycle: an address that is taken is an error', async (t) => {
  const { port, server } = await startEndpoint(t);
  await t.rejects(server.listen('127.0.0.1', port));
});

void t.test(
  'lifecycle: connections that nothing moves on are ended, before, in and behind a request',
  async (t) => {
    const { port } = await startEndpoint(t, { options: { idleTimeoutMs: 50, keepAliveTimeoutMs: 50 } });
    const silent = openRaw(t, port);
    t.equal((await silent.ended()).length, 0);
    const used = openRaw(t, port);
    used.send(`GET / HTTP/1.1\r\n${HOST}\r\n`);
    t.equal((await used.answer()).status, 200);
    t.equal((await used.ended()).length, 0);
  },
);

void t.test('lifecycle: a head that drips in is answered with RequestTimeout and closed', async (t) => {
  const { port } = await startEndpoint(t, { options: { headersTimeoutMs: 50 } });
  const raw = openRaw(t, port);
  raw.send(`GET / HTTP/1.1\r\n${HOST}`);
  const answer = await raw.answer();
  t.equal(answer.status, 400);
  t.equal(codeOf(answer), 'RequestTimeout');
  await raw.ended();
});

void t.test(
  'lifecycle: a client that does not read its answer is given up, with what is read for it',
  async (t) => {
    let closed = (): void => {};
    const over = new Promise<void>((resolve) => (closed = resolve));
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield LARGE;
      } finally {
        closed();
      }
    }
    const { port } = await startEndpoint(t, { options: { idleTimeoutMs: 100 } }, (objects) => ({
      getObject: async (request) => ({
        object: { ...(await objects.headObject(request)), size: LARGE.length * 1000 },
        body: { kind: 'stream', stream: endless(), size: LARGE.length * 1000 },
      }),
    }));
    const raw = openRaw(t, port);
    raw.send(`PUT /bucket/k HTTP/1.1\r\n${HOST}Content-Length: 1\r\n\r\nx`);
    t.equal((await raw.answer()).status, 200);
    raw.socket.pause();
    raw.send(`GET /bucket/k HTTP/1.1\r\n${HOST}\r\n`);
    await over;
  },
);
