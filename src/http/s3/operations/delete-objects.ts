/** DeleteObjects: up to 1,000 keys in one request, and in one append. */
import type { DeletedObjects } from '../../../engine/object-service.js';
import { DELETE_OBJECT } from '../../auth/permissions.js';
import { addOffset, answer } from '../answer.js';
import { isAllowed } from '../authorize.js';
import { toS3Error } from '../error-mapper.js';
import type { Exchange } from '../exchange.js';
import { receiveXml } from '../receive-body.js';
import { notImplemented, S3Error } from '../s3-error.js';
import { childText } from '../xml-reader.js';
import type { XmlElement } from '../xml-reader.js';
import { element, xmlDocument } from '../xml-writer.js';

const KEYS_MAX = 1000;

interface Deletion {
  readonly key: string;
  /** Whether the client named the one version there is. */
  readonly versioned: boolean;
  /** What is wrong with this key alone. */
  readonly refusal: S3Error | undefined;
}

export function deleteObjects(exchange: Exchange): void {
  receiveXml(exchange, { integrity: 'required' }, (root) => {
    const { deletions: named, quiet } = parseDelete(root);
    const deletions = exchange.context.access.open
      ? named
      : named.map((one) => withPermission(exchange, one));
    const keys = deletions.filter(({ refusal }) => refusal === undefined).map(({ key }) => key);
    const { objects } = exchange.context;
    const deleted =
      keys.length === 0 ? Promise.resolve({ errors: [] }) : objects.deleteObjects(exchange.target.bucket, keys);
    answer<DeletedObjects>(exchange, deleted, (receipt) => {
      const headers = exchange.startHeaders();
      addOffset(headers, receipt);
      exchange.replyXml(200, resultDocument(deletions, receipt.errors, quiet), headers);
    });
  });
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
  return { key, versioned: childText(object, 'VersionId') === 'null', refusal: refusalOf(object) };
}

function refusalOf(object: XmlElement): S3Error | undefined {
  for (const { name, text } of object.children) {
    if (name === 'VersionId' && text !== 'null') return new S3Error('NoSuchVersion');
    if (name === 'ETag' || name === 'LastModifiedTime' || name === 'Size')
      return notImplemented(`The condition ${name} in a DeleteObjects`);
  }
  return undefined;
}

function resultDocument(
  deletions: readonly Deletion[],
  errors: readonly (Error | undefined)[],
  quiet: boolean,
): string {
  let content = '';
  let index = 0;
  for (const { key, versioned, refusal } of deletions) {
    const error = refusal ?? errors[index++];
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
