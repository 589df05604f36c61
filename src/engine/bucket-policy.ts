/**
 * Bucket policy documents: the part of the policy language that Headrace decides by, and nothing that it would have to ignore.
 *
 * A statement has an Effect, a Principal (`*` or users), an Action and a Resource, the last two with the wildcards `*`
 * and `?`. Of what else the language has (Condition, NotAction, variables, …) every piece is refused by name, because a policy
 * of which half is ignored allows what its author forbade. Source: IAM user guide, "Grammar of the IAM JSON policy language".
 */

/** The name of the document in a bucket's configuration. */
export const BUCKET_POLICY = 'policy';
export const POLICY_BYTES_MAX = 20 * 1024;
const STATEMENTS_MAX = 200;
const ARN = 'arn:aws:s3:::';

export type PolicyEffect = 'Allow' | 'Deny';

/** Why a document is refused: it is wrong, or it asks for something that is not implemented. */
export class PolicyRefusal extends Error {
  override readonly name = 'PolicyRefusal';
  readonly kind: 'MALFORMED' | 'NOT_IMPLEMENTED';

  constructor(kind: PolicyRefusal['kind'], message: string) {
    super(message);
    this.kind = kind;
  }
}

interface Statement {
  readonly effect: PolicyEffect;
  /** Undefined for everybody. */
  readonly users: ReadonlySet<string> | undefined;
  /** Lower case: the names of actions are not told apart by case. */
  readonly actions: readonly string[];
  /** Of resources, without what all ARNs begin with: `bucket/key`. */
  readonly resources: readonly string[];
}

export class BucketPolicy {
  readonly #statements: readonly Statement[];

  private constructor(statements: readonly Statement[]) {
    this.#statements = statements;
  }

  /** Throws a `PolicyRefusal`. */
  static parse(bucket: string, document: string): BucketPolicy {
    if (Buffer.byteLength(document) > POLICY_BYTES_MAX)
      throw malformed(`it is longer than ${POLICY_BYTES_MAX} bytes`);
    let parsed: unknown;
    try {
      parsed = JSON.parse(document);
    } catch {
      throw malformed('it is not valid JSON');
    }
    const policy = record(parsed, 'the policy');
    for (const [name, value] of Object.entries(policy))
      if (name === 'Version') checkVersion(value);
      else if (name === 'Id') text(value, 'Id');
      else if (name !== 'Statement') throw malformed(`it has an unknown element ${JSON.stringify(name)}`);
    const statement = policy['Statement'];
    const statements: unknown[] = Array.isArray(statement) ? statement : [statement];
    if (statements.length === 0 || statements.length > STATEMENTS_MAX)
      throw malformed(`it needs 1 to ${STATEMENTS_MAX} statements, not ${statements.length}`);
    return new BucketPolicy(statements.map((value) => parseStatement(value, bucket)));
  }

  /** What is said about an action; a Deny beats every Allow. `key` is undefined for the bucket itself. */
  decide(
    user: string | undefined,
    action: string,
    bucket: string,
    key: string | undefined,
  ): PolicyEffect | undefined {
    const name = action.toLowerCase();
    const resource = key === undefined ? bucket : `${bucket}/${key}`;
    let allowed = false;
    for (const { effect, users, actions, resources } of this.#statements) {
      if (allowed && effect === 'Allow') continue;
      if (users !== undefined && (user === undefined || !users.has(user))) continue;
      if (!actions.some((pattern) => matches(pattern, name))) continue;
      if (!resources.some((pattern) => matches(pattern, resource))) continue;
      if (effect === 'Deny') return 'Deny';
      allowed = true;
    }
    return allowed ? 'Allow' : undefined;
  }

  /** Whether it allows anything to everybody. */
  get isPublic(): boolean {
    return this.#statements.some(({ effect, users }) => effect === 'Allow' && users === undefined);
  }
}

const STATEMENT_ELEMENTS = new Set(['Sid', 'Effect', 'Principal', 'Action', 'Resource']);
const OTHER_ELEMENTS = new Set(['Condition', 'NotPrincipal', 'NotAction', 'NotResource']);

