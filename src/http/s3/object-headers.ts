/**
 * Headers that are stored with an object, from a request and into an answer.
 *
 * Values are byte strings, one character per byte, exactly as node:http hands them over and takes them: what a client
 * sent comes back byte for byte, be it ASCII, UTF-8 or an RFC 2047 word, without a guess at its encoding.
 *
 * Whatever a request's headers ask for that Headrace does not do is refused here by name: encryption, object lock. A storage class is checked and not kept: there is one, STANDARD.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { ObjectHeaders, ObjectVersion } from '../../core/object.js';
import { ACL_METADATA, formatAccessList } from '../../engine/access-list.js';
import { isAclHeader, listOfWrite, type Asking } from './access-lists.js';
import { isEncryptionHeader, refuseEncryption } from './encryption-headers.js';
import { invalidArgument, notImplemented, S3Error } from './s3-error.js';
import { parseTagging, type Tags } from './tags.js';
import { formatHttpDate } from './timestamps.js';

/** Names and values of the user metadata together (S3 user guide, "Working with object metadata"). */
export const USER_METADATA_BYTES_MAX = 2048;

const USER_PREFIX = 'x-amz-meta-';
const HIDDEN_HEADER = USER_PREFIX + ACL_METADATA;
const NONE: Readonly<Record<string, string>> = Object.freeze({});
const NO_HEADERS: ObjectHeaders = Object.freeze({ system: NONE, user: NONE });

const STORAGE_CLASSES = new Set(
  'STANDARD REDUCED_REDUNDANCY STANDARD_IA ONEZONE_IA INTELLIGENT_TIERING GLACIER DEEP_ARCHIVE GLACIER_IR EXPRESS_ONEZONE OUTPOSTS SNOW'.split(
    ' ',
  ),
);

const REFUSED = [
  'x-amz-server-side-encryption',
  'x-amz-copy-source-server-side-encryption',
  'x-amz-write-offset-bytes',
  'if-modified-since',
  'if-unmodified-since',
  'x-amz-if-match-',
];

/**
 * The headers of a write. One pass over the names, most of which are decided by their first letter.
 * An access control list among them becomes user metadata. `headers` are those of the request, or what a form says instead.
 * Throws MetadataTooLarge, InvalidStorageClass, InvalidTag, NotImplemented, and what `listOfWrite` and `refuseEncryption` throw.
 */
export function headersOfWrite(asking: Asking, headers: IncomingHttpHeaders): ObjectHeaders {
  let system: Record<string, string> | undefined;
  let user: Record<string, string> | undefined;
  let tags: Tags | undefined;
  let userBytes = 0;
  let listed = false;
  for (const name in headers) {
    const first = name.charCodeAt(0);
    if (first !== LETTER_C && first !== LETTER_E && first !== LETTER_I && first !== LETTER_X) continue;
    const value = headers[name];
    if (typeof value !== 'string') continue;
    if (name.startsWith(USER_PREFIX)) {
      userBytes += name.length - USER_PREFIX.length + value.length;
      if (name === HIDDEN_HEADER) throw reserved(value);
      user ??= Object.create(null) as Record<string, string>;
      user[name.slice(USER_PREFIX.length)] = value;
    } else if (isSystemHeader(name)) {
      const kept = name === 'content-encoding' ? withoutAwsChunked(value) : value;
      if (kept !== '') (system ??= {})[name] = kept;
    } else if (name === 'x-amz-tagging') tags = parseTagging(value);
    else if (isAclHeader(name)) listed = true;
    else if (isEncryptionHeader(name)) refuseEncryption(headers);
    else checkHeader(name, value);
  }
  const owned = listed || asking.context.access.ownershipOf(asking.target.bucket) !== undefined;
  const list = owned ? listOfWrite(asking, headers) : undefined;
  const kept = list === undefined ? '' : formatAccessList(list);
  if (kept !== '') (user ??= Object.create(null) as Record<string, string>)[ACL_METADATA] = kept;
  if (userBytes > USER_METADATA_BYTES_MAX)
    throw new S3Error('MetadataTooLarge', undefined, {
      elements: { Size: String(userBytes), MaxSizeAllowed: String(USER_METADATA_BYTES_MAX) },
    });
  if (tags !== undefined) return { system: system ?? NONE, user: user ?? NONE, tags };
  return system === undefined && user === undefined
    ? NO_HEADERS
    : { system: system ?? NONE, user: user ?? NONE };
}

function reserved(value: string): S3Error {
  return invalidArgument(
    `User metadata of the name ${ACL_METADATA} is kept by Headrace for itself.`,
    HIDDEN_HEADER,
    value,
  );
}

