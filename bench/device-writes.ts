/**
 * Bytes that reached the device below a directory, from the kernel's own count (Linux, Documentation/block/stat.rst).
 *
 * `write_bytes` in /proc/<pid>/io does not serve: it counts whole folios of the page cache, so that with large folios one
 * durable write of 10 KiB may count as 1 MiB. The device counts what it was given, by whomever.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';

/** The unit of the kernel's count, whatever the device's own sectors are. */
const SECTOR_BYTES = 512;

/**
 * Flushes the file system and returns the bytes written to its device since the machine started; undefined where the file
 * system has no device of its own.
 */
export function deviceWrittenBytes(directory: string): number | undefined {
  execFileSync('sync', ['--file-system', directory]);
  const { dev } = statSync(directory);
  const major = (dev >> 8) & 0xfff;
  const minor = (dev & 0xff) | ((dev >> 12) & 0xfff00);
  try {
    const fields = readFileSync(`/sys/dev/block/${major}:${minor}/stat`, 'latin1').trim().split(/\s+/);
    return Number(fields[6]) * SECTOR_BYTES;
  } catch {
    return undefined;
  }
}
