/** CreateMultipartUpload, AbortMultipartUpload. */
import type { ObjectChecksum } from '../../../core/object.js';
import { isCombinable } from '../../../core/checksum.js';
import { ANONYMOUS_USER } from '../../../engine/users-document.js';
import { answer } from '../answer.js';
import { parseAlgorithm, parseChecksumType } from '../checksum-headers.js';
import type { Exchange } from '../exchange.js';
import { headersOfWrite } from '../object-headers.js';
import { required } from '../parameters.js';
import { S3Error } from '../s3-error.js';
import { element, xmlDocument } from '../xml-writer.js';

export function createUpload(exchange: Exchange): void {
  const { bucket, key } = exchange.target;
  const headers = headersOfWrite(exchange, exchange.headers);
  const checksum = checksumOf(exchange);
  const opened = exchange.context.objects.createUpload({
    bucket,
    key,
    headers,
    checksumAlgorithm: checksum?.algorithm,
    checksumType: checksum?.type,
    initiator: initiatorOf(exchange),
  });
  answer(exchange, opened, ({ uploadId }) => {
    const answerHeaders = exchange.startHeaders();
    if (checksum !== undefined)
      answerHeaders.push(
        'x-amz-checksum-algorithm',
        checksum.algorithm,
        'x-amz-checksum-type',
        checksum.type,
      );
    const content = element('Bucket', bucket) + element('Key', key) + element('UploadId', uploadId);
    exchange.replyXml(200, xmlDocument('InitiateMultipartUploadResult', content), answerHeaders);
  });
}

/** Undefined where nobody is asked who he is. */
function initiatorOf({ context: { access }, identity }: Exchange): string | undefined {
  return access.open ? undefined : (identity.user ?? ANONYMOUS_USER);
}

/** CRC64NVME is of the whole object only, the SHAs composite only, and the other CRCs composite unless asked otherwise. */
function checksumOf(exchange: Exchange): Pick<ObjectChecksum, 'algorithm' | 'type'> | undefined {
  const algorithmText = exchange.headers['x-amz-checksum-algorithm'];
  const typeText = exchange.headers['x-amz-checksum-type'];
  if (algorithmText === undefined) {
    if (typeText === undefined) return undefined;
    throw new S3Error(
      'InvalidRequest',
      'The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.',
    );
  }
  const algorithm = parseAlgorithm(String(algorithmText));
  const fallback = algorithm === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE';
  const type = typeText === undefined ? fallback : parseChecksumType(String(typeText));
  const possible = type === 'FULL_OBJECT' ? isCombinable(algorithm) : algorithm !== 'CRC64NVME';
  if (possible) return { algorithm, type };
  throw new S3Error(
    'InvalidRequest',
    `The ${type} checksum type cannot be used with the ${algorithm.toLowerCase()} checksum algorithm.`,
  );
}

export function abortUpload(exchange: Exchange): void {
  const { bucket, key, query } = exchange.target;
  const uploadId = required(query, 'uploadId');
  answer(exchange, exchange.context.objects.abortUpload(bucket, key, uploadId), () => {
    exchange.reply(204, exchange.startHeaders());
  });
}
