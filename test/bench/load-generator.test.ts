import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { Histogram } from '../../bench/histogram.js';
import { runLoad } from '../../bench/load-generator.js';
import { bodyBlock, bodyMd5, scatteredName, type LoadPlan } from '../../bench/load-plan.js';

async function serve(t: Test, listener: RequestListener): Promise<number> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

/** A server that keeps what it is given. */
function storing(stored: Map<string, Buffer>): RequestListener {
  return (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      if (request.method === 'PUT') stored.set(request.url ?? '', body);
      if (request.method === 'PUT') response.setHeader('ETag', `"${bodyMd5(body, body.length)}"`);
      const found = stored.get(request.url ?? '');
      if (found === undefined) response.statusCode = 404;
      response.end(request.method === 'GET' ? found : undefined);
    });
  };
}

const PUT: Omit<LoadPlan, 'port'> = {
  method: 'PUT',
  targets: { kind: 'numbered', prefix: 'bucket/key-', first: 100 },
  bodyBytes: 10 * 1024,
  concurrency: 7,
  operationsMax: 50,
  verifyEvery: 1,
};

for (const bodyBytes of [0, 1, 10 * 1024, 300 * 1024, 3 * 1024 ** 2 + 1]) {
  void t.test(`load generator: ${bodyBytes} bytes are written and read back whole`, async (t) => {
    const stored = new Map<string, Buffer>();
    const port = await serve(t, storing(stored));
    const plan = { ...PUT, port, bodyBytes, operationsMax: 12 };
    const written = await runLoad(plan);
    t.equal(written.operations, 12);
    t.equal(written.verified, 12);
    t.equal(written.bytes, 12 * bodyBytes);
    t.equal(new Histogram(written.latencyCounts).total, 12);
    t.equal(stored.size, 12);
    t.ok(stored.has(`/bucket/key-${scatteredName(100)}`));
    const read = await runLoad({ ...plan, method: 'GET' });
    t.equal(read.verified, 12);
  });
}

void t.test('load generator: keys wrap around, and all are of one variant when asked', async (t) => {
  const stored = new Map<string, Buffer>();
  const port = await serve(t, storing(stored));
  const targets = { kind: 'numbered', prefix: 'b/', first: 3, count: 5 } as const;
  await runLoad({ ...PUT, port, targets, variant: 2, concurrency: 1 });
  t.equal(stored.size, 5);
  for (const body of stored.values()) t.ok(body.equals(bodyBlock(2, body.length)));
});

void t.test(
  'load generator: requests made beforehand ask for the same, each presigned URL as made at its own second',
  async (t) => {
    const asked: string[] = [];
    const port = await serve(t, (request, response) => {
      asked.push(request.url ?? '');
      response.end('x'.repeat(10));
    });
    const targets = { kind: 'numbered', prefix: 'b/', first: 0, count: 5 } as const;
    const plan = {
      ...PUT,
      port,
      method: 'GET',
      targets,
      bodyBytes: 10,
      operationsMax: 10,
      verifyEvery: 0,
    } as const;
    const key = { accessKeyId: 'AKID', secretAccessKey: 'secret', form: 'presigned' } as const;
    await runLoad({ ...plan, madeBeforehand: true, signing: key });
    t.equal(new Set(asked).size, 5, 'they wrap around');
    t.same(
      new Set(asked.map((url) => url.split('?')[0])),
      new Set([0, 1, 2, 3, 4].map((number) => `/b/${scatteredName(number)}`)),
    );
    t.equal(new Set(asked.map((url) => /X-Amz-Date=(\w+)/.exec(url)?.[1])).size, 5);
    await t.rejects(runLoad({ ...plan, madeBeforehand: true, targets: { ...targets, count: 10_001 } }));
    await t.rejects(runLoad({ ...plan, madeBeforehand: true, method: 'PUT' }));
  },
);

void t.test(
  'load generator: listed targets are asked once each, and their ETags come back in order',
  async (t) => {
    const stored = new Map<string, Buffer>();
    const port = await serve(t, storing(stored));
    const targets = { kind: 'listed', targets: ['/a', '/b?part=2', '/c'] } as const;
    const { operationsMax: _, ...plan } = PUT;
    const result = await runLoad({ ...plan, port, targets, collectEtags: true });
    t.equal(result.operations, 3);
    const etagOf = (target: string) => {
      const body = stored.get(target) ?? Buffer.alloc(0);
      return `"${bodyMd5(body, body.length)}"`;
    };
    t.same(result.etags, targets.targets.map(etagOf));
  },
);

void t.test('load generator: a run ends after its duration', async (t) => {
  const port = await serve(t, storing(new Map()));
  const { operationsMax: _, ...plan } = PUT;
  const result = await runLoad({ ...plan, port, durationMs: 50 });
  t.ok(result.operations > 0);
  t.ok(result.elapsedMs >= 40);
});

void t.test('load generator: one wrong answer fails the run', async (t) => {
  const wrongEtag = await serve(t, (request, response) => {
    request.resume();
    response.setHeader('ETag', '"0"').end();
  });
  await t.rejects(runLoad({ ...PUT, port: wrongEtag }), /expected the ETag "[0-9a-f]{32}", got "0"/);
  const failing = await serve(t, (request, response) => {
    request.resume();
    response.writeHead(503).end();
  });
  await t.rejects(runLoad({ ...PUT, port: failing }), /expected status 200, got 503/);
  const get: Omit<LoadPlan, 'port'> = { ...PUT, method: 'GET' };
  const short = await serve(t, (_, response) => response.end('short'));
  await t.rejects(runLoad({ ...get, port: short }), /expected 10240 bytes, got 5/);
  const other = await serve(t, (_, response) => response.end(Buffer.alloc(10 * 1024, 'x')));
  await t.rejects(runLoad({ ...get, port: other }), /not what was stored/);
  const closing = await serve(t, (request) => request.socket.destroy());
  await t.rejects(runLoad({ ...get, port: closing }), /closed|ECONNRESET|EPIPE/);
});
