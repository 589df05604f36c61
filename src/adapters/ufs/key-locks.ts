/**
 * One at a time for each key, in the order of asking; different keys do not wait for each other.
 */
export class KeyLocks {
  /** Those who wait for a key that is held. */
  readonly #waiting = new Map<string, (() => void)[]>();

  /** Runs `work` while nobody else holds `key`. */
  async hold<Value>(key: string, work: () => Promise<Value>): Promise<Value> {
    const queue = this.#waiting.get(key);
    if (queue === undefined) this.#waiting.set(key, []);
    else await new Promise<void>((resolve) => queue.push(resolve));
    try {
      return await work();
    } finally {
      this.#release(key);
    }
  }

  #release(key: string): void {
    const next = this.#waiting.get(key)?.shift();
    if (next === undefined) this.#waiting.delete(key);
    else next();
  }
}
