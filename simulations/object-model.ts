/**
 * What a store may show for each key, given which writes were begun and which were acknowledged.
 *
 * A write takes effect at one moment between its begin and its end, or never if it was not acknowledged. So a read may
 * show a write unless another one began after it had ended, and ended before the read began: the rule of a linearizable
 * register (Herlihy and Wing, 1990), without the search that several reads together would need.
 */
import type { Content } from './content.js';

export interface Write {
  readonly key: string;
  /** Undefined for a delete. */
  readonly content: Content | undefined;
  readonly begunAt: number;
  /** Infinity as long as it was not acknowledged. */
  endedAt: number;
}

export class ObjectModel {
  readonly #writes = new Map<string, Write[]>();
  #now = 0;

  get keys(): string[] {
    return [...this.#writes.keys()].sort();
  }

  /** A moment that lies between everything before and everything after. */
  moment(): number {
    return ++this.#now;
  }

  begin(key: string, content: Content | undefined): Write {
    const write: Write = { key, content, begunAt: this.moment(), endedAt: Infinity };
    const writes = this.#writes.get(key) ?? [absent(key)];
    writes.push(write);
    this.#writes.set(key, writes);
    return write;
  }

  acknowledge(write: Write): void {
    write.endedAt = this.moment();
  }

  /** It was refused, and so has no effect at any time. */
  refuse(write: Write): void {
    const writes = this.#writes.get(write.key);
    const at = writes?.indexOf(write) ?? -1;
    if (at >= 0) writes?.splice(at, 1);
  }

  /** What a read from `begunAt` to `endedAt` may show; undefined stands for no object. */
  candidates(key: string, begunAt: number, endedAt: number): (Content | undefined)[] {
    const writes = this.#writes.get(key) ?? [absent(key)];
    const supersededAt = Math.max(
      ...writes.filter((write) => write.endedAt < begunAt).map((write) => write.begunAt),
    );
    return writes
      .filter((write) => write.begunAt < endedAt && write.endedAt >= supersededAt)
      .map((write) => write.content);
  }

  /** Nothing is in flight and this is what was read: the only truth from here on. */
  settle(key: string, content: Content | undefined): void {
    const at = this.moment();
    this.#writes.set(key, [{ key, content, begunAt: at, endedAt: at }]);
  }

  /** The content of a settled key. */
  settled(key: string): Content | undefined {
    const writes = this.#writes.get(key) ?? [];
    if (writes.length > 1) throw new Error(`${key} is not settled`);
    return writes[0]?.content;
  }
}

function absent(key: string): Write {
  return { key, content: undefined, begunAt: 0, endedAt: 0 };
}
