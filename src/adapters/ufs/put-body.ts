/**
 * The body of a put: checked to have the size it claims, whichever form it comes in.
 */
import { HeadraceError } from '../../core/errors.js';
import type { StorePutRequest } from '../../core/object-store.js';

/** The body as the request gives it; throws `UFS_REJECTED` as soon as it is longer, or at its end shorter, than it claims. */
export async function* bodyOf(request: Announced): AsyncGenerator<Uint8Array, void, undefined> {
  let size = 0;
  for await (const chunk of request.open()) {
    size += chunk.length;
    if (size > request.size) throw wrongSize(request, `at least ${size}`);
    yield chunk;
  }
  if (size !== request.size) throw wrongSize(request, `${size}`);
}

/** The same, each chunk past `onChunk`. */
export async function* watched(
  request: StorePutRequest,
  onChunk: (chunk: Uint8Array) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of bodyOf(request)) {
    onChunk(chunk);
    yield chunk;
  }
}

/** The bytes of a small body, if they were given. `UFS_REJECTED` when they are not as many as it claims. */
export function bytesOf(request: StorePutRequest): Uint8Array | undefined {
  if (request.bytes !== undefined && request.bytes.length !== request.size) {
    throw wrongSize(request, `${request.bytes.length}`);
  }
  return request.bytes;
}

type Announced = Pick<StorePutRequest, 'bucket' | 'key' | 'size' | 'open'>;

function wrongSize(request: Omit<Announced, 'open'>, found: string): HeadraceError {
  return new HeadraceError(
    'UFS_REJECTED',
    `the body of ${request.bucket}/${request.key} has ${found} bytes, not ${request.size} as announced`,
  );
}
