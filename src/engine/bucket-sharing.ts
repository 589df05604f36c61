/**
 * Bucket settings that limit what access control lists and policies may give away: the public access block and the ownership
 * controls. Source: S3 user guide, "Blocking public access to your Amazon S3 storage" and "Controlling ownership of objects".
 */

/** Names of documents of a bucket. */
export const PUBLIC_ACCESS_BLOCK = 'publicAccessBlock';
export const OWNERSHIP_CONTROLS = 'ownershipControls';

/** In the order of S3's documents. */
export const PUBLIC_ACCESS_BLOCKS = [
  'BlockPublicAcls',
  'IgnorePublicAcls',
  'BlockPublicPolicy',
  'RestrictPublicBuckets',
] as const;
export type PublicAccessBlock = (typeof PUBLIC_ACCESS_BLOCKS)[number];

/**
 * `BucketOwnerEnforced` switches access control lists off. With the other two who writes an object owns it, but for one that is
 * given to the bucket's owner with `bucket-owner-full-control` where that one is preferred.
 */
export const OBJECT_OWNERSHIPS = ['BucketOwnerPreferred', 'ObjectWriter', 'BucketOwnerEnforced'] as const;
export type ObjectOwnership = (typeof OBJECT_OWNERSHIPS)[number];

/** The document: the blocks that are on, with spaces between them; `none` when all are off. */
export function formatBlocks(blocks: readonly PublicAccessBlock[]): string {
  return blocks.length === 0 ? 'none' : blocks.join(' ');
}

export function isBlocked(document: string | undefined, block: PublicAccessBlock): boolean {
  return document !== undefined && document.split(' ').includes(block);
}
