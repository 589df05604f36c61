/**
 * What a data directory whose log is in FoundationDB knows about it.
 *
 * | name                    | lifetime    | content                                                                                                 |
 * |-------------------------|-------------|---------------------------------------------------------------------------------------------------------|
 * | `log/foundationdb.json` | the store's | `{"clusterFile":"/etc/foundationdb/fdb.cluster","keyPrefix":"headrace/","incarnation":"0f1e2d3c4b5a6978"}` |
 *
 * The incarnation is that of the log which this directory's index was folded from, in hexadecimal: a log of another one is another
 * history (`log/fdb/incarnate.ts`). Directories of the first versions have none until they are opened again.
 */
import { HeadraceError } from '../core/errors.js';
import type { Disk } from '../core/ports.js';

export const PLACE_FILE = 'log/foundationdb.json';
const DIRECTORY = 'log';
const PLACE_BYTES_MAX = 64 * 1024;

export interface LogPlace {
  readonly clusterFile: string;
  readonly keyPrefix: string;
  readonly incarnation?: string;
}

/** As a place names it. */
export function incarnationName(incarnation: bigint): string {
  return incarnation.toString(16).padStart(16, '0');
}

/** Of a data directory whose log is in FoundationDB; undefined for any other. `DATA_DIRECTORY_UNUSABLE`, `IO_FAILED`. */
export async function readPlace(disk: Disk): Promise<LogPlace | undefined> {
  const size = await disk.sizeOf(PLACE_FILE);
  if (size === undefined) return undefined;
  const bytes = Buffer.alloc(Math.min(size, PLACE_BYTES_MAX));
  const file = await disk.open(PLACE_FILE, { readOnly: true });
  try {
    await file.read(0, bytes);
  } finally {
    await file.close();
  }
  const place = parsePlace(bytes.toString('utf8'));
  if (place !== undefined) return place;
  throw new HeadraceError(
    'DATA_DIRECTORY_UNUSABLE',
    `${PLACE_FILE} in the data directory does not say where the log is: expected {"clusterFile":"…","keyPrefix":"…"}`,
  );
}

function parsePlace(text: string): LogPlace | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return undefined;
    const { clusterFile, keyPrefix, incarnation } = value as Record<string, unknown>;
    if (typeof clusterFile !== 'string' || typeof keyPrefix !== 'string') return undefined;
    if (incarnation === undefined) return { clusterFile, keyPrefix };
    return typeof incarnation === 'string' ? { clusterFile, keyPrefix, incarnation } : undefined;
  } catch {
    return undefined;
  }
}

/** Durable on return; appears whole or not at all. */
export async function writePlace(disk: Disk, place: LogPlace): Promise<void> {
  const draft = `${PLACE_FILE}.new`;
  await disk.makeDirectory(DIRECTORY);
  await disk.remove(draft);
  const file = await disk.create(draft);
  try {
    await file.write(0, Buffer.from(`${JSON.stringify(place)}\n`));
    await file.sync();
  } finally {
    await file.close();
  }
  await disk.rename(draft, PLACE_FILE);
  await disk.syncDirectory(DIRECTORY);
}
