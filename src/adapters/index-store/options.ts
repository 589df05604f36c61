/**
 * Settings of the index store that are plain values, with their defaults and limits.
 */
import { assert } from '../../core/assert.js';
import { KIB, MIB } from '../../core/units.js';

export interface IndexStoreOptions {
  /** Memory for blocks that were read lately, taken as they are. Half of the index of 1,000,000 objects: a read of the file takes 3 µs. */
  readonly blockCacheBytes: number;
  /** A block is closed before it grows above this; only an entry that is larger makes a larger block. */
  readonly blockBytes: number;
  /** Runs are written in pieces of about this size. */
  readonly writeBytes: number;
  /** A merge reads each of its inputs in pieces of about this size. */
  readonly readBytes: number;
  /** So many runs of one level become one run of the next. */
  readonly fanIn: number;
  readonly filterBitsPerKey: number;
  /** Longest stretch of work on a checkpoint or merge in one turn of the event loop. */
  readonly sliceMs: number;
  /** Pause between two slices of a merge, so that it takes a bounded share of the processor. */
  readonly mergeRestMs: number;
  /** Obsolete entries below this number are never a reason to rewrite everything. */
  readonly garbageEntriesMin: number;
}

const INDEX_STORE_DEFAULTS: IndexStoreOptions = {
  blockCacheBytes: 64 * MIB,
  blockBytes: 4 * KIB,
  writeBytes: 512 * KIB,
  readBytes: 256 * KIB,
  fanIn: 8,
  filterBitsPerKey: 10,
  sliceMs: 2,
  mergeRestMs: 4,
  garbageEntriesMin: 4096,
};

const LIMITS: Record<keyof IndexStoreOptions, readonly [min: number, max: number]> = {
  blockCacheBytes: [256 * KIB, 2 ** 31],
  blockBytes: [256, MIB],
  writeBytes: [KIB, 16 * MIB],
  readBytes: [256, 16 * MIB],
  fanIn: [2, 64],
  filterBitsPerKey: [4, 32],
  sliceMs: [0, 1000],
  mergeRestMs: [0, 1000],
  garbageEntriesMin: [0, 2 ** 31],
};

/** The defaults with `overrides` over them. Values out of range are a programmer's mistake: no user sets them. */
export function resolveOptions(overrides: Partial<IndexStoreOptions> = {}): IndexStoreOptions {
  const options = { ...INDEX_STORE_DEFAULTS, ...overrides };
  for (const name of Object.keys(LIMITS) as (keyof IndexStoreOptions)[]) {
    const [min, max] = LIMITS[name];
    const value = options[name];
    assert(value >= min && value <= max, `index store option ${name} is ${value}, not from ${min} to ${max}`);
  }
  return options;
}
