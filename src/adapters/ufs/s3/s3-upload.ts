/**
 * Puts an object into S3: in one request, or in parts with the boundaries it had when it came, so that both ETags agree.
 *
 * Integrity: one request carries Content-MD5 where the MD5 is known, and the store refuses other bytes. Of parts, the store's
 * ETags must combine to ours before the upload is completed. The ETag of the object must be ours afterwards. Each
 * comparison is made only where the store's ETags are MD5s (`contradicts`).
 *
 * Memory: parts are buffered to go in parallel as far as a budget shared by all uploads reaches; a part beyond it is streamed,
 * alone, which also holds the source back. A part that fails aborts the upload, and nothing of it was ever visible.
 */
import { assert } from '../../../core/assert.js';
import { HeadraceError } from '../../../core/errors.js';
import { createMd5, hexOf, md5 } from '../../../core/hashing.js';
import type { StoredObject, StorePutRequest } from '../../../core/object-store.js';
import { PART_BYTES_MAX, PART_NUMBER_MAX } from '../../../core/object.js';
import { MIB } from '../../../core/units.js';
import { bodyOf, bytesOf } from '../put-body.js';
import { DirectBody } from './direct-body.js';
import { PartSource } from './part-source.js';
import { fieldsFrom } from './s3-direct.js';
import { damagedError, isS3Code, s3Error } from './s3-errors.js';
import {
  contradicts,
  headersToSend,
  md5HeaderOf,
  metadataToSend,
  type S3ObjectFields,
  storeEtagOf,
  tagsToSend,
} from './s3-metadata.js';
import { BufferBudget, PartSender } from './s3-parts.js';
import type { S3Connection } from './s3-session.js';
import { StreamedBody } from './streamed-body.js';

/** Buffered parts of all uploads of a store. */
const BUFFER_BYTES_MAX = 64 * MIB;
/** Of an object too large for one request that did not come in parts. */
const SPLIT_BYTES_MIN = 64 * MIB;

/** Where the object goes: names as the store has them. */
export interface S3Target {
  readonly Bucket: string;
  readonly Key: string;
}

export interface S3UploadOptions {
  /** Whether an ETag that looks like an MD5 and is not ours is an error. */
  readonly verifyEtag: boolean;
  /** Bytes that one request takes at most. */
  readonly requestBytesMax?: number;
}

export class S3Uploader {
  readonly #options: S3UploadOptions;
  readonly #buffers = new BufferBudget(BUFFER_BYTES_MAX);

  constructor(options: S3UploadOptions) {
    this.#options = options;
  }

  /** Codes as in the port. Nothing is visible before everything is there. */
  put(
    connection: S3Connection,
    target: S3Target,
    request: StorePutRequest,
    signal?: AbortSignal,
  ): Promise<StoredObject> {
    const sizes = request.partSizes ?? [];
    const { requestBytesMax = PART_BYTES_MAX } = this.#options;
    if (sizes.length > 0) return this.#putParts(connection, target, request, sizes, signal);
    if (request.size <= requestBytesMax) return this.#putWhole(connection, target, request, signal);
    const split = splitSizes(request.size, Math.min(SPLIT_BYTES_MIN, requestBytesMax));
    return this.#putParts(connection, target, request, split, signal);
  }

