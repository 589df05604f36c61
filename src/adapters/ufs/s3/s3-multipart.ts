/**
 * Multipart uploads of S3, as the port has them: the caller keeps their names and their progress.
 *
 * A part for which the budget has room is read into memory, so that the disk is not held by a slow store; another is streamed.
 * The ETags of the parts must combine to ours before the upload is completed, where they are MD5s.
 *
 * Source: Amazon S3 user guide, "Uploading and copying objects using multipart upload".
 */
import { HeadraceError } from '../../../core/errors.js';
import { createMd5, hexOf } from '../../../core/hashing.js';
import type {
  MultipartName,
  MultipartStore,
  StoreCompleteRequest,
  StoredObject,
  StoredPart,
  StoreMultipartRequest,
  StorePartRequest,
} from '../../../core/object-store.js';
import { MIB } from '../../../core/units.js';
import { PartSource } from './part-source.js';
import { damagedError, isS3Code } from './s3-errors.js';
import { contradicts, md5HeaderOf, type S3ObjectFields, storeEtagOf } from './s3-metadata.js';
import { BufferBudget } from './s3-parts.js';
import type { S3Connection } from './s3-session.js';
import { describe, type S3Target, systemHeaders } from './s3-upload.js';
import { StreamedBody } from './streamed-body.js';

const BUFFER_BYTES_MAX = 64 * MIB;
/** Pages of a listing: a bucket with more open uploads of one key than they hold has other troubles. */
const PAGES_MAX = 100;

export interface S3MultipartParts {
  readonly target: (bucket: string, key: string) => S3Target;
  /** Runs a call with the errors of the port. */
  readonly perform: <Value>(
    what: string,
    write: boolean,
    signal: AbortSignal | undefined,
    work: (connection: S3Connection) => Promise<Value>,
  ) => Promise<Value>;
  /** Whether an ETag that looks like an MD5 and is not ours is an error. */
  readonly verifyEtag: boolean;
}

export class S3Multipart implements MultipartStore {
  readonly #parts: S3MultipartParts;
  readonly #buffers = new BufferBudget(BUFFER_BYTES_MAX);

  constructor(parts: S3MultipartParts) {
    this.#parts = parts;
  }

