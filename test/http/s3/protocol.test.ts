import { createHash } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import t from 'tap';
import { codeOf, openRaw, startEndpoint } from '../../support/s3-endpoint.js';

const HOST = 'Host: 127.0.0.1\r\n';

void t.test('protocol: a connection serves one request after the other', async (t) => {
  const { port } = await startEndpoint(t);
  const raw = openRaw(t, port);
  for (let index = 0; index < 3; index++) {
    raw.send(`PUT /bucket/k${index} HTTP/1.1\r\n${HOST}Content-Length: 2\r\n\r\nab`);
    const put = await raw.answer();
    t.match(put, { status: 200 });
    t.equal(put.headers.get('content-length'), '0');
    raw.send(`GET /bucket/k${index} HTTP/1.1\r\n${HOST}\r\n`);
    t.equal((await raw.answer()).body.toString(), 'ab');
  }
});

void t.test(
  'protocol: pipelined requests are answered in order, each seeing what those before it did',
  async (t) => {
    const { port } = await startEndpoint(t);
    const raw = openRaw(t, port);
    let requests = '';
    for (let index = 0; index < 20; index++)
      requests +=
        `PUT /bucket/k HTTP/1.1\r\n${HOST}Content-Length: 2\r\n\r\n${String(index).padStart(2, '0')}` +
        `GET /bucket/k HTTP/1.1\r\n${HOST}\r\n` +
        `HEAD /bucket/none HTTP/1.1\r\n${HOST}\r\n`;
    raw.send(requests);
    for (let index = 0; index < 20; index++) {
      t.equal((await raw.answer()).status, 200);
      t.equal((await raw.answer()).body.toString(), String(index).padStart(2, '0'));
      t.equal((await raw.answer(true)).status, 404);
    }
  },
);

void t.test('protocol: a client that pipelines without end is not read on', async (t) => {
  let answer = (): void => {};
  const listed = new Promise<never[]>((resolve) => (answer = () => resolve([])));
  const { port } = await startEndpoint(t, {}, () => ({ listBuckets: () => listed }));
  const raw = openRaw(t, port);
  // More than the buffers of both sides' kernels take.
  const pad = `x-pad: ${'x'.repeat(16_000)}\r\n`;
  raw.send(`GET / HTTP/1.1\r\n${HOST}${pad}\r\n`.repeat(1500));
  await setTimeout(200);
  t.ok(raw.socket.writableLength > 0, 'what is not read waits at the client');
  answer();
  for (let index = 0; index < 1500; index++) if ((await raw.answer()).status !== 200) t.fail('not answered');
  t.equal(raw.socket.writableLength, 0);
});

void t.test('protocol: a client of node:http that pipelines without end is cut off', async (t) => {
  const { port } = await startEndpoint(t, {}, () => ({ listBuckets: () => new Promise(() => {}) }));
  const raw = openRaw(t, port);
  raw.send(`GET / HTTP/1.1\r\n${HOST}x-twice: 1\r\nx-twice: 2\r\n\r\n`.repeat(1100));
  t.equal((await raw.ended()).length, 0);
});

void t.test('protocol: HTTP/1.0 is answered and closed, or kept when asked', async (t) => {
  const { port } = await startEndpoint(t);
  const raw = openRaw(t, port);
  raw.send('PUT /bucket/k HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nab');
  t.equal((await raw.answer()).status, 200);
  raw.send('GET /bucket/k HTTP/1.0\r\n\r\n');
  t.equal((await raw.answer()).body.toString(), 'ab');
  t.equal((await raw.ended()).length, 0);
});

void t.test(
  'protocol: a client that waits is told to continue at once, also for an empty body',
  async (t) => {
    const { port } = await startEndpoint(t);
    const raw = openRaw(t, port);
    for (const body of ['hello', '', 'again']) {
      raw.send(
        `PUT /bucket/k HTTP/1.1\r\n${HOST}Expect: 100-continue\r\nContent-Length: ${body.length}\r\n\r\n`,
      );
      t.equal((await raw.answer()).status, 100);
      raw.send(body);
      t.equal((await raw.answer()).status, 200);
      raw.send(`GET /bucket/k HTTP/1.1\r\n${HOST}\r\n`);
      t.equal((await raw.answer()).body.toString(), body);
    }
  },
);

void t.test(
  'protocol: what the head already shows to be wrong is refused without reading the body',
  async (t) => {
    const { port } = await startEndpoint(t);
    const raw = openRaw(t, port);
    const key = 'x'.repeat(1025);
    raw.send(`PUT /bucket/${key} HTTP/1.1\r\n${HOST}Expect: 100-continue\r\nContent-Length: 1000\r\n\r\n`);
    const answer = await raw.answer();
    t.equal(answer.status, 400);
    t.equal(codeOf(answer), 'KeyTooLongError');
    t.equal(answer.headers.get('connection'), 'close');
    t.equal((await raw.ended()).length, 0);
  },
);

