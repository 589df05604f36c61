/**
 * What the command line needs from the world. `src/main.ts` fills it with the real things, tests with their own, so that
 * no command touches a file, the environment, a clock or the network by itself.
 */
import type { AdminService } from '../engine/admin-service.js';
import type { TravelRequest, TravelResult } from '../engine/inspection/time-travel.js';
import type { Settings } from '../settings/settings.js';
import type { Simulator } from './simulator.js';

export interface CliContext {
  readonly version: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: CliOutput;
  readonly stderr: CliOutput;
  readonly fetch: typeof globalThis.fetch;
  /** Milliseconds since the Unix epoch. */
  readonly wallTimeMs: () => number;
  /** The content of a file; undefined when there is none. */
  readonly readText: (path: string) => string | undefined;
  /** The bytes of a file, in pieces; rejects when there is none. */
  readonly readBytes?: (path: string) => AsyncIterable<Uint8Array>;
  /**
   * Writes a file that appears whole or not at all, and replaces none unless told to; resolves with its size in bytes.
   */
  readonly writeBytes?: (
    path: string,
    pieces: AsyncIterable<Uint8Array>,
    options: { readonly replace: boolean },
  ) => Promise<number>;
  /** As many bytes that nobody can guess. */
  readonly randomBytes?: (count: number) => Uint8Array;
  /** Standard input to its end. */
  readonly readInput: () => Promise<string>;
  /** Runs the user's editor over a temporary file that holds `text`; resolves when the editor has ended. */
  readonly editText: (text: string, fileName: string) => Promise<EditedText>;
  /** Runs the server; resolves when it has stopped, rejects when it cannot start. */
  readonly startServer: (settings: Settings) => Promise<void>;
  /** Opens the data directory without a server, for the commands that read a log. Writes nothing, except for `verify`. */
  readonly openOffline?: (settings: Settings) => Promise<OfflineLog>;
  /** Gives a log that was restored in FoundationDB a new incarnation, and the data directory with it. */
  readonly incarnateLog?: (settings: Settings) => Promise<IncarnatedLog>;
  /** Loads the simulator, which nothing else needs. */
  readonly openSimulator?: () => Promise<Simulator>;
  /** Aborts when the user wants to stop (Ctrl-C). */
  readonly signal?: AbortSignal;
  /** A signal that aborts after so many milliseconds and does not keep the process alive, for `--timeout`. */
  readonly abortAfter?: (delayMs: number) => AbortSignal;
  /** Resolves after so many milliseconds, and at once when the signal aborts; for `top`. */
  readonly pause?: (delayMs: number, signal: AbortSignal) => Promise<void>;
  /** Calls back with each key that is pressed, until the returned function is called; absent without a terminal. */
  readonly onKey?: (listener: (key: string) => void) => () => void;
}

export interface CliOutput {
  readonly isTerminal: boolean;
  /** Lines and columns of the terminal of now. */
  readonly size?: () => { readonly rows: number; readonly columns: number };
  /** A promise when the reader is slow: the writer waits for it. */
  write(text: string): void | Promise<void>;
}

export interface EditedText {
  readonly text: string;
  /** Where the temporary file is, so that refused text is not lost. */
  readonly path: string;
  /** Removes the temporary file. */
  discard(): Promise<void>;
}

export interface IncarnatedLog {
  readonly keyPrefix: string;
  /** In hexadecimal. */
  readonly incarnation: string;
}

/** What can be read of a log, with or without a server. */
export type LogReader = Pick<AdminService, 'logHead' | 'logRead' | 'verify' | 'inspection'>;

export interface OfflineLog extends LogReader {
  /** The state at offsets that are past, from the nearest checkpoint. */
  travelTo(request: TravelRequest): Promise<TravelResult>;
  close(): Promise<void>;
}

/** Ends the command with a message. Anything else that is thrown does so as well, but this one chooses its exit code. */
export class CliFailure extends Error {
  override readonly name = 'CliFailure';
  /** Stable, for `--json`. */
  readonly code: string;
  readonly exitCode: ExitCode;

  /** Without an exit code it is the one that goes with `code`. */
  constructor(code: string, message: string, exitCode: ExitCode = EXIT_CODES[code] ?? EXIT_FAILED) {
    super(message);
    this.code = code;
    this.exitCode = exitCode;
  }
}

export const EXIT_OK = 0;
export const EXIT_FAILED = 1;
/** The command line or the settings are wrong: trying again will not help. */
export const EXIT_USAGE = 2;
/** No server was reached: nothing was done. */
export const EXIT_NO_SERVER = 3;
/** The deadline passed first; what was begun may still be done. */
export const EXIT_TIMEOUT = 4;
/** The UFS refused for good what was waited for: an operator has to decide. */
export const EXIT_BLOCKED = 5;
/** `start`: another process has taken the log over. Starting again would take it back. */
export const EXIT_FENCED = 6;
/** The user stopped it (Ctrl-C): 128 and the number of SIGINT, as shells have it. */
export const EXIT_STOPPED = 130;
export type ExitCode =
  | typeof EXIT_OK
  | typeof EXIT_FAILED
  | typeof EXIT_USAGE
  | typeof EXIT_NO_SERVER
  | typeof EXIT_TIMEOUT
  | typeof EXIT_BLOCKED
  | typeof EXIT_FENCED
  | typeof EXIT_STOPPED;

/** Codes of errors for which scripts have a way of their own; all others end with `EXIT_FAILED`. */
const EXIT_CODES: Readonly<Record<string, ExitCode | undefined>> = {
  NO_SERVER: EXIT_NO_SERVER,
  TIMEOUT: EXIT_TIMEOUT,
  BLOCKED: EXIT_BLOCKED,
  STOPPED: EXIT_STOPPED,
};
