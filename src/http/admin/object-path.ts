/** The path of an object in a query or a body. */
import { HeadraceError } from '../../core/errors.js';

/** `/<bucket>/<key>` taken apart. `INVALID_ARGUMENT` unless both are there. */
export function splitObjectPath(text: string): { bucket: string; key: string } {
  const [, bucket, key] = /^\/([^/]+)\/(.+)$/s.exec(text) ?? [];
  if (bucket === undefined || key === undefined)
    throw new HeadraceError(
      'INVALID_ARGUMENT',
      `${JSON.stringify(text)} is not the path of an object: write /<bucket>/<key>`,
    );
  return { bucket, key };
}
