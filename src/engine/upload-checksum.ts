/** The checksum of a completed multipart object, from those of its parts. Source: S3 user guide, "Checking object integrity". */
import { combineChecksums, compositeChecksum, isCombinable } from '../core/checksum.js';
import { HeadraceError } from '../core/errors.js';
import type { ObjectChecksum } from '../core/object.js';
import type { PartRecord, UploadRecord } from '../../projections/records.js';
import type { CompleteUploadRequest } from './upload-requests.js';

/** Undefined when the parts came without checksums. `BAD_DIGEST` when it is not what the client says. */
export function checksumOfUpload(
  request: CompleteUploadRequest,
  upload: UploadRecord,
  parts: readonly PartRecord[],
): ObjectChecksum | undefined {
  for (const [at, part] of parts.entries()) checkPart(part, request.parts[at]?.checksum);
  const algorithm = upload.checksumAlgorithm ?? parts[0]?.checksum?.algorithm;
  if (algorithm === undefined) return undefined;
  const values: { value: string; size: number }[] = [];
  for (const part of parts) {
    if (part.checksum?.algorithm !== algorithm) return undefined;
    values.push({ value: part.checksum.value, size: part.size });
  }
  const whole = upload.checksumType === 'FULL_OBJECT' || algorithm === 'CRC64NVME';
  const checksum: ObjectChecksum =
    whole && isCombinable(algorithm)
      ? { algorithm, type: 'FULL_OBJECT', value: combineChecksums(algorithm, values) }
      : {
          algorithm,
          type: 'COMPOSITE',
          value: compositeChecksum(
            algorithm,
            values.map(({ value }) => value),
          ),
        };
  const expected = request.checksum;
  if (
    expected !== undefined &&
    expected.algorithm === algorithm &&
    withoutCount(expected.value) !== withoutCount(checksum.value)
  ) {
    throw new HeadraceError(
      'BAD_DIGEST',
      `the object's ${algorithm} is ${checksum.value}, not ${expected.value}`,
    );
  }
  return checksum;
}

function checkPart(part: PartRecord, expected: string | undefined): void {
  if (expected === undefined || part.checksum === undefined || part.checksum.value === expected) return;
  throw new HeadraceError(
    'INVALID_PART',
    `part ${part.number} has the checksum ${part.checksum.value}, not ${expected}`,
  );
}

/** A composite value may come with or without `-<parts>` behind it. */
function withoutCount(value: string): string {
  return value.split('-', 1)[0] ?? value;
}
