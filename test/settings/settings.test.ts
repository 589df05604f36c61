import t from 'tap';
import { HeadraceError } from '../../src/core/errors.js';
import { nearestKey } from '../../src/settings/nearest-key.js';
import { describeSetting, loadSettings, type Settings } from '../../src/settings/settings.js';
import { environmentName, SETTING_NAMES, SETTINGS } from '../../src/settings/table.js';

interface Given {
  readonly env?: Record<string, string>;
  readonly set?: Record<string, string>;
  readonly files?: Record<string, string>;
  readonly configPath?: string;
}

function load({ env = {}, set = {}, files = {}, configPath }: Given): Settings {
  return loadSettings({
    env,
    flags: Object.entries(set).map(([key, text]) => ({ key, text, flag: '--set' })),
    configPath,
    readText: (path) => files[path],
  });
}

function messageOf(given: Given): string {
  try {
    load(given);
  } catch (error) {
    if (error instanceof HeadraceError && error.code === 'INVALID_SETTING') return error.message;
    throw error;
  }
  return 'accepted';
}

void t.test('settings: defaults are those of the documents', async (t) => {
  const settings = load({});
  t.match(settings, {
    dataDirectory: './data',
    s3Enabled: true,
    s3Port: 29998,
    s3TlsPort: 29996,
    adminPort: 19999,
    ufs: './data/ufs',
    writeCacheEnabled: true,
    persistConcurrency: 16,
    orphanTimeoutMs: 3_600_000,
    orphanScanPeriodMs: 600_000,
    danglingWriteTimeoutMs: 600_000,
    pinnedRatio: 0.3,
    persistRetryInitialMs: 1000,
    persistRetryMaxMs: 3_600_000,
    logLevel: 'info',
    warnings: [],
  });
  t.equal(settings.cacheCapacityBytes, undefined);
  t.equal(settings.foundationdbClusterFile, undefined);
  t.ok(settings.describe().every(({ source }) => source === 'default'));
});

void t.test(
  'settings: flags beat the environment, which beats the file, which beats the default',
  async (t) => {
    const files = { './headrace.yaml': 's3.port: 1\nadmin.port: 2\nufs.request.timeout: 3s\n' };
    const env = { HEADRACE_S3_PORT: '10', HEADRACE_ADMIN_PORT: '20' };
    const settings = load({ files, env, set: { 's3.port': '100' } });
    t.match(settings, {
      s3Port: 100,
      adminPort: 20,
      ufsRequestTimeoutMs: 3000,
      configPath: './headrace.yaml',
    });
    const source = (key: string) => describeSetting(settings, key).source;
    t.equal(source('s3.port'), 'flag --set');
    t.equal(source('admin.port'), 'environment HEADRACE_ADMIN_PORT');
    t.equal(source('ufs.request.timeout'), 'file ./headrace.yaml');
    t.equal(source('alluxio.s3.host'), 'default');
  },
);

void t.test('settings: the UFS is below the data directory unless given', async (t) => {
  t.equal(load({ set: { 'data.dir': '/srv/cache/' } }).ufs, '/srv/cache/ufs');
  t.equal(load({ set: { 'data.dir': '/srv/cache', ufs: 's3://archive/prefix' } }).ufs, 's3://archive/prefix');
  t.equal(
    messageOf({ set: { ufs: 'ftp://host/x' } }),
    'ufs = "ftp://host/x" (flag --set): allowed is a directory, file:///<directory>, s3:// with an optional bucket and prefix, or hdfs://<namenode>:<port>/<directory>',
  );
});

void t.test('settings: yaml keys may be nested, dotted or with the alias in front', async (t) => {
  const yaml = `
# a comment
alluxio.write.cache.enabled: false
worker:
  page.store:
    size: 10GiB
    pinned.file.capacity.limit.ratio: .5
foundationdb.cluster.file.path: ""
`;
  const settings = load({ files: { 'a.yaml': yaml }, configPath: 'a.yaml' });
  t.match(settings, { writeCacheEnabled: false, cacheCapacityBytes: 10 * 1024 ** 3, pinnedRatio: 0.5 });
  t.equal(settings.foundationdbClusterFile, undefined);
});

