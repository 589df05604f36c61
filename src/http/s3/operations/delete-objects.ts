/** DeleteObjects: up to 1,000 keys in one request, and in one append. */
import type { DeleteConditions, DeletedObjects } from '../../../engine/object-service.js';
import { isErrorCode } from '../../../core/errors.js';
import { DELETE_OBJECT } from '../../auth/permissions.js';
import { addOffset, answer } from '../answer.js';
import { isAllowed } from '../authorize.js';
import { parseSize, parseTime } from '../conditions.js';
import { toS3Error } from '../error-mapper.js';
import type { Exchange } from '../exchange.js';
import { receiveXml } from '../receive-body.js';
import { S3Error } from '../s3-error.js';
import { childText } from '../xml-reader.js';
import type { XmlElement } from '../xml-reader.js';
import { element, xmlDocument } from '../xml-writer.js';

const KEYS_MAX = 1000;

interface Deletion {
  readonly key: string;
  /** Whether the client named the one version there is. */
  readonly versioned: boolean;
  /** What the object has to be like. */
  readonly conditions: DeleteConditions | undefined;
  /** What is wrong with this key alone. */
  readonly refusal: S3Error | undefined;
}

export function deleteObjects(exchange: Exchange): void {
  receiveXml(exchange, { integrity: 'required' }, (root) => {
    const { deletions: named, quiet } = parseDelete(root);
    const deletions = exchange.context.access.open
      ? named
      : named.map((one) => withPermission(exchange, one));
    answer(exchange, deleteAll(exchange, deletions), (receipt) => {
      const headers = exchange.startHeaders();
      addOffset(headers, receipt);
      exchange.replyXml(200, resultDocument(deletions, receipt.errors, quiet), headers);
    });
  });
}

/** What went wrong with each; undefined for success. All without a condition of their own are one call of the engine. */
async function deleteAll(
  { context: { objects }, target: { bucket } }: Exchange,
  deletions: readonly Deletion[],
): Promise<DeletedObjects> {
  const errors: (Error | undefined)[] = deletions.map(({ refusal }) => refusal);
  const plain = deletions.flatMap(({ conditions, refusal }, at) =>
    conditions === undefined && refusal === undefined ? [at] : [],
  );
  const keys = plain.map((at) => deletions[at]?.key ?? '');
  const together: DeletedObjects =
    keys.length === 0 ? { errors: [] } : await objects.deleteObjects(bucket, keys);
  for (const [index, at] of plain.entries()) errors[at] = together.errors[index];
  for (const [at, { key, conditions, refusal }] of deletions.entries()) {
    if (conditions === undefined || refusal !== undefined) continue;
    try {
      await objects.deleteObject(bucket, key, conditions);
    } catch (error) {
      // What is not there is deleted, whatever it should have matched.
      if (isErrorCode(error, 'NO_SUCH_KEY')) continue;
      errors[at] = error instanceof Error ? error : new S3Error('InternalError', undefined, { cause: error });
    }
  }
  return { ...together, errors };
}

/** A key that the one who asks may not delete is refused alone. */
function withPermission(exchange: Exchange, deletion: Deletion): Deletion {
  if (deletion.refusal !== undefined) return deletion;
  if (isAllowed(exchange, DELETE_OBJECT, exchange.target.bucket, deletion.key)) return deletion;
  return { ...deletion, refusal: new S3Error('AccessDenied') };
}

function parseDelete(root: XmlElement): { deletions: Deletion[]; quiet: boolean } {
  const objects = root.children.filter(({ name }) => name === 'Object');
  if (root.name !== 'Delete' || objects.length === 0 || objects.length > KEYS_MAX)
    throw new S3Error(
      'MalformedXML',
      `The XML you provided was not well-formed or did not validate against our published schema: a Delete has 1 to ${KEYS_MAX} Object elements, not ${objects.length}.`,
    );
  return { deletions: objects.map(parseObject), quiet: childText(root, 'Quiet')?.trim() === 'true' };
}

function parseObject(object: XmlElement): Deletion {
  const key = childText(object, 'Key');
  if (key === undefined || key === '')
    throw new S3Error('MalformedXML', 'Each Object of a Delete needs a Key.');
  const version = childText(object, 'VersionId');
  const deletion = { key, versioned: version === 'null', conditions: undefined, refusal: undefined };
  if (version !== undefined && version !== 'null')
    return { ...deletion, refusal: new S3Error('NoSuchVersion') };
  try {
    return { ...deletion, conditions: parseConditions(object) };
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    return { ...deletion, refusal: error };
  }
}

/** Throws InvalidArgument. */
function parseConditions(object: XmlElement): DeleteConditions | undefined {
  const etag = childText(object, 'ETag')?.trim().replaceAll('"', '');
  const size = childText(object, 'Size')?.trim();
  const time = childText(object, 'LastModifiedTime')?.trim();
  if (etag === undefined && size === undefined && time === undefined) return undefined;
  return {
    ...(etag === undefined ? {} : { ifMatch: [etag] }),
    ...(size === undefined ? {} : { ifSize: parseSize(size, 'Size') }),
    ...(time === undefined ? {} : { ifModifiedAtMs: parseTime(time, 'LastModifiedTime') }),
  };
}

function resultDocument(
  deletions: readonly Deletion[],
  errors: readonly (Error | undefined)[],
  quiet: boolean,
): string {
  let content = '';
  for (const [at, { key, versioned }] of deletions.entries()) {
    const error = errors[at];
    if (error !== undefined) content += errorEntry(key, error);
    else if (!quiet)
      content += `<Deleted>${element('Key', key)}${versioned ? element('VersionId', 'null') : ''}</Deleted>`;
  }
  return xmlDocument('DeleteResult', content);
}

function errorEntry(key: string, error: Error): string {
  const { s3Code, message } = toS3Error(error);
  return `<Error>${element('Key', key)}${element('Code', s3Code)}${element('Message', message)}</Error>`;
}