void t.test('protocol: an expectation that nobody knows is ignored, as S3 does', async (t) => {
  const { port } = await startEndpoint(t);
  const raw = openRaw(t, port);
  for (const value of ['miracles', '200', '']) {
    raw.send(`PUT /bucket/k HTTP/1.1\r\n${HOST}Expect: ${value}\r\nContent-Length: 3\r\n\r\nabc`);
    t.equal((await raw.answer()).status, 200, `"${value}"`);
  }
  raw.send(`GET /bucket/k HTTP/1.1\r\n${HOST}\r\n`);
  t.equal((await raw.answer()).status, 200, 'the connection goes on');
});

void t.test('protocol: an answer to HEAD has no body, whatever it says', async (t) => {
  const { port } = await startEndpoint(t);
  const raw = openRaw(t, port);
  raw.send(`HEAD /bucket/none HTTP/1.1\r\n${HOST}\r\nHEAD /nobody HTTP/1.1\r\n${HOST}\r\n`);
  for (const status of [404, 404]) t.equal((await raw.answer(true)).status, status);
  raw.send(`GET / HTTP/1.1\r\n${HOST}\r\n`);
  t.equal((await raw.answer()).status, 200);
});

void t.test('protocol: a body in chunks needs no length', async (t) => {
  const { port } = await startEndpoint(t);
  const raw = openRaw(t, port);
  raw.send(`PUT /bucket/k HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`);
  raw.send('1\r\n!\r\n0\r\n\r\n');
  t.equal((await raw.answer()).status, 200);
  raw.send(`GET /bucket/k HTTP/1.1\r\n${HOST}\r\n`);
  t.equal((await raw.answer()).body.toString(), 'hello!');
});

void t.test(
  'protocol: without a length or chunks a PUT is refused, and the connection goes on',
  async (t) => {
    const { port } = await startEndpoint(t);
    const raw = openRaw(t, port);
    raw.send(`PUT /bucket/k HTTP/1.1\r\n${HOST}\r\n`);
    const answer = await raw.answer();
    t.equal(answer.status, 411);
    t.equal(codeOf(answer), 'MissingContentLength');
    raw.send(`GET / HTTP/1.1\r\n${HOST}\r\n`);
    t.equal((await raw.answer()).status, 200);
  },
);

void t.test('protocol: what is not HTTP is answered with a 400 and closed', async (t) => {
  const { port } = await startEndpoint(t);
  for (const [bytes, code] of [
    ['garbage\r\n\r\n', 'BadRequest'],
    [`PUT /bucket/k HTTP/1.1\r\n${HOST}Content-Length: x\r\n\r\n`, 'BadRequest'],
    [`PUT /bucket/k HTTP/1.1\r\n${HOST}Content-Length: -1\r\n\r\n`, 'BadRequest'],
    [`GET / HTTP/1.1\r\n${HOST}X: ${'x'.repeat(40_000)}\r\n\r\n`, 'RequestHeaderSectionTooLarge'],
  ] as const) {
    const raw = openRaw(t, port);
    raw.send(bytes);
    const answer = await raw.answer();
    t.equal(answer.status, 400);
    t.equal(codeOf(answer), code);
    await raw.ended();
  }
});

void t.test('protocol: methods and targets that S3 does not have are refused', async (t) => {
  const { url } = await startEndpoint(t);
  const refusal = async (method: string, target: string): Promise<string> => {
    const answer = await fetch(url + target, { method });
    const code = /<Code>(.*?)</.exec(await answer.text())?.[1] ?? '';
    return `${answer.status} ${code} ${answer.headers.get('allow') ?? ''}`.trim();
  };
  t.match(await refusal('PATCH', '/bucket/k'), /^405 MethodNotAllowed .*PUT/);
  t.match(await refusal('POST', '/bucket/k'), /^405 MethodNotAllowed/);
  t.match(await refusal('POST', '/bucket/k?tagging'), /^405 MethodNotAllowed/);
  t.match(await refusal('DELETE', '/'), /^405 MethodNotAllowed GET/);
  t.equal(await refusal('OPTIONS', '/bucket/k'), '400 BadRequest', 'a preflight names its origin');
  t.equal(await refusal('GET', '/bucket/%ff'), '400 InvalidURI');
  t.equal(await refusal('GET', '/bucket?list-type=3'), '501 NotImplemented');
});

void t.test('protocol: a parameter that S3 does not know is ignored', async (t) => {
  const { url } = await startEndpoint(t);
  t.equal((await fetch(`${url}/bucket/k?x-id=PutObject&foo`, { method: 'PUT', body: 'x' })).status, 200);
  t.equal((await fetch(`${url}/bucket/k?foo=bar`)).status, 200);
});

void t.test('protocol: a bucket may be in the host name', async (t) => {
  const { port } = await startEndpoint(t, { options: { domains: ['s3.test'] } });
  const raw = openRaw(t, port);
  raw.send('PUT /a/b HTTP/1.1\r\nHost: bucket.s3.test:9\r\nContent-Length: 1\r\n\r\nx');
  t.equal((await raw.answer()).status, 200);
  raw.send('GET /bucket/a/b HTTP/1.1\r\nHost: s3.test\r\n\r\n');
  t.equal((await raw.answer()).body.toString(), 'x');
});

