/** What the S3 connector makes of a store that misbehaves, of mappings, and of changes by others. */
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { S3ObjectStore, type S3ObjectStoreOptions } from '../../../../src/adapters/ufs/s3/s3-object-store.js';
import type { ErrorCode } from '../../../../src/core/errors.js';
import {
  contentOf,
  failsWith,
  listAll,
  md5Hex,
  nameOf,
  putRequest,
  streamed,
} from '../../../contracts/object-store-subject.js';
import { startS3Server } from '../../../support/s3-servers.js';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

const CREDENTIALS = { accessKeyId: 'a', secretAccessKey: 's' };

/** A store that answers as `handler` says, once the body has come, and what it was asked. */
async function fakeStore(t: Test, handler: Handler, options: Partial<S3ObjectStoreOptions> = {}) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    request.resume().on('end', () => handler(request, response));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const store = new S3ObjectStore({ endpoint: `http://127.0.0.1:${port}`, ...CREDENTIALS, ...options });
  t.teardown(async () => {
    await store.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { store, asked };
}

const xmlError = (status: number, code: string): Handler => {
  return (_, response) => {
    response.writeHead(status, { 'content-type': 'application/xml' });
    response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>as told</Message></Error>`);
  };
};

void t.test('s3: each answer of the store has its code', async (t) => {
  const answers: readonly (readonly [number, string, ErrorCode])[] = [
    [503, 'SlowDown', 'UFS_THROTTLED'],
    [429, 'TooManyRequests', 'UFS_THROTTLED'],
    [503, 'ServiceUnavailable', 'UFS_UNAVAILABLE'],
    [500, 'InternalError', 'UFS_UNAVAILABLE'],
    [403, 'AccessDenied', 'UFS_DENIED'],
    [403, 'SignatureDoesNotMatch', 'UFS_DENIED'],
    [400, 'ExpiredToken', 'UFS_DENIED'],
    [400, 'BadDigest', 'UFS_UNAVAILABLE'],
    [400, 'InvalidArgument', 'UFS_REJECTED'],
    [404, 'NoSuchBucket', 'NO_SUCH_BUCKET'],
    [412, 'PreconditionFailed', 'UFS_CONFLICT'],
    [501, 'NotImplemented', 'UFS_REJECTED'],
    [504, 'GatewayTimeout', 'UFS_UNKNOWN_OUTCOME'],
  ];
  for (const [status, code, expected] of answers) {
    const { store, asked } = await fakeStore(t, xmlError(status, code));
    await failsWith(t, [expected], () => store.put(putRequest('bucket', 'k', 'x')));
    t.equal(asked.length, 1, 'the engine retries, not the client');
  }
});

void t.test('s3: an error tells what S3 said', async (t) => {
  const { store } = await fakeStore(t, xmlError(400, 'InvalidStorageClass'));
  await t.rejects(store.put(putRequest('bucket', 'k', 'x')), {
    message: /s3:\/\/bucket\/k: as told \(400 InvalidStorageClass\)/,
    details: { s3Code: 'InvalidStorageClass', status: 400 },
  });
});

void t.test('s3: nobody listens: nothing was sent, so a write may be repeated', async (t) => {
  const store = new S3ObjectStore({ endpoint: 'http://127.0.0.1:1', ...CREDENTIALS });
  t.teardown(() => store.close());
  await failsWith(t, ['UFS_UNAVAILABLE'], () => store.check());
  await failsWith(t, ['UFS_UNAVAILABLE'], () => store.put(putRequest('bucket', 'k', 'x')));
});

void t.test(
  's3: a connection that breaks before the answer leaves the outcome of a write unknown',
  async (t) => {
    const { store } = await fakeStore(t, (request) => request.socket.destroy());
    await failsWith(t, ['UFS_UNKNOWN_OUTCOME'], () => store.put(putRequest('bucket', 'k', 'x')));
    await failsWith(t, ['UFS_UNKNOWN_OUTCOME'], () => store.delete('bucket', 'k'));
    await failsWith(t, ['UFS_UNAVAILABLE'], () => store.head('bucket', 'k'));
  },
);

void t.test('s3: a store that is away is an error to its caller, and nothing on the console', async (t) => {
  const said = t.capture(console, 'warn');
  const store = new S3ObjectStore({ endpoint: 'http://127.0.0.1:1', ...CREDENTIALS });
  t.teardown(() => store.close());
  const request = streamed(putRequest('bucket', 'k', Buffer.alloc(1_000_000)), 64_000);
  await failsWith(t, ['UFS_UNAVAILABLE'], () => store.put(request));
  t.same(said(), []);
});

void t.test('s3: a store that stays silent is given up, or aborted', async (t) => {
  const { store } = await fakeStore(t, () => {}, { idleTimeoutMs: 100 });
  await failsWith(t, ['UFS_UNAVAILABLE'], () => store.head('bucket', 'k'));
  await failsWith(t, ['UFS_UNKNOWN_OUTCOME'], () => store.put(putRequest('bucket', 'k', 'x')));
  const controller = new AbortController();
  const silent = await fakeStore(t, () => controller.abort(new Error('enough')));
  await failsWith(t, ['UFS_UNKNOWN_OUTCOME'], () =>
    silent.store.put(putRequest('bucket', 'k', 'x'), controller.signal),
  );
});

void t.test(
  's3: an ETag that is another MD5 than that of the bytes is a failure, unless switched off',
  async (t) => {
    const wrong: Handler = (_, response) => {
      response.writeHead(200, { etag: `"${'0'.repeat(32)}"` }).end();
    };
    const strict = await fakeStore(t, wrong);
    await failsWith(t, ['UFS_UNAVAILABLE'], () => strict.store.put(putRequest('bucket', 'k', 'x')));
    const lenient = await fakeStore(t, wrong, { verifyEtag: false });
    t.equal((await lenient.store.put(putRequest('bucket', 'k', 'x'))).storeEtag, '0'.repeat(32));
    const encrypted = await fakeStore(t, (_, response) => {
      const headers = { etag: `"${'0'.repeat(32)}"`, 'x-amz-server-side-encryption': 'aws:kms' };
      response.writeHead(200, headers).end();
    });
    t.equal((await encrypted.store.put(putRequest('bucket', 'k', 'x'))).etag, md5Hex(Buffer.from('x')));
  },
);

/** Answers a multipart upload; `answers` replace single ones. */
function multipartStore(answers: { part?: Handler; complete?: Handler }): Handler {
  return (request, response) => {
    const query = new URL(request.url ?? '', 'http://x').searchParams;
    if (request.method === 'POST' && query.has('uploads')) {
      response.end('<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>');
    } else if (request.method === 'PUT') {
      (answers.part ?? ((_, reply) => reply.writeHead(200, { etag: '"opaque"' }).end()))(request, response);
    } else if (request.method === 'POST') {
      const done = '<CompleteMultipartUploadResult><ETag>"opaque-2"</ETag></CompleteMultipartUploadResult>';
      (answers.complete ?? ((_, reply) => reply.end(done)))(request, response);
    } else {
      response.writeHead(204).end();
    }
  };
}

const inParts = { ...putRequest('bucket', 'k', 'abcdef'), etag: `${'1'.repeat(32)}-2`, partSizes: [5, 1] };

void t.test(
  's3: an upload whose completion answers 200 with an error has failed, and is aborted',
  async (t) => {
    const complete: Handler = (_, response) => {
      response.end('<?xml version="1.0"?><Error><Code>InternalError</Code><Message>late</Message></Error>');
    };
    const { store, asked } = await fakeStore(t, multipartStore({ complete }));
    await failsWith(t, ['UFS_UNAVAILABLE'], () => store.put(inParts));
    t.match(asked.at(-1), /^DELETE \/bucket\/k\?.*uploadId=u1/);
  },
);

void t.test('s3: an upload with a part that fails is aborted, and nothing is unknown', async (t) => {
  const { store, asked } = await fakeStore(
    t,
    multipartStore({ part: (request) => void request.socket.destroy() }),
  );
  await failsWith(t, ['UFS_UNAVAILABLE'], () => store.put(inParts));
  t.match(asked.at(-1), /^DELETE /);
  t.notOk(asked.some((line) => line.startsWith('POST') && line.includes('uploadId')));
});

void t.test('s3: parts that do not make our ETag are not completed', async (t) => {
  const part: Handler = (_, response) => void response.writeHead(200, { etag: `"${'2'.repeat(32)}"` }).end();
  const { store, asked } = await fakeStore(t, multipartStore({ part }));
  await failsWith(t, ['UFS_UNAVAILABLE'], () => store.put(inParts));
  t.notOk(asked.some((line) => line.startsWith('POST') && line.includes('uploadId')));
  t.match(asked.at(-1), /^DELETE /);
});

void t.test('s3: an object too large for one request is split', async (t) => {
  const { store, asked } = await fakeStore(t, multipartStore({}), { requestBytesMax: 4 });
  const stored = await store.put(streamed(putRequest('bucket', 'k', '0123456789'), 3));
  t.equal(stored.etag, md5Hex(Buffer.from('0123456789')));
  t.equal(asked.filter((line) => line.startsWith('PUT')).length, 3);
});

void t.test('s3: a body that breaks off is an error, not a short object', async (t) => {
  const { store } = await fakeStore(t, (request, response) => {
    response.writeHead(200, { 'content-length': '10', etag: '"x"' });
    response.write('abc', () => request.socket.destroy());
  });
  await failsWith(t, ['UFS_UNAVAILABLE'], () => contentOf(store, 'bucket', 'k'));
});

void t.test('s3: a refusal that breaks off says nothing: the call may be repeated', async (t) => {
  const { store } = await fakeStore(t, (request, response) => {
    response.writeHead(404, { 'content-length': '200', 'content-type': 'application/xml' });
    response.write('<?xml version="1.0"?>', () => request.socket.destroy());
  });
  const upload = { bucket: 'bucket', key: 'k', uploadId: 'u1' };
  const parts = [{ number: 1, size: 1, etag: md5Hex(Buffer.from('x')) }];
  const { multipart } = store;
  await failsWith(t, ['UFS_UNKNOWN_OUTCOME'], () => store.put(putRequest('bucket', 'k', 'x')));
  await failsWith(t, ['UFS_UNAVAILABLE'], () => multipart.listParts(upload));
  await failsWith(t, ['UFS_UNKNOWN_OUTCOME'], () =>
    multipart.complete({ ...putRequest('bucket', 'k', 'x'), ...upload, etag: undefined, parts }),
  );
  await failsWith(t, ['UFS_UNAVAILABLE'], () => contentOf(store, 'bucket', 'k'));
});

void t.test('s3: a store that ignores a range is found out', async (t) => {
  const { store } = await fakeStore(
    t,
    (_, response) => void response.writeHead(200, { etag: '"x"' }).end('abc'),
  );
  await failsWith(t, ['UFS_REJECTED'], () => store.get('bucket', 'k', { first: 1, last: 1 }));
});

const server = await startS3Server();
const real = 'skip' in server ? { skip: server.skip } : {};
const options = 'skip' in server ? CREDENTIALS : server;
t.teardown(() => ('skip' in server ? undefined : server.close()));

void t.test('s3: a mapped store has one bucket, of the keys below its prefix', real, async (t) => {
  const whole = new S3ObjectStore(options);
  const mapped = new S3ObjectStore({ ...options, bucket: 'shared', prefix: 'team/a/' });
  t.teardown(() => Promise.all([whole.close(), mapped.close()]));
  await whole.createBucket('shared');
  await mapped.check();
  await whole.put(putRequest('shared', 'team/b', 'not ours'));
  await whole.put(putRequest('shared', 'team/a/', 'the folder itself'));
  for (const key of ['x/1', 'x/2', 'y']) await mapped.put(putRequest('shared', key, key));
  t.equal(await contentOf(whole, 'shared', 'team/a/x/1'), 'x/1');
  t.equal(await contentOf(mapped, 'shared', 'y'), 'y');
  for (const limit of [1, 2, 10]) {
    t.same((await listAll(mapped, 'shared', { limit })).map(nameOf), ['x/1', 'x/2', 'y']);
    t.same((await listAll(mapped, 'shared', { limit, delimiter: '/' })).map(nameOf), ['x/*', 'y']);
  }
  t.same(
    (await mapped.listBuckets()).map(({ name }) => name),
    ['shared'],
  );
  t.equal(await mapped.bucketExists('other'), false);
  t.equal(await mapped.head('other', 'y'), undefined);
  await failsWith(t, ['NO_SUCH_BUCKET'], () => mapped.put(putRequest('other', 'y', 'x')));
  await failsWith(t, ['UFS_REJECTED'], () => mapped.createBucket('other'));
  await failsWith(t, ['UFS_REJECTED'], () => mapped.deleteBucket('shared'));
  await failsWith(t, ['UFS_REJECTED'], () => mapped.put(putRequest('shared', 'k'.repeat(1018), 'x')));
  await mapped.delete('shared', 'y');
  t.equal(await whole.head('shared', 'team/a/y'), undefined);
});

void t.test(
  's3: a mapped store whose bucket is not there says so, and what to do, and does not make it',
  real,
  async (t) => {
    const whole = new S3ObjectStore(options);
    const mapped = new S3ObjectStore({ ...options, bucket: 'not-made-yet', prefix: 'a/' });
    t.teardown(() => Promise.all([whole.close(), mapped.close()]));
    const expected = { code: 'NO_SUCH_BUCKET', message: /no bucket "not-made-yet": create it there/ };
    await t.rejects(mapped.check(), expected);
    await t.rejects(mapped.createBucket('not-made-yet'), expected);
    await failsWith(t, ['NO_SUCH_BUCKET'], () => mapped.put(putRequest('not-made-yet', 'k', 'x')));
    t.equal(await whole.bucketExists('not-made-yet'), false);
    await whole.createBucket('not-made-yet');
    await mapped.check();
    await mapped.createBucket('not-made-yet');
    await mapped.put(putRequest('not-made-yet', 'k', 'x'));
    t.equal(await contentOf(whole, 'not-made-yet', 'a/k'), 'x');
  },
);

void t.test('s3: what somebody else wrote over an object does not keep our ETag', real, async (t) => {
  const store = new S3ObjectStore(options);
  const other = new S3Client({
    ...('skip' in server ? {} : { endpoint: server.endpoint }),
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: options,
  });
  t.teardown(async () => {
    other.destroy();
    await store.close();
  });
  await store.createBucket('overwritten');
  const ours = putRequest('overwritten', 'k', 'ours');
  await store.put({ ...ours, headers: { system: {}, user: { a: 'b' } } });
  // A tool that rewrote the object and kept its metadata.
  const Metadata = { 'headrace-etag': ours.etag ?? '', 'headrace-mtime': '1', 'headrace-size': '4', a: 'b' };
  await other.send(new PutObjectCommand({ Bucket: 'overwritten', Key: 'k', Body: 'them', Metadata }));
  const head = await store.head('overwritten', 'k');
  t.equal(head?.etag, md5Hex(Buffer.from('them')));
  t.not(head?.lastModifiedMs, 1);
  t.same(head?.headers.user, { a: 'b' });
});

void t.test(
  's3: without a region anywhere nothing is quarantined, and the message says where to give one',
  async (t) => {
    const { env } = process;
    const before = { ...env };
    t.teardown(() => Object.assign(env, before));
    for (const name of ['AWS_REGION', 'AWS_DEFAULT_REGION', 'AWS_PROFILE']) delete env[name];
    env['AWS_CONFIG_FILE'] = env['AWS_SHARED_CREDENTIALS_FILE'] = '/nowhere/aws';
    const store = new S3ObjectStore(CREDENTIALS);
    t.teardown(() => store.close());
    for (const call of [() => store.check(), () => store.put(putRequest('bucket', 'key', 'x'))]) {
      const error: unknown = await call().catch((found: unknown) => found);
      t.match(error, {
        code: 'UFS_DENIED',
        details: { credentials: true },
        message: /Region is missing: set ufs\.s3\.region, the option region of the mount, or AWS_REGION/,
      });
    }
  },
);
