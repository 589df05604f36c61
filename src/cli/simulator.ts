/**
 * What the command line needs of the simulator, which it may not import: `src/composition/simulator.ts` gives it, with processes
 * of its own for the simulations.
 */
import type { Settings } from '../settings/settings.js';

export interface Simulator {
  /** What is running: a commit where the program was built in a repository, else its version. */
  readonly commit: string;
  /** Simulations that run side by side. */
  readonly concurrency: number;
  /** Processor time that simulations of prepared scenarios have taken so far, in milliseconds. */
  readonly cpuMs: number;
  readonly scenarios: readonly { readonly name: string; readonly description: string }[];
  /** What is checked, by name. */
  readonly invariants: Readonly<Record<string, string>>;
  /** Rare branches that a long run has to reach, by name. */
  readonly probes: Readonly<Record<string, string>>;
  readonly mutants: readonly MutantInfo[];
  /** Throws `INVALID_ARGUMENT` or `INVALID_SETTING` with the place of the mistake. */
  prepare(source: ScenarioSource): PreparedScenario;
  /**
   * A scenario that goes on from the state of an export; when none was named there are neither clients nor faults. `open` gives the
   * bytes of the export, from their start each time. Rejects as `prepare` throws, and with what is wrong with the export.
   */
  prepareIncident(
    source: ScenarioSource & {
      /** No scenario was named. */
      readonly isQuiet: boolean;
    },
    open: () => AsyncIterable<Uint8Array>,
  ): Promise<PreparedIncident>;
  /** The mutant under its own scenario and a seed: whether it was caught, and by which invariant. */
  runMutant(name: string, seed: string): Promise<RunReport>;
  /** Ends all processes. */
  close(): void;
}

export interface ScenarioSource {
  /** The name of a built-in one; ignored when there is a document. */
  readonly name: string;
  readonly document?: { readonly path: string; readonly text: string };
  readonly pathConfig?: { readonly path: string; readonly text: string };
  /** Those of a server whose configuration is simulated. */
  readonly settings?: Settings;
}

export interface PreparedScenario {
  readonly name: string;
  readonly description: string;
  run(seed: string, options?: { readonly keepsTrace?: boolean }): Promise<RunReport>;
  /** How many crash points a seed has. */
  countCrashPoints(seed: string): Promise<{
    readonly calls: number;
    readonly violation: ViolationReport | undefined;
  }>;
  /** The power fails at this call of the first life, and in `again` more runs at a call of the recovery as well. */
  crashPoint(
    seed: string,
    call: number,
    again: number,
  ): Promise<{ readonly runs: number; readonly failures: readonly CrashPointReport[] }>;
  /** What the scenario asks of the space for un-persisted bytes. */
  capacity(
    seed: string,
    how: {
      /** In the place of the configured one. */
      readonly pinnedRatio?: number;
      /** Ends with the first refusal. */
      readonly stopsAtRefusal: boolean;
    },
  ): Promise<CapacityReport>;
}

export interface PreparedIncident extends PreparedScenario {
  readonly incident: {
    /** Wall time of its last event. */
    readonly atMs: number;
    readonly offsets: readonly { readonly partition: number; readonly offset: number }[];
    /** Whether the export told the whole state. */
    readonly complete: boolean;
    readonly objects: number;
    /** What the under-store has yet to learn, quarantined entries included. */
    readonly pending: number;
    readonly quarantined: number;
    readonly pinnedBytes: number;
    readonly openWrites: number;
    readonly openUploads: number;
    readonly mounts: number;
    /** Of the quarantined: somebody else had changed the object in the UFS. */
    readonly conflicts: number;
    /** Uploads in parts that were under way at the UFS, and those that are to be aborted there. */
    readonly ufsUploads: number;
    readonly staleUploads: number;
    /** What is not there, in words. */
    readonly leftOut: readonly string[];
    /** For how many bytes one simulated byte stands. */
    readonly scale: number;
  };
}

/** Times are virtual milliseconds since the first client began; bytes are those of the scenario. */
export interface CapacityReport {
  readonly seed: string;
  readonly scenario: string;
  /** For how many bytes one simulated byte stood. */
  readonly scale: number;
  readonly violation: ViolationReport | undefined;
  readonly spanMs: number;
  readonly capacityBytes: number;
  readonly pinnedRatio: number;
  readonly pinnedLimitBytes: number;
  readonly peakPinnedBytes: PeakReport;
  readonly longestQueue: PeakReport;
  readonly oldestDirtyMs: PeakReport;
  readonly writes: number;
  readonly refusals: number;
  readonly firstRefusal: { readonly atMs: number; readonly limit: string } | undefined;
  /** When the under-store was away, by plan or by a fault. */
  readonly outages: readonly { readonly fromMs: number; readonly toMs: number }[];
  readonly series: {
    readonly widthMs: number;
    readonly pinnedBytes: readonly number[];
    readonly queuedUploads: readonly number[];
    readonly refusals: readonly number[];
  };
}

export interface PeakReport {
  readonly value: number;
  readonly atMs: number;
}

export interface RunReport {
  readonly seed: string;
  readonly scenario: string;
  /** Rates, by fault. */
  readonly faults: Readonly<Record<string, number>>;
  readonly violation: ViolationReport | undefined;
  /** Groups `operations`, `events`, `faults`, `probes`: how often, by name. */
  readonly counts: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly traceHash: string;
  readonly nextRandom: number;
  readonly clockMs: number;
  readonly steps: number;
  /** Virtual milliseconds from the last fault until everything was uploaded. */
  readonly drainedMs?: number | undefined;
  readonly trace?: readonly string[];
}

export interface ViolationReport {
  readonly invariant: string;
  readonly message: string;
  readonly key: string | undefined;
  readonly window: readonly string[];
}

export interface CrashPointReport {
  readonly call: number;
  readonly againAtCall: number | undefined;
  readonly violation: ViolationReport;
}

export interface MutantInfo {
  readonly name: string;
  readonly description: string;
  readonly caughtBy: readonly string[];
}
