/** What the cache holds: listings, and one object's state. */
import type { FastifyInstance } from 'fastify';
import { HeadraceError } from '../../core/errors.js';
import { greatestKeyBelow } from '../../core/store-listing.js';
import type { FsEntry, ObjectStat } from '../../engine/admin-service.js';
import { splitObjectPath } from './object-path.js';
import { query, type AdminRouteContext } from './route-context.js';

const PAGE_DEFAULT = 100;
const PAGE_MAX = 1000;
const limit = { type: 'integer', minimum: 1, maximum: PAGE_MAX, default: PAGE_DEFAULT };
const path = { type: 'string', maxLength: 4096 };

export function addObjectRoutes(server: FastifyInstance, { admin }: AdminRouteContext): void {
  const stat = async (text: string): Promise<ObjectStat> => {
    const { bucket, key } = splitObjectPath(text);
    const found = await admin.persistStat(bucket, key);
    if (found !== undefined) return found;
    throw new HeadraceError('NO_SUCH_KEY', `the cache does not hold ${JSON.stringify(text)}`);
  };
  // A client that resolves `..` and `//` in URLs cannot name every key in the path; the query takes any.
  server.get<{ Querystring: { path: string } }>(
    '/api/v1/objects',
    { schema: { querystring: query({ path }, ['path']) } },
    async (request) => stat(request.query.path),
  );
  server.get<{ Params: { '*': string } }>(
    '/api/v1/objects/*',
    { schema: { querystring: query({}) } },
    async (request) => stat(`/${request.params['*']}`),
  );

  server.get<{ Querystring: { path: string; startAfter: string; limit: number; recursive: boolean } }>(
    '/api/v1/fs',
    {
      schema: {
        querystring: query({
          path: { ...path, default: '/' },
          startAfter: { ...path, default: '' },
          limit,
          recursive: { type: 'boolean', default: false },
        }),
      },
    },
    async (request) => {
      const entries = await admin.list(request.query);
      const whole = entries.length < request.query.limit;
      return { entries, nextStartAfter: whole ? undefined : pathBehind(entries.at(-1)) };
    },
  );
}

/** Where the page behind an entry starts: behind a directory that is behind everything in it. */
function pathBehind(last: FsEntry | undefined): string | undefined {
  if (last === undefined || !last.directory) return last?.path;
  // A bucket is behind itself: nothing of it is listed beside its name.
  if (/^\/[^/]+\/$/.test(last.path)) return last.path;
  const { bucket, key } = splitObjectPath(last.path);
  return `/${bucket}/${greatestKeyBelow(key)}`;
}
