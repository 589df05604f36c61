/** Paths as operators write them: `/<bucket>/<key>`. */
import { HeadraceError } from '../core/errors.js';
import { byteLength } from '../core/key.js';

/** `/bucket/key` taken apart. `INVALID_ARGUMENT` unless it starts with a slash. */
export function splitPath(path: string): { bucket: string; key: string } {
  if (!path.startsWith('/') || byteLength(path) > 4096) {
    throw new HeadraceError('INVALID_ARGUMENT', `the path "${path}" is not of the form /<bucket>/<key>`);
  }
  const end = path.indexOf('/', 1);
  return end < 0
    ? { bucket: path.slice(1), key: '' }
    : { bucket: path.slice(1, end), key: path.slice(end + 1) };
}
