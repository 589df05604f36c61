import { readFileSync } from 'node:fs';
import * as sdk from '@aws-sdk/client-s3';
import t from 'tap';
import { OPERATIONS } from '../../../src/http/s3/operation-table.js';
import type { Operation } from '../../../src/http/s3/operation.js';
import { startEndpoint } from '../../support/s3-endpoint.js';

const SUPPORT = { supported: 'yes', partly: 'partly', refused: 'no' } as const;

function rowOf({ name, method, level, subresource, copy, support, note }: Operation): string {
  const path = { service: '/', bucket: '/bucket', object: '/bucket/key' }[level];
  const request = `${method} ${path}${subresource === '' ? '' : `?${subresource}`}`;
  return `| ${name} | \`${request}\`${copy ? ' + `x-amz-copy-source`' : ''} | ${SUPPORT[support]} | ${note} |`;
}

/** A row as cells, so that the page may be formatted. */
const cells = (row: string): string =>
  row
    .split('|')
    .map((cell) => cell.trim())
    .join('|');

void t.test('operations: the page lists every one as the server treats it, and no other', async (t) => {
  const page = readFileSync('docs/s3-api.md', 'utf8');
  const rows = page.split('\n').filter((line) => /^\| [A-Z]\w+ +\| `/.test(line));
  t.same(rows.map(cells), OPERATIONS.map(rowOf).map(cells));
});

void t.test('operations: every one that the AWS SDK knows is in the table', async (t) => {
  const known = new Set(OPERATIONS.map(({ name }) => name));
  const commands = Object.keys(sdk)
    .filter((name) => name.endsWith('Command') && name !== '$Command')
    .map((name) => name.slice(0, -'Command'.length));
  t.ok(commands.length > 100);
  t.same(
    commands.filter((name) => !known.has(name)),
    [],
  );
});

void t.test('operations: each has its own route, unless S3 gives two the same', async (t) => {
  const runs = new Map<string, Operation['run']>();
  for (const { method, level, subresource, copy, run } of OPERATIONS) {
    if (run === undefined) continue;
    const route = `${method} ${level}?${subresource} ${copy}`;
    t.equal(runs.get(route) ?? run, run, route);
    runs.set(route, run);
  }
  t.same(
    OPERATIONS.filter(({ support, run }) => run === undefined && support !== 'refused'),
    [],
  );
});

void t.test('operations: what is refused is refused by name, never ignored', async (t) => {
  const { url } = await startEndpoint(t);
  const served = new Set(
    OPERATIONS.filter(({ run }) => run !== undefined).map(
      ({ method, level, subresource }) => `${method} ${level} ${subresource}`,
    ),
  );
  for (const { name, method, level, subresource, run } of OPERATIONS) {
    if (run !== undefined || served.has(`${method} ${level} ${subresource}`)) continue;
    const path = { service: '/', bucket: '/bucket', object: '/bucket/key' }[level];
    const answer = await fetch(`${url}${path}${subresource === '' ? '' : `?${subresource}`}`, { method });
    t.equal(answer.status, 501, `${method} ${path}?${subresource}`);
    const text = await answer.text();
    t.match(text, '<Code>NotImplemented</Code>');
    if (subresource === '') t.match(text, name);
    else t.match(text, `(?${subresource})`);
  }
});
