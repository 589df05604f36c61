/** The XML body of an error (S3 API reference, "REST error responses"). */
import type { RequestTarget } from './request-target.js';
import type { S3Error } from './s3-error.js';
import { element, XML_DECLARATION } from './xml-writer.js';

export interface ErrorSource {
  readonly target: RequestTarget;
  readonly requestId: string;
  readonly context: { readonly requestIds: { readonly hostId: string } };
}

export function errorDocument(error: S3Error, source: ErrorSource): string {
  return `${XML_DECLARATION}${errorElement(error, source)}`;
}

/** Without the declaration: an answer that was begun with white space has given it already. */
export function errorElement(error: S3Error, source: ErrorSource): string {
  const { bucket, key, rawPath } = source.target;
  let content = element('Code', error.s3Code) + element('Message', error.message);
  for (const name in error.elements) content += element(name, error.elements[name] ?? '');
  if (bucket !== '') content += element('BucketName', bucket);
  if (key !== '') content += element('Key', key);
  content += element('Resource', rawPath) + element('RequestId', source.requestId);
  return `<Error>${content}${element('HostId', source.context.requestIds.hostId)}</Error>`;
}
