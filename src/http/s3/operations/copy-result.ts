/** What a copy says it made: the document of CopyObject and UploadPartCopy. */
import type { ObjectChecksum } from '../../../core/object.js';
import type { AckReceipt } from '../../../engine/object-service.js';
import { ackElement } from '../acknowledgement.js';
import { CHECKSUM_ELEMENTS } from '../checksum-headers.js';
import { formatXmlDate } from '../timestamps.js';
import { element, xmlDocument } from '../xml-writer.js';

export interface CopyReceipt {
  readonly etag: string;
  readonly lastModifiedMs: number;
  readonly checksum?: ObjectChecksum;
  readonly ack?: AckReceipt;
}

export function copyResult(name: 'CopyObjectResult' | 'CopyPartResult', receipt: CopyReceipt): string {
  const { checksum } = receipt;
  return xmlDocument(
    name,
    element('LastModified', formatXmlDate(receipt.lastModifiedMs)) +
      element('ETag', `"${receipt.etag}"`) +
      (checksum === undefined ? '' : element(CHECKSUM_ELEMENTS[checksum.algorithm], checksum.value)) +
      ackElement(receipt.ack),
  );
}