function parseStatement(value: unknown, bucket: string): Statement {
  const statement = record(value, 'a statement');
  for (const name of Object.keys(statement)) {
    if (name === 'NotPrincipal' && statement['Effect'] === 'Allow')
      throw malformed('a statement that allows something names its Principal and not a NotPrincipal');
    if (OTHER_ELEMENTS.has(name)) throw notImplemented(`The element ${name} of a policy statement`);
    if (!STATEMENT_ELEMENTS.has(name))
      throw malformed(`a statement has an unknown element ${JSON.stringify(name)}`);
  }
  if (statement['Sid'] !== undefined) text(statement['Sid'], 'Sid');
  const effect = statement['Effect'];
  if (effect !== 'Allow' && effect !== 'Deny')
    throw malformed(`the Effect ${JSON.stringify(effect)} is neither "Allow" nor "Deny"`);
  return {
    effect,
    users: parsePrincipal(statement['Principal']),
    actions: texts(statement['Action'], 'Action').map(parseAction),
    resources: texts(statement['Resource'], 'Resource').map((resource) => parseResource(resource, bucket)),
  };
}

function checkVersion(version: unknown): void {
  if (version !== '2012-10-17' && version !== '2008-10-17')
    throw malformed(`the Version ${JSON.stringify(version)} is neither "2012-10-17" nor "2008-10-17"`);
}

function parsePrincipal(value: unknown): ReadonlySet<string> | undefined {
  if (value === '*') return undefined;
  const principal = record(value, 'Principal');
  for (const kind of Object.keys(principal))
    if (kind !== 'AWS' && kind !== 'CanonicalUser')
      throw notImplemented(`The principal ${JSON.stringify(kind)} in a policy`);
  const { AWS, CanonicalUser } = principal;
  const canonical = CanonicalUser === undefined ? [] : texts(CanonicalUser, 'CanonicalUser');
  const names = AWS === undefined && canonical.length > 0 ? [] : texts(AWS, 'Principal');
  if (names.includes('*')) return undefined;
  return new Set([
    ...names.map((name) => parseUser(name, userOf(name))),
    ...canonical.map((id) => parseUser(id, id)),
  ]);
}

/**
 * The name in the ARN of a user, of any account, or of an account: every user is one of its own here, whose canonical ID is its
 * name. An account that has a number is none of them.
 */
function userOf(principal: string): string {
  const account = /^arn:aws:iam::([^:]+):root$/.exec(principal)?.[1];
  if (account !== undefined && !/^\d+$/.test(account)) return account;
  return principal.replace(/^arn:aws:iam::\d*:user\//, '');
}

function parseUser(principal: string, user: string): string {
  if (/^[A-Za-z\d][A-Za-z\d._@-]{0,63}$/.test(user)) return user;
  throw malformed(`the principal ${JSON.stringify(principal)} is not the name of a user`);
}

function parseAction(action: string): string {
  if (action === '*') return 's3:*';
  if (/^s3:[A-Za-z\d*?]{1,128}$/i.test(action)) return action.toLowerCase();
  throw malformed(`the Action ${JSON.stringify(action)} is not one of S3`);
}

function parseResource(resource: string, bucket: string): string {
  if (resource.includes('${'))
    throw notImplemented(`The policy variable in the Resource ${JSON.stringify(resource)}`);
  const path = resource.startsWith(ARN) ? resource.slice(ARN.length) : '';
  const [name = ''] = path.split('/', 1);
  if (name !== '' && matches(name, bucket)) return path;
  throw malformed(`the Resource ${JSON.stringify(resource)} is not ${ARN}${bucket} or keys in it`);
}

function record(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw malformed(`${what} is not an object but ${JSON.stringify(value) ?? 'missing'}`);
}

function text(value: unknown, what: string): string {
  if (typeof value === 'string') return value;
  throw malformed(`${what} is not a text but ${JSON.stringify(value) ?? 'missing'}`);
}

function texts(value: unknown, what: string): string[] {
  const list: unknown[] = Array.isArray(value) ? value : [value];
  if (list.length === 0) throw malformed(`${what} is an empty list`);
  return list.map((item) => text(item, what));
}

function malformed(what: string): PolicyRefusal {
  return new PolicyRefusal('MALFORMED', `The policy is not valid: ${what}.`);
}

function notImplemented(what: string): PolicyRefusal {
  return new PolicyRefusal('NOT_IMPLEMENTED', `${what} is not implemented by Headrace.`);
}

/** Whether a text fits a pattern, in which `*` is any characters and `?` is one. Never worse than the product of both lengths. */
export function matches(pattern: string, subject: string): boolean {
  let at = 0;
  let position = 0;
  let starAt = -1;
  let retryAt = 0;
  while (position < subject.length) {
    const wanted = pattern[at];
    if (wanted === '*') {
      starAt = at++;
      retryAt = position;
    } else if (wanted !== undefined && (wanted === '?' || wanted === subject[position])) {
      at++;
      position++;
    } else if (starAt >= 0) {
      at = starAt + 1;
      position = ++retryAt;
    } else return false;
  }
  while (pattern[at] === '*') at++;
  return at === pattern.length;
}
