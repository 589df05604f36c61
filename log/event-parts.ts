/**
 * The parts that events share, to their protobuf messages: enums (these in both directions), checksums, replaced versions.
 * `part-readers.ts` reads them.
 *
 * Invariant: an enum value that this version does not know is `UNSUPPORTED_FORMAT`, never guessed.
 */
import { HeadraceError } from '../src/core/errors.js';
import type { ChecksumAlgorithm, ObjectChecksum, PersistState, PolicyMode } from '../src/core/object.js';
import type { ChecksumMessage, Count, EnumValue, ReplacedMessage } from './events.generated.js';
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

export const persistState = new Enumeration<PersistState>('persist state', {
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

export function encodeChecksum(checksum: ObjectChecksum | undefined): ChecksumMessage | undefined {
  if (checksum === undefined) return undefined;
  return {
    algorithm: checksumAlgorithm.encode(checksum.algorithm),
    value: checksum.value,
    type: checksumType.encode(checksum.type),
  };
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

/** For a decoder that fills in what is present. */
export type Mutable<Value> = { -readonly [Name in keyof Value]: Value[Name] };
