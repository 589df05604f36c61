/** What operators do with users: the part of `AdminService` that the admin API and `headrace user` cover. */
import type { Grant, KeyPair } from './users-document.js';

export interface UserService {
  /** By name. The pseudo-user `anonymous` is among them once something was granted to it. */
  list(): Promise<UserInfo[]>;
  /** `NO_SUCH_USER`. */
  get(name: string): Promise<UserInfo>;
  /**
   * With a new access key, or with one that is used elsewhere already. `USER_EXISTS`, `INVALID_ARGUMENT`. The secret is told here
   * and nowhere else.
   */
  add(name: string, grants: readonly Grant[], pair?: KeyPair): Promise<NewAccessKey>;
  /** Adds rights. `anonymous` needs no `add`. `NO_SUCH_USER`, `INVALID_ARGUMENT`. */
  grant(name: string, grants: readonly Grant[]): Promise<UserInfo>;
  /** Takes rights away, from grants of exactly these buckets and prefixes. `NO_SUCH_USER`, `INVALID_ARGUMENT`. */
  revoke(name: string, grants: readonly Grant[]): Promise<UserInfo>;
  /** A further access key; those before stay until they are disabled or removed. `NO_SUCH_USER`, `INVALID_ARGUMENT`. */
  rotate(name: string, pair?: KeyPair): Promise<NewAccessKey>;
  /** The user, or one access key of it. `NO_SUCH_USER`, `INVALID_ARGUMENT` for a key it does not have. */
  setEnabled(name: string, enabled: boolean, accessKeyId?: string): Promise<UserInfo>;
  /** The user, or one access key of it. `NO_SUCH_USER`, `INVALID_ARGUMENT` for a key it does not have. */
  remove(name: string, accessKeyId?: string): Promise<void>;
}

/** A user without anything secret. */
export interface UserInfo {
  readonly name: string;
  readonly enabled: boolean;
  readonly createdMs: number;
  readonly keys: readonly { readonly id: string; readonly enabled: boolean; readonly createdMs: number }[];
  /** As they are written: `read,list:bucket/prefix`. */
  readonly grants: readonly string[];
}

export interface NewAccessKey {
  readonly user: UserInfo;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}
