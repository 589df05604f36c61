/**
 * Looking for the smallest pinned ratio that refuses nothing, in hundredths.
 *
 * It takes a larger ratio never to refuse what a smaller one does not. Each round plays three ratios side by side, which cut what is
 * left into four, whatever the number of cores: the answer does not depend on the machine.
 */

export interface RatioSearch {
  /** Undefined when even a ratio of 1 refuses writes. */
  readonly smallest: number | undefined;
  /** The one below it; undefined when there is none to be had. */
  readonly largestRefusing: number | undefined;
  readonly runs: number;
}

const HUNDREDTHS = 100;
const SIDE_BY_SIDE = 3;
/** A ratio of 1, and the rounds by which 99 others are told apart. */
export const RATIO_RUNS_MAX = 1 + SIDE_BY_SIDE * Math.ceil(Math.log(HUNDREDTHS) / Math.log(SIDE_BY_SIDE + 1));

export async function searchRatio(
  refuses: (pinnedRatio: number) => Promise<boolean>,
  onProgress: (runs: number) => void,
): Promise<RatioSearch> {
  let runs = 0;
  const play = async (hundredths: number): Promise<boolean> => {
    const isRefusing = await refuses(hundredths / HUNDREDTHS);
    onProgress(++runs);
    return isRefusing;
  };
  if (await play(HUNDREDTHS)) return { smallest: undefined, largestRefusing: 1, runs };
  let [low, high] = [0, HUNDREDTHS];
  while (high - low > 1) {
    const width = high - low;
    const steps = Math.min(SIDE_BY_SIDE + 1, width);
    const tried = Array.from({ length: steps - 1 }, (_, at) => low + Math.round(((at + 1) * width) / steps));
    const refusing = await Promise.all(tried.map(play));
    // Above the last one that refuses: where ratios do not behave, the answer is still one above which nothing refused.
    const last = refusing.lastIndexOf(true);
    high = tried[last + 1] ?? high;
    low = tried[last] ?? low;
  }
  return {
    smallest: high / HUNDREDTHS,
    largestRefusing: low === 0 ? undefined : low / HUNDREDTHS,
    runs,
  };
}
