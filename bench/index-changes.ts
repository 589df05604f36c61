/**
 * What the index costs per change, without a server around it, in a process of its own: for each an object's record is looked up
 * and set anew, among as many as there are, as a PUT that overwrites does. Checkpoints and merges are part of it.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { PerformanceObserver } from 'node:perf_hooks';
import { NodeDisk } from '../src/adapters/node-disk.js';
import { SystemClock } from '../src/adapters/system-clock.js';
import type { LsmIndexStore } from '../src/adapters/index-store/lsm-index-store.js';
import { openIndexStore } from '../src/adapters/index-store/open-index-store.js';
import { SILENT_LOGGER } from '../src/core/logger.js';
import { RECORD_CODEC } from '../projections/record-codec.js';
import { objectKey, objectRecord, type IndexRecord, type ObjectRecord } from '../projections/records.js';
import { Histogram } from './histogram.js';
import { scatteredName } from './load-plan.js';

export interface IndexChangesRequest {
  /** On the file system to be measured; filled by the first request. */
  readonly directory: string;
  readonly entries: number;
  readonly changes: number;
  readonly changesPerCheckpoint: number;
}

export interface IndexChangesReply {
  readonly operations: number;
  readonly elapsedMs: number;
  readonly cpuMs: number;
  /** In which the program stood still for the garbage collector. */
  readonly collectedMs: number;
  readonly writtenBytes: number;
  readonly latencyCounts: Uint32Array;
}

/** Changes between two turns of the event loop, in which checkpoints and merges get on. */
const CHANGES_PER_TURN = 64;

class IndexUnderChange {
  readonly #store: LsmIndexStore<IndexRecord>;
  #offset = 0;
  #next = 0;
  #checkpoint: Promise<void> = Promise.resolve();
  #isCheckpointing = false;
  /** How long each change took, the checkpoints and merges between them apart. */
  latencies = new Histogram();

  constructor(store: LsmIndexStore<IndexRecord>) {
    this.#store = store;
  }

  static async fill(request: IndexChangesRequest): Promise<IndexUnderChange> {
    const { store } = await openIndexStore({
      disk: new NodeDisk(request.directory),
      directory: 'index',
      codec: RECORD_CODEC,
      clock: new SystemClock(),
      logger: SILENT_LOGGER,
    });
    const index = new IndexUnderChange(store);
    await index.change(request.entries, request);
    return index;
  }

  get writtenBytes(): number {
    const { checkpointBytes, mergeBytes } = this.#store.statistics;
    return checkpointBytes + mergeBytes;
  }

  /** Resolves when the merges that the changes led to have ended too. */
  async change(changes: number, { entries, changesPerCheckpoint }: IndexChangesRequest): Promise<void> {
    for (let i = 0; i < changes; i++) {
      const key = objectKey('bench', `transient/${scatteredName(this.#next)}`);
      this.#next = (this.#next + 1) % entries;
      const startedMs = performance.now();
      const before = this.#store.get(key);
      this.#store.set(key, recordOf(this.#offset++, before));
      this.latencies.record(performance.now() - startedMs);
      if (i % CHANGES_PER_TURN !== 0) continue;
      await nextTurn();
      if (this.#store.changes >= changesPerCheckpoint && !this.#isCheckpointing) this.#startCheckpoint();
    }
    await this.#checkpoint;
    await this.#store.settled();
  }

  #startCheckpoint(): void {
    this.#isCheckpointing = true;
    this.#checkpoint = this.#store.checkpoint(this.#offset, new Uint8Array(1024)).finally(() => {
      this.#isCheckpointing = false;
    });
  }
}

/** Its position depends on the one before, so that no lookup can be left out. */
function recordOf(version: number, before: IndexRecord | undefined): ObjectRecord {
  const position = ((before?.kind === 'object' ? before.version : 0) % 4096) * 10_240;
  return objectRecord(version, {
    size: 10_240,
    etag: (Math.imul(version, 0x9e3779b1) >>> 0).toString(16).padStart(8, '0').repeat(4),
    lastModifiedMs: 1.7e12 + version,
    extents: [{ segment: version >>> 12, position, size: 10_240, checksum: BigInt(version) << 20n }],
    headers: { system: { 'content-type': 'application/octet-stream' }, user: {} },
    policy: 'TRANSIENT',
    state: 'TRANSIENT',
  });
}

if (process.send !== undefined && process.argv[2] === 'index-changes') {
  let collectedMs = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) collectedMs += entry.duration;
  }).observe({ entryTypes: ['gc'] });
  let index: Promise<IndexUnderChange> | undefined;
  const answer = async (request: IndexChangesRequest): Promise<IndexChangesReply> => {
    const filled = await (index ??= IndexUnderChange.fill(request));
    await nextTurn();
    collectedMs = 0;
    filled.latencies = new Histogram();
    const bytesBefore = filled.writtenBytes;
    const cpuBefore = process.cpuUsage();
    const startedMs = performance.now();
    await filled.change(request.changes, request);
    const cpu = process.cpuUsage(cpuBefore);
    await nextTurn();
    return {
      operations: request.changes,
      elapsedMs: performance.now() - startedMs,
      cpuMs: (cpu.user + cpu.system) / 1000,
      collectedMs,
      writtenBytes: filled.writtenBytes - bytesBefore,
      latencyCounts: filled.latencies.toCounts(),
    };
  };
  process.on('disconnect', () => process.exit());
  process.on('message', (request: IndexChangesRequest) => {
    answer(request).then(
      (result) => process.send?.({ kind: 'done', result }),
      (error: Error) => process.send?.({ kind: 'failed', message: error.message }),
    );
  });
  process.send({ kind: 'ready' });
}
