/**
 * Which under-stores answer. One whose call failed is asked at once whether it answers at all: if it does, the failure was that
 * call's and the others go on; if it does not, or has lost the bucket it stands for, the store is left alone but for a cheap probe, with growing pauses, so
 * that an outage neither burns attempts of every waiting object nor hides the store's return.
 */
import { isErrorCode } from '../core/errors.js';
import type { ObjectStore } from '../core/object-store.js';
import { SECOND_MS } from '../core/units.js';
import type { EngineCore } from './engine-core.js';
import { ufsCall } from './ufs-calls.js';

const PROBE_INITIAL_MS = 500;
const PROBE_MAX_MS = 5000;
/** A probe that takes longer counts as no answer, so that one that hangs does not hide the store's return. */
const PROBE_TIMEOUT_MS = 10 * SECOND_MS;

interface Suspicion {
  cancel: () => void;
  /** Whether a probe failed. */
  isDown: boolean;
  /** What the store said to the last probe, if it said anything. */
  refusal: string | undefined;
}

export class StoreHealth {
  readonly #core: EngineCore;
  readonly #onReturn: () => void;
  readonly #suspects = new Map<ObjectStore, Suspicion>();
  #stopped = false;

  constructor(core: EngineCore, onReturn: () => void) {
    this.#core = core;
    this.#onReturn = onReturn;
  }

  /** False while it does not answer, and for the moment in which it is asked. */
  isUp(store: ObjectStore): boolean {
    return !this.#suspects.has(store);
  }

  /** Why it takes nothing although it answers, as to a bucket that is gone; undefined when it does not answer. */
  refusalOf(store: ObjectStore): string | undefined {
    return this.#suspects.get(store)?.refusal;
  }

  /** Whether no store that is in use answered its last probe. */
  get areAllDown(): boolean {
    if (this.#suspects.size === 0) return false;
    return this.#core.mounts.stores().every(({ store }) => this.#suspects.get(store)?.isDown === true);
  }

  succeeded(store: ObjectStore): void {
    const suspicion = this.#suspects.get(store);
    if (suspicion === undefined) return;
    suspicion.cancel();
    this.#suspects.delete(store);
    if (suspicion.isDown)
      this.#core.logger.info({ ufs: store.description }, 'the UFS answers again: persisting goes on');
    this.#onReturn();
  }

  failed(store: ObjectStore): void {
    if (this.#suspects.has(store) || this.#stopped) return;
    const suspicion: Suspicion = { cancel: () => undefined, isDown: false, refusal: undefined };
    this.#suspects.set(store, suspicion);
    void this.#probe(store, suspicion, PROBE_INITIAL_MS);
  }

  stop(): void {
    this.#stopped = true;
    for (const suspicion of this.#suspects.values()) suspicion.cancel();
  }

  async #probe(store: ObjectStore, suspicion: Suspicion, nextDelayMs: number): Promise<void> {
    const timeoutMs = Math.min(PROBE_TIMEOUT_MS, this.#core.options.ufsTimeoutMs);
    try {
      await ufsCall(this.#core, (signal) => store.check(signal), { timeoutMs });
    } catch (error) {
      // Who may not look at the whole store may still write to it.
      const answers = isErrorCode(error, 'UFS_DENIED') && error.details['credentials'] !== true;
      if (!answers) {
        this.#probeLater(store, suspicion, nextDelayMs, error);
        return;
      }
    }
    if (!this.#stopped && this.#suspects.get(store) === suspicion) this.succeeded(store);
  }

  #probeLater(store: ObjectStore, suspicion: Suspicion, delayMs: number, error: unknown): void {
    if (this.#stopped || this.#suspects.get(store) !== suspicion) return;
    if (!this.#core.mounts.stores().some((inUse) => inUse.store === store)) {
      // Its mount is gone, and its return means nothing to anybody.
      this.#suspects.delete(store);
      return;
    }
    const message = error instanceof Error ? error.message : String(error);
    suspicion.refusal = isErrorCode(error, 'NO_SUCH_BUCKET', 'UFS_DENIED') ? message : undefined;
    if (!suspicion.isDown) {
      this.#core.logger.warn(
        { ufs: store.description, message },
        suspicion.refusal === undefined
          ? 'the UFS does not answer: persisting waits for it'
          : 'the UFS refuses everything: persisting waits for it',
      );
    }
    suspicion.isDown = true;
    suspicion.cancel = this.#core.clock.schedule(
      delayMs,
      () => void this.#probe(store, suspicion, Math.min(delayMs * 2, PROBE_MAX_MS)),
    );
  }
}
