/** What a TLS endpoint does with connections that never become encrypted ones. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import t from 'tap';
import { SystemClock } from '../../../src/adapters/system-clock.js';
import { SystemRandom } from '../../../src/adapters/system-random.js';
import { SILENT_LOGGER } from '../../../src/core/logger.js';
import { createS3Server } from '../../../src/http/s3/s3-server.js';
import { runCommand } from '../../support/headrace-process.js';
import { createMemoryObjectService } from '../../support/memory-object-service.js';

const FIELDS: Readonly<Record<string, string>> = { key: 'k', success_action_status: '201', file: 'x' };

const hasOpenssl = await runCommand('openssl', ['version']).then(
  ({ code }) => code === 0,
  () => false,
);
const skip = hasOpenssl ? false : 'openssl, which makes the certificate, is not installed';

void t.test(
  'TLS: a handshake that is half done does not hold up a stop',
  { skip, timeout: 5000 },
  async (t) => {
    const directory = t.testdir({});
    const [keyFile, certificateFile] = [join(directory, 'key'), join(directory, 'certificate')];
    const made = await runCommand('openssl', [
      ...[
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '2',
      ],
      ...['-subj', '/CN=localhost', '-keyout', keyFile, '-out', certificateFile],
    ]);
    t.equal(made.code, 0, made.stderr);
    const clock = new SystemClock();
    const objects = createMemoryObjectService(clock);
    const server = createS3Server({
      objects,
      clock,
      random: new SystemRandom(),
      logger: SILENT_LOGGER,
      tls: { certificate: await readFile(certificateFile, 'utf8'), key: await readFile(keyFile, 'utf8') },
    });
    const { port } = await server.listen('127.0.0.1', 0);
    const silent = connect(port, '127.0.0.1');
    const encrypted = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
    await Promise.all([once(silent, 'connect'), once(encrypted, 'secureConnect')]);
    // The first bytes of a ClientHello, whose rest never comes.
    silent.write(Buffer.from([0x16, 3, 1, 0x02]));
    // A form says where the object is, and by which scheme.
    await objects.createBucket('bucket');
    const form = Object.entries(FIELDS).map(
      ([name, value]) => `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
    );
    const body = `${form.join('')}--b--\r\n`;
    encrypted.write(
      'POST /bucket HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n' +
        `Content-Length: ${body.length}\r\n\r\n${body}`,
    );
    const [answer] = (await once(encrypted, 'data')) as [Buffer];
    t.match(answer.toString(), /^HTTP\/1.1 201 [^]*Location: https:\/\/localhost\/bucket\/k\r\n/);
    const ended = Promise.all([once(silent, 'close'), once(encrypted, 'close')]);
    for (const socket of [silent, encrypted]) socket.on('error', () => {}).resume();
    // Longer than the test may take, as the time that a handshake may take is.
    await server.close(3_600_000);
    await ended;
  },
);
