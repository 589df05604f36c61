/**
 * Which runs to merge: size-tiered, so that an entry is rewritten once for each factor of `fanIn` that the index has grown by.
 *
 * 1. When half of all entries are obsolete (overwritten, deleted, or deletions), everything becomes one run. It pays for itself: as much
 *    garbage goes as live entries are written.
 * 2. When a level has `fanIn` runs, they become one of the next level.
 *
 * Only runs that lie next to each other in age are merged, so the result takes their place. Deletions can go only with
 * the oldest run, since below it there is nothing that they hide.
 * Source of the idea: O'Neil et al., "The Log-Structured Merge-Tree" (1996); Dayan et al., "Monkey" (2017) for tiering.
 */
import type { IndexStoreOptions } from './options.js';
import type { RunDescriptor } from './run-format.js';

export interface MergeChoice {
  /** The runs from `first` (inclusive) to `end` (exclusive), newest first. */
  readonly first: number;
  readonly end: number;
  /** Level of the result. */
  readonly level: number;
  /** Whether nothing is older: then deletions can go. */
  readonly withOldest: boolean;
  /** Merging lags behind: it should not rest. */
  readonly isUrgent: boolean;
}

/** `runs` are newest first. Undefined when nothing has to be done. */
export function chooseMerge(
  runs: readonly RunDescriptor[],
  options: Pick<IndexStoreOptions, 'fanIn' | 'garbageEntriesMin'>,
): MergeChoice | undefined {
  const entries = sumOf(runs, (run) => run.entries);
  const garbage = sumOf(runs, garbageOf);
  if (runs.length > 1 && garbage >= Math.max(options.garbageEntriesMin, entries / 2))
    return choice(runs, 0, runs.length, runs.at(-1)!.level, options.fanIn);
  for (let first = 0; first < runs.length;) {
    const { level } = runs[first]!;
    let end = first;
    while (end < runs.length && runs[end]!.level === level) end++;
    // The oldest of the level: what is left out stays newer than the result.
    if (end - first >= options.fanIn)
      return choice(runs, Math.max(first, end - 2 * options.fanIn), end, level + 1, options.fanIn);
    first = end;
  }
  return undefined;
}

/** Entries that will go in a merge of everything. */
function garbageOf(run: RunDescriptor): number {
  return run.superseded + run.deletions;
}

/** How many entries the merge will leave, at a guess; never less than the largest run has. */
export function entriesExpected(runs: readonly RunDescriptor[], withOldest: boolean): number {
  const entries = sumOf(runs, (run) => run.entries);
  const largest = Math.max(...runs.map((run) => run.entries - (withOldest ? run.deletions : 0)));
  return Math.max(1, largest, entries - (withOldest ? sumOf(runs, garbageOf) : 0));
}

/** Estimate of what the merged run makes obsolete in older runs, when `dropped` of its inputs' entries are gone. */
export function supersededAfter(
  runs: readonly RunDescriptor[],
  dropped: number,
  withOldest: boolean,
): number {
  return withOldest ? 0 : Math.max(0, sumOf(runs, (run) => run.superseded) - dropped);
}

function choice(
  runs: readonly RunDescriptor[],
  first: number,
  end: number,
  level: number,
  fanIn: number,
): MergeChoice {
  return { first, end, level, withOldest: end === runs.length, isUrgent: runs.length >= 3 * fanIn };
}

function sumOf(runs: readonly RunDescriptor[], part: (run: RunDescriptor) => number): number {
  return runs.reduce((sum, run) => sum + part(run), 0);
}
