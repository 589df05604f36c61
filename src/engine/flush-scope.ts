/** What a flush is about: everything, a bucket, a prefix or one key, up to a place in the log. */
import { HeadraceError } from '../core/errors.js';
import { byteLength } from '../core/key.js';
import type { Partition } from './partition.js';

export interface FlushScope {
  /** `''` for every bucket. */
  readonly bucket: string;
  /** What keys begin with, or the whole key when `exact`. */
  readonly prefix: string;
  readonly exact: boolean;
}

const PATH_BYTES_MAX = 4096;

/** `/` is everything, `/bucket` a bucket, `/bucket/a` every key that begins with `a`. `INVALID_ARGUMENT`. */
export function parseFlushScope(path: string, exact: boolean): FlushScope {
  if (!path.startsWith('/') || byteLength(path) > PATH_BYTES_MAX) {
    throw new HeadraceError(
      'INVALID_ARGUMENT',
      `the path "${path}" is not of the form /, /<bucket> or /<bucket>/<prefix>`,
    );
  }
  const end = path.indexOf('/', 1);
  const bucket = end < 0 ? path.slice(1) : path.slice(1, end);
  const prefix = end < 0 ? '' : path.slice(end + 1);
  if (bucket === '' && path !== '/') {
    throw new HeadraceError('INVALID_ARGUMENT', `the path "${path}" has no bucket: write /<bucket>/<prefix>`);
  }
  if (exact && prefix === '') {
    throw new HeadraceError('INVALID_ARGUMENT', `the path "${path}" names no key: write /<bucket>/<key>`);
  }
  return { bucket, prefix, exact };
}

export function isInScope(scope: FlushScope, bucket: string, key: string): boolean {
  if (scope.bucket === '') return true;
  if (scope.bucket !== bucket) return false;
  return scope.exact ? key === scope.prefix : key.startsWith(scope.prefix);
}

/**
 * The offset below which each partition's entries count. Without `upTo` what is applied now; else, for the partitions named
 * in it only, the offsets given: `<partition>:<offset>` as receipts have it, several with commas, or a bare offset where there is
 * one partition. `INVALID_ARGUMENT` for what the log does not have yet.
 */
export function barriersOf(
  partitions: readonly Partition[],
  upTo: string | undefined,
): ReadonlyMap<Partition, number> {
  if (upTo === undefined) {
    return new Map(partitions.map((partition) => [partition, partition.appliedOffset]));
  }
  const barriers = new Map<Partition, number>();
  for (const item of upTo.split(',')) {
    const { partition, offset } = parseOffset(partitions, item.trim());
    // A receipt for a delete of what is not there names the next offset: nothing below it is newer.
    if (offset > partition.appliedOffset) {
      throw new HeadraceError(
        'INVALID_ARGUMENT',
        `the offset "${item}" is not in the log yet: partition ${partition.number} ends before ${partition.appliedOffset}`,
      );
    }
    const barrier = Math.min(offset + 1, partition.appliedOffset);
    barriers.set(partition, Math.max(barriers.get(partition) ?? 0, barrier));
  }
  return barriers;
}

function parseOffset(
  partitions: readonly Partition[],
  text: string,
): { partition: Partition; offset: number } {
  const match = /^(?:(\d{1,9}):)?(\d{1,15})$/.exec(text);
  const number = match?.[1] === undefined ? undefined : Number(match[1]);
  const only = partitions.length === 1 ? partitions[0] : undefined;
  const partition = number === undefined ? only : partitions.find((candidate) => candidate.number === number);
  if (match === null || partition === undefined) {
    const last = partitions.at(-1)?.number ?? 0;
    throw new HeadraceError(
      'INVALID_ARGUMENT',
      `the offset "${text}" is not of the form <partition>:<offset>, with a partition from 1 to ${last}`,
    );
  }
  return { partition, offset: Number(match[2]) };
}