void t.test('protocol: metadata comes back byte for byte, whatever its encoding', async (t) => {
  const { port } = await startEndpoint(t);
  const raw = openRaw(t, port);
  const utf8 = Buffer.from('grün 日本 😀').toString('latin1');
  const sent = `x-amz-meta-utf8: ${utf8}\r\nx-amz-meta-latin: gr\xfcn\r\nx-amz-meta-word: =?UTF-8?Q?gr=C3=BCn?=\r\n`;
  raw.send(`PUT /bucket/k HTTP/1.1\r\n${HOST}${sent}Content-Length: 0\r\n\r\n`);
  t.equal((await raw.answer()).status, 200);
  raw.send(`GET /bucket/k HTTP/1.1\r\n${HOST}\r\n`);
  const { head } = await raw.answer();
  for (const line of sent.trim().split('\r\n')) t.ok(head.includes(line), JSON.stringify(line));
});

void t.test('protocol: an error names what it is about', async (t) => {
  const { url } = await startEndpoint(t);
  const answer = await fetch(`${url}/bucket/a%20%26b`);
  const text = await answer.text();
  t.equal(answer.headers.get('content-type'), 'application/xml');
  t.match(text, '<Code>NoSuchKey</Code>');
  t.match(text, '<BucketName>bucket</BucketName><Key>a &amp;b</Key><Resource>/bucket/a%20%26b</Resource>');
  t.match(text, `<RequestId>${answer.headers.get('x-amz-request-id')}</RequestId>`);
});

void t.test('protocol: a key of the client’s own is refused by every request about an object', async (t) => {
  const { url } = await startEndpoint(t);
  for (const [method, path] of [
    ['GET', '/bucket/k'],
    ['HEAD', '/bucket/k'],
    ['GET', '/bucket/k?attributes'],
    ['GET', '/bucket/k?uploadId=u'],
    ['PUT', '/bucket/k'],
    ['PUT', '/bucket/k?partNumber=1&uploadId=u'],
    ['POST', '/bucket/k?uploads'],
    ['POST', '/bucket/k?uploadId=u'],
  ] as const)
    for (const [key, status] of [
      [Buffer.alloc(32, 'k'), 501],
      [Buffer.alloc(16, 'k'), 400],
    ] as const) {
      const headers = {
        'x-amz-server-side-encryption-customer-algorithm': 'AES256',
        'x-amz-server-side-encryption-customer-key': key.toString('base64'),
        'x-amz-server-side-encryption-customer-key-md5': createHash('md5').update(key).digest('base64'),
      };
      t.equal((await fetch(url + path, { method, headers })).status, status, `${method} ${path}`);
      for (const name of Object.keys(headers)) {
        const { status: alone } = await fetch(url + path, { method, headers: { [name]: 'AES256' } });
        t.equal(alone, 400, `${method} ${path} ${name} alone`);
      }
    }
});

void t.test('protocol: a request of HTTP/1.1 has one Host header', async (t) => {
  const { port } = await startEndpoint(t);
  const raw = openRaw(t, port);
  for (const hosts of ['', `${HOST}host: other\r\n`]) {
    raw.send(`GET /bucket HTTP/1.1\r\n${hosts}\r\n`);
    const answer = await raw.answer();
    t.equal(answer.status, 400);
    t.equal(codeOf(answer), 'BadRequest');
    t.ok(answer.headers.get('x-amz-request-id'));
  }
  raw.send(`GET /bucket HTTP/1.1\r\n${HOST}\r\n`);
  t.equal((await raw.answer()).status, 200, 'the connection goes on');
});

void t.test('protocol: a body in another coding than chunks is refused and not stored', async (t) => {
  const { port } = await startEndpoint(t);
  const raw = openRaw(t, port);
  const chunks = '2\r\nab\r\n0\r\n\r\n';
  raw.send(`PUT /bucket/k HTTP/1.1\r\n${HOST}Transfer-Encoding: gzip, chunked\r\n\r\n${chunks}`);
  const answer = await raw.answer();
  t.equal(answer.status, 501);
  t.equal(codeOf(answer), 'NotImplemented');
  const next = openRaw(t, port);
  next.send(`GET /bucket/k HTTP/1.1\r\n${HOST}\r\n`);
  t.equal((await next.answer()).status, 404);
  next.send(`PUT /bucket/k HTTP/1.1\r\n${HOST}Transfer-Encoding: Chunked\r\n\r\n${chunks}`);
  t.equal((await next.answer()).status, 200);
});

void t.test('protocol: CONNECT is refused as other methods are, and the connection closed', async (t) => {
  const { port } = await startEndpoint(t);
  const raw = openRaw(t, port);
  raw.send('CONNECT example.com:80 HTTP/1.1\r\nHost: example.com:80\r\n\r\n');
  const answer = await raw.answer();
  t.match(answer.head, /^HTTP\/1.1 405 Method Not Allowed/);
  t.equal(codeOf(answer), 'MethodNotAllowed');
  t.equal((await raw.ended()).length, 0);
});
