/** Query parameters with a limited range of values. */
import { commonPrefixOf, greatestKeyBelow } from '../../core/store-listing.js';
import { invalidArgument, notImplemented } from './s3-error.js';

type Query = ReadonlyMap<string, string>;

const LIMIT_MAX = 1000;
const INTEGER_MAX = 2_147_483_647;

/** How many entries a page may have: what was asked for, 1,000 at most. Throws InvalidArgument. */
export function parseLimit(query: Query, name: string): number {
  return Math.min(LIMIT_MAX, parseNumber(query, name, 0, INTEGER_MAX) ?? LIMIT_MAX);
}

/** A whole number; undefined when the parameter is absent or empty. Throws InvalidArgument. */
export function parseNumber(query: Query, name: string, min: number, max: number): number | undefined {
  const text = query.get(name);
  if (text === undefined || text === '') return undefined;
  const value = /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isInteger(value))
    throw invalidArgument(`Provided ${name} not an integer or within integer range`, name, text);
  if (value < min || value > max)
    throw invalidArgument(
      name === 'partNumber'
        ? `Part number must be an integer between ${min} and ${max}, inclusive`
        : `Argument ${name} must be an integer between ${min} and ${max}`,
      name,
      text,
    );
  return value;
}

/**
 * Where a listing goes on behind a marker. A marker that is a common prefix stands for all keys below it: clients get it
 * from the page that ended with that prefix.
 */
export function behindMarker(
  marker: string,
  { prefix, delimiter }: { readonly prefix: string; readonly delimiter: string },
): string {
  const folded = marker.startsWith(prefix) && commonPrefixOf(marker, prefix, delimiter) === marker;
  return folded ? greatestKeyBelow(marker) : marker;
}

/** Objects have one version, which S3 calls `null`. Throws InvalidArgument. */
export function checkVersion(query: Query): void {
  const version = query.get('versionId');
  if (version !== undefined && version !== 'null')
    throw invalidArgument('Invalid version id specified', 'versionId', version);
}

/** The version behind which a listing of versions goes on; only with a key. Throws InvalidArgument. */
export function checkVersionMarker(query: Query): string {
  const marker = query.get('version-id-marker') ?? '';
  if (marker === '' && query.has('version-id-marker') && query.has('key-marker'))
    throw invalidArgument('A version-id marker cannot be empty.', 'version-id-marker', marker);
  if (marker !== '' && !query.has('key-marker'))
    throw invalidArgument(
      'A version-id marker cannot be specified without a key marker.',
      'version-id-marker',
      marker,
    );
  if (marker !== '' && marker !== 'null')
    throw invalidArgument('Invalid version id specified', 'version-id-marker', marker);
  return marker;
}

/** Whether names in a listing are to be percent-encoded. Throws InvalidArgument. */
export function wantsUrlEncoding(query: Query): boolean {
  const encoding = query.get('encoding-type');
  if (encoding === undefined || encoding === '') return false;
  if (encoding === 'url') return true;
  throw invalidArgument('Invalid Encoding Method specified in Request', 'encoding-type', encoding);
}

/** A parameter that must be there for the operation that was recognised by it. */
export function required(query: Query, name: string): string {
  const value = query.get(name);
  if (value === undefined || value === '')
    throw invalidArgument(`This operation needs a value for ${name}.`, name, '');
  return value;
}

/** The refusal of a parameter's value. */
export function unsupportedValue(name: string, value: string): Error {
  return notImplemented(`The value "${value}" of ${name}`);
}
