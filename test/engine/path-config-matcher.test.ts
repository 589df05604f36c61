import fc from 'fast-check';
import t from 'tap';
import { parsePathConfig } from '../../src/engine/path-config-document.js';
import { PathMatcher } from '../../src/engine/path-config-matcher.js';
import { canonicalPattern, comparePatterns, parsePattern } from '../../src/engine/path-config-pattern.js';
import type { PathConfigDocument } from '../../src/engine/path-config.js';

function documentOf(patterns: readonly string[]): PathConfigDocument {
  return parsePathConfig({
    apiVersion: 'v1.0',
    pathRules: patterns.map((path) => ({ path, policyMode: 'WRITE_BACK' })),
  });
}

function matched(patterns: readonly string[], path: string): string {
  return new PathMatcher(documentOf(patterns)).matchPath(path).matched;
}

/** The same language as a regular expression: slow, but evidently right. */
function oracle(pattern: string): RegExp {
  const parts = pattern.slice(1).split('/');
  let source = '';
  for (const part of parts)
    if (part === '**') source += '(?:/[^/]*)*';
    else
      source +=
        '/' +
        Array.from(part, (c) =>
          c === '*' ? '[^/]*' : c === '?' ? '[^/]' : `\\u{${c.codePointAt(0)?.toString(16)}}`,
        ).join('');
  return new RegExp(`^${source}$`, 'su');
}

const literal = fc.string({ unit: fc.constantFrom('a', 'b', '\u{1f600}'), maxLength: 3 });
const component = fc.oneof(
  { weight: 4, arbitrary: literal },
  { weight: 2, arbitrary: fc.constant('*') },
  { weight: 2, arbitrary: fc.constant('**') },
  {
    weight: 3,
    arbitrary: fc
      .string({ unit: fc.constantFrom('a', 'b', '?', '*', '\u{1f600}'), minLength: 1, maxLength: 4 })
      .map((text) => text.replace(/\*\*+/g, '*')),
  },
);
const pattern = fc
  .tuple(fc.array(component, { maxLength: 4 }), component)
  .map(([leading, last]) => `/${[...leading, last === '' ? 'a' : last].join('/')}`);
const path = fc.array(literal, { minLength: 1, maxLength: 5 }).map((parts) => `/${parts.join('/')}`);

void t.test('path rules: globs stop at slashes, ** does not and includes the directory itself', async (t) => {
  const cases: [pattern: string, path: string, matches: boolean][] = [
    ['/b/k', '/b/k', true],
    ['/b/k', '/b/k/x', false],
    ['/b/*', '/b/k', true],
    ['/b/*', '/b/k/x', false],
    ['/b/*', '/b/', true],
    ['/b/*.tmp', '/b/x.tmp', true],
    ['/b/*.tmp', '/b/d/x.tmp', false],
    ['/b/**/*.tmp', '/b/x.tmp', true],
    ['/b/**/*.tmp', '/b/d/e/x.tmp', true],
    ['/foo/**', '/foo', true],
    ['/foo/**', '/foo/', true],
    ['/foo/**', '/foo/a/b', true],
    ['/foo/**', '/foobar/a', false],
    ['/foo/bar/**', '/foo/bar', true],
    ['/foo/bar/**', '/foo/barn', false],
    ['/foo/**/bar', '/foo/bar', true],
    ['/**', '/b', true],
    ['/**', '/b/k', true],
    ['/**/k', '/b/d/k', true],
    ['/b/epoch-?', '/b/epoch-1', true],
    ['/b/epoch-?', '/b/epoch-12', false],
    ['/b/?', '/b/\u{1f600}', true],
    ['/b/\\*', '/b/*', true],
    ['/b/\\*', '/b/k', false],
    ['/b//k', '/b//k', true],
    ['/b//k', '/b/k', false],
    ['/b/./k', '/b/k', false],
    ['/*/tmp/**', '/b/tmp/x', true],
    ['/data-*/**', '/data-1/x', true],
    ['/data-*/**', '/date/x', false],
  ];
  for (const [glob, text, matches] of cases)
    t.equal(matched([glob], text), matches ? glob : 'default', `${glob} and ${text}`);
});

