/**
 * Who may do what: by the grants of a user, by those of `anonymous`, which are everybody's, and by the policy of the bucket.
 *
 * Nothing is allowed that was not granted; a Deny of the policy beats all grants. Only who administers the bucket can still
 * read and replace its policy then, so that nobody locks a bucket for good. Who created a bucket administers it. Beside grants
 * and policy there are the access control lists of buckets and objects; that of an object has to be looked up, so that it is
 * asked for last.
 */
import {
  BUCKET_ACL,
  listPermits,
  parseAccessList,
  withoutPublic,
  type AccessList,
  type AclPermission,
} from './access-list.js';
import { BUCKET_POLICY, BucketPolicy } from './bucket-policy.js';
import {
  isBlocked,
  OWNERSHIP_CONTROLS,
  PUBLIC_ACCESS_BLOCK,
  type PublicAccessBlock,
} from './bucket-sharing.js';
import { ALL_BUCKETS, type Grant, type Right } from './users-document.js';
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
  /** What the access control list of the bucket gives it by. */
  readonly bucketList?: AclPermission;
  /** What the access control list of the object gives it by. */
  readonly objectList?: AclPermission;
}

/** `UNDECIDED`: nothing allows it so far, and the list of an object may. */
export type Verdict = 'ALLOWED' | 'DENIED' | 'UNDECIDED';

/**
 * `always`: everybody may do everything. `withoutUsers`: the same as long as there is no user. `never`: signatures and grants
 * decide.
 */
export type OpenAccess = 'always' | 'withoutUsers' | 'never';

export interface AccessParts {
  readonly users: Pick<Users, 'everExisted' | 'grantsOf' | 'has'>;
  /** A document of the bucket's configuration. */
  readonly documentOf: (bucket: string, name: string) => string | undefined;
  /** Who created the bucket. */
  readonly ownerOf: (bucket: string) => string | undefined;
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
  readonly #documentOf: AccessParts['documentOf'];
  readonly #ownerOf: AccessParts['ownerOf'];
  readonly #openAccess: OpenAccess;
  readonly #policies = new Map<string, CachedPolicy>();

  constructor({ users, documentOf, ownerOf, open }: AccessParts) {
    this.#users = users;
    this.#documentOf = documentOf;
    this.#ownerOf = ownerOf;
    this.#openAccess = open;
  }

  /** Everybody may do everything: neither signatures nor permissions are looked at. */
  get open(): boolean {
    return this.#openAccess === 'always' || (this.#openAccess === 'withoutUsers' && !this.#users.everExisted);
  }

  /**
   * Whether a user (undefined: nobody who signed) may. `key` is the key of an object, the prefix of a listing, or '' for what
   * concerns the whole bucket.
   */
  decide(user: string | undefined, permission: Permission, bucket: string, key: string): Verdict {
    const { action, right, resource, bucketList } = permission;
    const policy = this.#policy(bucket);
    const effect = policy?.decide(user, action, bucket, resource === 'object' ? key : undefined);
    const owner = this.#ownerOf(bucket);
    const owns = user !== undefined && user === owner;
    if (effect === 'Allow' && (owns || !this.#restricts(bucket, policy))) return 'ALLOWED';
    if (effect === 'Deny' && permission.ofPolicy !== true) return 'DENIED';
    if (owns) return 'ALLOWED';
    if (user !== undefined && isGranted(this.#users.grantsOf(user), right, bucket, key)) return 'ALLOWED';
    if (isGranted(this.#users.grantsOf(undefined), right, bucket, key)) return 'ALLOWED';
    if (bucketList === undefined) return 'UNDECIDED';
    const list = this.listInForce(bucket, this.#documentOf(bucket, BUCKET_ACL));
    return list !== undefined && listPermits(list, bucketList, user, owner) ? 'ALLOWED' : 'UNDECIDED';
  }

  /** The same without the list of an object. */
  allows(user: string | undefined, permission: Permission, bucket: string, key: string): boolean {
    return this.decide(user, permission, bucket, key) === 'ALLOWED';
  }

  /** Whether the list of an object, as it is kept with it, allows what nothing else did. */
  listAllows(
    user: string | undefined,
    permission: Permission,
    bucket: string,
    kept: string | undefined,
  ): boolean {
    const list = permission.objectList === undefined ? undefined : this.listInForce(bucket, kept);
    return (
      list !== undefined &&
      permission.objectList !== undefined &&
      listPermits(list, permission.objectList, user, this.#ownerOf(bucket))
    );
  }

  /** What of a list counts in the bucket; undefined where lists are switched off. */
  listInForce(bucket: string, kept: string | undefined): AccessList | undefined {
    if (this.listsOff(bucket)) return undefined;
    const list = parseAccessList(kept);
    return this.blocks(bucket, 'IgnorePublicAcls') ? withoutPublic(list) : list;
  }

  /** Whether the bucket's owner owns all in it and lists mean nothing. */
  listsOff(bucket: string): boolean {
    return this.ownershipOf(bucket) === 'BucketOwnerEnforced';
  }

  /** What the ownership controls of the bucket say; undefined without any. */
  ownershipOf(bucket: string): string | undefined {
    return this.#documentOf(bucket, OWNERSHIP_CONTROLS);
  }

  blocks(bucket: string, block: PublicAccessBlock): boolean {
    return isBlocked(this.#documentOf(bucket, PUBLIC_ACCESS_BLOCK), block);
  }

  /** Whether a bucket is among those of a user: it owns it, or was granted something in it. A policy shows nobody a bucket. */
  lists(user: string | undefined, bucket: string): boolean {
    if (user === undefined) return false;
    return user === this.#ownerOf(bucket) || isGranted(this.#users.grantsOf(user), 'any', bucket, '');
  }

  /** The user who created the bucket; undefined for one that the UFS had, or that nobody who signed created. */
  ownerOf(bucket: string): string | undefined {
    return this.#ownerOf(bucket);
  }

  isUser(name: string): boolean {
    return this.#users.has(name);
  }

  /** A public policy lets in only who owns the bucket, where that was asked for. */
  #restricts(bucket: string, policy: BucketPolicy | undefined): boolean {
    return policy?.isPublic === true && this.blocks(bucket, 'RestrictPublicBuckets');
  }

  #policy(bucket: string): BucketPolicy | undefined {
    const document = this.#documentOf(bucket, BUCKET_POLICY);
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
    // Who may make buckets has nothing in those that are there.
    if (right === 'any') {
      if (grant.rights.some((one) => one !== 'create')) return true;
      continue;
    }
    if (!grant.rights.includes(right) && !grant.rights.includes('admin')) continue;
    if (key.startsWith(grant.prefix)) return true;
  }
  return false;
}
