import fc from 'fast-check';
import t from 'tap';
import { diffLines } from '../../src/cli/line-diff.js';

function show(before: string, after: string): string[] {
  const signs = { same: ' ', removed: '-', added: '+', gap: '…' };
  return diffLines(before, after).map(({ kind, text }) => (kind === 'gap' ? '…' : signs[kind] + text));
}

void t.test('line diff: shows changes with a few lines around them', async (t) => {
  t.same(show('a\nb\nc', 'a\nB\nc'), [' a', '-b', '+B', ' c']);
  t.same(show('1\n2\n3\n4\n5\nx\n6\n7\n8\n9', '1\n2\n3\n4\n5\n6\n7\n8\n9'), [
    '…',
    ' 3',
    ' 4',
    ' 5',
    '-x',
    ' 6',
    ' 7',
    ' 8',
    '…',
  ]);
  t.same(show('a\nb', 'a\nb'), []);
});

void t.test('line diff: applied to the old text it gives the new one', async () => {
  const lines = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 3 }).map((parts) => parts.join('\n'));
  fc.assert(
    fc.property(lines, lines, (before, after) => {
      if (before === after) return show(before, after).length === 0;
      const diff = diffLines(before, after);
      const side = (dropped: string) =>
        diff
          .filter(({ kind }) => kind !== dropped)
          .map(({ text }) => text)
          .join('\n');
      return side('added') === before && side('removed') === after;
    }),
  );
});
