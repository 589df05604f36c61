/** What `fs ls` shows: buckets, and what cache and UFS hold in them together, a page at a time. */
import type { FsEntry } from './admin-service.js';
import type { Buckets } from './buckets.js';
import type { ListPath } from './list-path.js';

export interface FsListRequest {
  /** '' for all buckets. */
  readonly bucket: string;
  readonly prefix: string;
  /** Behind which bucket and key the page begins; both '' for the start. */
  readonly after: { readonly bucket: string; readonly key: string };
  readonly limit: number;
  readonly recursive: boolean;
}

export interface FsListParts {
  readonly buckets: Pick<Buckets, 'list' | 'require'>;
  readonly lists: Pick<ListPath, 'list'>;
}

/** At most `limit` entries, in the order of their paths. `NO_SUCH_BUCKET`, `UFS_*`. */
export async function listFs(parts: FsListParts, request: FsListRequest): Promise<FsEntry[]> {
  const { bucket, after } = request;
  if (bucket !== '') {
    await parts.buckets.require(bucket);
    return listBucket(parts, bucket, request.prefix, after.key, request);
  }
  // Names of buckets are ASCII: their order is that of the paths.
  const names = (await parts.buckets.list()).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  if (!request.recursive)
    return names
      .filter(({ name }) => name > after.bucket)
      .slice(0, request.limit)
      .map(({ name, createdMs }) => directory(`/${name}/`, createdMs));
  const entries: FsEntry[] = [];
  for (const { name } of names) {
    if (name < after.bucket) continue;
    const limit = request.limit - entries.length;
    if (limit <= 0) break;
    const startAfter = name === after.bucket ? after.key : '';
    entries.push(...(await listBucket(parts, name, '', startAfter, { limit, recursive: true })));
  }
  return entries;
}

async function listBucket(
  { lists }: FsListParts,
  bucket: string,
  prefix: string,
  startAfter: string,
  { limit, recursive }: { readonly limit: number; readonly recursive: boolean },
): Promise<FsEntry[]> {
  const { entries } = await lists.list({
    bucket,
    prefix,
    delimiter: recursive ? '' : '/',
    startAfter,
    maxKeys: limit,
  });
  return entries.map((entry) =>
    entry.kind === 'prefix'
      ? directory(`/${bucket}/${entry.prefix}`, 0)
      : {
          path: `/${bucket}/${entry.key}`,
          directory: false,
          size: entry.size,
          lastModifiedMs: entry.lastModifiedMs,
          persisted: entry.persisted,
        },
  );
}

function directory(path: string, lastModifiedMs: number): FsEntry {
  return { path, directory: true, size: 0, lastModifiedMs, persisted: true };
}
