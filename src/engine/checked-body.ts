/** Bodies that go straight to the UFS: what the client said of them is checked as they stream by. */
import { HeadraceError } from '../core/errors.js';
import { checkMd5 } from './digests.js';
import type { Digests } from './engine-core.js';
import type { PutObjectRequest } from './object-service.js';

/** `INCOMPLETE_BODY`, `BAD_DIGEST`: thrown before the end, so that nothing is stored. */
export async function* checkedBody(
  digests: Digests,
  { body, md5 }: Pick<PutObjectRequest, 'body' | 'md5'>,
): AsyncGenerator<Uint8Array> {
  if (body.kind !== 'stream') return;
  const digest = digests.stream();
  try {
    let received = 0;
    for await (const chunk of body.stream) {
      received += chunk.length;
      await digest.update(chunk);
      yield chunk;
    }
    if (received !== body.size) {
      throw new HeadraceError('INCOMPLETE_BODY', `the body ended after ${received} of ${body.size} bytes`);
    }
    checkMd5(md5, await digest.digest());
  } finally {
    // Also when the store stops reading.
    digest.abandon();
  }
}
