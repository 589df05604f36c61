/**
 * A user as the log keeps it, and grants as people write them.
 *
 * A grant gives rights on the keys of one bucket (or of all, `*`) that begin with a prefix; nothing is granted unless it was
 * written down. `create` is to make buckets, which who made them administers. `admin` is everything, and the only right to
 * change the bucket itself, which takes an empty prefix.
 */
import { HeadraceError } from '../core/errors.js';
import { byteLength } from '../core/key.js';
import { KEY_BYTES_MAX } from '../core/object.js';

export const RIGHTS = ['read', 'write', 'list', 'create', 'admin'] as const;
export type Right = (typeof RIGHTS)[number];

/** Stands for all requests without a signature. It has no access keys and can be given `read` and `list` only. */
export const ANONYMOUS_USER = 'anonymous';
/** As a bucket: every one. */
export const ALL_BUCKETS = '*';

export const GRANTS_MAX = 1000;
export const ACCESS_KEYS_MAX = 10;

export interface Grant {
  readonly bucket: string;
  /** Of keys; '' for the whole bucket. */
  readonly prefix: string;
  readonly rights: readonly Right[];
}

export interface StoredAccessKey {
  readonly id: string;
  /** As `SecretBox` sealed it. */
  readonly sealedSecret: string;
  readonly enabled: boolean;
  readonly createdMs: number;
}

/** The document of a `UserChanged`, as JSON. */
export interface StoredUser {
  readonly name: string;
  readonly enabled: boolean;
  readonly createdMs: number;
  readonly keys: readonly StoredAccessKey[];
  readonly grants: readonly Grant[];
}

/** Reads what `JSON.stringify` wrote of a `StoredUser` into the log. `CORRUPT_FRAME` when it is something else. */
export function parseStoredUser(name: string, document: string): StoredUser {
  let parsed: unknown;
  try {
    parsed = JSON.parse(document);
  } catch {
    parsed = undefined;
  }
  if (isStoredUser(parsed) && parsed.name === name) return parsed;
  throw new HeadraceError(
    'CORRUPT_FRAME',
    `the event of the user "${name}" holds no user: ${document.slice(0, 200)}`,
  );
}

function isStoredUser(value: unknown): value is StoredUser {
  return (
    isRecord(value) &&
    typeof value['name'] === 'string' &&
    typeof value['enabled'] === 'boolean' &&
    typeof value['createdMs'] === 'number' &&
    isListOf(value['keys'], isStoredKey) &&
    isListOf(value['grants'], isGrant)
  );
}

function isStoredKey(value: unknown): value is StoredAccessKey {
  return (
    isRecord(value) &&
    typeof value['id'] === 'string' &&
    typeof value['sealedSecret'] === 'string' &&
    typeof value['enabled'] === 'boolean' &&
    typeof value['createdMs'] === 'number'
  );
}

function isGrant(value: unknown): value is Grant {
  return (
    isRecord(value) &&
    typeof value['bucket'] === 'string' &&
    typeof value['prefix'] === 'string' &&
    isListOf(value['rights'], isRight)
  );
}

