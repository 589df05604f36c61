/**
 * Multipart uploads of the simulated under-store, as strict as S3's: a part must have the size it claims and be large enough
 * unless it is the last, a completion must name what is there, and an upload that is completed or aborted is unknown ever
 * after.
 */
import { assert } from '../src/core/assert.js';
import { createMd5, hexOf, md5 } from '../src/core/hashing.js';
import type {
  MultipartName,
  MultipartStore,
  StoreCompleteRequest,
  StoredObject,
  StoredPart,
  StoreMultipartRequest,
  StorePartRequest,
} from '../src/core/object-store.js';
import { HeadraceError } from '../src/core/errors.js';
import { GatheredBody } from './content.js';
import type { StoreOperation } from './sim-store-faults.js';
import { failure, rejected, type SimStoredObjects, withoutBytes } from './sim-stored-objects.js';

export interface SimUpload {
  readonly bucket: string;
  readonly key: string;
  readonly startedMs: number;
  readonly parts: Map<number, StoredPart & { readonly bytes: Uint8Array }>;
}

/** What outlives a process. */
export class SimUploads {
  readonly open = new Map<string, SimUpload>();
  /** Every part that ever arrived, in order. */
  readonly partsPut: { readonly uploadId: string; readonly number: number }[] = [];
  readonly #nowMs: () => number;
  #begun = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  begin(bucket: string, key: string): string {
    const id = `sim-upload-${++this.#begun}`;
    this.open.set(id, { bucket, key, startedMs: Math.floor(this.#nowMs()), parts: new Map() });
    return id;
  }

  get({ bucket, key, uploadId }: MultipartName): SimUpload {
    const upload = this.open.get(uploadId);
    if (upload?.bucket !== bucket || upload.key !== key)
      throw failure('NO_SUCH_UPLOAD', `there is no upload ${uploadId} of ${bucket}/${key}`);
    return upload;
  }
}

export interface SimMultipartParts {
  readonly uploads: SimUploads;
  readonly objects: SimStoredObjects;
  readonly generation: number;
  readonly partBytesMin: number;
  /** The time that bytes take on their way there. */
  readonly carry: (bytes: number) => Promise<void> | undefined;
  readonly exchange: <Value>(
    operation: StoreOperation,
    bucket: string,
    key: string,
    signal: AbortSignal | undefined,
    effect: () => Value,
  ) => Promise<Value>;
}

export class SimMultipart implements MultipartStore {
  readonly #parts: SimMultipartParts;

  constructor(parts: SimMultipartParts) {
    this.#parts = parts;
  }

  begin({ bucket, key }: StoreMultipartRequest, signal?: AbortSignal): Promise<string> {
    const { exchange, uploads, objects } = this.#parts;
    return exchange('begin', bucket, key, signal, () => {
      if (!objects.hasBucket(bucket)) throw failure('NO_SUCH_BUCKET', `there is no bucket "${bucket}"`);
      return uploads.begin(bucket, key);
    });
  }

  async putPart(request: StorePartRequest, signal?: AbortSignal): Promise<{ etag: string }> {
    const { exchange, carry, uploads } = this.#parts;
    const { bucket, key, uploadId, number, size } = request;
    const gathered = new GatheredBody(size);
    for await (const chunk of request.open()) gathered.add(chunk);
    const bytes = gathered.bytes();
    assert(bytes.length === size, `part ${number} of ${key} has ${bytes.length} bytes, not ${size}`);
    await carry(bytes.length);
    return exchange('putPart', bucket, key, signal, () => {
      const upload = uploads.get(request);
      const etag = hexOf(md5([bytes]));
      upload.parts.set(number, { number, size, etag, bytes });
      uploads.partsPut.push({ uploadId, number });
      return { etag };
    });
  }

  listParts(name: MultipartName, signal?: AbortSignal): Promise<readonly StoredPart[]> {
    return this.#parts.exchange('listParts', name.bucket, name.key, signal, () =>
      [...this.#parts.uploads.get(name).parts.values()]
        .map(({ number, size, etag }) => ({ number, size, etag }))
        .sort((a, b) => a.number - b.number),
    );
  }

  complete(request: StoreCompleteRequest, signal?: AbortSignal): Promise<StoredObject> {
    const { exchange } = this.#parts;
    return exchange('complete', request.bucket, request.key, signal, () => this.#complete(request));
  }

  abort({ bucket, key, uploadId }: MultipartName, signal?: AbortSignal): Promise<void> {
    return this.#parts.exchange('abort', bucket, key, signal, () => {
      this.#parts.uploads.open.delete(uploadId);
    });
  }

  listUploads(
    bucket: string,
    key: string,
    signal?: AbortSignal,
  ): Promise<{ uploadId: string; startedMs: number }[]> {
    return this.#parts.exchange('listUploads', bucket, key, signal, () =>
      [...this.#parts.uploads.open]
        .filter(([, upload]) => upload.bucket === bucket && upload.key === key)
        .map(([uploadId, { startedMs }]) => ({ uploadId, startedMs })),
    );
  }

  #complete(request: StoreCompleteRequest): StoredObject {
    const { uploads, objects, generation, partBytesMin } = this.#parts;
    const { bucket, key, uploadId, parts, size, headers, etag, lastModifiedMs } = request;
    const upload = uploads.get(request);
    const hash = createMd5();
    const pieces: Uint8Array[] = [];
    for (const [at, { number, etag: named }] of parts.entries()) {
      const part = upload.parts.get(number);
      if (part?.etag !== named || number !== at + 1)
        throw rejected('InvalidPart', `part ${number} is another`);
      if (at < parts.length - 1 && part.size < partBytesMin)
        throw rejected('EntityTooSmall', `part ${number} has ${part.size} bytes`);
      hash.update(Buffer.from(part.etag, 'hex'));
      pieces.push(part.bytes);
    }
    const bytes = Buffer.concat(pieces);
    const combined = `${hexOf(hash.digest())}-${parts.length}`;
    if (etag?.includes('-') === true && etag !== combined) {
      throw new HeadraceError('UFS_UNAVAILABLE', `${key} arrived damaged`, {
        details: { expected: etag, found: combined },
      });
    }
    assert(bytes.length === size, `the parts of ${key} have ${bytes.length} bytes, not ${size}`);
    uploads.open.delete(uploadId);
    return withoutBytes(objects.put({ bucket, key, bytes, headers, etag, lastModifiedMs, generation }));
  }
}
