/**
 * Multipart uploads of S3, as the port has them: the caller keeps their names and their progress.
 *
 * A part is streamed from where it lies, past the client where the way to the bucket is known: no byte of it is copied. The ETags of the parts must combine to ours before the upload is completed, where they are MD5s.
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
import { DirectBody } from './direct-body.js';
import { PartSource } from './part-source.js';
import { fieldsFrom } from './s3-direct.js';
import { damagedError, isS3Code } from './s3-errors.js';
import { contradicts, md5HeaderOf, type S3ObjectFields, storeEtagOf } from './s3-metadata.js';
import type { S3Connection } from './s3-session.js';
import { describe, type S3Target, systemHeaders } from './s3-upload.js';
import { StreamedBody } from './streamed-body.js';

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

  constructor(parts: S3MultipartParts) {
    this.#parts = parts;
  }

  begin(request: StoreMultipartRequest, signal?: AbortSignal): Promise<string> {
    const what = `begin the upload of ${request.bucket}/${request.key}`;
    return this.#parts.perform(what, true, signal, async ({ sdk, client, direct }) => {
      const target = this.#parts.target(request.bucket, request.key);
      const command = new sdk.CreateMultipartUploadCommand({ ...target, ...describe(request) });
      command.middlewareStack.add(systemHeaders(request), { step: 'build' });
      command.middlewareStack.add(direct.learn(target), { step: 'finalizeRequest', priority: 'low' });
      const { UploadId } = await client.send(command, { abortSignal: signal });
      if (UploadId !== undefined) return UploadId;
      throw new HeadraceError('UFS_UNAVAILABLE', `cannot ${what}: the store named no upload`);
    });
  }

  putPart(request: StorePartRequest, signal?: AbortSignal): Promise<{ etag: string }> {
    return this.#perform(`put part ${request.number}`, request, true, signal, async (connection, name) =>
      connection.direct.knows(name.Bucket)
        ? this.#sendDirect(connection, name, request, signal)
        : this.#sendThroughClient(connection, name, request, signal),
    );
  }

  listParts(upload: MultipartName, signal?: AbortSignal): Promise<readonly StoredPart[]> {
    return this.#perform('list the parts', upload, false, signal, async ({ sdk, client, direct }, name) => {
      const parts: StoredPart[] = [];
      let marker: string | undefined;
      for (let page = 0; page < PAGES_MAX; page++) {
        const command = new sdk.ListPartsCommand({ ...name, PartNumberMarker: marker });
        command.middlewareStack.add(direct.learn(name), { step: 'finalizeRequest', priority: 'low' });
        const answer = await client.send(command, { abortSignal: signal });
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

  async #sendDirect(
    { direct }: S3Connection,
    { Bucket, Key, UploadId: uploadId }: S3Target & { UploadId: string },
    request: StorePartRequest,
    signal: AbortSignal | undefined,
  ): Promise<{ etag: string }> {
    const query = { partNumber: String(request.number), uploadId };
    const body = new DirectBody(request);
    const headers = { 'content-type': 'application/octet-stream' };
    const answer = await direct.send({ method: 'PUT', Bucket, Key, query, headers, body }, signal);
    return { etag: storeEtagOf(fieldsFrom(answer)) };
  }

  async #sendThroughClient(
    { sdk, client, direct }: S3Connection,
    name: S3Target & { UploadId: string },
    { number, size, open }: StorePartRequest,
    signal: AbortSignal | undefined,
  ): Promise<{ etag: string }> {
    const source = new PartSource(open());
    const body = new StreamedBody(source.stream(size), signal);
    try {
      const command = new sdk.UploadPartCommand({
        ...name,
        PartNumber: number,
        Body: body.readable,
        ContentLength: size,
      });
      command.middlewareStack.add(direct.learn(name), { step: 'finalizeRequest', priority: 'low' });
      return { etag: storeEtagOf(await client.send(command, { abortSignal: body.signal })) };
    } catch (error) {
      throw body.error ?? error;
    } finally {
      body.close();
      await source.close();
    }
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