function isListOf<Item>(value: unknown, is: (item: unknown) => item is Item): value is Item[] {
  return Array.isArray(value) && value.every(is);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isRight(value: unknown): value is Right {
  return RIGHTS.some((right) => right === value);
}

/** `INVALID_ARGUMENT` unless it is a name that is good in commands, URLs and policies. */
export function checkUserName(name: string): void {
  if (/^[A-Za-z\d][A-Za-z\d._@-]{0,63}$/.test(name)) return;
  throw new HeadraceError(
    'INVALID_ARGUMENT',
    `the user name "${name}" is not valid: 1 to 64 letters, digits and . _ @ -, the first a letter or digit`,
  );
}

/** An access key with its secret, as its owner knows them. */
export interface KeyPair {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/**
 * `INVALID_ARGUMENT` unless clients can use it: an access key stands in the Authorization header, where `/`, commas and spaces
 * have a meaning of their own.
 */
export function checkKeyPair({ accessKeyId, secretAccessKey }: KeyPair): void {
  if (!/^[A-Za-z\d._-]{3,128}$/.test(accessKeyId))
    throw new HeadraceError(
      'INVALID_ARGUMENT',
      `the access key "${accessKeyId}" is not valid: 3 to 128 letters, digits and . _ -`,
    );
  // The secret itself is not named: messages are logged.
  if (!/^[\x21-\x7e]{8,128}$/.test(secretAccessKey))
    throw new HeadraceError(
      'INVALID_ARGUMENT',
      `the secret of the access key "${accessKeyId}" is not valid: 8 to 128 visible ASCII characters without spaces, not ${secretAccessKey.length} characters`,
    );
}

/** Reads `read,write:bucket/prefix`, `list:bucket` or `admin:*`. `INVALID_ARGUMENT`. */
export function parseGrant(text: string): Grant {
  const colon = text.indexOf(':');
  const rights = colon < 0 ? [] : text.slice(0, colon).split(',');
  const place = text.slice(colon + 1).replace(/^\//, '');
  const slash = place.indexOf('/');
  const bucket = slash < 0 ? place : place.slice(0, slash);
  const prefix = slash < 0 ? '' : place.slice(slash + 1);
  if (colon < 0) throw invalidGrant(text, 'it has no colon');
  if (bucket !== ALL_BUCKETS && !/^[a-z\d][a-z\d.-]{1,61}[a-z\d]$/.test(bucket))
    throw invalidGrant(text, `"${bucket}" is no name of a bucket, which has 3 to 63 characters`);
  if (byteLength(prefix) > KEY_BYTES_MAX)
    throw new HeadraceError(
      'INVALID_ARGUMENT',
      `the prefix of the grant "${text}" is longer than ${KEY_BYTES_MAX} bytes`,
    );
  return { bucket, prefix, rights: ordered(rights.map((right) => parseRight(right, text))) };
}

function parseRight(right: string, grant: string): Right {
  if (isRight(right)) return right;
  throw invalidGrant(grant, `"${right}" is no right`);
}

function invalidGrant(text: string, why: string): HeadraceError {
  return new HeadraceError(
    'INVALID_ARGUMENT',
    `the grant "${text}" is not valid, as ${why}: write RIGHTS:BUCKET[/PREFIX], where the rights are of ${RIGHTS.join(', ')}, ` +
      'separated by commas, and the bucket may be * for all, such as read,list:photos/2024/ or admin:*',
  );
}

/** As `parseGrant` reads it. */
export function formatGrant({ bucket, prefix, rights }: Grant): string {
  return `${rights.join(',')}:${bucket}${prefix === '' ? '' : `/${prefix}`}`;
}

function ordered(rights: readonly Right[]): Right[] {
  return RIGHTS.filter((right) => rights.includes(right));
}

/** With further rights; those on the same keys are one grant. */
export function addGrants(held: readonly Grant[], added: readonly Grant[]): Grant[] {
  return change(held, added, (before, rights) => ordered([...before, ...rights]));
}

/** Without the rights that `removed` names, on exactly its buckets and prefixes. */
export function removeGrants(held: readonly Grant[], removed: readonly Grant[]): Grant[] {
  return change(held, removed, (before, rights) => before.filter((right) => !rights.includes(right)));
}

function change(
  held: readonly Grant[],
  changes: readonly Grant[],
  combine: (before: readonly Right[], rights: readonly Right[]) => readonly Right[],
): Grant[] {
  const byPlace = new Map(held.map((grant) => [`${grant.bucket}/${grant.prefix}`, grant]));
  for (const { bucket, prefix, rights } of changes) {
    const place = `${bucket}/${prefix}`;
    const left = combine(byPlace.get(place)?.rights ?? [], rights);
    if (left.length === 0) byPlace.delete(place);
    else byPlace.set(place, { bucket, prefix, rights: left });
  }
  return [...byPlace.values()];
}