void t.test(
  'settings: an existing properties file works unchanged; what means nothing here is named once',
  async (t) => {
    const properties = [
      '# Alluxio',
      'alluxio.write.cache.enabled = true',
      'alluxio.worker.page.store.size:200GB',
      'alluxio.worker.write.cache.async.persist.retry.max.interval 2h',
      'alluxio.master.hostname=coordinator',
      'alluxio.write.cache.enabeld=true',
      'alluxio.foundationdb.cluster.file.path=/etc/\\',
      '    fdb.cluster',
      'data.dir=/srv/\\u00e9',
      'alluxio.worker.page.store.dirs=${alluxio.conf.dir}/x',
    ].join('\r\n');
    const env = { HEADRACE_CONFIG: '/conf/alluxio-site.properties' };
    const settings = load({ files: { '/conf/alluxio-site.properties': properties }, env });
    t.match(settings, {
      cacheCapacityBytes: 200 * 1024 ** 3,
      persistRetryMaxMs: 7_200_000,
      foundationdbClusterFile: '/etc/fdb.cluster',
      dataDirectory: '/srv/\u00e9',
    });
    t.same(settings.warnings, [
      '/conf/alluxio-site.properties: ignored, because they mean nothing here: alluxio.master.hostname, ' +
        'alluxio.write.cache.enabeld (did you mean write.cache.enabled?), alluxio.worker.page.store.dirs',
    ]);
  },
);

void t.test('settings: the cluster file has a short name in the environment too', async (t) => {
  const name = 'HEADRACE_FDB_CLUSTER_FILE';
  const settings = load({ env: { [name]: '/etc/foundationdb/fdb.cluster' } });
  t.equal(settings.foundationdbClusterFile, '/etc/foundationdb/fdb.cluster');
  t.equal(describeSetting(settings, 'foundationdb.cluster.file.path').source, `environment ${name}`);
  t.equal(
    messageOf({ env: { [name]: '/a', HEADRACE_FOUNDATIONDB_CLUSTER_FILE_PATH: '/b' } }),
    `foundationdb.cluster.file.path is given twice in the environment, by ${name} and HEADRACE_FOUNDATIONDB_CLUSTER_FILE_PATH: keep one of them`,
  );
  t.equal(load({}).foundationdbKeyPrefix, 'headrace/');
  t.equal(
    messageOf({ set: { 'foundationdb.key.prefix': 'stores' } }),
    'foundationdb.key.prefix = "stores" (flag --set): allowed is letters, digits, dots, hyphens, underscores and slashes, with a slash at the end',
  );
});

void t.test('settings: each mistake is one line with key, value, source and what is allowed', async (t) => {
  const file = (content: string, path = 'c.yaml'): Given => ({
    files: { [path]: content },
    configPath: path,
  });
  const cases: [given: Given, message: string | RegExp][] = [
    [{ set: { 's3.prot': '1' } }, 'unknown setting "s3.prot" = "1" (flag --set): did you mean s3.port?'],
    [
      { env: { HEADRACE_DATADIR: '/x' } },
      'unknown setting HEADRACE_DATADIR = "/x" (environment): did you mean HEADRACE_DATA_DIR?',
    ],
    [
      file('alluxio.worker.pinned: 1'),
      'unknown setting "alluxio.worker.pinned" = "1" (file c.yaml): `headrace conf list` shows all settings',
    ],
    [
      { env: { HEADRACE_S3_PORT: '70000' } },
      's3.port = "70000" (environment HEADRACE_S3_PORT): allowed is an integer from 0 to 65535',
    ],
    [
      { set: { 'alluxio.write.cache.async.check.orphan.timeout': '1 fortnight' } },
      'write.cache.async.check.orphan.timeout = "1 fortnight" (flag --set): allowed is a duration with a unit (ms, s, min, h, d) from 10ms to 365d',
    ],
    [
      { set: { 'worker.page.store.size': '-1' } },
      'worker.page.store.size = "-1" (flag --set): allowed is a size (B, KiB, MiB, GiB, TiB) from 1MiB to 1024TiB, or auto',
    ],
    [
      { set: { 'worker.page.store.pinned.file.capacity.limit.ratio': '30%' } },
      /allowed is a number from 0.01 to 1$/,
    ],
    [{ set: { 'write.cache.enabled': 'yes' } }, /allowed is true or false$/],
    [{ set: { 'log.level': 'verbose' } }, /allowed is one of debug, info, warn, error, silent$/],
    [{ set: { 'ufs.s3.endpoint': 'minio:9000' } }, /allowed is a URL that starts with http/],
    [
      { configPath: 'gone.yaml' },
      'there is no settings file gone.yaml (flag --config): name one that exists',
    ],
    [
      { env: { HEADRACE_CONFIG: 'gone.yaml' } },
      'there is no settings file gone.yaml (environment HEADRACE_CONFIG): name one that exists',
    ],
    [
      file('s3: [1]'),
      '"s3" in the settings file c.yaml is a list: write one value, with commas where several are allowed',
    ],
    [file('- s3.port'), 'the settings file c.yaml is a list: write "key: value" lines'],
    [file('just text'), 'the settings file c.yaml must hold "key: value" lines'],
    [file('a: {'), /^the settings file c.yaml is not yaml: [^\n]+[^:\n]$/],
    [file('s3.port: 1\ns3.port: 2'), /^the settings file c.yaml is not yaml: [^\n]+$/],
    [
      file('s3.port: 1\ns3: { port: 1 }'),
      's3.port is given twice (file c.yaml), as "s3.port" and "s3.port": keep one of them',
    ],
    [
      file('alluxio.data.dir=${user.home}/x', 'c.properties'),
      'data.dir = "${user.home}/x" (file c.properties): references are not resolved: write the value out',
    ],
    [file('s3.prot=1', 'c.properties'), /^unknown setting "s3.prot"/],
    [
      { set: { 's3.tls.key': '/k.pem' } },
      's3.tls.key is given without s3.tls.certificate: give both or none',
    ],
    [{ set: { 's3.port': '19999' } }, 'admin.port and s3.port are both 19999: give each its own port'],
    [
      { set: { 'worker.write.cache.async.persist.retry.initial.interval': '2h' } },
      'worker.write.cache.async.persist.retry.initial.interval = 2h is longer than worker.write.cache.async.persist.retry.max.interval = 1h: it must be at most that',
    ],
  ];
  for (const [given, message] of cases) {
    const actual = messageOf(given);
    if (typeof message === 'string') t.equal(actual, message);
    else t.match(actual, message);
    t.notMatch(actual, '\n');
  }
});

