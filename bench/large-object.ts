/** Large objects of the bench, and waiting until everything is in the under-store. */
import { setTimeout as delay } from 'node:timers/promises';
import { BUCKET } from './context.js';
import type { HeadraceProcess } from './headrace-process.js';
import { BLOCK_BYTES_MAX } from './load-plan.js';
import type { LoadGenerator } from './measurement.js';

const PART_CONCURRENCY = 4;
const PERSIST_MS_MAX = 10 * 60_000;
const PERSIST_POLL_MS = 50;

/**
 * A multipart upload whose parts all have the first body variant, so that the whole is that block, repeated. Resolves with the
 * time at which the object was there (`performance.now()`), before which nothing of it can be uploaded.
 */
export async function uploadParts(
  server: HeadraceProcess,
  generator: LoadGenerator,
  { key, objectBytes, partBytes }: { key: string; objectBytes: number; partBytes: number },
): Promise<number> {
  if (partBytes % BLOCK_BYTES_MAX !== 0) throw new Error(`parts of ${partBytes} bytes are not whole blocks`);
  const target = `/${BUCKET}/${key}`;
  const created = await server.s3('POST', `${target}?uploads`);
  const uploadId = /<UploadId>([^<]+)<\/UploadId>/.exec(created)?.[1] ?? '';
  const parts = Array.from({ length: objectBytes / partBytes }, (_, i) => i + 1);
  const result = await generator.ask({
    port: server.s3Port,
    method: 'PUT',
    targets: {
      kind: 'listed',
      targets: parts.map(
        (number) => `${target}?partNumber=${number}&uploadId=${encodeURIComponent(uploadId)}`,
      ),
    },
    bodyBytes: partBytes,
    variant: 0,
    concurrency: PART_CONCURRENCY,
    verifyEvery: 1,
    collectEtags: true,
  });
  const list = result.etags.map(
    (etag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${etag}</ETag></Part>`,
  );
  const committedMs = performance.now();
  await server.s3(
    'POST',
    `${target}?uploadId=${encodeURIComponent(uploadId)}`,
    `<CompleteMultipartUpload>${list.join('')}</CompleteMultipartUpload>`,
  );
  return committedMs;
}

/** Objects that the under-store has yet to learn of. */
export async function pendingObjects(server: HeadraceProcess): Promise<number> {
  const { status, text } = await server.admin('GET', '/api/v1/status');
  if (status !== 200) throw new Error(`GET /api/v1/status: ${status} ${text}`);
  return (JSON.parse(text) as { pendingObjects: number }).pendingObjects;
}

export async function untilPersisted(server: HeadraceProcess): Promise<void> {
  const deadlineMs = performance.now() + PERSIST_MS_MAX;
  for (;;) {
    const pending = await pendingObjects(server);
    if (pending === 0) return;
    if (performance.now() > deadlineMs) throw new Error(`still ${pending} objects to persist`);
    await delay(PERSIST_POLL_MS);
  }
}
