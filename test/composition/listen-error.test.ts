/** What is said about an address that cannot be listened on. */
import { createServer, type AddressInfo, type Server } from 'node:net';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { listenError } from '../../src/composition/listen-error.js';
import { HeadraceError } from '../../src/core/errors.js';

const KEYS = { hostKey: 's3.host', portKey: 's3.port' };

/** What listening there fails with. */
async function refusal(t: Test, host: string, port: number): Promise<unknown> {
  const server: Server = createServer();
  t.teardown(() => server.close());
  const failed = once(server, 'error');
  server.listen(port, host, () => t.fail('it listens'));
  const [error] = (await failed) as [unknown];
  return listenError(error, { ...KEYS, host, port });
}

void t.test('a port that is taken is named by its setting, with what would be right', async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  t.teardown(() => other.close());
  const { port } = other.address() as AddressInfo;
  const error = await refusal(t, '127.0.0.1', port);
  t.ok(error instanceof HeadraceError);
  t.match(error, {
    code: 'IO_FAILED',
    message: `s3.port = ${port} is taken on 127.0.0.1: stop the process that listens there, or choose another port (0 takes any free one)`,
  });
});

void t.test('an address of another machine is named by its setting', async (t) => {
  // Reserved for documentation: no machine has it.
  t.match(await refusal(t, '192.0.2.1', 0), {
    code: 'IO_FAILED',
    message: /^s3\.host = 192\.0\.2\.1 is no address of this machine: /,
  });
});

void t.test('each reason is one line with the value; what has another reason stays as it is', async (t) => {
  const address = { ...KEYS, host: 'nowhere', port: 80 };
  for (const [code, message] of [
    ['EACCES', /^s3\.port = 80 is not allowed to this user: choose a port from 1024 on$/],
    ['ENOTFOUND', /^s3\.host = nowhere is a name that cannot be resolved \(ENOTFOUND\): give an address/],
    ['EAI_AGAIN', /^s3\.host = nowhere is a name that cannot be resolved \(EAI_AGAIN\): give an address/],
  ] as const) {
    const cause = Object.assign(new Error('system'), { code });
    t.match(listenError(cause, address), { code: 'IO_FAILED', message, cause });
  }
  for (const other of [Object.assign(new Error('system'), { code: 'EMFILE' }), new Error('other'), 'text'])
    t.equal(listenError(other, address), other);
});