void t.test('path rules: the most specific rule wins, as documented', async (t) => {
  const cases: [path: string, winner: string, loser: string][] = [
    ['/b/k', '/b/k', '/b/*'],
    ['/b/k', '/b/?', '/b/*'],
    ['/b/kk', '/b/k*', '/b/*k'],
    ['/b/kx', '/b/k*x', '/b/k*'],
    ['/b/kx', '/b/k?', '/b/k*'],
    ['/b/k', '/b/*', '/b/**'],
    ['/b/c/k', '/b/c/**', '/b/**'],
    ['/b/c/k', '/b/c/**', '/b/*/k'],
    ['/b/c/k', '/b/**/k', '/b/**'],
    ['/b/c/k', '/b/c/**', '/*/c/k'],
    ['/b', '/b', '/b/**'],
    ['/b', '/b/**', '/**'],
    ['/b/c', '/b/**/*', '/b/**'],
  ];
  for (const [text, winner, loser] of cases) {
    t.equal(matched([winner, loser], text), winner, `${text}: ${winner} before ${loser}`);
    t.equal(matched([loser, winner], text), winner, `${text}: ${winner} before ${loser}, listed behind it`);
  }
});

void t.test('path rules: of equally specific rules the one listed first wins', async (t) => {
  t.equal(matched(['/b/**/x/**', '/b/**/y/**'], '/b/x/y/k'), '/b/**/x/**');
  t.equal(matched(['/b/**/y/**', '/b/**/x/**'], '/b/x/y/k'), '/b/**/y/**');
});

void t.test('path rules: without rules the default applies, with its replicas', async (t) => {
  const matcher = new PathMatcher(
    parsePathConfig({
      apiVersion: 'v1.0',
      defaultRule: { policyMode: 'WRITE_BACK', properties: { writeReplicas: 2 } },
    }),
  );
  t.match(matcher.match('b', 'k'), { policyMode: 'WRITE_BACK', writeReplicas: 2, matched: 'default' });
  t.equal(matcher.match('b', 'k'), matcher.match('c', 'd'), 'one object for all');
  t.match(matcher.test('/b/k'), { path: '/b/k', policyMode: 'WRITE_BACK', matched: 'default' });
  t.throws(() => matcher.test('b/k'), { code: 'INVALID_ARGUMENT' });
});

void t.test('path rules: a pattern matches exactly what the same regular expression matches', async () => {
  fc.assert(
    fc.property(pattern, path, (glob, text) => {
      return (matched([glob], text) === glob) === oracle(glob).test(text);
    }),
    { numRuns: 2000 },
  );
});

void t.test('path rules: an object and its path find the same rule', async () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(pattern, { maxLength: 6, selector: canonical }),
      literal,
      path,
      (globs, bucket, key) => {
        const matcher = new PathMatcher(documentOf(globs));
        return matcher.match(bucket, key.slice(1)) === matcher.matchPath(`/${bucket}${key}`);
      },
    ),
    { numRuns: 2000 },
  );
});

void t.test('path rules: the order of rules matters only between equally specific ones', async () => {
  fc.assert(
    fc.property(fc.uniqueArray(pattern, { maxLength: 6, selector: canonical }), path, (globs, text) => {
      const one = matched(globs, text);
      const other = matched(globs.toReversed(), text);
      return one === other || comparePatterns(parsePattern(one, ''), parsePattern(other, '')) === 0;
    }),
    { numRuns: 2000 },
  );
});

void t.test('path rules: a pattern without globs beats every other one', async () => {
  fc.assert(
    fc.property(fc.uniqueArray(pattern, { maxLength: 6, selector: canonical }), path, (globs, text) => {
      const exact = text.endsWith('/') ? `${text}a` : text;
      const others = globs.filter((glob) => canonical(glob) !== canonical(exact));
      return matched([...others, exact], exact) === exact;
    }),
  );
});

void t.test('path rules: the order is a total preorder', async () => {
  fc.assert(
    fc.property(pattern, pattern, pattern, (x, y, z) => {
      const [a, b, c] = [parsePattern(x, ''), parsePattern(y, ''), parsePattern(z, '')];
      const sign =
        Math.sign(comparePatterns(a, b)) === -Math.sign(comparePatterns(b, a)) || comparePatterns(a, b) === 0;
      const transitive =
        !(comparePatterns(a, b) <= 0 && comparePatterns(b, c) <= 0) || comparePatterns(a, c) <= 0;
      return sign && transitive;
    }),
  );
});

void t.test('path rules: a hostile key cannot make matching explode', async (t) => {
  const glob = `/b/${'**/*a*a*a*a/'.repeat(30)}z`;
  const key = 'aaaaaaaaaaaa/'.repeat(70);
  t.equal(matched([glob], `/b/${key}`), 'default');
});

function canonical(glob: string): string {
  return canonicalPattern(parsePattern(glob, ''));
}
