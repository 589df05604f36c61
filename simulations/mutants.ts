/**
 * Mutants: the engine with one mistake each, to show that the simulator has teeth.
 *
 * A mutant is a replacement in the text of one compiled module, made by a module loader while a simulation's own process loads it
 * (`src/composition/sim-mutant-hooks.ts`). Production has neither the loader nor the mutants, and the engine no branch for them. The
 * text must occur exactly once, so that a mutant that no longer fits its module fails loudly.
 */
import type { Fault } from './fault-plan.js';
import type { Invariant } from './violation.js';

export interface Mutant {
  readonly name: string;
  /** The mistake, as somebody would make it. */
  readonly description: string;
  /** The compiled module, from the root of the build. */
  readonly module: string;
  readonly find: string;
  readonly replace: string;
  /** Scenario in which it is looked for. */
  readonly scenario: string;
  /** Faults without which it does no harm, at rates that make it likely; drawn from the seed when undefined. */
  readonly faults?: Readonly<Partial<Record<Fault, number>>>;
  /** Any of these catches it. */
  readonly caughtBy: readonly Invariant[];
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'acknowledge-before-fsync',
    description: 'frames of the log are written and not synced before they count as durable',
    module: 'log/embedded/segment-files.js',
    find: 'file: await this.#disk.open(path, { durableWrites: true })',
    replace: 'file: await this.#disk.open(path, { durableWrites: false })',
    scenario: 'races',
    faults: { powerCut: 1 },
    caughtBy: ['acknowledged-readable', 'log-order', 'recovers'],
  },
  {
    name: 'acknowledge-before-bytes',
    description: 'the bytes of small objects are written and not synced before their event is logged',
    module: 'src/engine/segments/small-segments.js',
    find: 'this.#catalog.create({ durableWrites: true })',
    replace: 'this.#catalog.create({ durableWrites: false })',
    scenario: 'small-objects',
    faults: { powerCut: 1, ufsUnavailable: 0.5 },
    caughtBy: ['acknowledged-readable', 'recovers', 'no-assertion'],
  },
  {
    name: 'evict-at-upload-start',
    description: 'a version that is not persisted yet may be evicted',
    module: 'src/engine/decide.js',
    find: "return record?.kind === 'object' && record.state === 'PERSISTED';",
    replace: "return record?.kind === 'object' && record.state !== 'TRANSIENT';",
    scenario: 'swarm',
    caughtBy: ['evict-after-persist'],
  },
  {
    name: 'ignore-checksum',
    description: 'what is read from a segment is not compared with its checksum',
    module: 'src/engine/segments/segment-reader.js',
    find: 'if (found === expected)',
    replace: 'if (found !== undefined)',
    scenario: 'swarm',
    faults: { readFlip: 0.5 },
    caughtBy: ['bytes-match-etag', 'ufs-converged', 'no-assertion', 'expected-errors'],
  },
  {
    name: 'double-count-pinned-on-replay',
    description: 'a restart counts what its checkpoint has pinned twice',
    module: 'projections/partition-state.js',
    find: 'pinned: snapshot.pinned,',
    replace: 'pinned: { ...snapshot.pinned, pendingBytes: 2 * snapshot.pinned.pendingBytes },',
    scenario: 'swarm',
    faults: { ufsUnavailable: 0.5 },
    caughtBy: ['pinned-accounting', 'pinned-limit', 'refold-equals-state'],
  },
  {
    name: 'upload-older-after-newer',
    description: 'two versions of an object are uploaded at once',
    module: 'src/engine/persister.js',
    find: 'const unlock = await this.#core.locks.acquire(objectKey(record.bucket, record.key));',
    replace: 'const unlock = () => undefined;',
    scenario: 'races',
    faults: {},
    caughtBy: ['ufs-version-order', 'ufs-converged', 'linearizable', 'no-space-leaked'],
  },
  {
    name: 'lose-retry-schedule-on-restart',
    description: 'the time of the next attempt is not read back from a checkpoint',
    module: 'projections/record-codec.js',
    find: '        attempt,\n        nextAttemptAtMs,',
    replace: '        attempt,\n        nextAttemptAtMs: 0,',
    scenario: 'swarm',
    faults: { ufsDenied: 0.1, ufsUnavailable: 0.1, ufsLostAnswer: 0.5, kill: 0.5 },
    caughtBy: ['upload-when-due', 'refold-equals-state'],
  },
  {
    name: 'retry-at-once',
    description: 'a failed upload is tried again without waiting',
    module: 'src/engine/persist-queue.js',
    find: 'if (record.nextAttemptAtMs <= nowMs) {',
    replace: 'if (record !== undefined) {',
    scenario: 'swarm',
    faults: { ufsLostAnswer: 0.3, ufsReset: 0.2 },
    caughtBy: ['upload-when-due'],
  },
  {
    name: 'never-retry',
    description: 'the wait for the next attempt has no sensible end',
    module: 'src/engine/decide.js',
    find: 'nextAttemptAtMs: view.nowMs + command.delayMs,',
    replace: 'nextAttemptAtMs: view.nowMs + command.delayMs * 1e6,',
    scenario: 'swarm',
    faults: { ufsLostAnswer: 0.3, ufsReset: 0.2 },
    caughtBy: ['drains-in-time', 'call-ends'],
  },
  {
    name: 'list-misses-dirty-at-page-end',
    description: 'the last dirty key of a page is left out',
    module: 'src/engine/list-path.js',
    find: 'if (live.length >= limit) {',
    replace: 'if (live.length >= limit) {\n live.pop();',
    scenario: 'swarm',
    caughtBy: ['listing-model'],
  },
  {
    name: 'complete-with-missing-part',
    description: 'an upload is completed without a part that its completion names',
    module: 'src/engine/decide-uploads.js',
    find: "if (part?.kind !== 'part' || part.etag !== wanted.etag) {",
    replace: 'if (part === undefined) continue;\n if (part.etag !== wanted.etag) {',
    scenario: 'multipart',
    caughtBy: ['linearizable', 'bytes-match-etag'],
  },
  {
    name: 'persisted-on-timeout',
    description: 'an upload whose answer never came counts as done',
    module: 'src/engine/persist-object.js',
    find: '.upload.upload(target, record, located);',
    replace: ".upload.upload(target, record, located).catch(() => 'unknown');",
    scenario: 'swarm',
    faults: { ufsReset: 0.2, ufsHang: 0.02 },
    caughtBy: ['persisted-in-ufs'],
  },
  {
    name: 'forget-failed-delete',
    description: 'a delete that the under-store did not take counts as done',
    module: 'src/engine/persist-object.js',
    find: "if (!isErrorCode(error, 'NO_SUCH_BUCKET'))\n                throw error;",
    replace: "if (isErrorCode(error, 'CLOSED'))\n                throw error;",
    scenario: 'races',
    faults: { ufsReset: 0.3, ufsDenied: 0.1 },
    caughtBy: [
      'ufs-converged',
      'linearizable',
      'acknowledged-readable',
      'pinned-accounting',
      'expected-errors',
      'listing-model',
    ],
  },
  {
    name: 'ignore-if-none-match',
    description: 'If-None-Match is not looked at in the decision',
    module: 'src/engine/decide.js',
    find: 'if (ifNoneMatch !== undefined && etag !== undefined) {',
    replace: "if (ifNoneMatch !== undefined && etag === '') {",
    scenario: 'races',
    caughtBy: ['linearizable'],
  },
  {
    name: 'decide-on-durable-state',
    description: 'a decision does not see what was decided before it and is not durable yet',
    module: 'src/engine/partition.js',
    find: 'decision = decide({ records: this.#overlay, nextOffset, nowMs });',
    replace: 'decision = decide({ records: this.#records, nextOffset, nowMs });',
    scenario: 'races',
    caughtBy: ['linearizable', 'pinned-accounting', 'no-assertion', 'expected-errors'],
  },
  {
    name: 'delete-forgets-the-ufs',
    description: 'a delete does not reach the under-store',
    module: 'src/engine/delete-path.js',
    find: "const ufsDelete = policy === 'WRITE_BACK';",
    replace: 'const ufsDelete = false;',
    scenario: 'swarm',
    caughtBy: ['linearizable', 'ufs-converged', 'acknowledged-readable', 'listing-model', 'no-space-leaked'],
  },
  {
    name: 'through-leaves-the-copy',
    description: 'a write that goes through leaves the cached copy of the version before in its place',
    module: 'src/engine/changed-in-ufs.js',
    find: "return decideEvict(view, [target], 'CHANGED');",
    replace: 'return { events: [], result: undefined };',
    scenario: 'swarm',
    faults: { kill: 1, ufsLostAnswer: 0.2 },
    caughtBy: ['linearizable', 'acknowledged-readable', 'ufs-converged', 'bytes-match-etag'],
  },
  {
    name: 'reservations-are-not-pinned',
    description: 'writes in progress do not count against the pinned limit',
    module: 'src/engine/admission.js',
    find: 'return this.#sources.unpersistedBytes() + this.#reservedBytes;',
    replace: 'return this.#sources.unpersistedBytes();',
    scenario: 'pressure',
    faults: { ufsUnavailable: 0.3 },
    caughtBy: ['pinned-limit'],
  },
  {
    name: 'abandoned-write-stays-reserved',
    description: 'an abandoned write does not give its reservation back',
    module: 'projections/pinned-space.js',
    find: "case 'WriteAbandoned':\n            space.reservedBytes -= event.reservedBytes;",
    replace: "case 'WriteAbandoned':\n            space.reservedBytes -= 0;",
    scenario: 'swarm',
    caughtBy: ['pinned-accounting', 'no-space-leaked'],
  },
  {
    name: 'free-bytes-before-the-event',
    description: 'a segment is dropped while events still refer to bytes in it',
    module: 'src/engine/segment-sweeper.js',
    find: 'if (open || guard.guards(id) || this.usageOf(id) !== undefined)',
    replace: 'if (open || guard.guards(id))',
    scenario: 'pressure',
    faults: { ufsUnavailable: 0.2 },
    caughtBy: [
      'expected-errors',
      'acknowledged-readable',
      'refold-equals-state',
      'no-assertion',
      'drains-in-time',
      'call-ends',
      'log-order',
    ],
  },
  {
    name: 'epoch-stands-still',
    description: 'a new owner of the log takes the epoch of the one before',
    module: 'log/embedded/partition-log.js',
    find: 'end.lastEpoch + 1',
    replace: 'Math.max(1, end.lastEpoch)',
    scenario: 'swarm',
    caughtBy: ['log-order'],
  },
  {
    name: 'trim-past-a-checkpoint',
    description: 'the log forgets what the older of the two checkpoints still needs',
    module: 'src/engine/partition.js',
    find: 'await log.trim(this.#copies.trimmable(oldest.offset))',
    replace: 'await log.trim(this.#applied)',
    scenario: 'small-objects',
    caughtBy: ['refold-equals-state', 'recovers', 'expected-errors'],
  },
  {
    name: 'recovery-skips-a-bad-frame',
    description: 'damage inside the log is taken for its torn end, and cut',
    module: 'log/embedded/recovery.js',
    find: 'await refuseFramesBehind(disk, newest, end, lastEpoch, owner, window);',
    replace: '',
    scenario: 'small-objects',
    faults: { logDamage: 0.5, kill: 0.5 },
    caughtBy: ['reports-corruption'],
  },
  {
    name: 'persist-without-its-condition',
    description: 'a conditional persist does not say what the under-store must hold',
    module: 'src/engine/safe-persist.js',
    find: 'return await put({ ifMatch: expected });',
    replace: 'return await put(undefined);',
    scenario: 'out-of-band',
    faults: { ufsForeign: 0.4, ufsUnavailable: 0.2 },
    caughtBy: ['foreign-kept'],
  },
];
