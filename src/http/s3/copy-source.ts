/**
 * The `x-amz-copy-source` header: `/bucket/key` or `bucket/key`, percent-encoded, perhaps with `?versionId=`.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { CopySource } from '../../engine/object-service.js';
import { copySourceConditions } from './conditions.js';
import { decodePath } from './request-target.js';
import { invalidArgument, notImplemented } from './s3-error.js';

const VERSION = '?versionId=';

/** The source of a copy with its conditions. Throws InvalidArgument, NotImplemented. */
export function parseCopySource(headers: IncomingHttpHeaders): CopySource {
  const header = headers['x-amz-copy-source'];
  const text = typeof header === 'string' ? header : '';
  const versionAt = text.lastIndexOf(VERSION);
  const path = versionAt < 0 ? text : text.slice(0, versionAt);
  const version = versionAt < 0 ? 'null' : text.slice(versionAt + VERSION.length);
  if (version !== 'null') throw invalidArgument('Invalid version id specified', 'x-amz-copy-source', text);
  if (path.startsWith('arn:')) throw notImplemented('A copy source that is an access point (ARN)');
  const { bucket, key } = splitPath(path, text);
  const conditions = copySourceConditions(headers);
  return conditions === undefined ? { bucket, key } : { bucket, key, conditions };
}

function splitPath(path: string, header: string): { bucket: string; key: string } {
  let decoded: string;
  try {
    decoded = decodePath(path);
  } catch {
    throw invalidArgument('Copy Source must be percent-encoded UTF-8', 'x-amz-copy-source', header);
  }
  const start = decoded.startsWith('/') ? 1 : 0;
  const slash = decoded.indexOf('/', start);
  if (slash <= start || slash === decoded.length - 1)
    throw invalidArgument(
      'Copy Source must mention the source bucket and key: sourcebucket/sourcekey',
      'x-amz-copy-source',
      header,
    );
  return { bucket: decoded.slice(start, slash), key: decoded.slice(slash + 1) };
}
