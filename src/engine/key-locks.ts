/**
 * One holder at a time per object, first come first served: whoever changes an object in the UFS holds its lock, so that
 * there is at most one UFS write in flight per key, in version order.
 */

interface Waiter {
  readonly grant: () => void;
}

export type Unlock = () => void;

export class KeyLocks {
  /** Those who wait for a lock that somebody holds; nearly always nobody. */
  readonly #queues = new Map<string, Waiter[] | undefined>();

  isHeld(key: string): boolean {
    return this.#queues.has(key);
  }

  /** Resolves when the lock is the caller's, who gives it back by calling what it resolves with; a second call does nothing. */
  acquire(key: string): Promise<Unlock> {
    const free = this.tryAcquire(key);
    if (free !== undefined) return Promise.resolve(free);
    return new Promise((resolve) => {
      const waiter = { grant: () => resolve(this.#unlock(key)) };
      const queue = this.#queues.get(key);
      if (queue === undefined) this.#queues.set(key, [waiter]);
      else queue.push(waiter);
    });
  }

  /** The lock, if nobody holds it. */
  tryAcquire(key: string): Unlock | undefined {
    if (this.#queues.has(key)) return undefined;
    this.#queues.set(key, undefined);
    return this.#unlock(key);
  }

  #unlock(key: string): Unlock {
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const next = this.#queues.get(key)?.shift();
      if (next === undefined) this.#queues.delete(key);
      else next.grant();
    };
  }
}
