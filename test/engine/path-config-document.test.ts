import t from 'tap';
import { HeadraceError } from '../../src/core/errors.js';
import { DEFAULT_PATH_CONFIG } from '../../src/engine/path-config.js';
import { parsePathConfig, parsePathConfigText } from '../../src/engine/path-config-document.js';

/** The document of the product's guide, in the spelling it uses. */
const GUIDE = {
  apiVersion: 'v1.0',
  defaultRule: {
    description: 'Global default',
    policyMode: 'WRITE_THROUGH',
    properties: { writeReplicas: 1 },
  },
  pathRules: [
    {
      alluxioPath: '/checkpoints/**',
      description: 'Low-latency checkpoint writes',
      policyMode: 'WRITE_BACK',
      properties: { writeReplicas: 2 },
    },
    { path: '/shuffle/**', policyMode: 'TRANSIENT' },
  ],
};

function messageOf(value: unknown): string {
  try {
    parsePathConfig(value);
  } catch (error) {
    if (error instanceof HeadraceError && error.code === 'INVALID_ARGUMENT') return error.message;
    throw error;
  }
  return 'accepted';
}

void t.test('path config: both spellings of a pattern are read, the native one comes out', async (t) => {
  const { pathRules } = parsePathConfig(GUIDE);
  t.same(
    pathRules.map((rule) => rule.path),
    ['/checkpoints/**', '/shuffle/**'],
  );
  t.notOk('alluxioPath' in (pathRules[0] ?? {}));
  t.same(
    parsePathConfig(parsePathConfig(GUIDE)),
    parsePathConfig(GUIDE),
    'reading the result changes nothing',
  );
});

void t.test('path config: rules and default may be left out', async (t) => {
  t.same(parsePathConfig({ apiVersion: 'v1.0' }), DEFAULT_PATH_CONFIG);
});

void t.test('path config: every mistake is named with its place', async (t) => {
  const rule = (fields: object) => ({
    apiVersion: 'v1.0',
    pathRules: [{ path: '/a', policyMode: 'READ_ONLY', ...fields }],
  });
  const cases: [document: unknown, message: string][] = [
    [[], 'the document: [] must be a JSON object'],
    [null, 'the document: null must be a JSON object'],
    [{}, 'apiVersion: is missing: it must be "v1.0"'],
    [{ apiVersion: 'v2' }, 'apiVersion: "v2" must be "v1.0"'],
    [
      { apiVersion: 'v1.0', rules: [] },
      'the document: unknown property "rules": known are apiVersion, defaultRule, pathRules',
    ],
    [{ apiVersion: 'v1.0', pathRules: {} }, 'pathRules: {} must be a list of rules'],
    [
      { apiVersion: 'v1.0', defaultRule: { policyMode: 'WRITE_BACK', path: '/x' } },
      'defaultRule: unknown property "path": known are description, policyMode, properties',
    ],
    [
      rule({ policyMode: 'write_back' }),
      'pathRules[0].policyMode: "write_back" must be one of WRITE_THROUGH, WRITE_BACK, TRANSIENT, READ_ONLY, NO_CACHE',
    ],
    [
      rule({ properties: { writeReplicas: 0 } }),
      'pathRules[0].properties.writeReplicas: 0 must be an integer from 1 to 16',
    ],
    [
      rule({ properties: { persistPriority: 10 } }),
      'pathRules[0].properties.persistPriority: 10 must be an integer from 0 to 9',
    ],
    [
      rule({ properties: { writeReplicas: 1.5 } }),
      'pathRules[0].properties.writeReplicas: 1.5 must be an integer from 1 to 16',
    ],
    [
      rule({ properties: { replicas: 2 } }),
      'pathRules[0].properties: unknown property "replicas": known are writeReplicas, persistPriority, pinnedBudget, onPressure',
    ],
    [rule({ description: 1 }), 'pathRules[0].description: 1 must be a text'],
    [
      rule({ path: undefined }),
      'pathRules[0].path: is missing: it must be a pattern such as "/bucket/prefix/**"',
    ],
    [rule({ path: 'a/**' }), 'pathRules[0].path: the pattern "a/**" must start with "/": write "/a/**"'],
    [
      rule({ path: '/a/' }),
      'pathRules[0].path: the pattern "/a/" ends with "/" and would match no object below it: write "/a/**"',
    ],
    [
      rule({ path: '/a/b**' }),
      'pathRules[0].path: the pattern "/a/b**" has "**" beside other characters: it must stand alone between slashes',
    ],
    [
      rule({ alluxioPath: '/b' }),
      'pathRules[0]: has both "path" and "alluxioPath", two spellings of one thing: keep one',
    ],
    [
      {
        apiVersion: 'v1.0',
        pathRules: [
          { path: '/a/**/**', policyMode: 'READ_ONLY' },
          { alluxioPath: '/\\a/**', policyMode: 'WRITE_BACK' },
        ],
      },
      'pathRules[1].alluxioPath: the pattern "/\\\\a/**" is already at pathRules[0].path: keep one of the rules',
    ],
  ];
  for (const [document, message] of cases) t.equal(messageOf(document), message);
});

void t.test('path config: documents have limits', async (t) => {
  const rules = (count: number, description = '') =>
    Array.from({ length: count }, (_, i) => ({ path: `/b/${i}`, policyMode: 'WRITE_BACK', description }));
  t.equal(messageOf({ apiVersion: 'v1.0', pathRules: rules(512) }), 'accepted');
  t.match(messageOf({ apiVersion: 'v1.0', pathRules: rules(513) }), /513 rules: at most 512/);
  t.match(
    messageOf({ apiVersion: 'v1.0', pathRules: rules(100, 'x'.repeat(1000)) }),
    /at most 65536 are allowed/,
  );
  t.match(messageOf({ apiVersion: 'v1.0', pathRules: rules(1, 'x'.repeat(1025)) }), /longer than 1024/);
});

void t.test('path config: text that is not JSON is refused with the reason', async (t) => {
  t.throws(() => parsePathConfigText('{"apiVersion": '), { code: 'INVALID_ARGUMENT', message: /not JSON/ });
  t.throws(() => parsePathConfigText('{"__proto__": {}, "apiVersion": "v1.0"}'), {
    message: /unknown property "__proto__"/,
  });
});
