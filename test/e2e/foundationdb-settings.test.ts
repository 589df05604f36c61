/** What a server that cannot have its log in FoundationDB says: one line, and nothing is left behind. */
import path from 'node:path';
import t from 'tap';
import { runCli } from '../support/headrace-process.js';

void t.test('start: a cluster file that is not there is one line that names it', async (t) => {
  const directory = t.testdir({});
  const missing = path.join(directory, 'fdb.cluster');
  const { code, stdout, stderr } = await runCli(['start'], {
    HEADRACE_DATA_DIR: path.join(directory, 'data'),
    HEADRACE_FDB_CLUSTER_FILE: missing,
    HEADRACE_S3_PORT: '0',
    HEADRACE_ADMIN_PORT: '0',
  });
  t.equal(code, 2);
  t.equal(stdout, '');
  t.equal(
    stderr,
    `error: foundationdb.cluster.file.path is "${missing}", and there is no such file: name the cluster file that FoundationDB's ` +
      'servers use, usually /etc/foundationdb/fdb.cluster\n',
  );
});

void t.test('start: without FoundationDB one line says what is missing, and what to do', async (t) => {
  const directory = t.testdir({ 'fdb.cluster': 'none:1@127.0.0.1:1\n' });
  const { code, stdout, stderr } = await runCli(['start'], {
    HEADRACE_DATA_DIR: path.join(directory, 'data'),
    HEADRACE_FDB_CLUSTER_FILE: path.join(directory, 'fdb.cluster'),
    HEADRACE_FOUNDATIONDB_CONNECT_TIMEOUT: '1s',
    HEADRACE_S3_PORT: '0',
    HEADRACE_ADMIN_PORT: '0',
  });
  t.equal(stdout, '');
  // With the client library or without it: no cluster is at this address.
  if (code === 2) t.match(stderr, /^error: [^\n]*npm install foundationdb@2\.0\.1\n$/);
  else {
    t.equal(code, 1);
    t.match(stderr, /^error: FoundationDB \(127\.0\.0\.1:1, from [^\n]*did not answer within 1s[^\n]*\n$/);
  }
});
