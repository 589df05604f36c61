/**
 * What a setting is, and the kinds there are. A kind knows how to read a text, how to write the value, and how to say
 * what is allowed; the tables of settings (`table.ts` joins them) only combine them.
 */
import { formatDuration, formatSize, parseDuration, parseSize } from '../core/quantities.js';

export interface Setting<Value> {
  /** `worker.s3.api.enabled` */
  readonly key: string;
  readonly description: string;
  /** As the documentation and error messages say it: `an integer from 1 to 1024`. */
  readonly allowed: string;
  /** The default as a user would write it, or a description of it where it depends on other values. */
  readonly defaultText: string;
  /** The value when nothing was given. `ofKey` gives the effective text of a setting earlier in the table. */
  readonly fallback: (ofKey: (key: string) => string) => Value;
  /** Undefined when `text` is not allowed. */
  readonly parse: (text: string) => { readonly value: Value } | undefined;
  readonly format: (value: Value) => string;
  /** Never shown. */
  readonly secret: boolean;
  /** A flag of its own on the command line, such as `--s3-port`. */
  readonly flag?: string;
}

/** The settings whose values are `Values`, by the same names. */
export type SettingsOf<Values> = { readonly [Name in keyof Values]: Setting<Values[Name]> };

interface Common {
  readonly key: string;
  readonly description: string;
  readonly flag?: string;
  readonly secret?: boolean;
}

interface Kind<Value> {
  readonly allowed: string;
  readonly parse: Setting<Value>['parse'];
  readonly format: Setting<Value>['format'];
}

/** A setting that always has a value. */
export function setting<Value>(kind: Kind<Value>, common: Common & { default: string }): Setting<Value> {
  const { default: defaultText, secret = false, ...rest } = common;
  return {
    ...rest,
    ...kind,
    secret,
    defaultText,
    fallback: () => {
      const parsed = kind.parse(defaultText);
      if (parsed === undefined)
        throw new RangeError(`the default of ${common.key} is not allowed: ${defaultText}`);
      return parsed.value;
    },
  };
}

/** A setting that is undefined unless given; `none` is how its absence is written. */
export function optional<Value>(
  kind: Kind<Value>,
  common: Common & { none?: string; defaultText?: string },
): Setting<Value | undefined> {
  const { none = 'none', defaultText = none, secret = false, ...rest } = common;
  return {
    ...rest,
    secret,
    defaultText,
    allowed: `${kind.allowed}, or ${none}`,
    parse: (text) => (text === '' || text === none ? { value: undefined } : kind.parse(text)),
    format: (value) => (value === undefined ? none : kind.format(value)),
    fallback: () => undefined,
  };
}

/** A setting whose default follows from another one, earlier in the table. */
export function derived<Value>(
  kind: Kind<Value>,
  common: Common & { defaultText: string; fallback: Setting<Value>['fallback'] },
): Setting<Value> {
  return { secret: false, ...common, ...kind };
}

export const flagValue: Kind<boolean> = {
  allowed: 'true or false',
  parse: (text) => (/^(true|false)$/i.test(text) ? { value: text.toLowerCase() === 'true' } : undefined),
  format: String,
};

export function integer(least: number, most: number): Kind<number> {
  return {
    allowed: `an integer from ${least} to ${most}`,
    parse: (text) => within(/^\d{1,15}$/.test(text) ? Number(text) : undefined, least, most),
    format: String,
  };
}

export function ratio(least: number, most: number): Kind<number> {
  return {
    allowed: `a number from ${least} to ${most}`,
    parse: (text) =>
      within(/^\d{1,3}(\.\d{1,9})?$|^\.\d{1,9}$/.test(text) ? Number(text) : undefined, least, most),
    format: String,
  };
}

/** Bounds in milliseconds. */
export function duration(leastMs: number, mostMs: number): Kind<number> {
  return {
    allowed: `a duration with a unit (ms, s, min, h, d) from ${formatDuration(leastMs)} to ${formatDuration(mostMs)}`,
    parse: (text) => within(parseDuration(text), leastMs, mostMs),
    format: formatDuration,
  };
}

/** Bounds in bytes. */
export function size(leastBytes: number, mostBytes: number): Kind<number> {
  return {
    allowed: `a size (B, KiB, MiB, GiB, TiB) from ${formatSize(leastBytes)} to ${formatSize(mostBytes)}`,
    parse: (text) => within(parseSize(text), leastBytes, mostBytes),
    format: formatSize,
  };
}

export function choice<Choice extends string>(choices: readonly Choice[]): Kind<Choice> {
  return {
    allowed: `one of ${choices.join(', ')}`,
    parse: (text) => {
      const value = choices.find((name) => name === text);
      return value === undefined ? undefined : { value };
    },
    format: String,
  };
}

/** A text that `pattern` matches whole. */
export function text(allowed: string, pattern: RegExp): Kind<string> {
  return {
    allowed,
    parse: (value) => (pattern.test(value) ? { value } : undefined),
    format: String,
  };
}

/** Texts with commas between them. */
export function list(allowed: string, pattern: RegExp): Kind<readonly string[]> {
  return {
    allowed: `${allowed}, with commas between them, or none`,
    parse: (value) => {
      if (value === 'none' || value === '') return { value: [] };
      const items = value.split(',').map((item) => item.trim());
      return items.every((item) => pattern.test(item)) ? { value: items } : undefined;
    },
    format: (value) => (value.length === 0 ? 'none' : value.join(',')),
  };
}

export const path: Kind<string> = text('a path', /^[^\0\r\n]{1,4096}$/);

export const url: Kind<string> = {
  allowed: 'a URL that starts with http:// or https://',
  parse: (value) => (/^https?:\/\/[^\s/]+/.test(value) && URL.canParse(value) ? { value } : undefined),
  format: String,
};

function within(value: number | undefined, least: number, most: number): { value: number } | undefined {
  return value === undefined || value < least || value > most ? undefined : { value };
}
