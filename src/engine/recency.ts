/**
 * Which extents were read since they were written: the second chance of LRU eviction. Volatile; an eviction is an event,
 * recency is not.
 *
 * Segments are visited oldest first, which is the order of writing; an extent that was read since is spared once and counts as
 * newly written (CLOCK: Corbató, "A paging experiment with the Multics system", 1968). Bounded: beyond the limit the oldest
 * segment's marks are forgotten.
 */
import type { Extent } from '../core/object.js';

const MARKS_MAX = 1_000_000;

export class Recency {
  readonly #marks = new Map<number, Set<number>>();
  /** Place in the order of eviction of segments that were spared; others stand at their id. */
  readonly #ranks = new Map<number, number>();
  #count = 0;

  /** The extent was read. */
  touch(extent: Extent): void {
    let marks = this.#marks.get(extent.segment);
    if (marks === undefined) this.#marks.set(extent.segment, (marks = new Set()));
    const before = marks.size;
    marks.add(extent.position);
    this.#count += marks.size - before;
    if (this.#count > MARKS_MAX) this.#forgetOldest();
  }

  wasRead(extent: Extent): boolean {
    return this.#marks.get(extent.segment)?.has(extent.position) ?? false;
  }

  rankOf(segment: number): number {
    return this.#ranks.get(segment) ?? segment;
  }

  /** The segment had its second chance: it goes behind the newest. */
  spare(segment: number, newestSegment: number): void {
    this.#clear(segment);
    this.#ranks.set(segment, newestSegment + 1);
  }

  forget(segment: number): void {
    this.#clear(segment);
    this.#ranks.delete(segment);
  }

  #clear(segment: number): void {
    this.#count -= this.#marks.get(segment)?.size ?? 0;
    this.#marks.delete(segment);
  }

  #forgetOldest(): void {
    const oldest = this.#marks.keys().next();
    if (!oldest.done) this.#clear(oldest.value);
  }
}
