/**
 * How a server ends: somebody asks for it (a signal, or the admin API), requests in progress are finished, what is not in the
 * UFS is drained when that is wanted, and then everything is closed.
 *
 * A drain has a deadline; what is left when it passes is durable here and goes on after the next start. A signal during a stop that
 * was asked for by the admin API ends its drain; a second signal ends the process (`src/main.ts`).
 */
import { once } from 'node:events';
import type { Clock } from '../core/ports.js';
import { SECOND_MS } from '../core/units.js';
import type { FlushProgress, FlushResult } from '../engine/admin-service.js';
import type { PersistBarriers } from '../engine/persist-barrier.js';
import type { StopReport, StopRequest } from '../engine/stop-service.js';
import type { ServerStop } from '../http/admin/stop-routes.js';

/** How often a drain says how far it is. */
const NOTE_INTERVAL_MS = 2 * SECOND_MS;

export interface ShutdownParts {
  readonly barriers: Pick<PersistBarriers, 'flush'>;
  readonly clock: Clock;
  /** Aborts when the process gets a signal to stop. */
  readonly signal: AbortSignal;
  /** Undefined for a stop without a drain, unless the one who asks for it wants one. */
  readonly drainTimeoutMs: number | undefined;
  /** Takes lines for whoever watches the server. */
  readonly note: (text: string) => void;
}

export class Shutdown implements ServerStop {
  /** Resolves when a stop was asked for. */
  readonly asked: Promise<void>;
  readonly #parts: ShutdownParts;
  readonly #listeners = new Set<(progress: FlushProgress) => void>();
  readonly #reports: ((report: StopReport) => void)[] = [];
  #request: StopRequest | undefined;
  #begin: () => void = () => undefined;
  #report: StopReport | undefined;

  constructor(parts: ShutdownParts) {
    this.#parts = parts;
    const byRequest = new Promise<void>((resolve) => (this.#begin = resolve));
    const bySignal = parts.signal.aborted ? Promise.resolve() : once(parts.signal, 'abort');
    this.asked = Promise.race([byRequest, bySignal]).then(() => undefined);
  }

  /** The first who asks says whether to drain; all hear how it went. */
  stop(request: StopRequest, onProgress: (progress: FlushProgress) => void): Promise<StopReport> {
    if (this.#report !== undefined) return Promise.resolve(this.#report);
    if (!this.#parts.signal.aborted) this.#request ??= request;
    this.#listeners.add(onProgress);
    this.#begin();
    return new Promise((resolve) => this.#reports.push(resolve));
  }

  /** To be called when no more writes are taken. Never rejects. */
  async drain(): Promise<void> {
    const drainTimeoutMs = this.#request?.drainTimeoutMs ?? this.#parts.drainTimeoutMs;
    const drain = drainTimeoutMs === undefined ? undefined : await this.#drain(drainTimeoutMs);
    this.#report = drain === undefined ? {} : { drain };
    for (const resolve of this.#reports.splice(0)) resolve(this.#report);
    // Whoever asked is told before the admin API closes.
    const { clock } = this.#parts;
    await new Promise<void>((resolve) => clock.nextTurn(() => clock.nextTurn(resolve)));
  }

  async #drain(timeoutMs: number): Promise<FlushResult | undefined> {
    const { barriers, clock, note, signal } = this.#parts;
    const byRequest = this.#request !== undefined;
    note(
      `Draining to the under-store for at most ${seconds(timeoutMs)}; ${byRequest ? 'a' : 'a second'} signal ends it.\n`,
    );
    let notedMs = clock.monotonicTimeMs();
    try {
      const result = await barriers.flush({
        path: '/',
        timeoutMs,
        ...(byRequest ? { signal } : {}),
        onProgress: (progress) => {
          for (const listener of this.#listeners) listener(progress);
          const nowMs = clock.monotonicTimeMs();
          if (nowMs - notedMs < NOTE_INTERVAL_MS) return;
          notedMs = nowMs;
          note(`Draining: ${describeProgress(progress)}.\n`);
        },
      });
      note(describeEnd(result));
      return result;
    } catch (error) {
      note(`The drain was given up: ${error instanceof Error ? error.message : String(error)}.\n`);
      return undefined;
    }
  }
}

function describeProgress({ objects, bytes, blockedObjects, oldest }: FlushProgress): string {
  const blocked = blockedObjects === 0 ? '' : `, ${blockedObjects} of them refused`;
  const cause =
    oldest?.cause === undefined ? '' : `; the last error is ${oldest.cause}: ${oldest.message ?? ''}`;
  return `${objects} objects (${mebibytes(bytes)}) are left${blocked}${cause}`;
}

function describeEnd(result: FlushResult): string {
  const took = seconds(result.elapsedMs);
  switch (result.outcome) {
    case 'PERSISTED':
      return `Drained in ${took}: everything is in the under-store.\n`;
    case 'BLOCKED':
      return (
        `Drained in ${took}, but for ${result.blockedObjects} objects that the under-store refused for good: they are kept here ` +
        '(`headrace async-persist list`).\n'
      );
    case 'TIMEOUT':
    case 'CANCELLED':
      return `Not drained after ${took}: ${describeProgress(result)}. They are kept here and go on after the next start.\n`;
  }
}

function seconds(durationMs: number): string {
  return `${(durationMs / SECOND_MS).toFixed(1)} s`;
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
}