  begin(request: StoreMultipartRequest, signal?: AbortSignal): Promise<string> {
    const what = `begin the upload of ${request.bucket}/${request.key}`;
    return this.#parts.perform(what, true, signal, async ({ sdk, client }) => {
      const target = this.#parts.target(request.bucket, request.key);
      const command = new sdk.CreateMultipartUploadCommand({ ...target, ...describe(request) });
      command.middlewareStack.add(systemHeaders(request), { step: 'build' });
      const { UploadId } = await client.send(command, { abortSignal: signal });
      if (UploadId !== undefined) return UploadId;
      throw new HeadraceError('UFS_UNAVAILABLE', `cannot ${what}: the store named no upload`);
    });
  }

  putPart(request: StorePartRequest, signal?: AbortSignal): Promise<{ etag: string }> {
    const { number, size } = request;
    return this.#perform(`put part ${number}`, request, true, signal, async (connection, name) => {
      const source = new PartSource(request.open());
      try {
        if (!this.#buffers.tryTake(size))
          return await this.#stream(connection, name, request, source, signal);
        try {
          const body = await source.buffer(size);
          return await this.#send(connection, name, request, body, signal);
        } finally {
          this.#buffers.giveBack(size);
        }
      } finally {
        await source.close();
      }
    });
  }

  listParts(upload: MultipartName, signal?: AbortSignal): Promise<readonly StoredPart[]> {
    return this.#perform('list the parts', upload, false, signal, async ({ sdk, client }, name) => {
      const parts: StoredPart[] = [];
      let marker: string | undefined;
      for (let page = 0; page < PAGES_MAX; page++) {
        const answer = await client.send(new sdk.ListPartsCommand({ ...name, PartNumberMarker: marker }), {
          abortSignal: signal,
        });
        for (const { PartNumber = 0, Size = 0, ETag } of answer.Parts ?? [])
          parts.push({ number: PartNumber, size: Size, etag: storeEtagOf({ ETag }) });
        marker = answer.NextPartNumberMarker;
        if (answer.IsTruncated !== true || marker === undefined) break;
      }
      return parts.sort((a, b) => a.number - b.number);
    });
  }

  complete(request: StoreCompleteRequest, signal?: AbortSignal): Promise<StoredObject> {
    return this.#perform('complete the upload', request, true, signal, async ({ sdk, client }, name) => {
      const { parts, size, headers, lastModifiedMs, etag } = request;
      const where = `s3://${name.Bucket}/${name.Key}`;
      this.#verify(where, etag, combined(parts), {});
      const answer = await client.send(
        new sdk.CompleteMultipartUploadCommand({
          ...name,
          MultipartUpload: {
            Parts: parts.map((part) => ({ PartNumber: part.number, ETag: `"${part.etag}"` })),
          },
        }),
        { abortSignal: signal },
      );
      const storeEtag = storeEtagOf(answer);
      this.#verify(where, etag, storeEtag, answer);
      return { size, etag: etag ?? storeEtag, storeEtag, lastModifiedMs, headers };
    });
  }

  async abort(upload: MultipartName, signal?: AbortSignal): Promise<void> {
    try {
      await this.#perform('abort the upload', upload, true, signal, ({ sdk, client }, name) =>
        client.send(new sdk.AbortMultipartUploadCommand(name), { abortSignal: signal }),
      );
    } catch (error) {
      if (!(error instanceof HeadraceError)) throw error;
      if (error.code !== 'NO_SUCH_UPLOAD' && error.code !== 'NO_SUCH_BUCKET') throw error;
    }
  }

  listUploads(
    bucket: string,
    key: string,
    signal?: AbortSignal,
  ): Promise<readonly { uploadId: string; startedMs: number }[]> {
    const what = `list the uploads of ${bucket}/${key}`;
    return this.#parts.perform(what, false, signal, async ({ sdk, client }) => {
      const { Bucket, Key } = this.#parts.target(bucket, key);
      const uploads: { uploadId: string; startedMs: number }[] = [];
      let markers: { KeyMarker?: string; UploadIdMarker?: string } = {};
      for (let page = 0; page < PAGES_MAX; page++) {
        const command = new sdk.ListMultipartUploadsCommand({ Bucket, Prefix: Key, ...markers });
        const answer = await client.send(command, { abortSignal: signal });
        for (const upload of answer.Uploads ?? []) {
          if (upload.Key !== Key || upload.UploadId === undefined) continue;
          uploads.push({ uploadId: upload.UploadId, startedMs: upload.Initiated?.getTime() ?? 0 });
        }
        const { IsTruncated, NextKeyMarker, NextUploadIdMarker } = answer;
        // The key itself sorts before all others that begin with it.
        if (IsTruncated !== true || NextKeyMarker !== Key) break;
        markers = {
          KeyMarker: NextKeyMarker,
          ...(NextUploadIdMarker === undefined ? {} : { UploadIdMarker: NextUploadIdMarker }),
        };
      }
      return uploads;
    });
  }

  #perform<Value>(
    what: string,
    { bucket, key, uploadId }: MultipartName,
    write: boolean,
    signal: AbortSignal | undefined,
    work: (connection: S3Connection, name: S3Target & { UploadId: string }) => Promise<Value>,
  ): Promise<Value> {
    return this.#parts.perform(`${what} of ${bucket}/${key}`, write, signal, async (connection) => {
      const name = { ...this.#parts.target(bucket, key), UploadId: uploadId };
      try {
        return await work(connection, name);
      } catch (error) {
        if (!isS3Code(error, 404, 'NoSuchUpload')) throw error;
        throw new HeadraceError(
          'NO_SUCH_UPLOAD',
          `the store knows no upload ${uploadId} of ${bucket}/${key}`,
          {
            cause: error,
          },
        );
      }
    });
  }

  async #stream(
    connection: S3Connection,
    name: S3Target & { UploadId: string },
    request: StorePartRequest,
    source: PartSource,
    signal: AbortSignal | undefined,
  ): Promise<{ etag: string }> {
    const body = new StreamedBody(source.stream(request.size), signal);
    try {
      return await this.#send(connection, name, request, body.readable, body.signal);
    } catch (error) {
      throw body.error ?? error;
    } finally {
      body.close();
    }
  }

  async #send(
    { sdk, client }: S3Connection,
    name: S3Target & { UploadId: string },
    { number, size }: StorePartRequest,
    body: Uint8Array | StreamedBody['readable'],
    signal: AbortSignal | undefined,
  ): Promise<{ etag: string }> {
    const command = new sdk.UploadPartCommand({
      ...name,
      PartNumber: number,
      Body: body,
      ContentLength: size,
    });
    return { etag: storeEtagOf(await client.send(command, { abortSignal: signal })) };
  }

  #verify(
    where: string,
    expected: string | undefined,
    found: string | undefined,
    answer: S3ObjectFields,
  ): void {
    if (!this.#parts.verifyEtag || expected === undefined || found === undefined) return;
    if (contradicts(expected, found, answer)) throw damagedError(where, expected, found);
  }
}

/** The ETag of the whole that the parts' make; undefined when they are no MD5s. */
function combined(parts: readonly StoredPart[]): string | undefined {
  const hash = createMd5();
  for (const { etag } of parts) {
    if (md5HeaderOf(etag) === undefined) return undefined;
    hash.update(Buffer.from(etag, 'hex'));
  }
  return `${hexOf(hash.digest())}-${parts.length}`;
}
