/**
 * Glob patterns of path rules: parsing, matching and the order "more specific than".
 *
 * A pattern and a path are lists of components: what stands between slashes. Nothing is normalised, so `/b//k` has
 * an empty component. `*` stands for any run of characters within a component, `?` for one character, `**` (alone
 * between slashes) for any number of components, none included; a backslash takes the meaning from the next character.
 *
 * Matching takes at most (pattern length × path length) steps, whatever the pattern: after a mismatch only the last
 * wildcard can usefully take more, so older ones are never revisited. Keys come from clients, so this bound matters.
 */
import { HeadraceError } from '../core/errors.js';
import { PATTERN_CHARACTERS_MAX } from './path-config.js';

export type PatternComponent =
  | { readonly kind: 'literal'; readonly text: string }
  /** Literal characters mixed with `*` and `?`. */
  | { readonly kind: 'partial'; readonly tokens: readonly Token[] }
  /** `*`: exactly one component. */
  | { readonly kind: 'any' }
  /** `**`: any number of components. */
  | { readonly kind: 'deep' };

/** A code point, or one of the two wildcards. */
type Token = number;
const ANY_CHARACTER: Token = -1;
const ANY_RUN: Token = -2;

export interface Pattern {
  readonly text: string;
  readonly components: readonly PatternComponent[];
}

/**
 * Parses a pattern. `where` names it in the message (`pathRules[2].path`). Throws `INVALID_ARGUMENT`.
 */
export function parsePattern(text: string, where: string): Pattern {
  const refuse = (reason: string): never => {
    throw new HeadraceError('INVALID_ARGUMENT', `${where}: the pattern ${JSON.stringify(text)} ${reason}`);
  };
  if (text.length > PATTERN_CHARACTERS_MAX) refuse(`is longer than ${PATTERN_CHARACTERS_MAX} characters`);
  if (!text.startsWith('/')) refuse(`must start with "/": write ${JSON.stringify('/' + text)}`);
  if (text.endsWith('/'))
    refuse(`ends with "/" and would match no object below it: write ${JSON.stringify(text + '**')}`);
  const components: PatternComponent[] = [];
  for (const part of text.slice(1).split('/')) {
    const component = parseComponent(part);
    if (component === undefined)
      return refuse('has "**" beside other characters: it must stand alone between slashes');
    if (component === 'escape')
      return refuse('has a "\\" with nothing behind it: write "\\\\" for a backslash');
    if (component.kind === 'deep' && components.at(-1)?.kind === 'deep') continue;
    components.push(component);
  }
  return { text, components };
}

function parseComponent(part: string): PatternComponent | 'escape' | undefined {
  if (part === '*') return { kind: 'any' };
  if (part === '**') return { kind: 'deep' };
  const tokens: Token[] = [];
  let wildcards = 0;
  const characters = Array.from(part);
  for (let i = 0; i < characters.length; i++) {
    let character = characters[i];
    if (character === '*' || character === '?') {
      wildcards++;
      if (character === '*' && tokens.at(-1) === ANY_RUN) return undefined;
      tokens.push(character === '*' ? ANY_RUN : ANY_CHARACTER);
      continue;
    }
    if (character === '\\') {
      character = characters[++i];
      if (character === undefined) return 'escape';
    }
    tokens.push(character?.codePointAt(0) ?? 0);
  }
  if (wildcards > 0) return { kind: 'partial', tokens };
  return { kind: 'literal', text: String.fromCodePoint(...tokens) };
}

/** A text that is equal for two patterns exactly when they say the same. */
export function canonicalPattern(pattern: Pattern): string {
  return JSON.stringify(
    pattern.components.map((component) => {
      if (component.kind === 'literal') return component.text;
      return component.kind === 'partial' ? component.tokens : component.kind === 'any' ? 1 : 2;
    }),
  );
}

