/**
 * Requests across origins: the rules of a bucket, what a request may, and the headers that say so.
 *
 * Sources: S3 user guide, "Using cross-origin resource sharing (CORS)"; Fetch standard, "CORS protocol".
 */
import type { IncomingHttpHeaders } from 'node:http';
import { S3Error } from './s3-error.js';
import type { XmlElement } from './xml-reader.js';
import { element, optionalElement, xmlDocument } from './xml-writer.js';

/** Name of the bucket's document: a list of rules as JSON. */
export const CORS_DOCUMENT = 'cors';

export interface CorsRule {
  readonly id?: string;
  readonly methods: readonly string[];
  /** Each with at most one `*`. */
  readonly origins: readonly string[];
  readonly headers: readonly string[];
  readonly exposed: readonly string[];
  readonly maxAgeSeconds?: number;
}

const RULES_MAX = 100;
const ID_CHARACTERS_MAX = 255;
const METHODS: ReadonlySet<string> = new Set(['GET', 'PUT', 'POST', 'DELETE', 'HEAD']);
/** What may stand in a header of an answer. */
const HEADER_TEXT = /^[\x21-\x7e]{1,1024}$/;

/** A `CORSConfiguration` document. Throws MalformedXML, InvalidRequest. */
export function parseCorsRules(root: XmlElement): CorsRule[] {
  const rules = root.children.filter(({ name }) => name === 'CORSRule');
  if (root.name !== 'CORSConfiguration' || rules.length === 0 || rules.length !== root.children.length)
    throw new S3Error('MalformedXML');
  if (rules.length > RULES_MAX)
    throw new S3Error(
      'InvalidRequest',
      `The number of CORS rules should not exceed allowed limit of ${RULES_MAX} rules.`,
    );
  return rules.map(parseRule);
}

function parseRule(rule: XmlElement): CorsRule {
  const texts = (name: string): string[] =>
    rule.children.filter((child) => child.name === name).map(({ text }) => text.trim());
  const methods = texts('AllowedMethod');
  const origins = texts('AllowedOrigin');
  const headers = texts('AllowedHeader');
  const exposed = texts('ExposeHeader');
  const [id] = texts('ID');
  const [maxAge] = texts('MaxAgeSeconds');
  if (methods.length === 0 || origins.length === 0) throw new S3Error('MalformedXML');
  for (const method of methods)
    if (!METHODS.has(method))
      throw new S3Error(
        'InvalidRequest',
        `Found unsupported HTTP method in CORS config. Unsupported method is ${method}`,
      );
  checkPatterns('AllowedOrigin', origins);
  checkPatterns('AllowedHeader', headers);
  for (const name of exposed)
    if (!HEADER_TEXT.test(name) || name.includes('*'))
      throw new S3Error('InvalidRequest', `ExposeHeader "${name}" contains wildcard or is no header name.`);
  if ((id?.length ?? 0) > ID_CHARACTERS_MAX || (maxAge !== undefined && !/^\d{1,9}$/.test(maxAge)))
    throw new S3Error('MalformedXML');
  return {
    methods,
    origins,
    headers,
    exposed,
    ...(id === undefined ? {} : { id }),
    ...(maxAge === undefined ? {} : { maxAgeSeconds: Number(maxAge) }),
  };
}

function checkPatterns(name: string, patterns: readonly string[]): void {
  for (const pattern of patterns) {
    if (pattern.split('*').length > 2)
      throw new S3Error('InvalidRequest', `${name} "${pattern}" can not have more than one wildcard.`);
    if (!HEADER_TEXT.test(pattern)) throw new S3Error('MalformedXML');
  }
}

export function corsDocument(rules: readonly CorsRule[]): string {
  const all = (name: string, texts: readonly string[]): string =>
    texts.map((text) => element(name, text)).join('');
  const content = rules.map(
    (rule) =>
      '<CORSRule>' +
      optionalElement('ID', rule.id) +
      all('AllowedMethod', rule.methods) +
      all('AllowedOrigin', rule.origins) +
      all('AllowedHeader', rule.headers) +
      all('ExposeHeader', rule.exposed) +
      optionalElement('MaxAgeSeconds', rule.maxAgeSeconds) +
      '</CORSRule>',
  );
  return xmlDocument('CORSConfiguration', content.join(''));
}

/** What a browser wants to know, or asks for with its request. */
export interface CorsQuestion {
  readonly origin: string;
  readonly method: string;
  /** Lower-case names. */
  readonly headers: readonly string[];
}

/** The question of a preflight. Throws BadRequest when it is none. */
export function preflightQuestion(headers: IncomingHttpHeaders): CorsQuestion {
  const { origin } = headers;
  if (origin === undefined)
    throw new S3Error('BadRequest', 'Insufficient information. Origin request header needed.');
  const method = headers['access-control-request-method'];
  if (method === undefined || !METHODS.has(method))
    throw new S3Error('BadRequest', `Invalid Access-Control-Request-Method: ${method ?? 'null'}`);
  const asked = headers['access-control-request-headers'] ?? '';
  const names = asked.split(',').map((name) => name.trim().toLowerCase());
  return { origin, method, headers: names.filter((name) => name !== '') };
}

/** The headers of the first rule that allows it, as a flat list; undefined when none does. */
export function corsHeaders(rules: readonly CorsRule[], question: CorsQuestion): string[] | undefined {
  for (const rule of rules) {
    const allowed = rule.origins.find((pattern) => fits(pattern, question.origin));
    if (allowed === undefined || !rule.methods.includes(question.method)) continue;
    if (!question.headers.every((name) => rule.headers.some((p) => fits(p.toLowerCase(), name)))) continue;
    return answerOf(rule, allowed, question);
  }
  return undefined;
}

function answerOf(rule: CorsRule, allowedOrigin: string, question: CorsQuestion): string[] {
  const any = allowedOrigin === '*';
  const into = ['Access-Control-Allow-Origin', any ? '*' : question.origin];
  into.push('Access-Control-Allow-Methods', rule.methods.join(', '));
  if (question.headers.length > 0) into.push('Access-Control-Allow-Headers', question.headers.join(', '));
  if (rule.exposed.length > 0) into.push('Access-Control-Expose-Headers', rule.exposed.join(', '));
  if (rule.maxAgeSeconds !== undefined) into.push('Access-Control-Max-Age', String(rule.maxAgeSeconds));
  if (!any) into.push('Access-Control-Allow-Credentials', 'true');
  into.push('Vary', 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method');
  return into;
}

function fits(pattern: string, text: string): boolean {
  const star = pattern.indexOf('*');
  if (star < 0) return pattern === text;
  return (
    text.length >= pattern.length - 1 &&
    text.startsWith(pattern.slice(0, star)) &&
    text.endsWith(pattern.slice(star + 1))
  );
}
