/** The path rules in force: compiled when they change, asked on every request. */
import type { PolicyMode } from '../core/object.js';
import { DEFAULT_PATH_CONFIG, PERSIST_PRIORITY_DEFAULT, type PathConfigDocument } from './path-config.js';
import { PathMatcher } from './path-config-matcher.js';

export class PathPolicies {
  readonly #writeCacheEnabled: boolean;
  #document: PathConfigDocument = DEFAULT_PATH_CONFIG;
  #matcher = new PathMatcher(DEFAULT_PATH_CONFIG);
  #hasTransient = false;
  #hasPersistPriorities = false;
  #hasDegrading = false;

  /** Without the write cache every rule that would keep un-persisted data means WRITE_THROUGH. */
  constructor(options: { writeCacheEnabled: boolean }) {
    this.#writeCacheEnabled = options.writeCacheEnabled;
  }

  get document(): PathConfigDocument {
    return this.#document;
  }

  get matcher(): PathMatcher {
    return this.#matcher;
  }

  /** Whether some path is TRANSIENT, so that a listing must hide what the UFS has there. */
  get hasTransient(): boolean {
    return this.#hasTransient;
  }

  /** Whether some path has another persist priority than the rest. */
  get hasPersistPriorities(): boolean {
    return this.#hasPersistPriorities;
  }

  /** Whether writes to some path go through when space is short. */
  get hasDegrading(): boolean {
    return this.#hasDegrading;
  }

  use(document: PathConfigDocument): void {
    this.#document = document;
    this.#matcher = new PathMatcher(document);
    const rules = [document.defaultRule, ...document.pathRules];
    this.#hasTransient = rules.some((rule) => rule.policyMode === 'TRANSIENT');
    const priorities = rules.map(({ properties }) => properties?.persistPriority ?? PERSIST_PRIORITY_DEFAULT);
    this.#hasDegrading = rules.some((rule) => rule.properties?.onPressure === 'writeThrough');
    this.#hasPersistPriorities = new Set(priorities).size > 1;
  }

  /** Higher goes to the UFS earlier. */
  persistPriorityOf(bucket: string, key: string): number {
    return this.#matcher.match(bucket, key).persistPriority;
  }

  modeOf(bucket: string, key: string): PolicyMode {
    const mode = this.#matcher.match(bucket, key).policyMode;
    if (!this.#writeCacheEnabled && (mode === 'WRITE_BACK' || mode === 'TRANSIENT')) return 'WRITE_THROUGH';
    return mode;
  }
}
