/**
 * The orphan effect: ends writes that nobody will finish, and with them frees their space.
 *
 * What was open when the process died is abandoned at once, since its connection died too; multipart uploads go on, until
 * they are silent for too long.
 */
import { isErrorCode } from '../core/errors.js';
import type { AbandonReason } from '../../log/object-events.js';
import { abandonReason, type OpenWrite } from '../../projections/orphans.js';
import { decideAbandonWrite } from './decide.js';
import { decideAbortUpload } from './decide-uploads.js';
import type { EngineCore } from './engine-core.js';
import type { LiveWrites } from './live-writes.js';
import type { Partition } from './partition.js';

export class Reaper {
  readonly #core: EngineCore;
  readonly #live: LiveWrites;
  #cancel: (() => void) | undefined;
  #reaping: Promise<unknown> = Promise.resolve();
  #stopped = false;

  constructor(core: EngineCore, live: LiveWrites) {
    this.#core = core;
    this.#live = live;
  }

  /** Abandons what a dead process left, then looks again each period. */
  async start(): Promise<void> {
    for (const partition of this.#core.partitions) {
      for (const write of [...partition.state.orphans.values()]) {
        if (write.kind === 'write' && !this.#live.has(write.id))
          await this.#abandon(partition, write, 'RESTART');
      }
    }
    this.#again();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  /** Abandons every orphan; resolves with their number and bytes. One at a time, so that none is abandoned twice. */
  reap(): Promise<{ writes: number; bytes: number }> {
    const reaped = this.#reaping.then(() => this.#reap());
    this.#reaping = reaped.catch(() => undefined);
    return reaped;
  }

  async #reap(): Promise<{ writes: number; bytes: number }> {
    const nowMs = this.#core.clock.wallTimeMs();
    const { orphanTimeoutMs, danglingAfterMs } = this.#core.options;
    let writes = 0;
    let bytes = 0;
    for (const partition of this.#core.partitions) {
      for (const [id, write] of [...partition.state.orphans]) {
        // It may have been committed while others were being abandoned.
        if (!partition.state.orphans.has(id)) continue;
        const idleMs = this.#idleMs(id, write, nowMs);
        const reason = this.#isDead(write)
          ? 'FAILED'
          : abandonReason(write, idleMs, nowMs, { orphanTimeoutMs, danglingAfterMs });
        if (reason === undefined) continue;
        if (reason !== 'FAILED' && this.#live.has(write.id)) {
          this.#live.giveUp(write.id, reason);
          continue;
        }
        await this.#abandon(partition, write, reason);
        writes += 1;
        bytes += write.bytes;
      }
    }
    return { writes, bytes };
  }

  /** Its request has ended, and how could not be logged then. */
  #isDead(write: OpenWrite): boolean {
    return write.kind === 'write' && !this.#live.has(write.id);
  }

  #idleMs(id: string, write: OpenWrite, nowMs: number): number {
    const sinceLoggedMs = Math.max(nowMs - write.lastDataMs, 0);
    const liveMs =
      write.kind === 'write' ? this.#live.idleMs(write.id) : this.#live.idleMsOf(`p${id.slice(1)}`);
    return Math.min(liveMs ?? sinceLoggedMs, sinceLoggedMs);
  }

  async #abandon(partition: Partition, write: OpenWrite, reason: AbandonReason): Promise<void> {
    const { bucket, key, id, bytes } = write;
    try {
      if (write.kind === 'write') {
        await partition.submit((view) =>
          decideAbandonWrite(view, { bucket, key, writeId: id, reservedBytes: bytes, reason }),
        );
      } else {
        await partition.submit((view) => decideAbortUpload(view, { bucket, key, uploadId: id }, reason));
      }
      this.#core.logger.info(
        { bucket, key, id, bytes, reason, kind: write.kind },
        'an abandoned write was cleaned up',
      );
    } catch (error) {
      // Somebody completed or aborted it in the meantime.
      if (!isErrorCode(error, 'NO_SUCH_UPLOAD')) throw error;
    }
  }

  #again(): void {
    if (this.#stopped) return;
    this.#cancel = this.#core.clock.schedule(this.#core.options.orphanScanPeriodMs, () => {
      this.reap()
        .catch((error: unknown) =>
          this.#core.logger.error({ error }, 'the orphan scan failed; the next one tries again'),
        )
        .finally(() => this.#again());
    });
  }
}
