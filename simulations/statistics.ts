/** What a simulation did, counted: operations by outcome, events by type, faults by kind, rare branches that were reached. */

export type CountGroup = 'operations' | 'events' | 'faults' | 'probes';
export type Counts = Readonly<Record<CountGroup, Readonly<Record<string, number>>>>;

export class Statistics {
  readonly #groups: Record<CountGroup, Map<string, number>> = {
    operations: new Map(),
    events: new Map(),
    faults: new Map(),
    probes: new Map(),
  };

  count(group: CountGroup, name: string, by = 1): void {
    const counts = this.#groups[group];
    counts.set(name, (counts.get(name) ?? 0) + by);
  }

  of(group: CountGroup): number {
    let sum = 0;
    for (const count of this.#groups[group].values()) sum += count;
    return sum;
  }

  counts(): Counts {
    const { operations, events, faults, probes } = this.#groups;
    return {
      operations: sorted(operations),
      events: sorted(events),
      faults: sorted(faults),
      probes: sorted(probes),
    };
  }

  add(counts: Counts): void {
    for (const group of Object.keys(counts) as CountGroup[])
      for (const [name, count] of Object.entries(counts[group])) this.count(group, name, count);
  }
}

function sorted(counts: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}
