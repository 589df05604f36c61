/**
 * The policy document of an upload form: until when it is good, and what the fields have to be (S3 API reference, "POST policy").
 *
 * Every field has to be named by a condition, so that a form cannot say more than its author signed.
 */
import { S3Error } from './s3-error.js';
import { parseCompactDate } from './timestamps.js';

export interface FileSizeRange {
  readonly minBytes: number;
  readonly maxBytes: number;
}

const ANY_SIZE: FileSizeRange = { minBytes: 0, maxBytes: Number.MAX_SAFE_INTEGER };
/** They need no condition: they are about the policy, or nobody looks at them. */
const UNCONDITIONAL = new Set(['policy', 'x-amz-signature', 'file', 'bucket']);
const EXPIRATION = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d{1,9})?Z$/;

/**
 * Checks the fields (names in lower case, `bucket` and the final `key` among them) against the policy, in base64. Returns the
 * sizes that the file may have. Throws InvalidPolicyDocument, AccessDenied.
 */
export function checkPostPolicy(
  policy: string,
  fields: ReadonlyMap<string, string>,
  nowMs: number,
): FileSizeRange {
  const document = parseDocument(policy);
  if (nowMs > parseExpiration(document['expiration'])) throw denied('Policy expired.');
  const { conditions } = document;
  if (!Array.isArray(conditions)) throw invalid('it has no list of conditions');
  const named = new Set<string>();
  let range = ANY_SIZE;
  for (const condition of conditions as unknown[])
    if (
      Array.isArray(condition) &&
      isText(condition[0]) &&
      condition[0].toLowerCase() === 'content-length-range'
    )
      range = parseRange(condition, range);
    else for (const name of checkCondition(condition, fields)) named.add(name);
  for (const name of fields.keys())
    if (!named.has(name) && !UNCONDITIONAL.has(name) && !name.startsWith('x-ignore-'))
      throw denied(`Extra input fields: ${name}`);
  return range;
}

function parseDocument(policy: string): Readonly<Record<string, unknown>> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(policy, 'base64').toString('utf8'));
  } catch {
    throw invalid('it is not JSON in base64');
  }
  if (!isRecord(parsed)) throw invalid('it is not an object');
  for (const name of Object.keys(parsed))
    if (name !== 'expiration' && name !== 'conditions') throw invalid(`unexpected: ${JSON.stringify(name)}`);
  return parsed;
}

function parseExpiration(value: unknown): number {
  const match = isText(value) ? EXPIRATION.exec(value) : null;
  const [, year, month, day, hour, minute, second] = match ?? [];
  const timeMs =
    match === null ? undefined : parseCompactDate(`${year}${month}${day}T${hour}${minute}${second}Z`);
  if (timeMs !== undefined) return timeMs;
  throw invalid(
    `the expiration ${JSON.stringify(value) ?? 'is missing and'} is not of the form 2024-01-02T03:04:05Z`,
  );
}

/** The names of the fields that it is about. */
function checkCondition(condition: unknown, fields: ReadonlyMap<string, string>): string[] {
  if (Array.isArray(condition)) {
    const [operator, field, value] = condition as unknown[];
    if (
      condition.length !== 3 ||
      !isText(operator) ||
      !isText(field) ||
      !isText(value) ||
      !field.startsWith('$')
    )
      throw invalid(
        `the condition ${JSON.stringify(condition)} is not of the form ["eq", "$field", "value"]`,
      );
    const name = field.slice(1).toLowerCase();
    const actual = fields.get(name) ?? '';
    const kind = operator.toLowerCase();
    if (kind !== 'eq' && kind !== 'starts-with')
      throw invalid(`unknown operation ${JSON.stringify(operator)}`);
    if (kind === 'eq' ? actual !== value : !actual.startsWith(value)) throw failed(condition);
    return [name];
  }
  if (!isRecord(condition))
    throw invalid(`the condition ${JSON.stringify(condition)} is neither a list nor an object`);
  return Object.entries(condition).map(([field, value]) => {
    if (!isText(value)) throw invalid(`the value of ${JSON.stringify(field)} is not a text`);
    const name = field.toLowerCase();
    if ((fields.get(name) ?? '') !== value) throw failed(['eq', `$${field}`, value]);
    return name;
  });
}

/** The narrower of two, where there are several. */
function parseRange(condition: readonly unknown[], { minBytes, maxBytes }: FileSizeRange): FileSizeRange {
  const [least, most] = condition.slice(1).map(toBytes);
  if (condition.length !== 3 || least === undefined || most === undefined)
    throw invalid(
      `the condition ${JSON.stringify(condition)} is not of the form ["content-length-range", 0, 1024]`,
    );
  return { minBytes: Math.max(minBytes, least), maxBytes: Math.min(maxBytes, most) };
}

function toBytes(value: unknown): number | undefined {
  const text = typeof value === 'number' ? String(value) : value;
  return isText(text) && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(what: string): S3Error {
  return new S3Error('InvalidPolicyDocument', `Invalid Policy: ${what}.`);
}

function failed(condition: readonly unknown[]): S3Error {
  return denied(`Policy Condition failed: ${JSON.stringify(condition)}`);
}

function denied(what: string): S3Error {
  return new S3Error('AccessDenied', `Invalid according to Policy: ${what}`);
}
