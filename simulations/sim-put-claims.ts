/**
 * Checks what a put says of its body. A wrong claim is a programmer's mistake and stops the simulation.
 */
import { assert } from '../src/core/assert.js';
import { createMd5, hexOf, md5 } from '../src/core/hashing.js';
import type { StorePutRequest } from '../src/core/object-store.js';
import { PART_NUMBER_MAX } from '../src/core/object.js';
import { isRecentBody } from './content.js';

/** `bytes` is what the stream of the request gave. */
export function checkClaims(request: StorePutRequest, bytes: Uint8Array, partBytesMin: number): void {
  const { size, etag, partSizes } = request;
  const name = `${request.bucket}/${request.key}`;
  assert(bytes.length === size, `the body of ${name} has ${bytes.length} bytes, not ${size} as announced`);
  assert(
    request.bytes === undefined || Buffer.compare(bytes, request.bytes) === 0,
    `the bytes of ${name} are not those of its stream`,
  );
  if (partSizes !== undefined) return checkParts(name, bytes, partSizes, etag, partBytesMin);
  const comparable = etag !== undefined && /^[0-9a-f]{32}$/.test(etag);
  assert(
    !comparable || isRecentBody(etag, bytes) || etag === hexOf(md5([bytes])),
    `the ETag ${etag} of ${name} is not the MD5 of its body`,
  );
}

function checkParts(
  name: string,
  bytes: Uint8Array,
  sizes: readonly number[],
  etag: string | undefined,
  partBytesMin: number,
): void {
  assert(sizes.length > 0 && sizes.length <= PART_NUMBER_MAX, `${name} has ${sizes.length} parts`);
  const hash = createMd5();
  let position = 0;
  for (const [index, size] of sizes.entries()) {
    const last = index === sizes.length - 1;
    assert(last || size >= partBytesMin, `part ${index + 1} of ${name} has only ${size} bytes`);
    hash.update(md5([bytes.subarray(position, position + size)]));
    position += size;
  }
  assert(position === bytes.length, `the parts of ${name} have ${position} bytes, its body ${bytes.length}`);
  const expected = `${hexOf(hash.digest())}-${sizes.length}`;
  assert(
    etag === undefined || etag === expected,
    `the ETag ${etag} of ${name} is not that of its parts, ${expected}`,
  );
}
