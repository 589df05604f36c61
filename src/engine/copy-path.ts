/** Server-side copies: a read whose body is written again, which is ended whatever becomes of the write. */
import { HeadraceError, isErrorCode } from '../core/errors.js';
import { withAccessList } from './access-list.js';
import { SMALL_BODY_BYTES_MAX } from './object-service.js';
import type {
  Body,
  CopyObjectRequest,
  GetObjectRequest,
  GetObjectResult,
  ReadBody,
  WriteReceipt,
} from './object-service.js';
import type { CopyPartRequest, PartReceipt } from './upload-requests.js';
import type { Uploads } from './uploads.js';
import type { WritePath } from './write-path.js';

type Read = (request: GetObjectRequest) => Promise<GetObjectResult>;

export class CopyPath {
  readonly #writes: WritePath;
  readonly #uploads: Uploads;
  readonly #read: Read;

  /** `read` checks the bucket of the source. */
  constructor({ writes, uploads }: { readonly writes: WritePath; readonly uploads: Uploads }, read: Read) {
    this.#writes = writes;
    this.#uploads = uploads;
    this.#read = read;
  }

  async copyObject(request: CopyObjectRequest): Promise<WriteReceipt> {
    const { object, body } = await this.#getSource(request.source);
    const headers = withAccessList(request.headers ?? object.headers, request.acl ?? '');
    const tags = request.tags ?? object.headers.tags;
    return withBody(body, (copied) =>
      this.#writes.put({
        bucket: request.bucket,
        key: request.key,
        body: copied,
        headers: tags === undefined ? headers : { ...headers, tags },
        checksum: () => (object.checksum?.type === 'FULL_OBJECT' ? object.checksum : undefined),
        conditions: request.conditions,
      }),
    );
  }

  async copyPart(request: CopyPartRequest): Promise<PartReceipt> {
    const { bucket, key, uploadId, partNumber, range } = request;
    const { object, body } = await this.#getSource({ ...request.source, range });
    // All that was asked for must be there: a part that is shorter would not be noticed.
    if (range !== undefined && 'last' in range && (range.last ?? 0) >= object.size) {
      await discard(body);
      throw new HeadraceError(
        'INVALID_RANGE',
        `the range ends at byte ${range.last} of a source that has ${object.size} bytes`,
        { details: { size: object.size } },
      );
    }
    return withBody(body, (copied) =>
      this.#uploads.putPart({ bucket, key, uploadId, partNumber, body: copied }),
    );
  }

  /** A copy's conditions fail as those of a write do: there is no 304 for them. */
  async #getSource(request: GetObjectRequest): Promise<GetObjectResult> {
    try {
      return await this.#read(request);
    } catch (error) {
      if (!isErrorCode(error, 'NOT_MODIFIED')) throw error;
      throw new HeadraceError('PRECONDITION_FAILED', 'the source of the copy is not modified', {
        cause: error,
        details: { condition: 'x-amz-copy-source-If-None-Match' },
      });
    }
  }
}

/** Ends a body that nobody will read. */
async function discard(read: ReadBody): Promise<void> {
  if (read.kind === 'bytes') read.release();
  else await read.stream[Symbol.asyncIterator]().return?.(undefined);
}

/** Hands a body that was read to a write, and ends it in every case. */
async function withBody<Result>(read: ReadBody, write: (body: Body) => Promise<Result>): Promise<Result> {
  if (read.kind === 'bytes') {
    try {
      const { bytes } = read;
      return await write(
        bytes.length <= SMALL_BODY_BYTES_MAX
          ? { kind: 'chunks', chunks: [bytes], size: bytes.length }
          : { kind: 'stream', stream: once(bytes), size: bytes.length },
      );
    } finally {
      read.release();
    }
  }
  const source = read.stream[Symbol.asyncIterator]();
  const stream = { [Symbol.asyncIterator]: () => source };
  try {
    return await write({ kind: 'stream', stream, size: read.size });
  } finally {
    await source.return?.(undefined);
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
