/**
 * Opens an index: finds the newest checkpoint that is whole, and removes what a crash left behind.
 *
 * | manifests found                       | what is opened                         | what is kept    |
 * |---------------------------------------|----------------------------------------|-----------------|
 * | none                                  | an empty index                         | nothing         |
 * | newest whole, one before whole        | the newest                             | both            |
 * | newest whole, one before bad or none  | the newest                             | the newest      |
 * | newest bad, one before whole          | the one before, with a warning         | the one before  |
 * | all bad                               | nothing: `CORRUPT_CHECKPOINT`          | all, untouched  |
 *
 * Bad is a manifest or a filter or index of a run with a wrong checksum, or a run that is missing. Data blocks are not read:
 * they are checked when they are used. Failures to read (`IO_FAILED`) and newer formats (`UNSUPPORTED_FORMAT`) are passed on:
 * they say nothing about the data.
 */
import { isErrorCode } from '../../core/errors.js';
import type { IndexCheckpoint, IndexCodec } from '../../core/index-store.js';
import type { Logger } from '../../core/logger.js';
import type { Clock, Disk } from '../../core/ports.js';
import { BlockCache } from './block-cache.js';
import { LsmIndexStore } from './lsm-index-store.js';
import { type Manifest, manifestName, parseName, readManifest, runName } from './manifest.js';
import { type IndexStoreOptions, resolveOptions } from './options.js';
import type { Run } from './run.js';
import { corrupt } from './run-format.js';
import { RunFiles } from './run-files.js';

export interface IndexStoreSetup<Value> {
  readonly disk: Disk;
  /** Belongs to the index alone; made when it is not there. */
  readonly directory: string;
  readonly codec: IndexCodec<Value>;
  readonly options?: Partial<IndexStoreOptions>;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface OpenedIndexStore<Value> {
  readonly store: LsmIndexStore<Value>;
  /** What the index stands at: the log is to be folded from its offset on. Undefined when the index is new. */
  readonly checkpoint: IndexCheckpoint | undefined;
}

/**
 * Takes milliseconds, whatever the number of entries: filters and block indexes are read, no entries.
 * `CORRUPT_CHECKPOINT` when there are checkpoints and none is whole, `UNSUPPORTED_FORMAT`, `IO_FAILED`.
 */
export async function openIndexStore<Value>(setup: IndexStoreSetup<Value>): Promise<OpenedIndexStore<Value>> {
  const { disk, directory, codec, clock, logger } = setup;
  const options = resolveOptions(setup.options);
  await disk.makeDirectory(directory);
  const found = await listFiles(disk, directory);
  const cache = new BlockCache(options.blockCacheBytes, options.blockBytes);
  const files = new RunFiles(disk, directory, cache, logger, found.numberMax + 1);
  const nextCheckpointNumber = found.numberMax + 1;
  try {
    const { manifests, runs } = await recover(setup, found.manifests, files);
    for (const manifest of manifests) files.pin(manifest.runs);
    await removeLeftovers(disk, directory, found.names, manifests);
    files.allowRemovals();
    const parts = { disk, directory, codec, options, clock, logger, cache, files, manifests, runs };
    return { store: new LsmIndexStore({ ...parts, nextCheckpointNumber }), checkpoint: manifests.at(-1) };
  } catch (error) {
    await files.close();
    throw error;
  }
}

interface FoundFiles {
  /** Numbers of the manifests, newest first. */
  readonly manifests: readonly number[];
  /** All names that are ours. */
  readonly names: readonly string[];
  /** The greatest number of any file. */
  readonly numberMax: number;
}

async function listFiles(disk: Disk, directory: string): Promise<FoundFiles> {
  const manifests: number[] = [];
  const names: string[] = [];
  let numberMax = 0;
  for (const name of await disk.list(directory)) {
    const parsed = parseName(name);
    if (parsed === undefined) continue;
    names.push(name);
    numberMax = Math.max(numberMax, parsed.number);
    if (parsed.type === 'checkpoint') manifests.push(parsed.number);
  }
  return { manifests: manifests.sort((a, b) => b - a), names, numberMax };
}

/** The manifests to keep, oldest first, and the runs of the newest of them. */
async function recover<Value>(
  setup: IndexStoreSetup<Value>,
  numbers: readonly number[],
  files: RunFiles,
): Promise<{ manifests: Manifest[]; runs: Run[] }> {
  const { disk, directory, logger } = setup;
  let failure: unknown;
  /** Undefined, with a warning, when the checkpoint is corrupt. */
  const attempt = async <Result>(
    number: number,
    action: () => Promise<Result>,
  ): Promise<Result | undefined> => {
    try {
      return await action();
    } catch (error) {
      if (!isErrorCode(error, 'CORRUPT_CHECKPOINT')) throw error;
      failure ??= error;
      logger.warn({ number, error }, 'an index checkpoint is corrupt and is not used');
      return undefined;
    }
  };
  for (const [i, number] of numbers.entries()) {
    const newest = await attempt(number, async () => {
      const manifest = await readManifest(disk, directory, number);
      return { manifest, runs: await files.acquireAll(manifest.runs) };
    });
    if (newest === undefined) continue;
    const manifests = [newest.manifest];
    const before = i === 0 ? numbers[1] : undefined;
    if (before !== undefined) {
      const manifest = await attempt(before, () => readWhole(disk, directory, before));
      if (manifest !== undefined) manifests.unshift(manifest);
    }
    return { manifests, runs: newest.runs };
  }
  if (failure !== undefined) throw failure;
  return { manifests: [], runs: [] };
}

/** A manifest whose runs are all there, as far as can be told without opening them. */
async function readWhole(disk: Disk, directory: string, number: number): Promise<Manifest> {
  const manifest = await readManifest(disk, directory, number);
  for (const run of manifest.runs) {
    const path = `${directory}/${runName(run.number)}`;
    if ((await disk.sizeOf(path)) !== run.fileBytes)
      throw corrupt(path, 0, `is missing or not ${run.fileBytes} bytes long`);
  }
  return manifest;
}

/** Removes runs and manifests that no kept checkpoint needs. */
async function removeLeftovers(
  disk: Disk,
  directory: string,
  names: readonly string[],
  kept: readonly Manifest[],
): Promise<void> {
  const needed = new Set(kept.map((manifest) => manifestName(manifest.number)));
  for (const manifest of kept) for (const run of manifest.runs) needed.add(runName(run.number));
  const leftovers = names.filter((name) => !needed.has(name));
  for (const name of leftovers) await disk.remove(`${directory}/${name}`);
  if (leftovers.length > 0) await disk.syncDirectory(directory);
}
