/** The multipart half of the `ObjectService` in memory. */
import { createHash } from 'node:crypto';
import { combineChecksums, compositeChecksum, isCombinable } from '../../src/core/checksum.js';
import { HeadraceError } from '../../src/core/errors.js';
import { PART_BYTES_MIN } from '../../src/core/object.js';
import type { ObjectChecksum, ObjectHeaders, ObjectVersion } from '../../src/core/object.js';
import { ACL_METADATA, parseAccessList } from '../../src/engine/access-list.js';
import type { CopySource, WriteConditions, WriteReceipt } from '../../src/engine/object-service.js';
import type {
  CompleteUploadRequest,
  CopyPartRequest,
  CreateUploadRequest,
  ListPartsRequest,
  ListPartsResult,
  ListUploadsRequest,
  ListUploadsResult,
  PartReceipt,
  PutPartRequest,
} from '../../src/engine/upload-requests.js';
import { resolveRange } from '../../src/http/s3/range.js';
import { compare, readBody } from './memory-object-rules.js';
import type { StoredObject } from './memory-object-rules.js';

interface Part {
  readonly number: number;
  readonly bytes: Buffer;
  readonly etag: string;
  readonly lastModifiedMs: number;
  readonly checksum?: ObjectChecksum | undefined;
}

interface Upload extends CreateUploadRequest {
  readonly id: string;
  readonly openedMs: number;
  readonly parts: Map<number, Part>;
}

/** What a write leaves when its conditions hold. */
export interface NewObject {
  readonly bytes: Buffer;
  readonly etag: string;
  readonly headers: ObjectHeaders;
  readonly checksum?: ObjectChecksum | undefined;
  readonly conditions?: WriteConditions | undefined;
  readonly parts?: ObjectVersion['parts'];
}

export abstract class MemoryUploads {
  readonly #uploads = new Map<string, Upload>();
  #opened = 0;

  abstract checkAddress(bucket: string, key: string): void;
  abstract nowMs(): number;
  abstract copySource(source: CopySource): StoredObject;
  abstract commit(bucket: string, key: string, object: NewObject): WriteReceipt;

  async createUpload(request: CreateUploadRequest): Promise<{ uploadId: string }> {
    this.checkAddress(request.bucket, request.key);
    const id = `upload-${String(++this.#opened).padStart(6, '0')}`;
    this.#uploads.set(id, { ...request, id, openedMs: this.nowMs(), parts: new Map() });
    return { uploadId: id };
  }

  async putPart(request: PutPartRequest): Promise<PartReceipt> {
    this.#upload(request);
    const bytes = await readBody(request.body, request.md5);
    return this.#store(request, bytes, request.checksum?.());
  }

