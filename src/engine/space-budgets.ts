/**
 * Budgets: how many un-persisted bytes the objects of one path rule may have together (`pinnedBudget`).
 *
 * Kept by rule, from the events, and counted anew from the upload stream when the path rules change and at a start: in slices,
 * in the order of the versions, so that an event is counted exactly when the scan is past its version. Until the scan is
 * through, a budget counts less than there is.
 */
import type { Clock } from '../core/ports.js';
import type { Replaced } from '../../log/object-events.js';
import type { AppliedEvent } from '../../projections/partition-state.js';
import { queueKey, queueVersion } from '../../projections/records.js';
import type { Partition } from './partition.js';
import type { EffectiveRule } from './path-config-matcher.js';
import type { PathPolicies } from './path-policies.js';

/** Entries of the upload stream that are counted in one turn. */
const PAGE_ENTRIES = 500;
const QUEUE_END = 'r';

export interface Budget {
  readonly limitBytes: number;
  /** The pattern of its rule, or `default`. */
  readonly rule: string;
  /** Un-persisted bytes. */
  usedBytes: number;
  /** Bytes of writes in progress. */
  reservedBytes: number;
}

export class SpaceBudgets {
  readonly #partitions: readonly Partition[];
  readonly #policies: PathPolicies;
  readonly #clock: Clock;
  #budgets = new Map<EffectiveRule, Budget>();
  /** By partition: versions up to this one are counted. */
  #counted: number[] = [];
  /** Goes up with each recount, so that an older one ends. */
  #round = 0;
  #stopped = false;

  constructor(parts: {
    readonly partitions: readonly Partition[];
    readonly policies: PathPolicies;
    readonly clock: Clock;
  }) {
    this.#partitions = parts.partitions;
    this.#policies = parts.policies;
    this.#clock = parts.clock;
  }

  start(): void {
    for (const [at, partition] of this.#partitions.entries())
      partition.events$.subscribe((applied) => this.#follow(at, applied));
    this.recount();
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Those in force, for the status. */
  get all(): readonly Budget[] {
    return [...this.#budgets.values()];
  }

  /** The budget that an object counts against, if its rule has one. */
  of(bucket: string, key: string): Budget | undefined {
    if (this.#budgets.size === 0) return undefined;
    return this.#budgets.get(this.#policies.matcher.match(bucket, key));
  }

  /** The path rules changed. */
  recount(): void {
    this.#round++;
    this.#budgets = new Map();
    for (const rule of this.#policies.matcher.rules) {
      const limitBytes = rule.pinnedBudgetBytes;
      if (limitBytes === undefined) continue;
      this.#budgets.set(rule, { limitBytes, rule: rule.matched, usedBytes: 0, reservedBytes: 0 });
    }
    this.#counted = this.#partitions.map(() => -1);
    if (this.#budgets.size > 0) this.#countPage(this.#round, 0);
  }

  #countPage(round: number, at: number): void {
    const partition = this.#partitions[at];
    if (partition === undefined || round !== this.#round || this.#stopped) return;
    let entries = 0;
    for (const [key, record] of partition.index.scan(queueKey((this.#counted[at] ?? -1) + 1), QUEUE_END)) {
      if (entries === PAGE_ENTRIES) break;
      entries++;
      this.#counted[at] = queueVersion(key);
      if (record.kind === 'queued') this.#add(record.bucket, record.key, record.size);
    }
    const isWhole = entries < PAGE_ENTRIES;
    if (isWhole) this.#counted[at] = Infinity;
    this.#clock.nextTurn(() => this.#countPage(round, isWhole ? at + 1 : at));
  }

  #follow(at: number, { event, offset }: AppliedEvent): void {
    if (this.#budgets.size === 0) return;
    switch (event.type) {
      case 'ObjectCommitted':
        this.#release(at, event, event.replaced);
        if (event.object.state === 'PENDING' && this.#isCounted(at, offset))
          this.#add(event.bucket, event.key, event.object.size);
        return;
      case 'ObjectDeleted':
        this.#release(at, event, event.replaced);
        return;
      case 'ObjectPersisted':
      case 'PersistDiscarded':
        if (this.#isCounted(at, event.version)) this.#add(event.bucket, event.key, -event.size);
        return;
      default:
        return;
    }
  }

  #release(at: number, event: { bucket: string; key: string }, replaced: Replaced | undefined): void {
    if (replaced === undefined || replaced.state === 'PERSISTED' || replaced.state === 'TRANSIENT') return;
    if (this.#isCounted(at, replaced.version)) this.#add(event.bucket, event.key, -replaced.size);
  }

  #isCounted(at: number, version: number): boolean {
    return version <= (this.#counted[at] ?? -1);
  }

  #add(bucket: string, key: string, bytes: number): void {
    const budget = this.of(bucket, key);
    if (budget !== undefined) budget.usedBytes += bytes;
  }
}
