/**
 * The usual write: a small body into a WRITE_BACK path, without conditions. The same order as every cached write (bytes durable
 * → event durable → applied → acknowledged), with receivers where the others await.
 */
import { hexOf } from '../core/hashing.js';
import type { ObjectVersion, PolicyMode } from '../core/object.js';
import { decideCommit } from './decide.js';
import { partitionOf, type EngineCore } from './engine-core.js';
import type { Body, PutObjectRequest, WriteReceipt } from './object-service.js';
import type { Decision, DecisionView } from './decision.js';
import type { StoredBody, StoredReceiver } from './small-body.js';

export interface SmallPutRequest extends PutObjectRequest {
  readonly body: Extract<Body, { kind: 'chunks' }>;
  readonly conditions?: undefined;
}

export class SmallPut implements StoredReceiver {
  readonly #core: EngineCore;
  readonly #request: SmallPutRequest;
  readonly #resolve: (receipt: WriteReceipt) => void;
  readonly #reject: (error: unknown) => void;

  constructor(
    core: EngineCore,
    request: SmallPutRequest,
    resolve: (receipt: WriteReceipt) => void,
    reject: (error: unknown) => void,
  ) {
    this.#core = core;
    this.#request = request;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** The bytes are durable. */
  stored(stored: StoredBody): void {
    const { bucket, key } = this.#request;
    const partition = partitionOf(this.#core, bucket, key);
    const decide = (view: DecisionView): Decision<ObjectVersion> => {
      const object = versionOf(this.#request, stored, 'WRITE_BACK', 'PENDING', view.nowMs);
      const { events } = decideCommit(view, { bucket, key, object, origin: 'WRITE' });
      return { events, result: object };
    };
    partition.submit(decide).then(
      ({ result, offset }) => {
        void stored.settle('COMMITTED');
        this.#resolve(receiptOf(result, `${partition.number}:${offset}`));
      },
      (error: unknown) => {
        void stored.settle('FAILED');
        this.#reject(error);
      },
    );
  }

  failed(error: unknown): void {
    this.#reject(error);
  }
}

/** The version that a stored body makes; its time is that of the decision, which sets it unless it is given. */
export function versionOf(
  request: PutObjectRequest,
  stored: StoredBody,
  policy: PolicyMode,
  state: ObjectVersion['state'],
  lastModifiedMs = 0,
): ObjectVersion {
  return {
    size: stored.size,
    etag: hexOf(stored.md5),
    lastModifiedMs,
    extents: stored.extents,
    headers: request.headers,
    policy,
    state,
    checksum: request.checksum?.(),
  };
}

export function receiptOf(object: ObjectVersion, offset: string): WriteReceipt {
  return {
    etag: object.etag,
    lastModifiedMs: object.lastModifiedMs,
    size: object.size,
    checksum: object.checksum,
    offset,
  };
}
