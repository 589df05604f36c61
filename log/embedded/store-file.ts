/**
 * `log/store.json`: the identity of an embedded log. Written once, before the first partition, and never
 * changed.
 *
 * | field   | value                                                                          |
 * |---------|--------------------------------------------------------------------------------|
 * | format  | `headrace-log`                                                                 |
 * | version | 1                                                                              |
 * | storeId | 16 hex digits, random; every frame carries it, so a damaged one is noticed      |
 */
import { HeadraceError } from '../../src/core/errors.js';
import type { Disk, Random } from '../../src/core/ports.js';

const STORE_FORMAT = 'headrace-log';
const STORE_VERSION = 1;

const STORE_ID_BYTES = 8;
const FILE_BYTES_MAX = 4096;

/**
 * Reads the store's id, or makes one when `directory` holds no log yet; durable on return.
 * `UNSUPPORTED_FORMAT` for a newer format, `DATA_DIRECTORY_UNUSABLE` when the file is not what it should be
 * or is missing beside a log.
 */
export async function openStoreFile(disk: Disk, random: Random, directory: string): Promise<bigint> {
  const path = `${directory}/store.json`;
  await disk.makeDirectory(directory);
  const sizeBytes = await disk.sizeOf(path);
  if (sizeBytes !== undefined) {
    const storeId = await readStoreFile(disk, path, sizeBytes);
    // Its name may still be in the kernel's memory alone, left by a process that was killed.
    await disk.syncDirectory(directory);
    return storeId;
  }
  const others = (await disk.list(directory)).filter((name) => name !== 'store.json.tmp');
  if (others.length > 0)
    throw new HeadraceError(
      'DATA_DIRECTORY_UNUSABLE',
      `${path} is missing, but ${directory} holds ${others[0]}: put the file back, or start with an empty directory`,
    );
  const storeId = Buffer.from(random.bytes(STORE_ID_BYTES));
  const document = { format: STORE_FORMAT, version: STORE_VERSION, storeId: storeId.toString('hex') };
  await disk.remove(`${path}.tmp`);
  const file = await disk.create(`${path}.tmp`);
  try {
    await file.write(0, Buffer.from(`${JSON.stringify(document)}\n`));
    await file.sync();
  } finally {
    await file.close();
  }
  await disk.rename(`${path}.tmp`, path);
  await disk.syncDirectory(directory);
  return storeId.readBigUInt64BE(0);
}

/** The id of a log that is there. `DATA_DIRECTORY_UNUSABLE` when there is none, `UNSUPPORTED_FORMAT`. */
export async function readStoreId(disk: Disk, directory: string): Promise<bigint> {
  const path = `${directory}/store.json`;
  const sizeBytes = await disk.sizeOf(path);
  if (sizeBytes !== undefined) return readStoreFile(disk, path, sizeBytes);
  throw new HeadraceError(
    'DATA_DIRECTORY_UNUSABLE',
    `there is no log: ${path} is missing in the data directory`,
  );
}

async function readStoreFile(disk: Disk, path: string, sizeBytes: number): Promise<bigint> {
  const bytes = Buffer.alloc(Math.min(sizeBytes, FILE_BYTES_MAX));
  const file = await disk.open(path, { readOnly: true });
  try {
    await file.read(0, bytes);
  } finally {
    await file.close();
  }
  const document = parse(bytes.toString('utf8'));
  const { format, version, storeId } = document ?? {};
  if (format === STORE_FORMAT && typeof version === 'number' && version > STORE_VERSION)
    throw new HeadraceError(
      'UNSUPPORTED_FORMAT',
      `${path} is of version ${version}, and this version reads up to ${STORE_VERSION}: it was written by a newer one`,
    );
  if (
    format !== STORE_FORMAT ||
    version !== STORE_VERSION ||
    typeof storeId !== 'string' ||
    !/^[0-9a-f]{16}$/.test(storeId)
  )
    throw new HeadraceError(
      'DATA_DIRECTORY_UNUSABLE',
      `${path} does not describe a log: expected ${JSON.stringify({ format: STORE_FORMAT, version: STORE_VERSION, storeId: '<16 hex digits>' })}`,
    );
  return BigInt(`0x${storeId}`);
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
