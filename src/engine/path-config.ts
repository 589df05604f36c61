/** Path rules: which write policy applies to a path (`/<bucket>/<key>`). Types; matching is in this file too. */
import type { PolicyMode } from '../core/object.js';

export interface PathRuleProperties {
  /** Copies on different workers before the acknowledgement (WRITE_BACK, TRANSIENT). */
  readonly writeReplicas?: number;
}

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
