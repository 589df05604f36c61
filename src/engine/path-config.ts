/**
 * Path rules: which write policy applies to a path (`/<bucket>/<key>`). Types, limits and the default document.
 *
 * Reading a document is in `path-config-document.ts`, globs and their order in `path-config-pattern.ts`, finding the rule
 * of a path in `path-config-matcher.ts`. What operators read is `docs/policies.md`.
 */
import type { PolicyMode } from '../core/object.js';
import { KIB } from '../core/units.js';

export interface PathRuleProperties {
  /** Copies on different workers before the acknowledgement (WRITE_BACK, TRANSIENT). */
  readonly writeReplicas?: number;
  /** Which dirty objects go to the UFS first: 0 to 9, the higher the earlier. Concerns also what waits already. */
  readonly persistPriority?: number;
  /** How many un-persisted bytes the rule's objects may have together (WRITE_BACK): a size such as `10GiB`. */
  readonly pinnedBudget?: string;
  /** What becomes of a write when un-persisted bytes come close to a limit (WRITE_BACK): it waits, or goes through. */
  readonly onPressure?: PressureMode;
}

export const PRESSURE_MODES = ['delay', 'writeThrough'] as const;
export type PressureMode = (typeof PRESSURE_MODES)[number];

export interface DefaultRule {
  readonly description?: string;
  readonly policyMode: PolicyMode;
  readonly properties?: PathRuleProperties;
}

export interface PathRule extends DefaultRule {
  /** The pattern, in its native spelling; absent on the default rule. */
  readonly path?: string;
}

export interface PathConfigDocument {
  readonly apiVersion: 'v1.0';
  readonly defaultRule: DefaultRule;
  readonly pathRules: readonly PathRule[];
}

/** In force until an operator sets another one: nothing is acknowledged before the UFS holds it. */
export const DEFAULT_PATH_CONFIG: PathConfigDocument = {
  apiVersion: 'v1.0',
  defaultRule: {
    description: 'Default: write to the cache and the UFS',
    policyMode: 'WRITE_THROUGH',
    properties: { writeReplicas: 1 },
  },
  pathRules: [],
};

/** Largest document, as JSON without white space: it travels in one event, whose size every log backend bounds. */
export const PATH_CONFIG_BYTES_MAX = 64 * KIB;
export const PATH_RULES_MAX = 512;
export const PATTERN_CHARACTERS_MAX = 2048;
export const DESCRIPTION_CHARACTERS_MAX = 1024;
export const WRITE_REPLICAS_MAX = 16;
export const PERSIST_PRIORITY_MAX = 9;
export const PERSIST_PRIORITY_DEFAULT = 5;
