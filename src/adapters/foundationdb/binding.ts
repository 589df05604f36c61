/**
 * The npm package `foundationdb`, as far as it is used here, and how it is loaded.
 *
 * The package is optional, as it needs FoundationDB's client library (`libfdb_c`) even to be installed. So its types are
 * declared here, and it is imported only when a cluster file is set. One process can select one API version, and only once.
 */
import { HeadraceError } from '../../core/errors.js';

/** Where nobody says otherwise (`fdb_c.h`, error codes of the client). */
const API_VERSION_NOT_SUPPORTED = 2203;
/**
 * Versions of the API to ask for, the best first. The package was compiled against the headers of 7.2, and a library of 7.1 refuses
 * headers that are newer than itself, so that it has to be told older ones (`fdb_select_api_version_impl`). Nothing that changed in
 * between is used here (API documentation, "Release notes / API version upgrade guide").
 */
const API_VERSIONS: readonly (readonly [version: number, header?: number])[] = [[720], [710, 710]];
const PACKAGE = 'foundationdb';

const INSTALL =
  'install the FoundationDB client library 7.1 or newer (the package foundationdb-clients, from ' +
  'https://github.com/apple/foundationdb/releases), and then the npm package: npm install foundationdb@2.0.1';

/** A transaction of the package. Its promises reject with errors that have FoundationDB's code. */
export interface BindingTransaction {
  get(key: Buffer): Promise<Buffer | null | undefined>;
  getRangeAll(begin: Buffer, end: Buffer, options: BindingRangeOptions): Promise<[Buffer, Buffer][]>;
  set(key: Buffer, value: Buffer): void;
  clear(key: Buffer): void;
  clearRange(begin: Buffer, end: Buffer): void;
  addReadConflictKey(key: Buffer): void;
  /** Eight bytes, big-endian. */
  setReadVersion(version: Buffer): void;
  getCommittedVersion(): Buffer;
  /** The same transaction, whose reads add no conflicts. */
  snapshot(): BindingTransaction;
  rawCommit(): Promise<void>;
  rawCancel(): void;
}

export interface BindingRangeOptions {
  readonly limit: number;
  readonly reverse: boolean;
  readonly streamingMode: number;
}

export interface BindingDatabase {
  rawCreateTransaction(): BindingTransaction;
  close(): void;
}

export interface Binding {
  setAPIVersion(version: number, headerVersion?: number): void;
  open(clusterFile: string): BindingDatabase;
  readonly StreamingMode: { readonly Exact: number };
}

export type ImportModule = (name: string) => Promise<unknown>;

/** Loads the package and selects the API version. `INVALID_SETTING` with what to install. */
export async function loadBinding(importModule: ImportModule = importByName): Promise<Binding> {
  const binding = await importBinding(importModule);
  let failure: unknown;
  for (const [version, header] of API_VERSIONS) {
    try {
      binding.setAPIVersion(version, header);
      return binding;
    } catch (error) {
      failure = error;
    }
  }
  const reason =
    codeOf(failure) === API_VERSION_NOT_SUPPORTED
      ? 'the FoundationDB client library is older than 7.1'
      : `the FoundationDB client library cannot be used (${messageOf(failure)})`;
  throw new HeadraceError('INVALID_SETTING', `${reason}: ${INSTALL}`, { cause: failure });
}

/** FoundationDB's code of an error, or a code of Node. */
export function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}

export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n', 1)[0] ?? text;
}

async function importBinding(importModule: ImportModule): Promise<Binding> {
  let loaded: unknown;
  try {
    loaded = await importModule(PACKAGE);
  } catch (error) {
    const reason =
      codeOf(error) === 'ERR_MODULE_NOT_FOUND'
        ? 'it is not installed'
        : `it cannot be loaded (${messageOf(error)})`;
    throw new HeadraceError(
      'INVALID_SETTING',
      `a log in FoundationDB needs the npm package "${PACKAGE}", and ${reason}: ${INSTALL}`,
      { cause: error },
    );
  }
  // A CommonJS module is the default export of what `import` gives.
  for (const candidate of [loaded, propertyOf(loaded, 'default')]) if (isBinding(candidate)) return candidate;
  throw new HeadraceError(
    'INVALID_SETTING',
    `the npm package "${PACKAGE}" is not the one that is known here: npm install foundationdb@2.0.1`,
  );
}

function isBinding(value: unknown): value is Binding {
  return (
    typeof propertyOf(value, 'setAPIVersion') === 'function' &&
    typeof propertyOf(value, 'open') === 'function' &&
    typeof propertyOf(propertyOf(value, 'StreamingMode'), 'Exact') === 'number'
  );
}

function propertyOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

/**
 * By a variable, so that nobody resolves it before it is asked for. What the package itself prints when it cannot be loaded is
 * left out: the error says it, and what to do.
 */
async function importByName(name: string): Promise<unknown> {
  const { error } = console;
  console.error = () => undefined;
  try {
    return (await import(name)) as unknown;
  } finally {
    console.error = error;
  }
}
