/**
 * From a request's head to its operation: parse the target, authenticate, choose, run.
 *
 * The routes are S3's: the method, how deep the path goes, and the first query parameter that names a subresource. A
 * subresource that S3 knows and Headrace does not is refused by name; a parameter that S3 does not know is ignored, as S3 does.
 */
import { KEY_BYTES_MAX } from '../../core/object.js';
import { answer } from './answer.js';
import { authorize } from './authorize.js';
import type { Exchange } from './exchange.js';
import type { HttpRequest } from './http-messages.js';
import type { Level, Operation } from './operation.js';
import { OPERATIONS } from './operation-table.js';
import { checkExpectedOwner } from './operations/buckets.js';
import { preflight, withCorsHeaders } from './operations/cors.js';
import { parseTarget } from './request-target.js';
import { notImplemented, S3Error } from './s3-error.js';

/** One level's operations by method, copy and subresource: `PUT`, `PUT+copy`, `PUT?uploadId`. */
type Routes = ReadonlyMap<string, Operation>;

const SUBRESOURCES: ReadonlySet<string> = new Set(
  OPERATIONS.map(({ subresource }) => subresource).filter((subresource) => subresource !== ''),
);

const ROUTES: Readonly<Record<Level, Routes>> = {
  service: routesOf('service'),
  bucket: routesOf('bucket'),
  object: routesOf('object'),
};

function routesOf(level: Level): Routes {
  const routes = new Map<string, Operation>();
  for (const operation of OPERATIONS) {
    const route = routeOf(operation.method, operation.subresource, operation.copy);
    // Where two share a route the table has the one that is served first.
    if (operation.level === level && !routes.has(route)) routes.set(route, operation);
  }
  return routes;
}

function routeOf(method: string, subresource: string, copy: boolean): string {
  const route = subresource === '' ? method : `${method}?${subresource}`;
  return copy ? `${route}+copy` : route;
}

/** Runs the operation that a request asks for. Whatever goes wrong is answered. */
export function dispatch(exchange: Exchange): void {
  try {
    const { context, request, headers, method } = exchange;
    const target = parseTarget(request.url ?? '', headers.host, context.options.domains);
    exchange.target = target;
    checkHost(request);
    if (method === 'OPTIONS') preflight(exchange);
    else if (headers.origin !== undefined && target.bucket !== '')
      withCorsHeaders(exchange, headers.origin, () => run(exchange));
    else run(exchange);
  } catch (error) {
    exchange.fail(error);
  }
}

/** A request that two servers could take for different hosts is one that somebody else hid in another's (RFC 9112, section 3.2). */
function checkHost({ headers, rawHeaders, httpVersion }: HttpRequest): void {
  if (headers.host === undefined && httpVersion === '1.1')
    throw new S3Error('BadRequest', 'A request of HTTP/1.1 needs a Host header.');
  let hosts = 0;
  for (let index = 0; index < rawHeaders.length; index += 2)
    if (rawHeaders[index]?.length === 4 && rawHeaders[index]?.toLowerCase() === 'host') hosts++;
  if (hosts > 1) throw new S3Error('BadRequest', 'A request has one Host header.');
}

function run(exchange: Exchange): void {
  try {
    const { context, request, headers, method, target } = exchange;
    exchange.identity = context.authenticator.authenticate({
      method,
      rawPath: target.rawPath,
      rawQuery: target.rawQuery,
      query: target.query,
      signing: target.signing,
      headers,
      rawHeaders: request.rawHeaders,
    });
    if (target.hoisted !== undefined) exchange.headers = { ...target.hoisted, ...headers };
    if (target.bucket === '' && target.key !== '') throw new S3Error('InvalidBucketName');
    checkKey(target.key);
    checkExpectedOwner(exchange);
    const operation = operationOf(exchange);
    exchange.operation = operation.name;
    if (operation.run === undefined) throw notImplemented(describe(operation));
    const asked = context.access.open ? undefined : authorize(exchange, operation.permission);
    if (asked === undefined) operation.run(exchange);
    else answer(exchange, asked, () => operation.run?.(exchange));
  } catch (error) {
    exchange.fail(error);
  }
}

function operationOf(exchange: Exchange): Operation {
  const { method, target, headers } = exchange;
  const level = target.key !== '' ? 'object' : target.bucket !== '' ? 'bucket' : 'service';
  const routes = ROUTES[level];
  const subresource = target.query.size === 0 ? '' : subresourceOf(target.query);
  const copy = method === 'PUT' && headers['x-amz-copy-source'] !== undefined;
  const operation = routes.get(routeOf(method, subresource, copy));
  if (operation !== undefined) return operation;
  // A HEAD is about the object or bucket, whatever else it names.
  const head = method === 'HEAD' ? routes.get('HEAD') : undefined;
  if (head !== undefined) return head;
  throw new S3Error('MethodNotAllowed', undefined, {
    elements: {
      Method: method,
      ResourceType: subresource === '' ? level.toUpperCase() : subresource.toUpperCase(),
    },
    headers: ['Allow', allowed(routes, subresource)],
  });
}

function subresourceOf(query: ReadonlyMap<string, string>): string {
  for (const name of query.keys()) if (SUBRESOURCES.has(name)) return name;
  return '';
}

function allowed(routes: Routes, subresource: string): string {
  const methods = new Set<string>();
  for (const operation of routes.values())
    if (operation.subresource === subresource && operation.run !== undefined) methods.add(operation.method);
  return [...methods].join(', ');
}

function describe({ name, subresource, note }: Operation): string {
  return `${name}${subresource === '' ? '' : ` (?${subresource})`} (${note})`;
}

/** Most keys are too short to be counted. */
function checkKey(key: string): void {
  if (key.length * 3 <= KEY_BYTES_MAX) return;
  const bytes = Buffer.byteLength(key);
  if (bytes > KEY_BYTES_MAX)
    throw new S3Error('KeyTooLongError', undefined, {
      elements: { Size: String(bytes), MaxSizeAllowed: String(KEY_BYTES_MAX) },
    });
}
