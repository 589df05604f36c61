/**
 * Server-side encryption as requests ask for it. Nothing is encrypted at rest, so nobody is told that it is: a request that is
 * well-formed is refused as not implemented, and one that S3 would refuse whatever a store can do is refused as there, so that
 * its author learns first what is wrong with it. Source: S3 user guide, "Protecting data with server-side encryption".
 */
import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { invalidArgument, notImplemented, S3Error } from './s3-error.js';

const METHOD = 'x-amz-server-side-encryption';
const KMS_KEY = 'x-amz-server-side-encryption-aws-kms-key-id';
const CUSTOMER_ALGORITHM = 'x-amz-server-side-encryption-customer-algorithm';
const CUSTOMER_KEY = 'x-amz-server-side-encryption-customer-key';
const CUSTOMER_KEY_MD5 = 'x-amz-server-side-encryption-customer-key-md5';
const METHODS = new Set(['AES256', 'aws:kms', 'aws:kms:dsse']);
const CUSTOMER_KEY_BYTES = 32;

/** Whether a header asks for encryption. */
export function isEncryptionHeader(name: string): boolean {
  return name.startsWith(METHOD);
}

/** For a write that has such a header. Throws InvalidArgument, InvalidEncryptionAlgorithmError, NotImplemented. */
export function refuseEncryption(headers: IncomingHttpHeaders): never {
  const method = headers[METHOD];
  const kmsKey = headers[KMS_KEY];
  if (method !== undefined && !METHODS.has(String(method)))
    throw invalidArgument(
      `The encryption method is none of ${[...METHODS].join(', ')}.`,
      METHOD,
      String(method),
    );
  if (kmsKey !== undefined && (method === undefined || method === 'AES256'))
    throw invalidArgument(`A key of KMS needs ${METHOD}: aws:kms.`, KMS_KEY, String(kmsKey));
  if (method !== undefined && bringsKey(headers))
    throw invalidArgument('A key of the client excludes every other encryption.', METHOD, String(method));
  refuseCustomerKey(headers);
  const name = Object.keys(headers).find(isEncryptionHeader) ?? METHOD;
  throw notImplemented(`The header ${name} of this request`);
}

/**
 * Refuses a request that brings its own key: what it is about was never encrypted with one. Throws InvalidArgument,
 * InvalidEncryptionAlgorithmError, NotImplemented.
 */
export function refuseCustomerKey(headers: IncomingHttpHeaders): void {
  if (!bringsKey(headers)) return;
  const algorithm = String(headers[CUSTOMER_ALGORITHM] ?? '');
  const keyText = String(headers[CUSTOMER_KEY] ?? '');
  const md5 = String(headers[CUSTOMER_KEY_MD5] ?? '');
  if (algorithm === '')
    throw invalidArgument('A key of the client needs its algorithm.', CUSTOMER_ALGORITHM, '');
  if (algorithm !== 'AES256') throw new S3Error('InvalidEncryptionAlgorithmError');
  if (keyText === '') throw invalidArgument('The key of the client is missing.', CUSTOMER_KEY, '');
  if (md5 === '') throw invalidArgument('The MD5 of the key is missing.', CUSTOMER_KEY_MD5, '');
  const key = Buffer.from(keyText, 'base64');
  // The key itself is nobody's to be told.
  if (key.length !== CUSTOMER_KEY_BYTES)
    throw invalidArgument(`A key has ${CUSTOMER_KEY_BYTES} bytes, in base64.`, CUSTOMER_KEY, 'null');
  if (createHash('md5').update(key).digest('base64') !== md5)
    throw invalidArgument('The MD5 is not that of the key.', CUSTOMER_KEY_MD5, md5);
  throw notImplemented(`The header ${CUSTOMER_ALGORITHM} of this request`);
}

/** By their names: every read is asked, and a name that varies costs a search. */
function bringsKey(headers: IncomingHttpHeaders): boolean {
  return (
    headers['x-amz-server-side-encryption-customer-algorithm'] !== undefined ||
    headers['x-amz-server-side-encryption-customer-key'] !== undefined ||
    headers['x-amz-server-side-encryption-customer-key-md5'] !== undefined
  );
}

/** Reads may not ask for encryption with a key of the store either. Throws as `refuseCustomerKey`. */
export function checkReadHeaders(headers: IncomingHttpHeaders): void {
  refuseCustomerKey(headers);
  const encryption = headers[METHOD];
  if (encryption !== undefined)
    throw invalidArgument(
      `${METHOD} header is not supported for this operation.`,
      METHOD,
      String(encryption),
    );
}
