/**
 * The records of workers and leases in FoundationDB, below the prefix of a store.
 *
 * | key, behind the prefix                    | value          | lifetime                                   |
 * |-------------------------------------------|----------------|--------------------------------------------|
 * | `worker` incarnation (8) worker id (text) | `WorkerRecord` | from its registration until it leaves      |
 * | `lease` incarnation (8) partition (2)     | `LeaseRecord`  | the store's: an epoch is never forgotten   |
 *
 * | WorkerRecord at | bytes | contents                                    |
 * |----------------:|------:|---------------------------------------------|
 * |               0 |    16 | id of the process, drawn at its start       |
 * |              16 |     8 | renewals, little-endian                     |
 * |              24 |  rest | address, UTF-8                              |
 *
 * | LeaseRecord at | bytes | contents                                          |
 * |---------------:|------:|---------------------------------------------------|
 * |              0 |     8 | epoch, little-endian                              |
 * |              8 |     8 | renewals of this epoch, little-endian             |
 * |             16 |    16 | id of the owner's process                         |
 * |             32 |  rest | worker id of the owner, ASCII; none when released |
 */
import { HeadraceError } from '../../src/core/errors.js';

export const PROCESS_ID_BYTES = 16;
const WORKER_BYTES_MIN = 24;
const LEASE_BYTES_MIN = 32;

export interface WorkerRecord {
  readonly processId: Buffer;
  readonly renewals: number;
  readonly address: string;
}

export interface LeaseRecord {
  readonly epoch: number;
  readonly renewals: number;
  readonly processId: Buffer;
  readonly owner: string | undefined;
}

export class CoordinatorKeys {
  readonly #workers: Buffer;
  readonly #leases: Buffer;

  constructor(prefix: Buffer, incarnation: bigint) {
    const of = (kind: string): Buffer => {
      const place = Buffer.alloc(8);
      place.writeBigUInt64BE(incarnation);
      return Buffer.concat([prefix, Buffer.from(kind), place]);
    };
    this.#workers = of('worker');
    this.#leases = of('lease');
  }

  worker(workerId: string): Buffer {
    return Buffer.concat([this.#workers, Buffer.from(workerId)]);
  }

  workerIdOf(key: Buffer): string {
    return key.subarray(this.#workers.length).toString();
  }

  get workersBegin(): Buffer {
    return this.#workers;
  }

  /** Behind every worker: their ids are ASCII. */
  get workersEnd(): Buffer {
    return Buffer.concat([this.#workers, Buffer.of(0xff)]);
  }

  lease(partition: number): Buffer {
    const at = Buffer.alloc(2);
    at.writeUInt16BE(partition);
    return Buffer.concat([this.#leases, at]);
  }

  partitionOf(key: Buffer): number {
    return key.readUInt16BE(this.#leases.length);
  }

  get leasesBegin(): Buffer {
    return this.#leases;
  }

  /** Behind every lease. */
  get leasesEnd(): Buffer {
    return Buffer.concat([this.#leases, Buffer.of(0xff, 0xff, 0)]);
  }
}

export function encodeWorker({ processId, renewals, address }: WorkerRecord): Buffer {
  const numbers = Buffer.alloc(8);
  numbers.writeBigUInt64LE(BigInt(renewals));
  return Buffer.concat([processId, numbers, Buffer.from(address)]);
}

/** `CORRUPT_FRAME`. */
export function decodeWorker(bytes: Buffer): WorkerRecord {
  if (bytes.length < WORKER_BYTES_MIN)
    throw new HeadraceError(
      'CORRUPT_FRAME',
      `the record of a worker has ${bytes.length} bytes: at least 24 are needed`,
    );
  return {
    processId: Buffer.from(bytes.subarray(0, PROCESS_ID_BYTES)),
    renewals: Number(bytes.readBigUInt64LE(16)),
    address: bytes.subarray(WORKER_BYTES_MIN).toString(),
  };
}

export function encodeLease({ epoch, renewals, processId, owner }: LeaseRecord): Buffer {
  const numbers = Buffer.alloc(16);
  numbers.writeBigUInt64LE(BigInt(epoch), 0);
  numbers.writeBigUInt64LE(BigInt(renewals), 8);
  return Buffer.concat([numbers, processId, Buffer.from(owner ?? '')]);
}

/** `CORRUPT_FRAME`. */
export function decodeLease(bytes: Buffer): LeaseRecord {
  if (bytes.length < LEASE_BYTES_MIN)
    throw new HeadraceError(
      'CORRUPT_FRAME',
      `the record of a lease has ${bytes.length} bytes: at least 32 are needed`,
    );
  const owner = bytes.subarray(LEASE_BYTES_MIN).toString();
  return {
    epoch: Number(bytes.readBigUInt64LE(0)),
    renewals: Number(bytes.readBigUInt64LE(8)),
    processId: Buffer.from(bytes.subarray(16, LEASE_BYTES_MIN)),
    owner: owner === '' ? undefined : owner,
  };
}
