/**
 * Reading the path configuration that an operator wrote: every mistake is named with its place in the document.
 *
 * Both spellings of a rule's pattern are read, `path` and `alluxioPath`; what comes out has `path` only. Unknown
 * properties are refused, since a misspelt one would silently change what is promised to writers.
 */
import { HeadraceError } from '../core/errors.js';
import { byteLength } from '../core/key.js';
import { parseSize } from '../core/quantities.js';
import { POLICY_MODES, type PolicyMode } from '../core/object.js';
import {
  DEFAULT_PATH_CONFIG,
  DESCRIPTION_CHARACTERS_MAX,
  PATH_CONFIG_BYTES_MAX,
  PATH_RULES_MAX,
  PERSIST_PRIORITY_MAX,
  PRESSURE_MODES,
  WRITE_REPLICAS_MAX,
  type DefaultRule,
  type PathConfigDocument,
  type PathRule,
  type PathRuleProperties,
  type PressureMode,
} from './path-config.js';
import { canonicalPattern, parsePattern } from './path-config-pattern.js';

type Fields = Readonly<Record<string, unknown>>;

/** Parses JSON text and validates it as `parsePathConfig` does. Throws `INVALID_ARGUMENT`. */
export function parsePathConfigText(text: string): PathConfigDocument {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new HeadraceError('INVALID_ARGUMENT', `the document is not JSON: ${reason}`, { cause: error });
  }
  return parsePathConfig(value);
}

/**
 * Validates a document and gives it its native spelling. Throws `INVALID_ARGUMENT` whose message starts with the place
 * of the first mistake, such as `pathRules[1].policyMode`.
 */
export function parsePathConfig(value: unknown): PathConfigDocument {
  const fields = fieldsOf(value, 'the document', ['apiVersion', 'defaultRule', 'pathRules']);
  if (fields['apiVersion'] !== 'v1.0') refuse('apiVersion', fields['apiVersion'], 'must be "v1.0"');
  const defaultRule =
    fields['defaultRule'] === undefined
      ? DEFAULT_PATH_CONFIG.defaultRule
      : parseDefaultRule(fields['defaultRule']);
  const document = { apiVersion: 'v1.0' as const, defaultRule, pathRules: parseRules(fields['pathRules']) };
  const sizeBytes = byteLength(JSON.stringify(document));
  if (sizeBytes > PATH_CONFIG_BYTES_MAX)
    throw invalid(`the document has ${sizeBytes} bytes: at most ${PATH_CONFIG_BYTES_MAX} are allowed`);
  return document;
}

function parseDefaultRule(value: unknown): DefaultRule {
  const fields = fieldsOf(value, 'defaultRule', ['description', 'policyMode', 'properties']);
  return parseCommon(fields, 'defaultRule');
}

function parseRules(value: unknown): PathRule[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) return refuse('pathRules', value, 'must be a list of rules');
  if (value.length > PATH_RULES_MAX)
    throw invalid(`pathRules: ${value.length} rules: at most ${PATH_RULES_MAX} are allowed`);
  const places = new Map<string, string>();
  return value.map((item: unknown, index) => {
    const place = `pathRules[${index}]`;
    const fields = fieldsOf(item, place, ['path', 'alluxioPath', 'description', 'policyMode', 'properties']);
    const spelling = fields['alluxioPath'] === undefined ? 'path' : 'alluxioPath';
    if (spelling === 'alluxioPath' && fields['path'] !== undefined)
      throw invalid(`${place}: has both "path" and "alluxioPath", two spellings of one thing: keep one`);
    const path = fields[spelling];
    const pathPlace = `${place}.${spelling}`;
    if (typeof path !== 'string')
      return refuse(pathPlace, path, 'must be a pattern such as "/bucket/prefix/**"');
    const canonical = canonicalPattern(parsePattern(path, pathPlace));
    const earlier = places.get(canonical);
    if (earlier !== undefined)
      throw invalid(
        `${pathPlace}: the pattern ${JSON.stringify(path)} is already at ${earlier}: keep one of the rules`,
      );
    places.set(canonical, pathPlace);
    return { path, ...parseCommon(fields, place) };
  });
}