  async copyPart(request: CopyPartRequest): Promise<PartReceipt> {
    this.#upload(request);
    const { bytes } = this.copySource(request.source);
    const range = request.range === undefined ? undefined : resolveRange(request.range, bytes.length);
    const wanted = request.range;
    if (wanted !== undefined && (range === undefined || ('last' in wanted && range.last !== wanted.last)))
      throw new HeadraceError(
        'INVALID_ARGUMENT',
        `the range is not within the ${bytes.length} bytes of the source`,
      );
    return this.#store(
      request,
      range === undefined ? bytes : bytes.subarray(range.first, range.last + 1),
      undefined,
    );
  }

  async completeUpload(request: CompleteUploadRequest): Promise<WriteReceipt> {
    const upload = this.#upload(request);
    for (const [index, { number }] of request.parts.entries())
      if (index > 0 && number <= (request.parts[index - 1]?.number ?? 0))
        throw new HeadraceError('INVALID_PART_ORDER', `part ${number} is out of order`);
    const parts = request.parts.map((named, index) => {
      const part = upload.parts.get(named.number);
      if (part === undefined || part.etag !== named.etag)
        throw new HeadraceError('INVALID_PART', `part ${named.number} is not there`);
      if (index < request.parts.length - 1 && part.bytes.length < PART_BYTES_MIN)
        throw new HeadraceError('PART_TOO_SMALL', `part ${named.number} has ${part.bytes.length} bytes`);
      if (named.checksum !== undefined && named.checksum !== part.checksum?.value)
        throw new HeadraceError('INVALID_PART', `part ${named.number} has another checksum`);
      return part;
    });
    const bytes = Buffer.concat(parts.map((part) => part.bytes));
    if (request.size !== undefined && request.size !== bytes.length)
      throw new HeadraceError(
        'INVALID_ARGUMENT',
        `the object has ${bytes.length} bytes, not ${request.size}`,
      );
    const checksum = checksumOf(upload, parts);
    if (request.checksum !== undefined && request.checksum.value !== checksum?.value)
      throw new HeadraceError('BAD_DIGEST', `the checksum is ${checksum?.value}`);
    const digests = Buffer.concat(parts.map(({ etag }) => Buffer.from(etag, 'hex')));
    const receipt = this.commit(request.bucket, request.key, {
      bytes,
      checksum,
      headers: upload.headers,
      conditions: request.conditions,
      etag: `${createHash('md5').update(digests).digest('hex')}-${parts.length}`,
      parts: parts.map((part) => ({ number: part.number, size: part.bytes.length, checksum: part.checksum })),
    });
    this.#uploads.delete(upload.id);
    return receipt;
  }

  async abortUpload(bucket: string, key: string, uploadId: string): Promise<void> {
    this.#uploads.delete(this.#upload({ bucket, key, uploadId }).id);
  }

  async listParts(request: ListPartsRequest): Promise<ListPartsResult> {
    const upload = this.#upload(request);
    const rest = [...upload.parts.values()]
      .filter(({ number }) => number > request.partNumberMarker)
      .toSorted((a, b) => a.number - b.number);
    const parts = rest
      .slice(0, request.maxParts)
      .map(({ bytes, ...part }) => ({ ...part, size: bytes.length }));
    const { checksumAlgorithm, checksumType } = upload;
    const people = peopleOf(upload);
    return { parts, truncated: rest.length > parts.length, checksumAlgorithm, checksumType, people };
  }

  async listUploads(request: ListUploadsRequest): Promise<ListUploadsResult> {
    const { prefix, delimiter, keyMarker, uploadIdMarker, maxUploads } = request;
    this.checkAddress(request.bucket, '');
    const uploads: Upload[] = [];
    const prefixes: string[] = [];
    const sorted = [...this.#uploads.values()]
      .filter(({ bucket, key }) => bucket === request.bucket && key.startsWith(prefix))
      .toSorted((a, b) => compare(a.key, b.key) || compare(a.id, b.id));
    for (const upload of sorted) {
      const at = delimiter === '' ? -1 : upload.key.indexOf(delimiter, prefix.length);
      const common = at < 0 ? undefined : upload.key.slice(0, at + delimiter.length);
      const order = compare(common ?? upload.key, keyMarker);
      const later = order > 0 || (order === 0 && uploadIdMarker !== '' && upload.id > uploadIdMarker);
      if (!later || (common !== undefined && prefixes.includes(common))) continue;
      if (uploads.length + prefixes.length === maxUploads)
        return { uploads: named(uploads), prefixes, truncated: true };
      if (common === undefined) uploads.push(upload);
      else prefixes.push(common);
    }
    return { uploads: named(uploads), prefixes, truncated: false };
  }

  #upload(address: { readonly bucket: string; readonly key: string; readonly uploadId: string }): Upload {
    this.checkAddress(address.bucket, address.key);
    const upload = this.#uploads.get(address.uploadId);
    if (upload === undefined || upload.bucket !== address.bucket || upload.key !== address.key)
      throw new HeadraceError('NO_SUCH_UPLOAD', `there is no upload ${address.uploadId}`);
    return upload;
  }

  #store(
    request: { bucket: string; key: string; uploadId: string; partNumber: number },
    bytes: Buffer,
    checksum: ObjectChecksum | undefined,
  ): PartReceipt {
    const etag = createHash('md5').update(bytes).digest('hex');
    const lastModifiedMs = this.nowMs();
    // The upload may have ended while the body came.
    const { parts } = this.#upload(request);
    parts.set(request.partNumber, { number: request.partNumber, bytes, etag, lastModifiedMs, checksum });
    return { etag, lastModifiedMs, size: bytes.length, checksum };
  }
}

function named(uploads: readonly Upload[]): ListUploadsResult['uploads'] {
  return uploads.map((upload) => ({
    key: upload.key,
    uploadId: upload.id,
    openedMs: upload.openedMs,
    ...peopleOf(upload),
  }));
}

function peopleOf({ initiator, headers }: Upload): ListPartsResult['people'] {
  return { initiator, owner: parseAccessList(headers.user[ACL_METADATA]).owner };
}

function checksumOf(upload: Upload, parts: readonly Part[]): ObjectChecksum | undefined {
  const algorithm = upload.checksumAlgorithm;
  if (algorithm === undefined) return undefined;
  const values = parts.map(({ checksum, bytes }) => ({ value: checksum?.value ?? '', size: bytes.length }));
  if (values.some(({ value }) => value === '')) return undefined;
  return upload.checksumType === 'FULL_OBJECT' && isCombinable(algorithm)
    ? { algorithm, type: 'FULL_OBJECT', value: combineChecksums(algorithm, values) }
    : {
        algorithm,
        type: 'COMPOSITE',
        value: compositeChecksum(
          algorithm,
          values.map(({ value }) => value),
        ),
      };
}
