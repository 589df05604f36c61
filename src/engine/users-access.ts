/**
 * Who may do what: by the grants of a user, by those of `anonymous`, which are everybody's, and by the policy of the bucket.
 *
 * Nothing is allowed that was not granted; a Deny of the policy beats all grants. Only who administers the bucket can still read and replace
 * its policy then, so that nobody locks a bucket for good.
 */
import { BucketPolicy } from './bucket-policy.js';
import { ALL_BUCKETS, ANONYMOUS_USER, type Grant, type Right } from './users-document.js';
import type { Users } from './users.js';

/** What an operation needs. */
export interface Permission {
  /** As policies name it: `s3:GetObject`. */
  readonly action: string;
  /** `any`: some grant in the bucket, whatever it is. */
  readonly right: Right | 'any';
  /** Whether policies name the bucket or the object as its resource. */
  readonly resource: 'bucket' | 'object';
  /** An operation on the policy itself. */
  readonly ofPolicy?: boolean;
}

/**
 * `always`: everybody may do everything. `withoutUsers`: the same as long as there is no user. `never`: signatures and grants decide.
 */
export type OpenAccess = 'always' | 'withoutUsers' | 'never';

export interface AccessParts {
  readonly users: Pick<Users, 'exist' | 'grantsOf' | 'grant' | 'revoke'>;
  /** The policy document in force. */
  readonly policyOf: (bucket: string) => string | undefined;
  readonly open: OpenAccess;
}

interface CachedPolicy {
  readonly document: string;
  readonly policy: BucketPolicy;
}

/** Policies are parsed again when there are more buckets with one than this. */
const POLICIES_MAX = 10_000;

export class Access {
  readonly #users: AccessParts['users'];
  readonly #policyOf: AccessParts['policyOf'];
  readonly #openAccess: OpenAccess;
  readonly #policies = new Map<string, CachedPolicy>();

  constructor({ users, policyOf, open }: AccessParts) {
    this.#users = users;
    this.#policyOf = policyOf;
    this.#openAccess = open;
  }

  /** Everybody may do everything: neither signatures nor permissions are looked at. */
  get open(): boolean {
    return this.#openAccess === 'always' || (this.#openAccess === 'withoutUsers' && !this.#users.exist);
  }

  /**
   * Whether a user (undefined: nobody who signed) may. `key` is the key of an object, the prefix of a listing, or '' for what
   * concerns the whole bucket.
   */
  allows(user: string | undefined, permission: Permission, bucket: string, key: string): boolean {
    const { action, right, resource } = permission;
    const effect = this.#policy(bucket)?.decide(
      user,
      action,
      bucket,
      resource === 'object' ? key : undefined,
    );
    if (effect === 'Allow') return true;
    if (effect === 'Deny' && permission.ofPolicy !== true) return false;
    if (user !== undefined && isGranted(this.#users.grantsOf(user), right, bucket, key)) return true;
    return isGranted(this.#users.grantsOf(undefined), right, bucket, key);
  }

  /** What a canned ACL `public-read` of a bucket means: everybody may list it. Durable on return. */
  async setPublicListing(bucket: string, allowed: boolean): Promise<void> {
    const grants: Grant[] = [{ bucket, prefix: '', rights: ['list'] }];
    if (allowed) await this.#users.grant(ANONYMOUS_USER, grants);
    else if (isGranted(this.#users.grantsOf(undefined), 'list', bucket, ''))
      await this.#users.revoke(ANONYMOUS_USER, grants);
  }

  #policy(bucket: string): BucketPolicy | undefined {
    const document = this.#policyOf(bucket);
    if (document === undefined) return undefined;
    const cached = this.#policies.get(bucket);
    if (cached?.document === document) return cached.policy;
    const policy = BucketPolicy.parse(bucket, document);
    if (this.#policies.size >= POLICIES_MAX) this.#policies.clear();
    this.#policies.set(bucket, { document, policy });
    return policy;
  }
}

function isGranted(
  grants: readonly Grant[],
  right: Permission['right'],
  bucket: string,
  key: string,
): boolean {
  for (const grant of grants) {
    if (grant.bucket !== bucket && grant.bucket !== ALL_BUCKETS) continue;
    if (right === 'any') return true;
    if (!grant.rights.includes(right) && !grant.rights.includes('admin')) continue;
    if (key.startsWith(grant.prefix)) return true;
  }
  return false;
}
