/**
 * The parts that events share, to and from their protobuf messages: enums, extents, headers, checksums,
 * object versions.
 *
 * Invariants: an enum value that this version does not know is `UNSUPPORTED_FORMAT`, never guessed. A decoded
 * part has no property for what was absent, so that a decoded event equals the one that was encoded. An
 * optional list or map that is empty comes back absent: protobuf does not tell the two apart.
 */
import { HeadraceError } from '../src/core/errors.js';
import type {
  ChecksumAlgorithm,
  Extent,
  ObjectChecksum,
  ObjectHeaders,
  ObjectPart,
  ObjectVersion,
  PersistState,
  PolicyMode,
} from '../src/core/object.js';
import type {
  ChecksumMessage,
  Count,
  EnumValue,
  ExtentMessage,
  HeadersMessage,
  ObjectVersionMessage,
  PartMessage,
  ReplacedMessage,
} from './events.generated.js';
import type { AbandonReason, ObjectCommitted, ObjectEvicted, Replaced } from './object-events.js';

/** Names of an enum with their numbers in `events.proto`. */
class Enumeration<Name extends string> {
  readonly #title: string;
  readonly #numbers: Readonly<Record<Name, number>>;
  readonly #names: (Name | undefined)[] = [];

  constructor(title: string, numbers: Readonly<Record<Name, number>>) {
    this.#title = title;
    this.#numbers = numbers;
    for (const name in numbers) this.#names[numbers[name]] = name;
  }

  encode(name: Name): EnumValue {
    return this.#numbers[name];
  }

  decode(value: EnumValue): Name {
    const name = this.#names[value];
    if (name === undefined)
      throw new HeadraceError(
        'UNSUPPORTED_FORMAT',
        `the log has ${this.#title} number ${value}, which this version does not know: it was written by a newer one`,
      );
    return name;
  }
}

export const policyMode = new Enumeration<PolicyMode>('policy mode', {
  WRITE_THROUGH: 1,
  WRITE_BACK: 2,
  TRANSIENT: 3,
  READ_ONLY: 4,
  NO_CACHE: 5,
});

const persistState = new Enumeration<PersistState>('persist state', {
  PENDING: 1,
  PERSISTED: 2,
  TRANSIENT: 3,
  QUARANTINED: 4,
});

export const checksumAlgorithm = new Enumeration<ChecksumAlgorithm>('checksum algorithm', {
  CRC32: 1,
  CRC32C: 2,
  CRC64NVME: 3,
  SHA1: 4,
  SHA256: 5,
});

export const checksumType = new Enumeration<ObjectChecksum['type']>('checksum type', {
  FULL_OBJECT: 1,
  COMPOSITE: 2,
});

export const abandonReason = new Enumeration<AbandonReason>('abandon reason', {
  CLIENT: 1,
  FAILED: 2,
  RESTART: 3,
  DANGLING: 4,
  TIMEOUT: 5,
});

export const commitOrigin = new Enumeration<ObjectCommitted['origin']>('commit origin', {
  WRITE: 1,
  FILL: 2,
  TAGS: 3,
});

export const evictReason = new Enumeration<ObjectEvicted['reason']>('evict reason', {
  PRESSURE: 1,
  REQUEST: 2,
  CHANGED: 3,
});

/** The number a field has, 0 where it was not written. */
export function count(value: Count): number {
  return typeof value === 'number' ? value : 0;
}

export function decodeExtents(messages: readonly ExtentMessage[]): Extent[] {
  const extents: Extent[] = [];
  for (const message of messages)
    extents.push({
      segment: count(message.segment),
      position: count(message.position),
      size: count(message.size),
      checksum: typeof message.checksum === 'bigint' ? message.checksum : 0n,
    });
  return extents;
}

export function decodeHeaders(message: HeadersMessage | null | undefined): ObjectHeaders {
  if (message === null || message === undefined) return { system: {}, user: {} };
  const { system, user, tags } = message;
  return tags === undefined || Object.keys(tags).length === 0 ? { system, user } : { system, user, tags };
}

export function encodeChecksum(checksum: ObjectChecksum | undefined): ChecksumMessage | undefined {
  if (checksum === undefined) return undefined;
  return {
    algorithm: checksumAlgorithm.encode(checksum.algorithm),
    value: checksum.value,
    type: checksumType.encode(checksum.type),
  };
}

export function decodeChecksum(message: ChecksumMessage): ObjectChecksum {
  return {
    algorithm: checksumAlgorithm.decode(message.algorithm),
    value: message.value,
    type: checksumType.decode(message.type),
  };
}

function encodePart(part: ObjectPart): PartMessage {
  return { number: part.number, size: part.size, checksum: encodeChecksum(part.checksum) };
}

function decodePart(message: PartMessage): ObjectPart {
  const number = count(message.number);
  const size = count(message.size);
  if (message.checksum === null || message.checksum === undefined) return { number, size };
  return { number, size, checksum: decodeChecksum(message.checksum) };
}

export function encodeObject(object: ObjectVersion): ObjectVersionMessage {
  return {
    size: object.size,
    etag: object.etag,
    lastModifiedMs: object.lastModifiedMs,
    extents: object.extents,
    headers: object.headers,
    policy: policyMode.encode(object.policy),
    state: persistState.encode(object.state),
    checksum: encodeChecksum(object.checksum),
    parts: object.parts?.map(encodePart),
    ufsEtag: object.ufsEtag,
  };
}

export function decodeObject(message: ObjectVersionMessage | null | undefined): ObjectVersion {
  if (message === null || message === undefined) throw new RangeError('an object version is missing');
  const object: Mutable<ObjectVersion> = {
    size: count(message.size),
    etag: message.etag,
    lastModifiedMs: count(message.lastModifiedMs),
    extents: decodeExtents(message.extents),
    headers: decodeHeaders(message.headers),
    policy: policyMode.decode(message.policy),
    state: persistState.decode(message.state),
  };
  if (message.checksum !== null && message.checksum !== undefined)
    object.checksum = decodeChecksum(message.checksum);
  if (message.parts !== undefined && message.parts.length > 0) object.parts = message.parts.map(decodePart);
  if (message.ufsEtag !== null && message.ufsEtag !== undefined) object.ufsEtag = message.ufsEtag;
  return object;
}

export function encodeReplaced(replaced: Replaced | undefined): ReplacedMessage | undefined {
  if (replaced === undefined) return undefined;
  return {
    version: replaced.version,
    size: replaced.size,
    state: persistState.encode(replaced.state),
    extents: replaced.extents,
  };
}

export function decodeReplaced(message: ReplacedMessage): Replaced {
  return {
    version: count(message.version),
    size: count(message.size),
    state: persistState.decode(message.state),
    extents: decodeExtents(message.extents),
  };
}

/** For a decoder that fills in what is present. */
export type Mutable<Value> = { -readonly [Name in keyof Value]: Value[Name] };
