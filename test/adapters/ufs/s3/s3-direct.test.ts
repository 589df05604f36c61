/** Requests past the client's middleware: they are what the client sends, signed as it signs, and fail as its fail. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { S3ObjectStore, type S3ObjectStoreOptions } from '../../../../src/adapters/ufs/s3/s3-object-store.js';
import { HeadraceError, type ErrorCode } from '../../../../src/core/errors.js';
import { contentOf, failsWith, putRequest } from '../../../contracts/object-store-subject.js';
import { signHeaders } from '../../../support/sigv4-signer.js';

const CREDENTIALS = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'a secret/with+odd=characters' };

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

type Reply = (asked: Asked, response: ServerResponse, request: IncomingMessage) => void;

const accept: Reply = (asked, response) => {
  const etag = createHash('md5').update(asked.body).digest('hex');
  response.writeHead(asked.method === 'DELETE' ? 204 : 200, { etag: `"${etag}"` }).end();
};

async function storeOn(t: Test, options: Partial<S3ObjectStoreOptions> = {}) {
  const asked: Asked[] = [];
  const answering = { reply: accept };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '' } = request;
      const headers = request.headers as Record<string, string>;
      const found = { method, path: url.replace(/\?.*/, ''), url, headers, body: Buffer.concat(chunks) };
      asked.push(found);
      answering.reply(found, response, request);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const store = new S3ObjectStore({ endpoint, ...CREDENTIALS, ...options });
  t.teardown(async () => {
    await store.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { store, asked, answering, server };
}

/** Whether the client's middleware made the request. */
const isClients = ({ headers }: Asked): boolean => 'amz-sdk-invocation-id' in headers;

/** The signature that the specification asks for, of the headers that were signed. */
function expectedAuthorization(
  { method, path, headers, body }: Asked,
  region: string,
  query: Readonly<Record<string, string>> = {},
  payload = createHash('sha256').update(body).digest('hex'),
): string | undefined {
  const names = /SignedHeaders=([^,]+)/.exec(headers['authorization'] ?? '')?.[1]?.split(';') ?? [];
  const signed = names.filter((name) => name !== 'x-amz-date' && name !== 'x-amz-content-sha256');
  const values = signed.map((name) => [name, (headers[name] ?? '').replaceAll(/ +/g, ' ')]);
  const { accessKeyId, secretAccessKey: secret } = CREDENTIALS;
  const signer = { accessKeyId, secret, region, time: headers['x-amz-date'] ?? '' };
  const request = {
    method,
    path,
    query,
    headers: Object.fromEntries(values) as Record<string, string>,
    payload,
  };
  return signHeaders(signer, request)['authorization'];
}

const HEADERS = {
  system: { 'content-type': 'text/css', 'cache-control': 'max-age=3', 'content-disposition': 'größe' },
  user: { a: 'two  spaces', unicode: '日本' },
  tags: { team: 'data + ml' },
};
const KEYS = ['plain/key', "a b/ü'(*)!~+=&?#%2F", '../x//./', '\u{1f600}'];

void t.test('s3 direct: a small put is what the client would send, and is signed', async (t) => {
  const { store, asked } = await storeOn(t, { region: 'eu-west-1' });
  for (const key of KEYS) {
    await store.put({ ...putRequest('first', key, 'body'), headers: HEADERS });
    await store.put({ ...putRequest('first', key, 'body'), headers: HEADERS });
  }
  const [clients] = asked;
  t.same(asked.map(isClients), [true, ...Array.from({ length: 7 }, () => false)], 'one teaches the others');
  for (const request of asked.slice(1)) {
    const signed = request.headers['authorization']?.replaceAll(', ', ',');
    t.equal(signed, expectedAuthorization(request, 'eu-west-1'));
    t.equal(request.body.toString(), 'body');
    for (const [name, value] of Object.entries(clients?.headers ?? {})) {
      if (/^(user-agent|x-amz-user-agent|amz-sdk-.*|authorization|x-amz-date)$/.test(name)) continue;
      t.equal(request.headers[name], value, name);
    }
  }
  const encoded = [
    '/first/plain/key',
    '/first/a%20b/%C3%BC%27%28%2A%29%21~%2B%3D%26%3F%23%252F',
    '/first/../x//./',
    '/first/%F0%9F%98%80',
  ];
  t.same(
    asked.map(({ path }) => path),
    encoded.flatMap((path) => [path, path]),
  );
});

void t.test('s3 direct: reading and deleting are signed too, with a session token', async (t) => {
  const { store, asked, answering } = await storeOn(t, { sessionToken: 'of/the+session' });
  await store.put(putRequest('b', 'k', 'x'));
  answering.reply = (_, response) => {
    response.writeHead(200, { 'content-length': 3, etag: '"e"', 'x-amz-meta-a': '=?UTF-8?B?w7w=?=' });
    response.end('abc');
  };
  t.match(await store.head('b', 'k'), { size: 3, etag: 'e', headers: { user: { a: 'ü' } } });
  t.equal(await contentOf(store, 'b', 'k'), 'abc');
  await store.delete('b', 'k');
  for (const request of asked.slice(1)) {
    t.notOk(isClients(request));
    t.equal(request.headers['x-amz-security-token'], 'of/the+session');
    t.equal(
      request.headers['authorization']?.replaceAll(', ', ','),
      expectedAuthorization(request, 'us-east-1'),
    );
  }
});

void t.test('s3 direct: each bucket has its own way', async (t) => {
  const { store, asked } = await storeOn(t);
  for (const bucket of ['one', 'two', 'one', 'two']) await store.put(putRequest(bucket, 'k', 'x'));
  t.same(asked.map(isClients), [true, true, false, false]);
  t.same(
    asked.map(({ path }) => path),
    ['/one/k', '/two/k', '/one/k', '/two/k'],
  );
});

const xmlError = (status: number, code: string): Reply => {
  return (_, response) => {
    response.writeHead(status, { 'content-type': 'application/xml' });
    response.end(
      `<?xml version="1.0"?><Error><Code>${code}</Code><Message>as &lt;told&gt;</Message></Error>`,
    );
  };
};

void t.test('s3 direct: each answer has the code that it has through the client', async (t) => {
  const answers: readonly (readonly [number, string, ErrorCode])[] = [
    [503, 'SlowDown', 'UFS_THROTTLED'],
    [500, 'InternalError', 'UFS_UNAVAILABLE'],
    [403, 'AccessDenied', 'UFS_DENIED'],
    [403, 'RequestTimeTooSkewed', 'UFS_UNAVAILABLE'],
    [400, 'BadDigest', 'UFS_UNAVAILABLE'],
    [400, 'InvalidArgument', 'UFS_REJECTED'],
    [404, 'NoSuchBucket', 'NO_SUCH_BUCKET'],
    [412, 'PreconditionFailed', 'UFS_CONFLICT'],
    [504, 'GatewayTimeout', 'UFS_UNKNOWN_OUTCOME'],
    [301, 'PermanentRedirect', 'UFS_UNKNOWN_OUTCOME'],
  ];
  for (const [status, code, expected] of answers) {
    const { store, asked, answering } = await storeOn(t);
    await store.put(putRequest('b', 'k', 'x'));
    answering.reply = xmlError(status, code);
    await failsWith(t, [expected], () => store.put(putRequest('b', 'k', 'x')));
    t.equal(asked.length, 2, 'the engine retries, not the connector');
    t.notOk(isClients(asked[1] as Asked));
    answering.reply = accept;
    await store.put(putRequest('b', 'k', 'x'));
    const again = code === 'NoSuchBucket' || code === 'PermanentRedirect';
    t.equal(isClients(asked[2] as Asked), again, 'the way is looked for anew when it was wrong');
  }
  const { store, answering } = await storeOn(t);
  await store.put(putRequest('b', 'k', 'x'));
  answering.reply = xmlError(400, 'InvalidStorageClass');
  await t.rejects(store.put(putRequest('b', 'k', 'x')), {
    message: /s3:\/\/b\/k: as <told> \(400 InvalidStorageClass\)/,
    details: { s3Code: 'InvalidStorageClass', status: 400 },
  });
  answering.reply = (_, response) => void response.writeHead(404).end();
  t.equal(await store.head('b', 'k'), undefined);
  t.equal(await store.get('b', 'k'), undefined);
  await store.delete('b', 'k');
});

void t.test(
  's3 direct: a lost answer, silence and an abort leave the outcome of a put unknown',
  async (t) => {
    const { store, answering } = await storeOn(t, { idleTimeoutMs: 100 });
    await store.put(putRequest('b', 'k', 'x'));
    answering.reply = (_, _response, request) => void request.socket.destroy();
    await failsWith(t, ['UFS_UNKNOWN_OUTCOME'], () => store.put(putRequest('b', 'k', 'x')));
    answering.reply = () => {};
    await failsWith(t, ['UFS_UNKNOWN_OUTCOME'], () => store.put(putRequest('b', 'k', 'x')));
    await failsWith(t, ['UFS_UNAVAILABLE'], () => store.head('b', 'k'));
    answering.reply = (_, response) => {
      response.writeHead(200, { 'content-length': 10, etag: '"e"' });
      response.write('half');
    };
    await failsWith(t, ['UFS_UNKNOWN_OUTCOME'], () => store.put(putRequest('b', 'k', 'x')));
    const aborted = await storeOn(t);
    await aborted.store.put(putRequest('b', 'k', 'x'));
    const controller = new AbortController();
    aborted.answering.reply = () => controller.abort(new Error('enough'));
    await failsWith(t, ['UFS_UNKNOWN_OUTCOME'], () =>
      aborted.store.put(putRequest('b', 'k', 'x'), controller.signal),
    );
  },
);

void t.test('s3 direct: a clock that is off is corrected by what the store answers', async (t) => {
  const { store, asked, answering } = await storeOn(t);
  await store.put(putRequest('b', 'k', 'x'));
  answering.reply = (request, response) => {
    response.sendDate = false;
    response.setHeader('date', 'Wed, 21 Oct 2015 07:28:00 GMT');
    if (!request.headers['x-amz-date']?.startsWith('20151021T07')) {
      xmlError(403, 'RequestTimeTooSkewed')(request, response, new Object() as IncomingMessage);
    } else accept(request, response, new Object() as IncomingMessage);
  };
  await failsWith(t, ['UFS_UNAVAILABLE'], () => store.put(putRequest('b', 'k', 'x')));
  await store.put(putRequest('b', 'k', 'x'));
  t.match(asked.at(-1)?.headers['x-amz-date'], /^20151021T0728/);
});

/** Bodies in pieces, and whether each of them was let go of. */
function pieced(pieces: readonly string[]) {
  const state = { opened: 0, released: 0 };
  async function* open(): AsyncGenerator<Uint8Array, void, undefined> {
    state.opened++;
    try {
      for (const piece of pieces) yield Buffer.from(piece);
    } finally {
      state.released++;
    }
  }
  return { state, open, size: pieces.join('').length };
}

function streamedPut(key: string, pieces: readonly string[], size = pieces.join('').length) {
  const { bytes: _, ...request } = putRequest('b', key, pieces.join(''));
  const body = pieced(pieces);
  return { ...body, request: { ...request, size, open: body.open } };
}

void t.test('s3 direct: a streamed put is signed without its bytes, which come whole', async (t) => {
  const { store, asked } = await storeOn(t);
  const first = streamedPut('first', ['through ', 'the client']);
  await store.put(first.request);
  const second = streamedPut('k', ['one, ', '', 'two, ', 'three', '!']);
  await store.put(second.request);
  const [clients, direct] = asked as [Asked, Asked];
  t.ok(isClients(clients));
  t.notOk(isClients(direct));
  t.equal(direct.body.toString(), 'one, two, three!');
  t.equal(direct.headers['content-length'], '16');
  t.equal(direct.headers['x-amz-content-sha256'], clients.headers['x-amz-content-sha256']);
  t.equal(direct.headers['x-amz-content-sha256'], 'UNSIGNED-PAYLOAD');
  t.equal(
    direct.headers['content-md5'],
    Buffer.from(second.request.etag ?? '', 'hex').toString('base64'),
    'the store compares the bytes',
  );
  t.same([first.state, second.state], Array(2).fill({ opened: 1, released: 1 }));
  const { etag: _, ...unseen } = streamedPut('unseen', ['a', 'b']).request;
  const stored = await store.put(unseen);
  t.equal(stored.etag, createHash('md5').update('ab').digest('hex'), 'computed on the way');
});

void t.test('s3 direct: a part goes past the client, signed with its place in the upload', async (t) => {
  const { store, asked, answering } = await storeOn(t, { region: 'eu-west-1' });
  answering.reply = (_, response) => {
    response.end(
      '<InitiateMultipartUploadResult><UploadId>an/id+=</UploadId></InitiateMultipartUploadResult>',
    );
  };
  const { size, open, request } = streamedPut('a key', ['some ', 'bytes']);
  const uploadId = await store.multipart.begin(request);
  answering.reply = accept;
  const part = await store.multipart.putPart({ bucket: 'b', key: 'a key', uploadId, number: 3, size, open });
  t.equal(part.etag, createHash('md5').update('some bytes').digest('hex'));
  const sent = asked[1] as Asked;
  t.notOk(isClients(sent), 'beginning the upload taught the way');
  t.equal(sent.url, '/b/a%20key?partNumber=3&uploadId=an%2Fid%2B%3D');
  t.equal(
    sent.headers['authorization']?.replaceAll(', ', ','),
    expectedAuthorization(sent, 'eu-west-1', { partNumber: '3', uploadId }, 'UNSIGNED-PAYLOAD'),
  );
});

void t.test('s3 direct: a body that is not as long as it claims is never stored', async (t) => {
  const { store, asked } = await storeOn(t);
  await store.put(putRequest('b', 'k', 'x'));
  for (const claimed of [9, 11]) {
    const { request, state } = streamedPut('k', ['12345', '67890'], claimed);
    await failsWith(t, ['UFS_REJECTED'], () => store.put(request));
    t.same(state, { opened: 1, released: 1 });
  }
  t.equal(asked.length, 1, 'no request was ever complete');
});

void t.test('s3 direct: a source that fails is the reason', async (t) => {
  const { store } = await storeOn(t);
  await store.put(putRequest('b', 'k', 'x'));
  const { request } = streamedPut('k', ['12345', '67890']);
  const damaged = new HeadraceError('CORRUPT_EXTENT', 'the disk lies');
  async function* broken(): AsyncGenerator<Uint8Array, void, undefined> {
    yield Buffer.from('12345');
    throw damaged;
  }
  await t.rejects(store.put({ ...request, open: broken }), damaged);
});

void t.test('s3 direct: a store that refuses a body is not sent the rest of it', async (t) => {
  const { store, server } = await storeOn(t);
  await store.put(putRequest('b', 'k', 'x'));
  server.removeAllListeners('request');
  // It answers at once, and would read all of the body behind that.
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    xmlError(403, 'AccessDenied')({} as Asked, response, request);
  });
  const size = 2 ** 30;
  let sentBytes = 0;
  let letGo = (): void => undefined;
  const released = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  async function* open(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (; sentBytes < size; sentBytes += 65_536) yield Buffer.alloc(65_536);
    } finally {
      letGo();
    }
  }
  const { request } = streamedPut('k', ['x']);
  await failsWith(t, ['UFS_DENIED'], () => store.put({ ...request, size, open }));
  await released;
  t.ok(sentBytes < size, `${sentBytes} bytes were read`);
});