  async #putWhole(
    connection: S3Connection,
    target: S3Target,
    request: StorePutRequest,
    signal: AbortSignal | undefined,
  ): Promise<StoredObject> {
    const given = bytesOf(request);
    if (connection.direct.knows(target.Bucket)) {
      return given === undefined
        ? this.#streamDirect(connection, target, request, signal)
        : this.#putDirect(connection, target, request, given, signal);
    }
    const { sdk, client, direct } = connection;
    const source = new PartSource(bodyOf(request));
    const hash = createMd5();
    let bytes = given;
    if (request.size === 0 && bytes === undefined) {
      await source.finish();
      bytes = new Uint8Array(0);
    }
    const known = md5HeaderOf(request.etag) ?? (bytes && Buffer.from(md5([bytes])).toString('base64'));
    const body =
      bytes === undefined
        ? new StreamedBody(
            source.whole(request.size, (piece) => {
              if (known === undefined) hash.update(piece);
            }),
            signal,
          )
        : undefined;
    try {
      const command = new sdk.PutObjectCommand({
        ...target,
        Body: body?.readable ?? bytes,
        ContentLength: request.size,
        ContentMD5: known,
        ...describe(request),
        ...conditionOf(request),
      });
      command.middlewareStack.add(systemHeaders(request), { step: 'build' });
      command.middlewareStack.add(direct.learn(target), { step: 'finalizeRequest', priority: 'low' });
      const answer = await client.send(command, { abortSignal: body?.signal ?? signal });
      const expected =
        known === undefined ? hexOf(hash.digest()) : Buffer.from(known, 'base64').toString('hex');
      this.#verify(target, expected, answer);
      return stored(request, answer);
    } catch (error) {
      throw s3Error(`put ${nameOf(target)}`, body?.error ?? error, true, signal);
    } finally {
      body?.close();
      await source.close();
    }
  }

  /** A small body, without the client's middleware. */
  async #putDirect(
    { direct }: S3Connection,
    target: S3Target,
    request: StorePutRequest,
    body: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<StoredObject> {
    const etag = md5HeaderOf(request.etag) === undefined ? hexOf(md5([body])) : request.etag;
    const headers = directHeaders(request, md5HeaderOf(etag));
    try {
      const answer = fieldsFrom(await direct.send({ method: 'PUT', ...target, headers, body }, signal));
      this.#verify(target, etag, answer);
      return stored(request, answer);
    } catch (error) {
      throw s3Error(`put ${nameOf(target)}`, error, true, signal);
    }
  }

  /** A larger body, piece by piece as it is read. */
  async #streamDirect(
    { direct }: S3Connection,
    target: S3Target,
    request: StorePutRequest,
    signal: AbortSignal | undefined,
  ): Promise<StoredObject> {
    const known = md5HeaderOf(request.etag);
    const hash = known === undefined ? createMd5() : undefined;
    const body = new DirectBody(request, hash === undefined ? undefined : (piece) => hash.update(piece));
    const headers = directHeaders(request, known);
    try {
      const answer = fieldsFrom(await direct.send({ method: 'PUT', ...target, headers, body }, signal));
      this.#verify(target, hash === undefined ? request.etag : hexOf(hash.digest()), answer);
      return stored(request, answer);
    } catch (error) {
      throw s3Error(`put ${nameOf(target)}`, error, true, signal);
    }
  }

  async #putParts(
    connection: S3Connection,
    target: S3Target,
    request: StorePutRequest,
    sizes: readonly number[],
    signal: AbortSignal | undefined,
  ): Promise<StoredObject> {
    const sum = sizes.reduce((total, size) => total + size, 0);
    assert(sum === request.size, `parts of ${sum} bytes do not make an object of ${request.size}`);
    assert(sizes.length <= PART_NUMBER_MAX, `${sizes.length} parts are more than ${PART_NUMBER_MAX}`);
    const { sdk, client } = connection;
    const create = new sdk.CreateMultipartUploadCommand({ ...target, ...describe(request) });
    create.middlewareStack.add(systemHeaders(request), { step: 'build' });
    const what = `put ${nameOf(target)} in ${sizes.length} parts`;
    const { UploadId } = await client.send(create, { abortSignal: signal }).catch((error: unknown) => {
      throw s3Error(what, error, false, signal);
    });
    if (UploadId === undefined) {
      throw new HeadraceError('UFS_UNAVAILABLE', `cannot ${what}: the store named no upload`);
    }
    const upload = { ...target, UploadId };
    let completing = false;
    try {
      const source = new PartSource(bodyOf(request));
      const sender = new PartSender(connection, upload, this.#buffers, signal);
      const parts = await sender.send(source, sizes);
      if (this.#options.verifyEtag && request.etag !== undefined) sender.verify(request.etag);
      completing = true;
      const command = new sdk.CompleteMultipartUploadCommand({
        ...upload,
        MultipartUpload: { Parts: [...parts] },
        ...conditionOf(request),
      });
      const answer = await client.send(command, { abortSignal: signal });
      this.#verify(target, request.etag, answer);
      return stored(request, answer);
    } catch (error) {
      // Also when the outcome is unknown: afterwards the upload is either completed or gone, and takes no space.
      const aborting = client
        .send(new sdk.AbortMultipartUploadCommand(upload))
        .catch((cause: unknown) => isS3Code(cause, 404, 'NoSuchUpload'));
      if (signal?.aborted !== true) await aborting;
      throw s3Error(what, error, completing, signal);
    }
  }

  #verify(target: S3Target, expected: string | undefined, answer: S3ObjectFields): void {
    const etag = storeEtagOf(answer);
    if (!this.#options.verifyEtag || expected === undefined || !contradicts(expected, etag, answer)) return;
    throw damagedError(nameOf(target), expected, etag);
  }
}

/** Everything of the object that is no byte of it and no system header. */
export function describe({
  headers,
  etag,
  lastModifiedMs,
  size,
}: Pick<StorePutRequest, 'headers' | 'etag' | 'lastModifiedMs' | 'size'>): {
  Metadata: Record<string, string>;
  Tagging: string | undefined;
} {
  const Metadata = metadataToSend(headers.user, { etag, lastModifiedMs, size });
  return { Metadata, Tagging: tagsToSend(headers.tags) };
}

/** S3 API reference, PutObject: `If-Match` takes the ETag of the object that is replaced, `If-None-Match` only `*`. */
function conditionOf({ condition }: StorePutRequest): { IfMatch?: string; IfNoneMatch?: string } {
  if (condition === undefined) return {};
  return condition.ifMatch === undefined ? { IfNoneMatch: '*' } : { IfMatch: `"${condition.ifMatch}"` };
}

/** All headers of a put as they are sent, but those that the signature adds. */
function directHeaders(request: StorePutRequest, contentMd5: string | undefined): Record<string, string> {
  const { Metadata, Tagging } = describe(request);
  const headers: Record<string, string> = {
    'content-type': 'application/octet-stream',
    ...headersToSend(request.headers.system),
  };
  if (contentMd5 !== undefined) headers['content-md5'] = contentMd5;
  if (Tagging !== undefined) headers['x-amz-tagging'] = Tagging;
  const { IfMatch, IfNoneMatch } = conditionOf(request);
  if (IfMatch !== undefined) headers['if-match'] = IfMatch;
  if (IfNoneMatch !== undefined) headers['if-none-match'] = IfNoneMatch;
  for (const [name, value] of Object.entries(Metadata)) headers[`x-amz-meta-${name.toLowerCase()}`] = value;
  return headers;
}

/** Adds the system headers, whatever their names, as they are, before the request is signed. */
export function systemHeaders({ headers }: Pick<StorePutRequest, 'headers'>) {
  const added = headersToSend(headers.system);
  return <Arguments extends { request: unknown }, Output>(next: (args: Arguments) => Promise<Output>) =>
    (args: Arguments): Promise<Output> => {
      Object.assign((args.request as { headers: Record<string, string> }).headers, added);
      return next(args);
    };
}

function stored(request: StorePutRequest, answer: S3ObjectFields): StoredObject {
  const storeEtag = storeEtagOf(answer);
  const { size, headers, lastModifiedMs, etag = storeEtag } = request;
  return { size, etag, storeEtag, lastModifiedMs, headers };
}

function splitSizes(size: number, bytesMin: number): number[] {
  const bytes = Math.max(bytesMin, Math.ceil(size / PART_NUMBER_MAX));
  const count = Math.ceil(size / bytes);
  return Array.from({ length: count }, (_, index) => Math.min(bytes, size - index * bytes));
}

function nameOf({ Bucket, Key }: S3Target): string {
  return `s3://${Bucket}/${Key}`;
}
