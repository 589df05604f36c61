/**
 * Whether this process can serve: for load balancers and for Kubernetes.
 *
 * Ready means that what was acknowledged can be read and that a write can be made durable. The UFS is reported and does not
 * count: a write cache is there to take writes while the UFS is away, and taking every worker out of service because of it
 * would make an outage out of a delay.
 */
import type { Clock, Disk, DiskFile } from '../core/ports.js';
import type { EngineCore } from './engine-core.js';
import type { Persister } from './persister.js';

export interface Readiness {
  readonly ready: boolean;
  /** By name: `ok`, or what is wrong. */
  readonly checks: Readonly<Record<string, string>>;
  readonly ufs: readonly { readonly mount: string; readonly ufs: string; readonly up: boolean }[];
}

export interface ReadinessParts {
  readonly core: Pick<EngineCore, 'partitions' | 'control' | 'mounts' | 'clock' | 'lease'>;
  readonly persister: Pick<Persister, 'isUp'>;
  readonly disk: Disk;
}

/** In the data directory; one byte, written again with each probe. */
const PROBE_FILE = 'readyz.probe';
/** A disk that takes longer than this for one byte does not serve. */
const PROBE_MS_MAX = 2000;
/** A probe is as good for all who ask within this time. */
const PROBE_AGE_MS = 1000;

export class ReadinessProbe {
  readonly #parts: ReadinessParts;
  #probe: { readonly startedMs: number; readonly outcome: Promise<string> } | undefined;

  constructor(parts: ReadinessParts) {
    this.#parts = parts;
  }

  /** Never rejects. */
  async check(): Promise<Readiness> {
    const { core, persister } = this.#parts;
    const recovering = core.partitions.filter(({ isRecovering }) => isRecovering).map(({ number }) => number);
    const fencedBy = core.control.fencedBy ?? core.partitions.find((one) => one.fencedBy)?.fencedBy;
    const recoveringText =
      recovering.length === 0
        ? 'ok'
        : `partition ${recovering.join(', ')} takes no appends: its log is being recovered`;
    const checks = {
      log: fencedBy?.message ?? recoveringText,
      ...(core.lease === undefined
        ? {}
        : { lease: core.lease.isValid ? 'ok' : 'no reads until the lease of the log is renewed' }),
      disk: await this.#disk(),
    };
    return {
      ready: Object.values(checks).every((outcome) => outcome === 'ok'),
      checks,
      ufs: core.mounts
        .stores()
        .map(({ mount, store }) => ({ mount, ufs: store.description, up: persister.isUp(store) })),
    };
  }

  async #disk(): Promise<string> {
    const { clock } = this.#parts.core;
    const nowMs = clock.monotonicTimeMs();
    if (this.#probe === undefined || nowMs - this.#probe.startedMs > PROBE_AGE_MS)
      this.#probe = { startedMs: nowMs, outcome: this.#begin(this.#probe?.outcome) };
    const { outcome } = this.#probe;
    let cancel: (() => void) | undefined;
    const late = new Promise<string>((resolve) => {
      cancel = clock.schedule(PROBE_MS_MAX, () => resolve(`a write took more than ${PROBE_MS_MAX} ms`));
    });
    try {
      return await Promise.race([outcome, late]);
    } finally {
      cancel?.();
    }
  }

  /** Waits for the one before: a disk that hangs gets no second write to hang on. */
  async #begin(before: Promise<string> | undefined): Promise<string> {
    await before;
    try {
      await probe(this.#parts.disk, this.#parts.core.clock);
      return 'ok';
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }
}

async function probe(disk: Disk, clock: Clock): Promise<void> {
  const exists = (await disk.sizeOf(PROBE_FILE)) !== undefined;
  const file: DiskFile = await (exists ? disk.open(PROBE_FILE) : disk.create(PROBE_FILE));
  try {
    await file.write(0, Uint8Array.of(clock.wallTimeMs() & 0xff));
    await file.sync();
  } finally {
    await file.close();
  }
}
