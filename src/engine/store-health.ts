/**
 * Which under-stores answer. One that did not is left alone but for a cheap probe, with growing pauses, so that an outage neither
 * burns attempts of every waiting object nor hides the store's return.
 */
import type { ObjectStore } from '../core/object-store.js';
import type { EngineCore } from './engine-core.js';
import { ufsCall } from './ufs-calls.js';

const PROBE_INITIAL_MS = 500;
const PROBE_MAX_MS = 5000;

export class StoreHealth {
  readonly #core: EngineCore;
  readonly #onReturn: () => void;
  readonly #down = new Map<ObjectStore, { cancel: () => void }>();
  #stopped = false;

  constructor(core: EngineCore, onReturn: () => void) {
    this.#core = core;
    this.#onReturn = onReturn;
  }

  isUp(store: ObjectStore): boolean {
    return !this.#down.has(store);
  }

  succeeded(store: ObjectStore): void {
    const probe = this.#down.get(store);
    if (probe === undefined) return;
    probe.cancel();
    this.#down.delete(store);
    this.#core.logger.info({ ufs: store.description }, 'the UFS answers again: persisting goes on');
    this.#onReturn();
  }

  failed(store: ObjectStore, message: string): void {
    if (this.#down.has(store) || this.#stopped) return;
    this.#core.logger.warn(
      { ufs: store.description, message },
      'the UFS does not answer: persisting waits for it',
    );
    this.#probeLater(store, PROBE_INITIAL_MS);
  }

  stop(): void {
    this.#stopped = true;
    for (const probe of this.#down.values()) probe.cancel();
  }

  #probeLater(store: ObjectStore, delayMs: number): void {
    const cancel = this.#core.clock.schedule(delayMs, () => void this.#probe(store, delayMs));
    this.#down.set(store, { cancel });
  }

  async #probe(store: ObjectStore, delayMs: number): Promise<void> {
    try {
      await ufsCall(this.#core, (signal) => store.check(signal));
      if (!this.#stopped) this.succeeded(store);
    } catch {
      if (!this.#stopped) this.#probeLater(store, Math.min(delayMs * 2, PROBE_MAX_MS));
    }
  }
}
