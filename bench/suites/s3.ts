/** `s3`: what the S3 surface adds to a request: signatures, long listings, deletes by the thousand, checksums. */
import { withCleanup, type BenchContext } from '../context.js';
import type { Row } from '../report.js';
import { measureChecksums } from './s3-checksums.js';
import { measureListing } from './s3-listing.js';
import { measureSignatures } from './s3-signatures.js';

export async function benchS3(context: BenchContext): Promise<Row[]> {
  return [
    ...measureChecksums(context),
    ...(await withCleanup((cleanup) => measureSignatures(context, cleanup))),
    ...(await withCleanup((cleanup) => measureListing(context, cleanup))),
  ];
}
