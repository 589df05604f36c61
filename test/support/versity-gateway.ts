/**
 * A second real S3 server that nobody here wrote: the Versity S3 Gateway, in Go, on a directory of its own. It is found as
 * `versitygw` on the path or in Go's bin directory, or where `HEADRACE_TEST_VERSITYGW` says.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram, listens, stop } from '../../bench/foreign-server.js';
import { freePort } from '../../bench/free-port.js';
import type { S3Server } from './s3-servers.js';

const INSTALL = 'go install github.com/versity/versitygw/cmd/versitygw@v1.0.14';

/** Resolves when the server listens, or with why there is none and how to install it. */
export async function startVersityGateway(): Promise<S3Server | { readonly skip: string }> {
  const program = findProgram('versitygw', 'HEADRACE_TEST_VERSITYGW');
  if (program === undefined)
    return { skip: `no Versity S3 Gateway to test against; install one: ${INSTALL}` };
  const directory = await mkdtemp(join(tmpdir(), 'headrace-versitygw-'));
  const port = await freePort();
  const [accessKeyId, secretAccessKey] = ['test-access-key', 'test-secret-key'];
  const flags = [
    '--port',
    `127.0.0.1:${port}`,
    '--access',
    accessKeyId,
    '--secret',
    secretAccessKey,
    '--quiet',
  ];
  // Objects are replaced by renaming, so that none is away for a moment.
  const child = spawn(program, [...flags, 'posix', '--disableotmp', directory], { stdio: 'ignore' });
  const close = async (): Promise<void> => {
    await stop(child);
    await rm(directory, { recursive: true, force: true });
  };
  if (!(await listens(child, port))) {
    await close();
    return { skip: `${program} did not start` };
  }
  return { endpoint: `http://127.0.0.1:${port}`, accessKeyId, secretAccessKey, close };
}
