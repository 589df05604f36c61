/**
 * What a simulation may find wrong, by name. The names are stable: failures are compared by them, and docs/simulation.md tells
 * what each one means.
 */
export const INVARIANTS = {
  linearizable: 'each key behaves as one register: every answer fits some order of the calls',
  'bytes-match-etag': 'what is read is, byte for byte, what the ETag says',
  'listing-model': 'a page of a listing shows what was there during the call: nothing missing, nothing else',
  'acknowledged-readable': 'after a restart each key holds what it may: nothing acknowledged is lost',
  'log-order':
    'offsets are dense, epochs never go back, durable events never vanish, applied ≤ durable ≤ appended',
  'evict-after-persist':
    'a version is evicted only after it was persisted; TRANSIENT is never evicted nor persisted',
  'persisted-in-ufs': 'an event says PERSISTED only after the under-store took that version',
  'ufs-version-order': 'the under-store never gets an older version after a newer one',
  'foreign-kept':
    'with conditional persists, what somebody else put into the under-store after a write is not overwritten by it; without, nothing is in conflict',
  'ufs-converged': 'when all is persisted, the under-store holds exactly the latest versions',
  'upload-when-due': 'a failed upload is not tried again before its time, across restarts',
  'pinned-accounting': 'pinned space and the other counts equal a recount of the records, after every event',
  'pinned-limit': 'pinned space never exceeds its limit',
  'refold-equals-state':
    'folding the log again from a checkpoint gives the same state, and every extent is whole',
  'no-space-leaked': 'when everything is deleted, everything is given back',
  'drains-in-time': 'after faults stop, everything pending ends within the bound',
  'call-ends': 'every call ends while its process lives',
  'expected-errors': 'a call fails only in ways that its faults explain',
  recovers: 'a process starts on whatever a crash left',
  'reports-corruption': 'a bad frame in the middle of the log is reported, never skipped',
  'no-assertion': 'no assertion of the engine fails',
  deterministic: 'the same seed gives the same trace, the same next random number and the same clock',
} as const;

export type Invariant = keyof typeof INVARIANTS;

export class Violation extends Error {
  override readonly name = 'Violation';
  readonly invariant: Invariant;
  /** The object concerned, where it is one. */
  readonly key: string | undefined;

  constructor(invariant: Invariant, message: string, key?: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.invariant = invariant;
    this.key = key;
  }
}
