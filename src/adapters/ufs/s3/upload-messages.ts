/**
 * What the request thread and the thread that uploads tell each other (`upload-thread.ts`, `upload-worker.ts`).
 *
 * All that is said in one turn of the event loop is one message, a list: a message costs more than what it says. Bodies are not in
 * it: they lie in memory that both threads see, and whose `slot` belongs to the upload from its start to its answer.
 */
import { HeadraceError, type ErrorCode } from '../../../core/errors.js';
import type { StoredObject, StorePutRequest } from '../../../core/object-store.js';
import type { ObjectHeaders } from '../../../core/object.js';
import type { S3ObjectStoreOptions } from './s3-object-store.js';

export type UploadOrder =
  | { readonly kind: 'open'; readonly store: number; readonly options: S3ObjectStoreOptions }
  | { readonly kind: 'slot'; readonly slot: number; readonly memory: SharedArrayBuffer }
  | UploadPut
  | { readonly kind: 'abort'; readonly id: number }
  | { readonly kind: 'close'; readonly store: number }
  /** Ends the thread when every store of it is closed. */
  | { readonly kind: 'end' };

/** A tuple: to copy an object's property names between threads takes longer than to copy what they name. */
export type UploadPut = readonly [
  id: number,
  store: number,
  slot: number,
  size: number,
  bucket: string,
  key: string,
  etag: string | undefined,
  lastModifiedMs: number,
  /** Undefined: none of any kind. */
  headers: ObjectHeaders | undefined,
  more: Pick<StorePutRequest, 'partSizes' | 'condition'> | undefined,
];

export type UploadAnswer =
  /** The first: the stores can be used. */
  | { readonly kind: 'ready' }
  /** The slot of an upload that the store has, with the ETag that came with the order as its own. */
  | number
  | ({ readonly kind: 'stored'; readonly slot: number } & Pick<StoredObject, 'etag' | 'storeEtag'>)
  | { readonly kind: 'failed'; readonly slot: number; readonly error: ToldError };

/** A `HeadraceError` that crosses a thread. */
export interface ToldError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: HeadraceError['details'];
  readonly cause: string | undefined;
}

export function told(error: HeadraceError): ToldError {
  const { code, message, details, cause } = error;
  return { code, message, details, cause: cause instanceof Error ? cause.message : undefined };
}

export function heard({ code, message, details, cause }: ToldError): HeadraceError {
  return new HeadraceError(code, message, {
    details,
    ...(cause === undefined ? {} : { cause: new Error(cause) }),
  });
}