/** The literal characters in front of the first wildcard of a component. */
export function literalPrefix(component: PatternComponent): string {
  if (component.kind === 'literal') return component.text;
  if (component.kind !== 'partial') return '';
  const end = component.tokens.findIndex((token) => token < 0);
  return String.fromCodePoint(...component.tokens.slice(0, end));
}

/** Whether the components from `first` on match all of `texts` from `from` on. */
export function matchComponents(
  components: readonly PatternComponent[],
  first: number,
  texts: readonly string[],
  from: number,
): boolean {
  let at = first;
  let i = from;
  let retryAt = -1;
  let retryFrom = 0;
  while (i < texts.length) {
    const component = components[at];
    if (component?.kind === 'deep') {
      if (at === components.length - 1) return true;
      retryAt = ++at;
      retryFrom = i;
    } else if (component !== undefined && matchComponent(component, texts[i] ?? '')) {
      at++;
      i++;
    } else {
      if (retryAt < 0) return false;
      at = retryAt;
      i = ++retryFrom;
    }
  }
  while (components[at]?.kind === 'deep') at++;
  return at === components.length;
}

/** Whether one component of a path matches one of a pattern (never `**`). */
export function matchComponent(component: PatternComponent, text: string): boolean {
  switch (component.kind) {
    case 'literal':
      return component.text === text;
    case 'partial':
      return matchTokens(component.tokens, text);
    case 'any':
      return true;
    case 'deep':
      return false;
  }
}

function matchTokens(tokens: readonly Token[], text: string): boolean {
  let at = 0;
  let i = 0;
  let retryAt = -1;
  let retryFrom = 0;
  while (i < text.length) {
    const token = tokens[at];
    const point = text.codePointAt(i) ?? 0;
    if (token === ANY_RUN) {
      if (at === tokens.length - 1) return true;
      retryAt = ++at;
      retryFrom = i;
    } else if (token === ANY_CHARACTER || token === point) {
      at++;
      i += units(point);
    } else {
      if (retryAt < 0) return false;
      at = retryAt;
      retryFrom += units(text.codePointAt(retryFrom) ?? 0);
      i = retryFrom;
    }
  }
  while (tokens[at] === ANY_RUN) at++;
  return at === tokens.length;
}

/** UTF-16 units of a code point. */
function units(point: number): number {
  return point > 0xffff ? 2 : 1;
}

/**
 * Negative when `a` is more specific than `b`, positive when less, 0 when neither.
 *
 * Compared component by component, the first difference decides: literal, then `*` and `?` mixed with characters, then
 * `*`, then the end of the pattern, then `**`. The end stands above `**` so that `/a` beats `/a/**` for the path `/a`.
 * Of two mixed components the one with the longer literal prefix wins, then the one with more literal characters,
 * then the one with fewer `*`.
 */
export function comparePatterns(a: Pattern, b: Pattern): number {
  const length = Math.max(a.components.length, b.components.length);
  for (let i = 0; i < length; i++) {
    const order = compareComponents(a.components[i], b.components[i]);
    if (order !== 0) return order;
  }
  return 0;
}

const RANKS = { literal: 0, partial: 1, any: 2, end: 3, deep: 4 } as const;

function compareComponents(a: PatternComponent | undefined, b: PatternComponent | undefined): number {
  const byRank = RANKS[a?.kind ?? 'end'] - RANKS[b?.kind ?? 'end'];
  if (byRank !== 0 || a?.kind !== 'partial' || b?.kind !== 'partial') return byRank;
  const byPrefix = literalPrefix(b).length - literalPrefix(a).length;
  if (byPrefix !== 0) return byPrefix;
  const count = (tokens: readonly Token[], test: (token: Token) => boolean) => tokens.filter(test).length;
  const byLiterals = count(b.tokens, (token) => token >= 0) - count(a.tokens, (token) => token >= 0);
  if (byLiterals !== 0) return byLiterals;
  return count(a.tokens, (token) => token === ANY_RUN) - count(b.tokens, (token) => token === ANY_RUN);
}
