/**
 * What goes beside an object into S3 and comes back: headers, user metadata, and three values of ours.
 *
 * | user metadata    | value                                                                            |
 * |------------------|----------------------------------------------------------------------------------|
 * | `headrace-etag`  | our ETag                                                                         |
 * | `headrace-mtime` | our last-modified time, milliseconds since the Unix epoch                        |
 * | `headrace-size`  | the object's size in bytes                                                       |
 *
 * They are taken off when an object is read, and believed only when they fit what the store itself says of the object: a tool
 * that rewrote it and kept the metadata must not make us tell an ETag of other bytes. They are left out when the user's own
 * metadata leaves no room within S3's limit of 2 KiB; then the store's ETag, which is the same MD5, and time are told.
 *
 * Header values travel in ASCII. Anything else is sent as an encoded word of RFC 2047 (`=?UTF-8?B?…?=`), which is what S3
 * itself does with values that are not printable, so other clients of the bucket can read them.
 */
import type { ObjectHeaders } from '../../../core/object.js';

const OWN_ETAG = 'headrace-etag';
const OWN_MTIME = 'headrace-mtime';
const OWN_SIZE = 'headrace-size';
/** Sum of the bytes of all names and values (S3 user guide, "User-defined object metadata"). */
const USER_METADATA_BYTES_MAX = 2048;
const PLAIN = /^(?:[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)?$/;
const ENCODED_WORD = /=\?utf-8\?([bq])\?([^?\s]*)\?=/gi;
const ALL_ENCODED = /^=\?utf-8\?[bq]\?[^?\s]*\?=(?:\s+=\?utf-8\?[bq]\?[^?\s]*\?=)*$/i;
const MD5_ETAG = /^[0-9a-f]{32}$/;
const MULTIPART_ETAG = /^[0-9a-f]{32}-\d+$/;

/** The fields of an answer that say what an object is; those of HeadObject and GetObject. */
export interface S3ObjectFields {
  readonly ETag?: string | undefined;
  readonly LastModified?: Date | undefined;
  readonly Metadata?: Record<string, string> | undefined;
  readonly ServerSideEncryption?: string | undefined;
  readonly SSECustomerAlgorithm?: string | undefined;
  readonly ContentType?: string | undefined;
  readonly ContentEncoding?: string | undefined;
  readonly ContentLanguage?: string | undefined;
  readonly ContentDisposition?: string | undefined;
  readonly CacheControl?: string | undefined;
  readonly ExpiresString?: string | undefined;
  readonly WebsiteRedirectLocation?: string | undefined;
}

/** With what an answer says of itself. */
export interface S3AnswerFields extends S3ObjectFields {
  readonly ContentLength?: number | undefined;
  readonly ContentRange?: string | undefined;
  readonly TagCount?: number | undefined;
}

export type EncryptionFields = Pick<S3ObjectFields, 'ServerSideEncryption' | 'SSECustomerAlgorithm'>;

export interface OwnMetadata {
  readonly etag: string | undefined;
  readonly lastModifiedMs: number;
  readonly size: number;
}

/** User metadata as it is sent, ours included. */
export function metadataToSend(
  user: Readonly<Record<string, string>>,
  own: OwnMetadata,
): Record<string, string> {
  const sent: Record<string, string> = {};
  let bytes = 0;
  for (const [name, value] of Object.entries(user)) {
    const encoded = encodeHeader(value);
    sent[name] = encoded;
    bytes += name.length + encoded.length;
  }
  const ours: Record<string, string> = {
    ...(own.etag === undefined ? {} : { [OWN_ETAG]: own.etag }),
    [OWN_MTIME]: String(own.lastModifiedMs),
    [OWN_SIZE]: String(own.size),
  };
  for (const [name, value] of Object.entries(ours)) bytes += name.length + value.length;
  return bytes > USER_METADATA_BYTES_MAX ? sent : { ...sent, ...ours };
}

/** System headers as they are sent. */
export function headersToSend(system: Readonly<Record<string, string>>): Record<string, string> {
  const sent: Record<string, string> = {};
  for (const [name, value] of Object.entries(system)) sent[name] = encodeHeader(value);
  return sent;
}

/** `a=1&b=2`, as the header x-amz-tagging has it. */
export function tagsToSend(tags: Readonly<Record<string, string>> | undefined): string | undefined {
  const pairs = Object.entries(tags ?? {});
  if (pairs.length === 0) return undefined;
  return pairs.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join('&');
}

export function headersFrom(fields: S3ObjectFields): ObjectHeaders {
  const system: Record<string, string> = {};
  const named: Record<string, string | undefined> = {
    'content-type': fields.ContentType,
    'content-encoding': fields.ContentEncoding,
    'content-language': fields.ContentLanguage,
    'content-disposition': fields.ContentDisposition,
    'cache-control': fields.CacheControl,
    expires: fields.ExpiresString,
    'x-amz-website-redirect-location': fields.WebsiteRedirectLocation,
  };
  for (const [name, value] of Object.entries(named)) {
    if (value !== undefined && value !== '') system[name] = decodeHeader(value);
  }
  const user: Record<string, string> = {};
  for (const [name, value] of Object.entries(fields.Metadata ?? {})) {
    if (name !== OWN_ETAG && name !== OWN_MTIME && name !== OWN_SIZE) user[name] = decodeHeader(value);
  }
  return { system, user };
}

/** Our own values, as far as they fit what the store says of an object of `size` bytes. */
export function ownMetadataFrom(fields: S3ObjectFields, size: number): Partial<OwnMetadata> {
  const metadata = fields.Metadata ?? {};
  if (metadata[OWN_SIZE] !== String(size)) return {};
  const etag = metadata[OWN_ETAG];
  if (etag !== undefined && contradicts(etag, storeEtagOf(fields), fields)) return {};
  const lastModifiedMs = Number(metadata[OWN_MTIME]);
  return {
    ...(etag === undefined ? {} : { etag }),
    ...(Number.isSafeInteger(lastModifiedMs) ? { lastModifiedMs } : {}),
  };
}

/**
 * Whether the store's ETag shows that it holds other bytes than those of `etag`. Two ETags can be compared when both are plain
 * MD5s or both are of parts; with a key of the customer or of KMS the store's is no MD5.
 */
export function contradicts(etag: string, storeEtag: string, fields: EncryptionFields): boolean {
  if (isOpaque(fields)) return false;
  const comparable =
    (MD5_ETAG.test(etag) && MD5_ETAG.test(storeEtag)) ||
    (MULTIPART_ETAG.test(etag) && MULTIPART_ETAG.test(storeEtag));
  return comparable && etag !== storeEtag;
}

/** The store's ETag, unquoted. */
export function storeEtagOf(fields: Pick<S3ObjectFields, 'ETag'>): string {
  return (fields.ETag ?? '').replaceAll('"', '');
}

/** The 16 bytes of an ETag that is an MD5, in base64, as Content-MD5 has it. */
export function md5HeaderOf(etag: string | undefined): string | undefined {
  return etag !== undefined && MD5_ETAG.test(etag) ? Buffer.from(etag, 'hex').toString('base64') : undefined;
}

export function encodeHeader(value: string): string {
  if (PLAIN.test(value) && !ALL_ENCODED.test(value)) return value;
  return `=?UTF-8?B?${Buffer.from(value, 'utf8').toString('base64')}?=`;
}

/** Encoded words to text; a value that is anything else stays as it is. */
export function decodeHeader(value: string): string {
  if (!ALL_ENCODED.test(value)) return value;
  const bytes: Buffer[] = [];
  for (const [, kind, text] of value.matchAll(ENCODED_WORD)) {
    bytes.push(kind?.toLowerCase() === 'b' ? Buffer.from(text ?? '', 'base64') : decodeQ(text ?? ''));
  }
  return Buffer.concat(bytes).toString('utf8');
}

function decodeQ(text: string): Buffer {
  const latin1 = text
    .replaceAll('_', ' ')
    .replace(/=([0-9a-f]{2})/gi, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
  return Buffer.from(latin1, 'latin1');
}

/** Whether the store's ETag is no MD5: of bytes that are encrypted with a key of KMS or of the customer. */
function isOpaque(fields: EncryptionFields): boolean {
  return (
    fields.ServerSideEncryption?.startsWith('aws:kms') === true || fields.SSECustomerAlgorithm !== undefined
  );
}
