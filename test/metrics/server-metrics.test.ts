/** The metrics: what they say of an engine, and that the documentation lists them. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { Measurements } from '../../src/composition/measurements.js';
import { HeadraceError } from '../../src/core/errors.js';
import { METRIC_PREFIX, Scrape } from '../../src/metrics/scrape.js';
import { EngineWorld } from '../support/engine-world.js';
import { makeBody } from '../support/object-model.js';

/** `name{labels}` to value. */
type Values = ReadonlyMap<string, number>;

async function read(scrape: Scrape): Promise<Values> {
  const values = new Map<string, number>();
  for (const line of (await scrape.metrics()).split('\n')) {
    const at = line.lastIndexOf(' ');
    if (!line.startsWith('#') && at > 0) values.set(line.slice(0, at), Number(line.slice(at + 1)));
  }
  return values;
}

void t.test('metrics: they follow what an engine does', async (t) => {
  const world = await EngineWorld.open();
  const measurements = new Measurements();
  measurements.watch(world.engine);
  const store = measurements.ufs.measure(world.ufs, world.clock);
  const scrape = measurements.scrape(world.engine);
  world.ufs.arm('unavailable', { operation: 'put', times: 2 });
  for (const key of ['a', 'b']) await world.put(key, makeBody(1, 1000));
  let values = await read(scrape);
  t.equal(values.get('headrace_stored_bytes_total{source="client"}'), 2000);
  t.equal(values.get('headrace_persist_queue_bytes'), 2000);
  t.equal(values.get('headrace_pinned_bytes'), 2000);
  await world.sleep(500);
  t.ok(((await read(scrape)).get('headrace_oldest_dirty_age_seconds') ?? 0) >= 0.5);
  await world.drained();
  await world.read('a');
  await world.run(world.admin.free({}));
  await world.read('a');
  await t.rejects(world.run(store.put({} as never)));
  await world.run(store.check());
  measurements.requests.observe('PutObject', 200, 3);
  measurements.requests.observe('PutObject', 503, 3);
  measurements.requests.observe('GetObject', 0, 3);
  values = await read(scrape);
  for (const [name, value] of Object.entries({
    'persist_queue_objects{state="pending"}': 0,
    oldest_dirty_age_seconds: 0,
    'persist_attempts_total{outcome="success"}': 2,
    'persist_attempts_total{outcome="UFS_UNAVAILABLE"}': 2,
    persisted_bytes_total: 2000,
    'evicted_objects_total{reason="REQUEST"}': 2,
    cache_hits_total: 1,
    cache_misses_total: 1,
    'stored_bytes_total{source="read"}': 1000,
    'ufs_up{mount="/"}': 1,
    'ufs_request_duration_seconds_count{operation="check"}': 1,
    'log_appendable{partition="1"}': 1,
    's3_requests_total{operation="PutObject",status="2xx"}': 1,
    's3_requests_total{operation="PutObject",status="5xx"}': 1,
    's3_requests_total{operation="GetObject",status="aborted"}': 1,
    's3_request_duration_seconds_bucket{operation="PutObject",status="2xx",le="0.0025"}': 0,
    's3_request_duration_seconds_bucket{operation="PutObject",status="2xx",le="0.005"}': 1,
    's3_request_duration_seconds_bucket{operation="PutObject",status="2xx",le="+Inf"}': 1,
    compaction_write_amplification_ratio: 1,
  }))
    t.equal(values.get(METRIC_PREFIX + name), value, name);
  const again = await read(scrape);
  t.equal(
    again.get('headrace_persist_attempts_total{outcome="success"}'),
    2,
    'a second scrape counts nothing twice',
  );
});

void t.test('metrics: a measured store keeps everything of the store, and counts its errors', async (t) => {
  const { ufs } = new Measurements();
  class Store {
    readonly #secret = 'x';
    readonly description = 'a store';
    async head(): Promise<string> {
      return this.#secret;
    }
    async further(): Promise<void> {
      throw new HeadraceError('UFS_DENIED', 'no');
    }
  }
  const store = ufs.measure(new Store() as never, { monotonicTimeMs: () => 0 }) as unknown as Store;
  t.equal(store.description, 'a store');
  t.equal(await store.head(), 'x');
  await t.rejects(store.further(), { code: 'UFS_DENIED' });
  t.same([...ufs.errors()], [{ labels: { operation: 'further', code: 'UFS_DENIED' }, value: 1 }]);
  t.equal([...ufs.durations()].length, 2, 'failures take time too');
});

void t.test('metrics: docs/operations.md lists each with its labels, and no other', async (t) => {
  const world = await EngineWorld.open();
  const described = new Measurements().scrape(world.engine).describe();
  const documented = new Map<string, string>();
  for (const line of readFileSync('docs/operations.md', 'utf8').split('\n')) {
    const [, name, , labels] = /^\| `(headrace_\w+)`\s*\| (\w+)\s*\| ([^|]*?)\s*\|/.exec(line) ?? [];
    if (name !== undefined) documented.set(name, labels ?? '');
  }
  const own = described.filter(({ name }) => !/^headrace_(process|nodejs)_/.test(name));
  t.ok(own.length > 30);
  for (const { name, type, labels } of own)
    t.equal(documented.get(name), labels.map((label) => `\`${label}\``).join(', '), `${type} ${name}`);
  const names = new Set(described.map(({ name }) => name));
  for (const name of documented.keys()) t.ok(names.has(name), `${name} is no metric`);
});

void t.test('metrics: alerts and the dashboard ask for metrics that there are', async (t) => {
  const world = await EngineWorld.open();
  const names = new Set(
    new Measurements()
      .scrape(world.engine)
      .describe()
      .map(({ name }) => name),
  );
  for (const file of ['deploy/prometheus-alerts.yml', 'deploy/grafana-dashboard.json']) {
    const asked = readFileSync(file, 'utf8').match(/headrace_[a-z0-9_]+/g) ?? [];
    t.ok(asked.length > 5, file);
    for (const name of new Set(asked)) {
      const base = name.replace(/_(bucket|sum|count)$/, '');
      t.ok(names.has(name) || names.has(base), `${file}: ${name}`);
    }
  }
});
