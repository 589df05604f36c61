/**
 * What can go wrong with a call to the simulated under-store, and when it does.
 */
import { HeadraceError } from '../src/core/errors.js';
import type { MultipartStore, ObjectStore } from '../src/core/object-store.js';
import type { SimRandom } from './sim-random.js';
import { failure } from './sim-stored-objects.js';

/**
 * | fault       | effect                       | what the caller hears                                         |
 * |-------------|------------------------------|---------------------------------------------------------------|
 * | unavailable | none                         | UFS_UNAVAILABLE (503)                                         |
 * | throttled   | none                         | UFS_THROTTLED                                                 |
 * | denied      | none                         | UFS_DENIED                                                    |
 * | reset       | none                         | UFS_UNKNOWN_OUTCOME for a write, else UFS_UNAVAILABLE         |
 * | lostAnswer  | at once                      | the same                                                      |
 * | lateEffect  | after the caller has heard   | the same                                                      |
 * | hang        | none                         | nothing, until the signal aborts                              |
 * | brokenBody  | a get's body ends too early  | UFS_UNAVAILABLE from the body; other calls are not affected   |
 */
export const STORE_FAULTS = [
  'unavailable',
  'throttled',
  'denied',
  'reset',
  'lostAnswer',
  'lateEffect',
  'hang',
  'brokenBody',
] as const;
export type StoreFault = (typeof STORE_FAULTS)[number];

/** The share of calls that each fault strikes, 0 to 1. */
export type StoreFaults = Readonly<Partial<Record<StoreFault, number>>>;

export type StoreOperation =
  Exclude<keyof ObjectStore, 'description' | 'close' | 'multipart'> | keyof MultipartStore;

/** Which calls an armed fault strikes; what is absent fits any. */
export interface StoreFaultTarget {
  readonly operation?: StoreOperation;
  readonly bucket?: string;
  readonly keyPrefix?: string;
  /** Calls that it strikes; 1 by default. */
  readonly times?: number;
}

/** One call, as faults see it. */
export interface Call {
  readonly operation: StoreOperation;
  readonly bucket: string;
  readonly key: string;
  readonly write: boolean;
}

export class StoreFaultPlan {
  readonly #random: SimRandom;
  readonly #armed: { readonly fault: StoreFault; readonly target: StoreFaultTarget; left: number }[] = [];
  #shares: StoreFaults;

  constructor(random: SimRandom, shares: StoreFaults) {
    this.#random = random;
    this.#shares = shares;
  }

  /** Replaces the shares; without any, what was armed is forgotten too. */
  setShares(shares: StoreFaults): void {
    this.#shares = shares;
    if (Object.keys(shares).length === 0) this.#armed.length = 0;
  }

  arm(fault: StoreFault, target: StoreFaultTarget): void {
    this.#armed.push({ fault, target, left: target.times ?? 1 });
  }

  /** What strikes the call that arrives now. */
  next(call: Call): StoreFault | undefined {
    const index = this.#armed.findIndex(({ target }) => fits(target, call));
    const found = this.#armed[index];
    if (found === undefined) {
      return STORE_FAULTS.find((fault) => this.#random.chance(this.#shares[fault] ?? 0));
    }
    found.left -= 1;
    if (found.left === 0) this.#armed.splice(index, 1);
    return found.fault;
  }
}

export function lostAnswer({ operation, write }: Call): HeadraceError {
  const code = write ? 'UFS_UNKNOWN_OUTCOME' : 'UFS_UNAVAILABLE';
  return failure(code, `${operation}: the connection broke before the answer came`);
}

/** What a caller hears whose signal aborts; `changing` when the request is on its way. */
export function aborted(
  { operation }: Call,
  changing: boolean,
  signal: AbortSignal | undefined,
): HeadraceError {
  return new HeadraceError(changing ? 'UFS_UNKNOWN_OUTCOME' : 'UFS_UNAVAILABLE', `${operation} was aborted`, {
    cause: signal?.reason,
    details: { aborted: true },
  });
}

/** What a caller hears that the store turns away. */
export function refusalOf(fault: StoreFault | undefined, { operation }: Call): HeadraceError | undefined {
  switch (fault) {
    case 'unavailable':
      return failure('UFS_UNAVAILABLE', `${operation}: the store answers 503`);
    case 'throttled':
      return failure('UFS_THROTTLED', `${operation}: the store asks to slow down`);
    case 'denied':
      return failure('UFS_DENIED', `${operation}: the store answers 403`);
    default:
      return undefined;
  }
}

function fits(target: StoreFaultTarget, call: Call): boolean {
  if (target.operation !== undefined && target.operation !== call.operation) return false;
  if (target.bucket !== undefined && target.bucket !== call.bucket) return false;
  return call.key.startsWith(target.keyPrefix ?? '');
}