function parseCommon(fields: Fields, place: string): DefaultRule {
  const description = fields['description'];
  if (description !== undefined) {
    if (typeof description !== 'string') return refuse(`${place}.description`, description, 'must be a text');
    if (description.length > DESCRIPTION_CHARACTERS_MAX)
      throw invalid(`${place}.description: is longer than ${DESCRIPTION_CHARACTERS_MAX} characters`);
  }
  const policyMode = fields['policyMode'];
  if (!isPolicyMode(policyMode))
    return refuse(`${place}.policyMode`, policyMode, `must be one of ${POLICY_MODES.join(', ')}`);
  const properties = parseProperties(fields['properties'], `${place}.properties`, policyMode);
  return {
    ...(description === undefined ? {} : { description }),
    policyMode,
    ...(properties === undefined ? {} : { properties }),
  };
}

function parseProperties(
  value: unknown,
  place: string,
  policyMode: PolicyMode,
): PathRuleProperties | undefined {
  if (value === undefined) return undefined;
  const fields = fieldsOf(value, place, ['writeReplicas', 'persistPriority', 'pinnedBudget', 'onPressure']);
  const writeReplicas = integerOf(fields, place, 'writeReplicas', 1, WRITE_REPLICAS_MAX);
  const persistPriority = integerOf(fields, place, 'persistPriority', 0, PERSIST_PRIORITY_MAX);
  const { pinnedBudget, onPressure } = fields;
  if (policyMode !== 'WRITE_BACK')
    for (const name of ['pinnedBudget', 'onPressure'])
      if (fields[name] !== undefined)
        throw invalid(
          `${place}.${name}: has no meaning for ${policyMode}, only for WRITE_BACK: leave it out`,
        );
  if (pinnedBudget !== undefined && (typeof pinnedBudget !== 'string' || (parseSize(pinnedBudget) ?? 0) < 1))
    return refuse(`${place}.pinnedBudget`, pinnedBudget, 'must be a size above 0, such as "10GiB"');
  if (onPressure !== undefined && !isPressureMode(onPressure))
    return refuse(`${place}.onPressure`, onPressure, `must be one of ${PRESSURE_MODES.join(', ')}`);
  return {
    ...(writeReplicas === undefined ? {} : { writeReplicas }),
    ...(persistPriority === undefined ? {} : { persistPriority }),
    ...(pinnedBudget === undefined ? {} : { pinnedBudget }),
    ...(onPressure === undefined ? {} : { onPressure }),
  };
}

function integerOf(
  fields: Fields,
  place: string,
  name: string,
  least: number,
  most: number,
): number | undefined {
  const value = fields[name];
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
  return refuse(`${place}.${name}`, value, `must be an integer from ${least} to ${most}`);
}

function isPolicyMode(value: unknown): value is PolicyMode {
  return POLICY_MODES.some((mode) => mode === value);
}

function isPressureMode(value: unknown): value is PressureMode {
  return PRESSURE_MODES.some((mode) => mode === value);
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function fieldsOf(value: unknown, place: string, known: readonly string[]): Fields {
  if (!isFields(value)) return refuse(place, value, 'must be a JSON object');
  for (const name of Object.keys(value))
    if (!known.includes(name))
      throw invalid(`${place}: unknown property ${JSON.stringify(name)}: known are ${known.join(', ')}`);
  return value;
}

function refuse(place: string, value: unknown, allowed: string): never {
  if (value === undefined) throw invalid(`${place}: is missing: it ${allowed}`);
  const text = JSON.stringify(value) ?? typeof value;
  throw invalid(`${place}: ${text.length > 80 ? `${text.slice(0, 80)}…` : text} ${allowed}`);
}

function invalid(message: string): HeadraceError {
  return new HeadraceError('INVALID_ARGUMENT', message);
}
