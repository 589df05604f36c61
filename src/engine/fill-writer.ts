/**
 * Caches an object while it is read from the UFS. Best effort: without room, or when the object changes meanwhile, the
 * reader gets its bytes all the same and nothing is kept.
 */
import { createHash } from 'node:crypto';
import { HeadraceError } from '../core/errors.js';
import type { Extent, ObjectVersion } from '../core/object.js';
import { objectKey } from '../../projections/records.js';
import { decideCommit } from './decide.js';
import { partitionOf, type EngineCore } from './engine-core.js';
import { SMALL_BODY_BYTES_MAX, type GetObjectResult } from './object-service.js';
import type { ExtentWriter } from './segment-store.js';
import type { Fill } from './ufs-calls.js';

export interface FillRequest {
  readonly bucket: string;
  readonly key: string;
  readonly object: ObjectVersion;
  readonly body: AsyncIterable<Uint8Array>;
  readonly fill: { readonly fill: Fill; readonly end: () => void };
}

const MD5_ETAG = /^[0-9a-f]{32}$/;

export class FillWriter {
  readonly #core: EngineCore;

  constructor(core: EngineCore) {
    this.#core = core;
  }

  /** Ends the fill itself, in every case. Errors are those of the body. */
  async fill(request: FillRequest): Promise<GetObjectResult> {
    return request.object.size <= SMALL_BODY_BYTES_MAX ? this.#fillSmall(request) : this.#fillStream(request);
  }

  async #fillSmall(request: FillRequest): Promise<GetObjectResult> {
    const { object, fill } = request;
    const chunks: Uint8Array[] = [];
    let received = 0;
    for await (const chunk of request.body) {
      received += chunk.length;
      chunks.push(Uint8Array.from(chunk));
    }
    if (received !== object.size) {
      throw new HeadraceError('UFS_UNAVAILABLE', `the UFS sent ${received} of ${object.size} bytes`);
    }
    const bytes = Buffer.concat(chunks);
    await this.#keepSmall(request, bytes).finally(fill.end);
    return { object, body: { kind: 'bytes', bytes, release: () => undefined } };
  }

  async #keepSmall(request: FillRequest, bytes: Uint8Array): Promise<void> {
    const { admission, segments, guard, digests, logger } = this.#core;
    const { bucket, key, object } = request;
    const reservation = admission.tryReserve(object.size);
    if (reservation === undefined) return;
    const floor = segments.smallSegment;
    guard.enter(floor);
    try {
      if (MD5_ETAG.test(object.etag)) {
        const md5 = Buffer.from(await digests.small([bytes], bytes.length)).toString('hex');
        if (md5 !== object.etag) return this.#warnChanged(request, md5);
      }
      const extents =
        object.size === 0 ? [] : [await segments.append(objectKey(bucket, key), [bytes], bytes.length)];
      await this.#commit(request, extents);
    } catch (error) {
      logger.warn({ bucket, key, error }, 'an object read from the UFS could not be cached');
    } finally {
      guard.leave(floor);
      reservation.release();
    }
  }

  async #fillStream(request: FillRequest): Promise<GetObjectResult> {
    const { object, fill } = request;
    const reservation = this.#core.admission.tryReserve(object.size);
    const writer =
      reservation === undefined
        ? undefined
        : await this.#core.segments
            .openWriter(objectKey(request.bucket, request.key), object.size)
            .catch(() => undefined);
    if (writer === undefined || reservation === undefined) {
      reservation?.release();
      fill.end();
      return { object, body: { kind: 'stream', stream: request.body, size: object.size } };
    }
    this.#core.guard.pin(writer.segment);
    const ended = (): void => {
      this.#core.guard.unpin(writer.segment);
      // Unless it was kept, which the sweep sees.
      this.#core.guard.suspect(writer.segment);
      reservation.release();
      fill.end();
    };
    return { object, body: { kind: 'stream', stream: this.#tee(request, writer, ended), size: object.size } };
  }

  /** Yields the body while it is written; commits at its end. Ends the source, the segment and the fill however it is left. */
  #tee(request: FillRequest, writer: ExtentWriter, ended: () => void): AsyncIterableIterator<Uint8Array> {
    const source = request.body[Symbol.asyncIterator]();
    const md5 = createHash('md5');
    let keep = true;
    let open = true;
    const close = async (): Promise<void> => {
      if (!open) return;
      open = false;
      await writer.abandon().catch(() => undefined);
      ended();
    };
    const iterator: AsyncIterableIterator<Uint8Array> = {
      [Symbol.asyncIterator]: () => iterator,
      next: async () => {
        try {
          const step = await source.next();
          if (step.done === true) {
            if (keep && open) await this.#keepStream(request, writer, md5.digest('hex'));
            await close();
            return { done: true, value: undefined };
          }
          if (keep) {
            md5.update(step.value);
            keep = await this.#write(request, writer, step.value);
          }
          return step;
        } catch (error) {
          await close();
          throw error;
        }
      },
      return: async () => {
        await source.return?.(undefined);
        await close();
        return { done: true, value: undefined };
      },
    };
    return iterator;
  }

  async #write(request: FillRequest, writer: ExtentWriter, chunk: Uint8Array): Promise<boolean> {
    if (request.fill.fill.stale) return false;
    try {
      await writer.write(chunk);
      return true;
    } catch (error) {
      const { bucket, key } = request;
      this.#core.logger.warn({ bucket, key, error }, 'an object read from the UFS could not be cached');
      return false;
    }
  }

  async #keepStream(request: FillRequest, writer: ExtentWriter, md5: string): Promise<void> {
    const { bucket, key, object } = request;
    try {
      if (writer.size !== object.size) return;
      if (MD5_ETAG.test(object.etag) && md5 !== object.etag) return this.#warnChanged(request, md5);
      await this.#commit(request, [await writer.finish()]);
    } catch (error) {
      this.#core.logger.warn({ bucket, key, error }, 'an object read from the UFS could not be cached');
    }
  }

  async #commit(request: FillRequest, extents: readonly Extent[]): Promise<void> {
    const { bucket, key, object, fill } = request;
    if (fill.fill.stale) return;
    await partitionOf(this.#core, bucket, key).submit((view) =>
      fill.fill.stale
        ? { events: [], result: undefined }
        : decideCommit(view, { bucket, key, object: { ...object, extents }, origin: 'FILL' }),
    );
  }

  #warnChanged(request: FillRequest, md5: string): void {
    const { bucket, key, object } = request;
    this.#core.logger.warn(
      { bucket, key, etag: object.etag, md5 },
      'the bytes that the UFS sent do not have the MD5 that its ETag names: they are not cached',
    );
  }
}
