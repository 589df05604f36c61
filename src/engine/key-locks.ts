/**
 * One holder at a time per object, first come first served: whoever changes an object in the UFS holds its lock, so that
 * there is at most one UFS write in flight per key, in version order.
 */

interface Waiter {
  readonly grant: () => void;
}

export type Unlock = () => void;

export class KeyLocks {
  readonly #queues = new Map<string, Waiter[]>();

  isHeld(key: string): boolean {
    return this.#queues.has(key);
  }

  /** Resolves when the lock is the caller's, who gives it back by calling what it resolves with; a second call does nothing. */
  acquire(key: string): Promise<Unlock> {
    const queue = this.#queues.get(key);
    if (queue === undefined) {
      this.#queues.set(key, []);
      return Promise.resolve(this.#unlock(key));
    }
    return new Promise((resolve) => queue.push({ grant: () => resolve(this.#unlock(key)) }));
  }

  /** The lock, if nobody holds it. */
  tryAcquire(key: string): Unlock | undefined {
    if (this.#queues.has(key)) return undefined;
    this.#queues.set(key, []);
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