const LETTER_C = 0x63;
const LETTER_E = 0x65;
const LETTER_I = 0x69;
const LETTER_X = 0x78;

function isSystemHeader(name: string): boolean {
  switch (name) {
    case 'content-type':
    case 'content-encoding':
    case 'content-language':
    case 'content-disposition':
    case 'cache-control':
    case 'expires':
    case 'x-amz-website-redirect-location':
      return true;
    default:
      return false;
  }
}

/** `aws-chunked` says how the body travels; the rest of the list belongs to the object. */
function withoutAwsChunked(encodings: string): string {
  if (!encodings.includes('aws-chunked')) return encodings;
  return encodings
    .split(',')
    .map((encoding) => encoding.trim())
    .filter((encoding) => encoding !== 'aws-chunked' && encoding !== '')
    .join(',');
}

/** Throws when a header of a write asks for what Headrace does not do. */
function checkHeader(name: string, value: string): void {
  if (name === 'x-amz-storage-class') {
    if (!STORAGE_CLASSES.has(value))
      throw new S3Error('InvalidStorageClass', undefined, { elements: { StorageClassRequested: value } });
  } else checkSupported(name);
}

/** Throws for a header that asks for what Headrace does not do: NotImplemented, and InvalidRequest as S3 where no bucket is locked. */
export function checkSupported(name: string): void {
  if (name.startsWith('x-amz-object-lock-'))
    throw new S3Error(
      'InvalidRequest',
      `Bucket is missing ObjectLockConfiguration: ${name} cannot be honoured.`,
    );
  for (const refused of REFUSED)
    if (name.startsWith(refused)) throw notImplemented(`The header ${name} of this request`);
}

/** The headers of CreateBucket, but for its list. Throws NotImplemented. */
export function checkBucketHeaders(headers: IncomingHttpHeaders): void {
  for (const name in headers) {
    const value = String(headers[name]);
    checkSupported(name);
    const locked = name === 'x-amz-bucket-object-lock-enabled' && value.toLowerCase() !== 'false';
    if (locked) throw notImplemented(`The value "${value}" of ${name}`);
  }
}

/** Query parameters of a read that replace a header of its answer. */
const OVERRIDES: readonly (readonly [query: string, header: string])[] = [
  ['response-content-type', 'content-type'],
  ['response-content-language', 'content-language'],
  ['response-expires', 'expires'],
  ['response-cache-control', 'cache-control'],
  ['response-content-disposition', 'content-disposition'],
  ['response-content-encoding', 'content-encoding'],
];

const DISPLAY_NAMES: Readonly<Record<string, string>> = {
  'content-type': 'Content-Type',
  'content-encoding': 'Content-Encoding',
  'content-language': 'Content-Language',
  'content-disposition': 'Content-Disposition',
  'cache-control': 'Cache-Control',
  expires: 'Expires',
};

/** Adds what an object is to the flat list of an answer's headers: names and values alternate. */
export function addObjectHeaders(
  into: string[],
  object: ObjectVersion,
  query: ReadonlyMap<string, string>,
): void {
  into.push('ETag', `"${object.etag}"`, 'Last-Modified', formatHttpDate(object.lastModifiedMs));
  into.push('Accept-Ranges', 'bytes');
  const { user, tags } = object.headers;
  const system = query.size === 0 ? object.headers.system : overridden(object.headers.system, query);
  if (system['content-type'] === undefined) into.push('Content-Type', 'binary/octet-stream');
  // The under-store's records are files that anybody may have written: a length or a coding among them would break the answer.
  for (const name in system)
    if (isSystemHeader(name)) into.push(DISPLAY_NAMES[name] ?? name, system[name] ?? '');
  for (const name in user) if (name !== ACL_METADATA) into.push(USER_PREFIX + name, user[name] ?? '');
  if (tags !== undefined) {
    const count = Object.keys(tags).length;
    if (count > 0) into.push('x-amz-tagging-count', String(count));
  }
}

function overridden(
  system: Readonly<Record<string, string>>,
  query: ReadonlyMap<string, string>,
): Readonly<Record<string, string>> {
  let result = system;
  for (const [parameter, header] of OVERRIDES) {
    const value = query.get(parameter);
    if (value === undefined) continue;
    if (!HEADER_VALUE.test(value))
      throw invalidArgument('Header value cannot be represented using ISO-8859-1.', parameter, value);
    result = { ...result, [header]: value };
  }
  return result;
}

/** What node:http accepts as a header's value; anything else could end the header early. */
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
