/**
 * Entries of the upload stream that go to one under-store with one priority, in the order of the log: a bounded window, and where
 * in the index the entries begin that found no room in it.
 */
import type { ObjectStore } from '../core/object-store.js';
import type { Partition } from './partition.js';
import type { PersistTask } from './persist-queue.js';

const WINDOW_MAX = 1024;

export class PersistLane {
  readonly store: ObjectStore;
  readonly priority: number;
  /** Which of all takes was the last from here. */
  servedAt = 0;
  /** Retries whose time has come: they are older than what waits. */
  #due: PersistTask[] = [];
  #ready: PersistTask[] = [];
  #readyAt = 0;
  readonly #unseen = new Map<Partition, number>();

  constructor(store: ObjectStore, priority: number) {
    this.store = store;
    this.priority = priority;
  }

  get isFull(): boolean {
    return this.#ready.length - this.#readyAt >= WINDOW_MAX;
  }

  get hasTasks(): boolean {
    return this.#due.length > 0 || this.#readyAt < this.#ready.length;
  }

  /** Whether it has tasks, or may find some in the index. */
  get mayHaveMore(): boolean {
    return this.hasTasks || this.#unseen.size > 0;
  }

  /** When the entry was committed that is next. */
  get headSinceMs(): number {
    const head = this.#due[0] ?? this.#ready[this.#readyAt];
    return head?.sinceMs ?? Number.POSITIVE_INFINITY;
  }

  /** The newest entry: it has a place in the window, unless older ones have none. */
  add(task: PersistTask): void {
    if (this.#unseen.has(task.partition)) return;
    if (this.isFull) this.#unseen.set(task.partition, task.version);
    else this.push(task);
  }

  push(task: PersistTask): void {
    if (this.#readyAt >= WINDOW_MAX) {
      this.#ready = this.#ready.slice(this.#readyAt);
      this.#readyAt = 0;
    }
    this.#ready.push(task);
  }

  due(task: PersistTask): void {
    this.#due.push(task);
  }

  shift(): PersistTask | undefined {
    const due = this.#due.shift();
    if (due !== undefined) return due;
    const task = this.#ready[this.#readyAt];
    if (task === undefined) return undefined;
    this.#readyAt += 1;
    if (this.#readyAt === this.#ready.length) {
      this.#ready = [];
      this.#readyAt = 0;
    }
    return task;
  }

  /** Where the index holds entries of this lane that the window has not. */
  unseenParts(): { readonly partition: Partition; readonly from: number }[] {
    if (this.#unseen.size === 0) return [];
    return Array.from(this.#unseen, ([partition, from]) => ({ partition, from }));
  }

  /** Entries from a version on are to be looked for in the index. */
  missed(partition: Partition, from: number): void {
    this.#unseen.set(partition, Math.min(this.#unseen.get(partition) ?? from, from));
  }

  /** The index was looked through up to a version, or to its end. */
  saw(partition: Partition, next: number | undefined): void {
    if (next === undefined) this.#unseen.delete(partition);
    else this.#unseen.set(partition, next);
  }
}
