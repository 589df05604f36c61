/** What is asked of multipart uploads, and what is answered. */
import type { ChecksumAlgorithm, ObjectChecksum, ObjectHeaders } from '../core/object.js';
import type {
  AckRequest,
  Body,
  CopySource,
  Offset,
  RangeRequest,
  WriteConditions,
} from './object-service.js';

export interface CreateUploadRequest {
  readonly bucket: string;
  readonly key: string;
  readonly headers: ObjectHeaders;
  readonly checksumAlgorithm?: ChecksumAlgorithm;
  readonly checksumType?: ObjectChecksum['type'];
  /** Who begins it; absent where nobody is asked who he is. */
  readonly initiator?: string;
}

export interface PutPartRequest {
  readonly bucket: string;
  readonly key: string;
  readonly uploadId: string;
  readonly partNumber: number;
  readonly body: Body;
  readonly md5?: Uint8Array;
  readonly checksum?: () => ObjectChecksum | undefined;
}

export interface PartReceipt {
  readonly etag: string;
  readonly lastModifiedMs: number;
  readonly size: number;
  readonly checksum?: ObjectChecksum;
  readonly offset?: Offset;
}

export interface CopyPartRequest {
  readonly bucket: string;
  readonly key: string;
  readonly uploadId: string;
  readonly partNumber: number;
  readonly source: CopySource;
  readonly range?: RangeRequest;
}

export interface CompleteUploadRequest {
  readonly bucket: string;
  readonly key: string;
  readonly uploadId: string;
  readonly parts: readonly { readonly number: number; readonly etag: string; readonly checksum?: string }[];
  readonly conditions?: WriteConditions;
  /** What the client says the whole object's checksum is (base64, as in `ObjectChecksum.value`). */
  readonly checksum?: ObjectChecksum;
  /** What the client says the whole size is (`x-amz-mp-object-size`). */
  readonly size?: number;
  readonly ack?: AckRequest;
}

export interface ListPartsRequest {
  readonly bucket: string;
  readonly key: string;
  readonly uploadId: string;
  readonly partNumberMarker: number;
  readonly maxParts: number;
}

export interface ListPartsResult {
  readonly parts: readonly {
    readonly number: number;
    readonly size: number;
    readonly etag: string;
    readonly lastModifiedMs: number;
    readonly checksum?: ObjectChecksum;
  }[];
  readonly truncated: boolean;
  readonly checksumAlgorithm?: ChecksumAlgorithm;
  readonly checksumType?: ObjectChecksum['type'];
  readonly people: UploadPeople;
}

/** Whose an upload is. */
export interface UploadPeople {
  /** Who began it; undefined where that was not known. */
  readonly initiator: string | undefined;
  /** Who will own the object; undefined for the owner of the bucket. */
  readonly owner: string | undefined;
}

export interface ListUploadsRequest {
  readonly bucket: string;
  readonly prefix: string;
  readonly delimiter: string;
  readonly keyMarker: string;
  readonly uploadIdMarker: string;
  readonly maxUploads: number;
}

export interface ListUploadsResult {
  readonly uploads: readonly ListedUpload[];
  readonly prefixes: readonly string[];
  readonly truncated: boolean;
}

export interface ListedUpload extends UploadPeople {
  readonly key: string;
  readonly uploadId: string;
  readonly openedMs: number;
}
