/** The S3 endpoint over TLS: served beside the plain one, with certificates that are replaced while it runs. */
import { readFile, writeFile } from 'node:fs/promises';
import { Agent } from 'node:https';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import t from 'tap';
import type { Test } from 'tap';
import { freePort } from '../../bench/free-port.js';
import { eventually, runCommand, TestServer } from '../support/headrace-process.js';
import { makeBody } from '../support/object-model.js';

interface Pair {
  readonly certificate: string;
  readonly key: string;
}

/** A self-signed certificate for localhost. */
async function makePair(directory: string, name: string): Promise<Pair> {
  const [keyFile, certificateFile] = [join(directory, `${name}.key`), join(directory, `${name}.crt`)];
  const { code, stderr } = await runCommand('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...['-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
    ...['-keyout', keyFile, '-out', certificateFile],
  ]);
  if (code !== 0) throw new Error(stderr);
  return { certificate: await readFile(certificateFile, 'utf8'), key: await readFile(keyFile, 'utf8') };
}

/** Whose certificate new connections get. */
function servedName(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      const { CN } = socket.getPeerCertificate().subject;
      socket.destroy();
      resolve(String(CN));
    });
    socket.on('error', reject);
  });
}

const hasOpenssl = await runCommand('openssl', ['version']).then(
  ({ code }) => code === 0,
  () => false,
);

void t.test('TLS: objects over it, and certificates replaced without a restart', async (t: Test) => {
  if (!hasOpenssl) {
    t.comment('skipped: openssl, which makes the certificates, is not installed');
    return;
  }
  const directory = t.testdir({});
  const [first, second] = [await makePair(directory, 'first'), await makePair(directory, 'second')];
  const certificateFile = join(directory, 'served.crt');
  const keyFile = join(directory, 'served.key');
  const serve = async ({ certificate, key }: Pair): Promise<void> => {
    await writeFile(certificateFile, certificate);
    await writeFile(keyFile, key);
  };
  await serve(first);
  const port = await freePort();
  const server = await TestServer.start(t, {
    environment: {
      HEADRACE_S3_TLS_PORT: String(port),
      HEADRACE_S3_TLS_CERTIFICATE: certificateFile,
      HEADRACE_S3_TLS_KEY: keyFile,
      HEADRACE_LOG_LEVEL: 'info',
    },
  });
  await server.process.setPolicies('WRITE_BACK');
  t.match(server.process.stdout, `https://127.0.0.1:${port}`, 'the start says where');

  const httpsAgent = new Agent({ ca: first.certificate, keepAlive: true });
  const client = new S3Client({
    endpoint: `https://localhost:${port}`,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'any', secretAccessKey: 'any' },
    requestHandler: { httpsAgent },
  });
  t.teardown(() => client.destroy());
  const Bucket = 'tls';
  await client.send(new CreateBucketCommand({ Bucket }));
  const Body = makeBody(1, 3_000_000);
  await client.send(new PutObjectCommand({ Bucket, Key: 'large', Body }));
  const got = await client.send(new GetObjectCommand({ Bucket, Key: 'large' }));
  t.ok(Buffer.from((await got.Body?.transformToByteArray()) ?? []).equals(Body));
  t.equal((await server.process.s3('GET', '/tls?list-type=2')).includes('large'), true, 'HTTP sees the same');

  await writeFile(certificateFile, second.certificate);
  await eventually(
    async () => server.process.stderr.concat(server.process.stdout).includes('cannot be used'),
    () => 'a certificate without its key was not noticed',
  );
  t.equal(await servedName(port), 'first', 'a half replaced pair is not served');
  await serve(second);
  await eventually(
    async () => (await servedName(port)) === 'second',
    () => 'the new certificate is not served',
  );
  const again = await client.send(new GetObjectCommand({ Bucket, Key: 'large', Range: 'bytes=0-9' }));
  t.equal(again.ContentLength, 10, 'a connection that is open goes on');
  httpsAgent.destroy();
});

void t.test('TLS: a certificate that cannot be served is said at the start', async (t) => {
  const directory = t.testdir({ 'bad.crt': 'no certificate', 'bad.key': 'no key' });
  const server = await TestServer.spawn(t, {
    environment: {
      HEADRACE_S3_TLS_PORT: '0',
      HEADRACE_S3_TLS_CERTIFICATE: join(directory, 'bad.crt'),
      HEADRACE_S3_TLS_KEY: join(directory, 'bad.key'),
    },
  });
  t.not(await server.process.exited(), 0);
  t.match(server.process.stderr, /s3\.tls\.certificate = ".*bad\.crt".*PEM/);
});