void t.test('settings: a file that cannot be read is an error, not an absent file', async (t) => {
  const readText = () => {
    throw new Error('EACCES: permission denied');
  };
  t.throws(() => loadSettings({ env: {}, flags: [], readText }), {
    code: 'INVALID_SETTING',
    message: 'the settings file ./headrace.yaml cannot be read: EACCES: permission denied',
  });
});

void t.test('settings: secrets never show', async (t) => {
  const key = 'ufs.s3.secret.access.key';
  const settings = load({ set: { [key]: 'hush', 'ufs.s3.access.key.id': 'me' } });
  t.equal(settings.ufsS3SecretAccessKey, 'hush');
  t.notMatch(JSON.stringify(settings.describe()), 'hush');
  t.equal(describeSetting(settings, key).value, '****');
  t.notMatch(messageOf({ set: { [key]: 'hu sh' } }), 'hu sh');
  t.notMatch(messageOf({ set: { [`${key}s`]: 'hush' } }), 'hush');
});

void t.test('settings: variables that Kubernetes makes up for a Service stop nothing', async (t) => {
  const env = {
    HEADRACE_PORT: 'tcp://10.0.0.1:29998',
    HEADRACE_SERVICE_HOST: '10.0.0.1',
    HEADRACE_SERVICE_PORT_S3: '29998',
    HEADRACE_PORT_29998_TCP_ADDR: '10.0.0.1',
    HEADRACE_S3_PORT: 'tcp://10.0.0.2:29998',
  };
  const settings = load({ env });
  t.equal(settings.s3Port, 29998);
  t.match(settings.warnings[0], /ignored, because Kubernetes added them.*HEADRACE_S3_PORT/);
  t.match(messageOf({ env: { HEADRACE_S4_PORT: '9000' } }), /did you mean HEADRACE_S3_PORT/);
});

void t.test('settings: an empty variable counts as not given', async (t) => {
  t.equal(load({ env: { HEADRACE_UFS: '', HEADRACE_CONFIG: '' } }).ufs, './data/ufs');
});

void t.test('settings: every default is allowed, every key has a variable of its own', async (t) => {
  const variables = new Set(SETTING_NAMES.map((name) => environmentName(SETTINGS[name].key)));
  t.equal(variables.size, SETTING_NAMES.length);
  for (const { key, value } of load({}).describe())
    t.doesNotThrow(() => load({ set: { [key]: value } }), key);
});

void t.test(
  'settings: an unknown key is answered with one that is near, or with where all are',
  async (t) => {
    for (const [given, nearest] of [
      ['s3.prot', 's3.port'],
      ['worker.s3.prot', 's3.port'],
      ['datadir', 'data.dir'],
      ['ufs.s3.acces.key', 'ufs.s3.access.key.id'],
      ['cache.capacity', undefined],
      ['nosuch', undefined],
      ['x', undefined],
      ['', undefined],
      ['a'.repeat(1000), undefined],
    ] as const)
      t.equal(nearestKey(given), nearest, given);
    t.throws(() => describeSetting(load({}), 'write.cache.enable'), {
      code: 'INVALID_SETTING',
      message: 'unknown setting "write.cache.enable": did you mean write.cache.enabled?',
    });
  },
);
