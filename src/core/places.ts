/**
 * Things that are under way, each at a numbered place that is used again when it ends.
 *
 * For what comes and goes thousands of times a second. A `Map` or `Set` serves as well, but V8 makes its table anew as entries go and links
 * the old table to the new one: once one of them has become old, all that follow, with what was in them, outlive every collection of
 * young garbage, although nobody can reach them.
 */
import { assert } from './assert.js';

export class Places<Thing extends object> {
  readonly #things: (Thing | undefined)[] = [];
  readonly #free: number[] = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Gives the place, the one that was left last. */
  add(thing: Thing): number {
    const place = this.#free.pop() ?? this.#things.length;
    this.#things[place] = thing;
    this.#count++;
    return place;
  }

  get(place: number): Thing | undefined {
    return this.#things[place];
  }

  remove(place: number): void {
    assert(this.#things[place] !== undefined, `nothing is at place ${place}`);
    this.#things[place] = undefined;
    this.#free.push(place);
    this.#count--;
  }

  /** Those of now, in no order that means anything. */
  all(): Thing[] {
    return this.#things.filter((thing) => thing !== undefined);
  }
}
