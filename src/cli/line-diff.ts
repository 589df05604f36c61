/** The difference of two texts, line by line, for people to check a change before it is made. */

export interface DiffLine {
  readonly kind: 'same' | 'removed' | 'added' | 'gap';
  readonly text: string;
}

/** Unchanged lines shown around a change. */
const CONTEXT_LINES = 3;
/** Above this many comparisons the middle is shown as wholly replaced. */
const COMPARISONS_MAX = 4_000_000;

/** Changed lines with a few unchanged ones around them; empty when the texts are the same. */
export function diffLines(before: string, after: string): DiffLine[] {
  const a = before.split('\n');
  const b = after.split('\n');
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a.at(-1 - end) === b.at(-1 - end)) end++;
  const same = (text: string): DiffLine => ({ kind: 'same', text });
  const lines = [
    ...a.slice(0, start).map(same),
    ...compareMiddle(a.slice(start, a.length - end), b.slice(start, b.length - end)),
    ...a.slice(a.length - end).map(same),
  ];
  return withoutFarLines(lines);
}

/** By the longest common subsequence: `lengths[i][j]` is that of `a` from `i` and `b` from `j`. */
function compareMiddle(a: readonly string[], b: readonly string[]): DiffLine[] {
  const removed = (text: string): DiffLine => ({ kind: 'removed', text });
  const added = (text: string): DiffLine => ({ kind: 'added', text });
  if (a.length * b.length > COMPARISONS_MAX) return [...a.map(removed), ...b.map(added)];
  const lengths = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  const lengthAt = (i: number, j: number): number => lengths[i]?.[j] ?? 0;
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--) {
      const row = lengths[i];
      if (row !== undefined)
        row[j] =
          a[i] === b[j] ? lengthAt(i + 1, j + 1) + 1 : Math.max(lengthAt(i + 1, j), lengthAt(i, j + 1));
    }
  const lines: DiffLine[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const left = a[i];
    const right = b[j];
    if (left !== undefined && left === right) {
      lines.push({ kind: 'same', text: left });
      i++;
      j++;
    } else if (left !== undefined && (right === undefined || lengthAt(i + 1, j) >= lengthAt(i, j + 1))) {
      lines.push(removed(left));
      i++;
    } else if (right !== undefined) {
      lines.push(added(right));
      j++;
    }
  }
  return lines;
}

function withoutFarLines(lines: readonly DiffLine[]): DiffLine[] {
  const near = new Set<number>();
  for (const [index, line] of lines.entries())
    if (line.kind !== 'same')
      for (let i = index - CONTEXT_LINES; i <= index + CONTEXT_LINES; i++) near.add(i);
  const shown: DiffLine[] = [];
  for (const [index, line] of lines.entries())
    if (near.has(index)) shown.push(line);
    else if (near.size > 0 && shown.at(-1)?.kind !== 'gap') shown.push({ kind: 'gap', text: '…' });
  return shown;
}
