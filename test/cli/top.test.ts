import t from 'tap';
import { parseMetrics, quantileBetween, sumOf } from '../../src/cli/prometheus-text.js';
import { topReport, type Look } from '../../src/cli/top-view.js';
import { MemoryAdminService, START_MS } from '../support/memory-admin-service.js';
import { CliFixture } from './cli-fixture.js';

const EARLY = `# HELP headrace_s3_requests_total Requests.
# TYPE headrace_s3_requests_total counter
headrace_s3_requests_total{operation="PutObject",status="2xx"} 10
headrace_s3_request_duration_seconds_bucket{le="0.001",operation="PutObject",status="2xx"} 10
headrace_s3_request_duration_seconds_bucket{le="0.01",operation="PutObject",status="2xx"} 10
headrace_s3_request_duration_seconds_bucket{le="+Inf",operation="PutObject",status="2xx"} 10
headrace_persist_attempts_total{outcome="success"} 5
headrace_cache_hits_total 1
`;
const LATE = `headrace_s3_requests_total{operation="PutObject",status="2xx"} 30
headrace_s3_requests_total{operation="GetObject",status="5xx"} 4
headrace_s3_request_duration_seconds_bucket{le="0.001",operation="PutObject",status="2xx"} 25
headrace_s3_request_duration_seconds_bucket{le="0.01",operation="PutObject",status="2xx"} 30
headrace_s3_request_duration_seconds_bucket{le="+Inf",operation="PutObject",status="2xx"} 30
headrace_persist_attempts_total{outcome="success"} 9
headrace_persist_attempts_total{outcome="UFS_UNAVAILABLE"} 2
headrace_cache_hits_total 4
headrace_cache_misses_total 1
headrace_odd{text="a\\"b\\\\\\n,}"} 1
`;

void t.test('top: metrics are read from the text of a scrape', async (t) => {
  const metrics = parseMetrics(LATE);
  t.equal(sumOf(metrics, 'headrace_s3_requests_total'), 34);
  t.equal(sumOf(metrics, 'headrace_s3_requests_total', { status: '5xx' }), 4);
  t.equal(sumOf(metrics, 'none'), 0);
  t.same(metrics.get('headrace_odd')?.[0]?.labels, { text: 'a"b\\\n,}' });
  const name = 'headrace_s3_request_duration_seconds';
  t.equal(quantileBetween(undefined, metrics, name, {}, 0.5), 0.001);
  t.equal(quantileBetween(parseMetrics(EARLY), metrics, name, {}, 0.99), 0.01);
  t.equal(quantileBetween(metrics, metrics, name, {}, 0.5), undefined);
});

void t.test('top: rates are what came between two looks', async (t) => {
  const status = await new MemoryAdminService().status();
  const at = (atMs: number, text: string): Look => ({ atMs, status, metrics: parseMetrics(text) });
  const report = topReport(at(START_MS, EARLY), at(START_MS + 2000, LATE));
  t.match(report, {
    overMs: 2000,
    requestsPerSecond: 12,
    persistedPerSecond: 2,
    persistFailuresPerSecond: 1,
    cacheHitRatio: 0.75,
    operations: [
      { operation: 'PutObject', perSecond: 10, errorsPerSecond: 0, p50Ms: 1, p99Ms: 10 },
      { operation: 'GetObject', perSecond: 2, errorsPerSecond: 2 },
    ],
  });
  const restarted = topReport(at(START_MS, LATE), at(START_MS + 1000, EARLY));
  t.ok(
    restarted.requestsPerSecond >= 0 && restarted.persistedPerSecond >= 0,
    'counters that fell are no rates below 0',
  );
});

void t.test('top: one look without a terminal, as text or JSON', async (t) => {
  const fixture = await CliFixture.open(t, { metrics: () => LATE });
  const { stdout, exitCode } = await fixture.run(['top']);
  t.equal(exitCode, 0);
  t.match(stdout, /^used +██░+ 10.0 % of 10 GiB\npinned +░+ 0.0 % of 3 GiB\n/);
  t.match(stdout, /\nOPERATION +PER SECOND +5XX\/S +P50 +P99\nPutObject +0.3 +0.0 +≤ 1 ms +≤ 10 ms\n/);
  t.notMatch(stdout, '\x1b');
  t.match(JSON.parse((await fixture.run(['top', '--json'], { terminal: true })).stdout), {
    capacityBytes: 10 * 1024 ** 3,
  });
});

void t.test(
  'top: on a terminal it draws until q is pressed, and leaves the terminal as it was',
  async (t) => {
    for (const key of ['q', '\x03']) {
      const fixture = await CliFixture.open(t, { metrics: () => EARLY });
      let press: (key: string) => void = () => {};
      let restored = 0;
      let pauses = 0;
      const { stdout, exitCode } = await fixture.run(['top', '--interval', '5s'], {
        terminal: true,
        onKey: (listener) => {
          press = listener;
          return () => void restored++;
        },
        pause: async (delayMs) => {
          t.equal(delayMs, 5000);
          pauses += 1;
          press(pauses === 3 ? key : 'x');
        },
      });
      t.equal(exitCode, 0);
      t.equal(pauses, 3);
      t.equal(restored, 1);
      t.equal(stdout.split('\x1b[H').length, 4, 'three screens');
      t.ok(stdout.startsWith('\x1b[?1049h') && stdout.endsWith('\x1b[?25h\x1b[?1049l'));
      t.ok(stdout.split('\r\n').every((line) => line.replaceAll(/\x1b\[[?\d;]*[a-zA-Z]/g, '').length <= 80));
    }
  },
);

void t.test(
  'top: without metrics it still shows space and queue; without a server it ends with 3',
  async (t) => {
    const fixture = await CliFixture.open(t);
    t.match(await fixture.run(['top']), { exitCode: 0, stdout: /queue +0 pending/ });
    await fixture.close();
    const gone = await fixture.run(['top'], { terminal: true, pause: async () => {} });
    t.equal(gone.exitCode, 3);
    t.ok(gone.stdout.endsWith('\x1b[?1049l'), 'the terminal is given back');
  },
);
