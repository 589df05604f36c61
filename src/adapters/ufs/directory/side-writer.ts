/**
 * Writes the record of an object into its side file, before the object gets there (`object-writer.ts` has the order).
 *
 * Invariant: at any moment the side file has the record of the file that is in its place, so an old one stays until its file is replaced.
 */
import { isSystemError } from '../../system-call.js';
import type { DirectorySync } from './directory-sync.js';
import {
  closeFile,
  createFile,
  identityOf,
  removeFile,
  rename,
  statPath,
  syncFile,
  writeAll,
} from './file-calls.js';
import type { ObjectFiles } from './object-files.js';
import { RESERVED_NAME, type Place, type Places } from './places.js';
import { encodeSideFile, matchingRecord, type SideRecord } from './side-file.js';
import type { TemporaryFiles } from './temporary-files.js';

/** Times a directory is made again because a delete removed it as empty. */
export const ATTEMPTS_MAX = 32;

interface SideWriterParts {
  readonly places: Places;
  readonly files: ObjectFiles;
  readonly sync: DirectorySync;
  readonly temporary: TemporaryFiles;
}

export class SideWriter {
  readonly #parts: SideWriterParts;

  constructor(parts: SideWriterParts) {
    this.#parts = parts;
  }

  /** Makes the record durable, beside the one that is still true; its name is not yet. Resolves with whether it is the only one. */
  async write(place: Place, key: string, record: SideRecord): Promise<boolean> {
    let fresh: number | undefined;
    try {
      fresh = await this.#createSide(place);
    } catch (error) {
      if (!isSystemError(error, 'EEXIST')) throw error;
    }
    if (fresh !== undefined) {
      await writeAndSync(fresh, place.sideFile, encodeSideFile({ key, versions: [record] }));
      return true;
    }
    const [side, current] = await Promise.all([
      this.#parts.files.readSide(place.sideFile),
      statPath(place.file),
    ]);
    const old = current === undefined ? undefined : matchingRecord(side, identityOf(current));
    const temporary = this.#parts.temporary.next();
    const versions = old === undefined ? [record] : [record, old];
    await writeAndSync(await createFile(temporary), temporary, encodeSideFile({ key, versions }));
    await rename(temporary, place.sideFile);
    return old === undefined;
  }

  async #createSide(place: Place): Promise<number> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await createFile(place.sideFile);
      } catch (error) {
        if (!isSystemError(error, 'ENOENT') || attempt === ATTEMPTS_MAX) throw error;
        await this.#parts.sync.ensure(place.sideDirectory, `${this.#parts.places.root}/${RESERVED_NAME}`);
      }
    }
  }
}

async function writeAndSync(descriptor: number, file: string, text: string): Promise<void> {
  try {
    await writeAll(descriptor, Buffer.from(text), 0);
    await syncFile(descriptor);
  } catch (error) {
    await removeFile(file);
    throw error;
  } finally {
    await closeFile(descriptor);
  }
}
