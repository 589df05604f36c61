/**
 * Whether the calls on one key fit some order in which each took effect at one moment between its begin and its end.
 *
 * The search is that of Wing and Gong ("Testing and Verifying Concurrent Objects", 1993) with Lowe's refinements ("Testing for
 * Linearizability", 2017): per key, just in time (when a call ends it is put in order, with as many of the pending ones before
 * it as that takes), and configurations that were met are not looked at again. A call whose outcome nobody knows stays pending
 * and may take effect at any later moment, or never.
 *
 * A configuration is the register's value and what was decided early of calls that are still pending.
 */

/** What a register holds: a quoted ETag, or no object. */
export type RegisterValue = string;
export const ABSENT: RegisterValue = 'absent';

/** What a call that changes the register does to a value it meets: the new value, and what the caller is told. */
export type Effect = (value: RegisterValue) => { readonly value: RegisterValue; readonly result: string };

/** A call that changes nothing and is told what there is. */
export const READ: Effect = (value) => ({ value, result: value });

interface Configuration {
  readonly value: RegisterValue;
  /** Results of pending calls that have taken effect, by call. */
  readonly early: ReadonlyMap<number, string>;
}

/** More open calls than a search can take: the key is not judged until it settles. */
const CONFIGURATIONS_MAX = 4000;

export class Register {
  #configurations: Configuration[];
  readonly #pending = new Map<number, Effect>();
  #isUndecided = false;

  constructor(value: RegisterValue = ABSENT) {
    this.#configurations = [{ value, early: new Map() }];
  }

  /** Whether there were more open calls than can be searched; answers are taken for right until `retire`. */
  get isUndecided(): boolean {
    return this.#isUndecided;
  }

  /** Whether it has one value for sure and no call is pending. */
  get isSettled(): boolean {
    return this.#pending.size === 0 && this.#configurations.length === 1;
  }

  /** The values that it may have now, leaving pending calls aside. */
  get values(): readonly RegisterValue[] {
    return [...new Set(this.#configurations.map(({ value }) => value))];
  }

  /** A call has begun. */
  begin(call: number, effect: Effect): void {
    this.#pending.set(call, effect);
  }

  /** It was answered with `result`; false when that fits no order. */
  end(call: number, result: string): boolean {
    const effect = this.#pending.get(call);
    if (effect === undefined) throw new RangeError(`there is no pending call ${call}`);
    this.#pending.delete(call);
    return this.#advance((configuration, found) => {
      const early = configuration.early.get(call);
      if (early !== undefined) {
        if (early === result) found(without(configuration, call));
        return true;
      }
      const applied = effect(configuration.value);
      if (applied.result === result) found({ value: applied.value, early: configuration.early });
      // Others may have come first all the same, and then the value is another one.
      return false;
    });
  }

  /** It had no effect, for sure: it was refused for a reason that has nothing to do with the value. */
  cancel(call: number): boolean {
    this.#pending.delete(call);
    this.#configurations = this.#configurations.filter(({ early }) => !early.has(call));
    return this.#configurations.length > 0 || this.#isUndecided;
  }

  /** It changes nothing, and was not answered. */
  forget(call: number): void {
    this.#pending.delete(call);
    const rest = new Map<string, Configuration>();
    for (const configuration of this.#configurations) {
      const found = without(configuration, call);
      rest.set(nameOf(found), found);
    }
    this.#configurations = [...rest.values()];
  }

  /** The process is dead, and what it began has taken effect by now or never will. */
  retire(): void {
    const values = new Set<RegisterValue>();
    this.#explore((configuration) => {
      values.add(configuration.value);
      return false;
    });
    this.#pending.clear();
    this.#isUndecided = false;
    this.#configurations = Array.from(values, (value) => ({ value, early: new Map() }));
  }

  /** Nothing is pending, and this is what it holds. */
  settle(value: RegisterValue): void {
    this.#configurations = [{ value, early: new Map() }];
  }

  #advance(visit: (configuration: Configuration, found: (next: Configuration) => void) => boolean): boolean {
    const next = new Map<string, Configuration>();
    const isComplete = this.#explore((configuration) =>
      visit(configuration, (found) => void next.set(nameOf(found), found)),
    );
    if (!isComplete || next.size > CONFIGURATIONS_MAX) this.#isUndecided = true;
    if (this.#isUndecided) return true;
    if (next.size === 0) return false;
    this.#configurations = [...next.values()];
    return true;
  }

  /**
   * Visits the configurations and those that pending calls lead to from them; `visit` says whether there is no need to look
   * behind one. False when there were too many.
   */
  #explore(visit: (configuration: Configuration) => boolean): boolean {
    const seen = new Set<string>();
    const open = [...this.#configurations];
    for (let configuration = open.pop(); configuration !== undefined; configuration = open.pop()) {
      const name = nameOf(configuration);
      if (seen.has(name)) continue;
      if (seen.size === CONFIGURATIONS_MAX) return false;
      seen.add(name);
      if (visit(configuration)) continue;
      for (const [call, effect] of this.#pending) {
        if (configuration.early.has(call)) continue;
        const { value, result } = effect(configuration.value);
        open.push({ value, early: new Map(configuration.early).set(call, result) });
      }
    }
    return true;
  }
}

function without({ value, early }: Configuration, call: number): Configuration {
  const rest = new Map(early);
  rest.delete(call);
  return { value, early: rest };
}

function nameOf({ value, early }: Configuration): string {
  return `${value} ${[...early].sort(([a], [b]) => a - b).join(' ')}`;
}
