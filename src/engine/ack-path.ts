/**
 * Acknowledgement levels of one write.
 *
 * `fsynced`: its bytes and its event are on the local disk, which is what every write waits for. `persisted`: the UFS has it.
 * A WRITE_BACK write that asks for `persisted` is committed as any other and then waits, with a deadline: when that
 * passes the write stands, and the receipt says how far it has come.
 */
import { HeadraceError } from '../core/errors.js';
import { queueKey } from '../../projections/records.js';
import { durableRecord, partitionOf, type EngineCore } from './engine-core.js';
import type { AckReceipt, AckRequest, WriteReceipt } from './object-service.js';
import type { PersistBarriers, VersionWatch } from './persist-barrier.js';

interface Target {
  readonly bucket: string;
  readonly key: string;
  readonly ack?: AckRequest;
}

export class AckPath {
  readonly #core: EngineCore;
  readonly #barriers: PersistBarriers;

  constructor(core: EngineCore, barriers: PersistBarriers) {
    this.#core = core;
    this.#barriers = barriers;
  }

  /**
   * Runs a write and waits for what its request asks for. `INVALID_ARGUMENT` for `persisted` on a TRANSIENT path, `SLOW_DOWN`
   * when too many wait already; then nothing is written.
   */
  run(target: Target, write: () => Promise<WriteReceipt>): Promise<WriteReceipt> {
    return target.ack === undefined ? write() : this.#run(target, target.ack, write);
  }

  async #run(target: Target, ack: AckRequest, write: () => Promise<WriteReceipt>): Promise<WriteReceipt> {
    const { bucket, key } = target;
    if (ack.level === 'fsynced') return { ...(await write()), ack: { level: 'fsynced' } };
    if (this.#core.policies.modeOf(bucket, key) === 'TRANSIENT') throw neverPersisted(bucket, key);
    const partition = partitionOf(this.#core, bucket, key);
    const watch = this.#barriers.watch(partition, bucket, key);
    try {
      const receipt = await write();
      return { ...receipt, ack: await this.#acknowledge(target, receipt, ack.timeoutMs, watch) };
    } finally {
      watch.end();
    }
  }

  async #acknowledge(
    { bucket, key }: Target,
    receipt: WriteReceipt,
    timeoutMs: number,
    watch: VersionWatch,
  ): Promise<AckReceipt> {
    const found = durableRecord(this.#core, bucket, key);
    const record = found?.kind === 'object' ? found : undefined;
    const version = receipt.offset === undefined ? record?.version : versionOf(receipt.offset);
    if (record !== undefined && record.version === version && record.state === 'TRANSIENT')
      return { level: 'fsynced', state: 'TRANSIENT' };
    // What was written through, or straight to the UFS, was never queued.
    if (version === undefined || !watch.knows(version)) return { level: 'persisted', state: 'PERSISTED' };
    const outcome = await watch.wait(version, timeoutMs);
    switch (outcome) {
      case 'PERSISTED':
        return { level: 'persisted', state: 'PERSISTED' };
      case 'SUPERSEDED':
        return { level: 'fsynced', state: 'SUPERSEDED' };
      case 'QUARANTINED':
        return { level: 'fsynced', state: 'QUARANTINED', cause: this.#causeOf(bucket, key, version) };
      case 'TIMEOUT':
      case 'STOPPED':
        return { level: 'fsynced', state: 'PENDING', cause: this.#causeOf(bucket, key, version) };
    }
  }

  /** Why the last attempt failed; undefined when there was none. */
  #causeOf(bucket: string, key: string, version: number): string | undefined {
    const record = partitionOf(this.#core, bucket, key).index.get(queueKey(version));
    return record?.kind === 'queued' && record.cause !== '' ? record.cause : undefined;
  }
}

/** The version of a write is the offset of its event. */
function versionOf(offset: string): number {
  return Number(offset.slice(offset.indexOf(':') + 1));
}

function neverPersisted(bucket: string, key: string): HeadraceError {
  return new HeadraceError(
    'INVALID_ARGUMENT',
    `the path /${bucket}/${key} is TRANSIENT and never goes to the UFS: it cannot be acknowledged as persisted; ` +
      'leave x-headrace-ack out, or give the path another policy',
    { details: { argument: 'x-headrace-ack', value: 'persisted' } },
  );
}
