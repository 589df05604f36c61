/** Which machine this is, for as long as it is up. */
import { readFileSync } from 'node:fs';
import { isSystemError } from './system-call.js';

/** Linux's, the same in every container on the machine (`random(4)`, "/proc interfaces"). */
const BOOT_ID_FILE = '/proc/sys/kernel/random/boot_id';

/** Another one after each start of the machine; empty where the kernel has none. */
export function bootId(file = BOOT_ID_FILE): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    if (isSystemError(error, 'ENOENT') || isSystemError(error, 'EACCES')) return '';
    throw error;
  }
}
