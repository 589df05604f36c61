/**
 * Finding the rule of a path. Compiled once per document; asked for every request.
 *
 * Rules are sorted once, the most specific first, so that the first match is the answer. Rules whose bucket is
 * written out are filed under it, and most patterns (`/bucket/prefix/**`) come down to one comparison of a prefix.
 */
import { HeadraceError } from '../core/errors.js';
import type { PolicyMode } from '../core/object.js';
import { parseSize } from '../core/quantities.js';
import type { PathTest } from './admin-service.js';
import {
  PERSIST_PRIORITY_DEFAULT,
  type DefaultRule,
  type PathConfigDocument,
  type PathRule,
} from './path-config.js';
import {
  comparePatterns,
  literalPrefix,
  matchComponent,
  matchComponents,
  parsePattern,
  type Pattern,
  type PatternComponent,
} from './path-config-pattern.js';

/** What applies to a path. One object per rule: the matcher never allocates. */
export interface EffectiveRule {
  readonly policyMode: PolicyMode;
  /** At least 1. */
  readonly writeReplicas: number;
  readonly persistPriority: number;
  /** Un-persisted bytes that the rule's objects may have together. */
  readonly pinnedBudgetBytes: number | undefined;
  /** Whether writes go through when un-persisted bytes come close to a limit. */
  readonly degrades: boolean;
  /** As in the document. */
  readonly rule: PathRule;
  /** The rule's pattern, or `default`. */
  readonly matched: string;
}

/** Finds the rules of one document, which must have come from `parsePathConfig`. */
export class PathMatcher {
  readonly #default: EffectiveRule;
  readonly #rules: readonly CompiledRule[];
  readonly #byBucket = new Map<string, readonly CompiledRule[]>();
  /** Rules for buckets that no rule names: those whose first component is a glob. */
  readonly #anyBucket: readonly CompiledRule[];

  constructor(document: PathConfigDocument) {
    this.#default = effective(document.defaultRule, 'default');
    this.#rules = document.pathRules
      .map((rule, index) => new CompiledRule(rule, `pathRules[${index}].path`))
      .sort((a, b) => comparePatterns(a.pattern, b.pattern));
    this.#anyBucket = this.#rules.filter((rule) => rule.bucket.kind !== 'literal');
    for (const { bucket } of this.#rules)
      if (bucket.kind === 'literal' && !this.#byBucket.has(bucket.text))
        this.#byBucket.set(
          bucket.text,
          this.#rules.filter((rule) => rule.mayMatchBucket(bucket.text)),
        );
  }

  /** Every rule, the default one last. */
  get rules(): readonly EffectiveRule[] {
    return [...this.#rules.map((rule) => rule.effective), this.#default];
  }

  /** The rule of an object, by the raw strings of its bucket and key. */
  match(bucket: string, key: string): EffectiveRule {
    if (this.#rules.length === 0) return this.#default;
    const candidates = this.#byBucket.get(bucket) ?? this.#anyBucket;
    for (const rule of candidates) if (rule.matchesObject(bucket, key)) return rule.effective;
    return this.#default;
  }

  /** The rule of a path: `/<bucket>` or `/<bucket>/<key>`. Throws `INVALID_ARGUMENT` when it does not start with `/`. */
  matchPath(path: string): EffectiveRule {
    if (!path.startsWith('/'))
      throw new HeadraceError(
        'INVALID_ARGUMENT',
        `the path ${JSON.stringify(path)} must start with "/": write /<bucket>/<key>`,
      );
    const components = path.slice(1).split('/');
    const rule = this.#rules.find(({ pattern }) => matchComponents(pattern.components, 0, components, 0));
    return rule?.effective ?? this.#default;
  }

  /** What `pathconfig test` shows. Throws `INVALID_ARGUMENT` as `matchPath`. */
  test(path: string): PathTest {
    const { policyMode, rule, matched } = this.matchPath(path);
    return { path, policyMode, rule, matched };
  }
}

function effective(rule: PathRule | DefaultRule, matched: string): EffectiveRule {
  return {
    policyMode: rule.policyMode,
    writeReplicas: rule.properties?.writeReplicas ?? 1,
    persistPriority: rule.properties?.persistPriority ?? PERSIST_PRIORITY_DEFAULT,
    pinnedBudgetBytes: parseSize(rule.properties?.pinnedBudget ?? ''),
    degrades: rule.properties?.onPressure === 'writeThrough',
    rule,
    matched,
  };
}

/** How the part of a pattern behind the bucket is compared with a key. */
type KeyTest = 'ALWAYS' | 'EXACT' | 'BELOW' | 'COMPONENTS';

class CompiledRule {
  readonly effective: EffectiveRule;
  readonly pattern: Pattern;
  readonly bucket: PatternComponent;
  readonly #keyTest: KeyTest;
  /** EXACT: the key. BELOW: the key, or what it starts with before a slash. COMPONENTS: what it must start with. */
  readonly #prefix: string;

  constructor(rule: PathRule, where: string) {
    this.pattern = parsePattern(rule.path ?? '', where);
    this.effective = effective(rule, this.pattern.text);
    const [bucket, ...components] = this.pattern.components;
    this.bucket = bucket ?? { kind: 'deep' };
    const literals = components.findIndex((component) => component.kind !== 'literal');
    const leading = literals < 0 ? components : components.slice(0, literals);
    const text = leading.map(literalPrefix).join('/');
    const next = components[leading.length];
    if (this.bucket.kind === 'deep') {
      // `**` may take the bucket alone or reach into the key, so only whole paths can be compared.
      this.#keyTest = components.length === 0 ? 'ALWAYS' : 'COMPONENTS';
      this.#prefix = '';
    } else if (next === undefined) {
      // A pattern without a key is for the bucket itself and matches no object.
      this.#keyTest = components.length === 0 ? 'COMPONENTS' : 'EXACT';
      this.#prefix = text;
    } else if (next.kind === 'deep' && leading.length === components.length - 1) {
      this.#keyTest = leading.length === 0 ? 'ALWAYS' : 'BELOW';
      this.#prefix = text;
    } else {
      this.#keyTest = 'COMPONENTS';
      const separator = leading.length > 0 && next.kind !== 'deep' ? '/' : '';
      this.#prefix = text + separator + literalPrefix(next);
    }
  }

  mayMatchBucket(bucket: string): boolean {
    return this.bucket.kind === 'deep' || matchComponent(this.bucket, bucket);
  }

  matchesObject(bucket: string, key: string): boolean {
    if (this.bucket.kind === 'deep') {
      if (this.#keyTest === 'ALWAYS') return true;
      return matchComponents(this.pattern.components, 0, [bucket, ...key.split('/')], 0);
    }
    return this.#matchesKey(key) && matchComponent(this.bucket, bucket);
  }

  #matchesKey(key: string): boolean {
    const prefix = this.#prefix;
    switch (this.#keyTest) {
      case 'ALWAYS':
        return true;
      case 'EXACT':
        return key === prefix;
      case 'BELOW':
        return (
          key.startsWith(prefix) && (key.length === prefix.length || key.charCodeAt(prefix.length) === 47)
        );
      case 'COMPONENTS':
        return key.startsWith(prefix) && matchComponents(this.pattern.components, 1, key.split('/'), 0);
    }
  }
}
