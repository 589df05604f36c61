/**
 * Users: commands decided on the control stream, and what of them is looked up with each request, in memory.
 *
 * Invariants: a secret is in the clear in memory only, and in the answer to the command that made it; a change is durable before
 * it is in force, and in force before its command resolves.
 */
import { HeadraceError } from '../core/errors.js';
import type { Logger } from '../core/logger.js';
import type { Random } from '../core/ports.js';
import type { ControlPartition } from './control-partition.js';
import {
  ACCESS_KEYS_MAX,
  addGrants,
  ANONYMOUS_USER,
  checkUserName,
  formatGrant,
  GRANTS_MAX,
  parseStoredUser,
  removeGrants,
  checkKeyPair,
  type Grant,
  type KeyPair,
  type StoredAccessKey,
  type StoredUser,
} from './users-document.js';
import { newKeyPair } from './users-key-pair.js';
import type { SecretBox } from './users-secret-box.js';
import type { NewAccessKey, UserInfo, UserService } from './users-service.js';

const USERS_MAX = 10_000;

/** What a signature is checked with. */
export interface KnownKey {
  readonly user: string;
  readonly secretAccessKey: string;
  /** The key, and its user. */
  readonly enabled: boolean;
}

export interface UsersParts {
  readonly control: Pick<ControlPartition, 'state' | 'submit' | 'listen'>;
  readonly secrets: Pick<SecretBox, 'sealer' | 'open'>;
  readonly random: Random;
  readonly logger: Logger;
}

const NO_GRANTS: readonly Grant[] = [];

type Decide = (user: StoredUser, nowMs: number) => StoredUser;

export class Users implements UserService {
  readonly #parts: UsersParts;
  readonly #byName = new Map<string, StoredUser>();
  readonly #byKey = new Map<string, KnownKey>();

  /** `CORRUPT_FRAME` when the folded state holds something else than users. */
  constructor(parts: UsersParts) {
    this.#parts = parts;
    for (const name of parts.control.state.users.keys()) this.#refresh(name);
    // By the event, so that a change whose append seemed to fail counts as soon as it proves durable.
    parts.control.listen((event) => {
      if (event.type === 'UserChanged' || event.type === 'UserRemoved') this.#refresh(event.name);
    });
  }

  /** Whether there is a user besides `anonymous`, enabled or not. */
  get exist(): boolean {
    return this.#byName.size > (this.#byName.has(ANONYMOUS_USER) ? 1 : 0);
  }

  /** Whether there ever was one: who once asked for signatures does not stop asking because the last user is gone. */
  get everExisted(): boolean {
    return this.#parts.control.state.usersExisted;
  }

  has(name: string): boolean {
    return name !== ANONYMOUS_USER && this.#byName.has(name);
  }

  /** For each signed request. */
  find(accessKeyId: string): KnownKey | undefined {
    return this.#byKey.get(accessKeyId);
  }

  /** What a user may do, or anybody who does not say who it is. */
  grantsOf(user: string | undefined): readonly Grant[] {
    const found = this.#byName.get(user ?? ANONYMOUS_USER);
    return found?.enabled === true ? found.grants : NO_GRANTS;
  }

  async list(): Promise<UserInfo[]> {
    return [...this.#byName.values()].map(infoOf).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  async get(name: string): Promise<UserInfo> {
    return infoOf(this.#stored(name));
  }

  async add(name: string, grants: readonly Grant[], pair?: KeyPair): Promise<NewAccessKey> {
    checkUserName(name);
    if (name === ANONYMOUS_USER)
      throw new HeadraceError(
        'INVALID_ARGUMENT',
        `"${ANONYMOUS_USER}" stands for requests without a signature and has no access key: use grant and revoke with it`,
      );
    const granted = addGrants([], grants);
    checkGrants(name, granted);
    return this.#withNewKey(name, pair, (users, nowMs) => {
      if (users.has(name)) throw new HeadraceError('USER_EXISTS', `there is a user "${name}" already`);
      if (users.size >= USERS_MAX)
        throw new HeadraceError('INVALID_ARGUMENT', `there are ${USERS_MAX} users, and no more are kept`);
      return { name, enabled: true, createdMs: nowMs, keys: [], grants: granted };
    });
  }

  grant(name: string, grants: readonly Grant[]): Promise<UserInfo> {
    return this.#change(name, (user) => {
      const granted = addGrants(user.grants, grants);
      checkGrants(name, granted);
      return { ...user, grants: granted };
    });
  }

  revoke(name: string, grants: readonly Grant[]): Promise<UserInfo> {
    return this.#change(name, (user) => ({ ...user, grants: removeGrants(user.grants, grants) }));
  }

  async rotate(name: string, pair?: KeyPair): Promise<NewAccessKey> {
    return this.#withNewKey(name, pair, (users) => {
      const document = users.get(name);
      if (document === undefined || name === ANONYMOUS_USER) throw noSuchUser(name);
      const user = parseStoredUser(name, document);
      if (user.keys.length >= ACCESS_KEYS_MAX)
        throw new HeadraceError(
          'INVALID_ARGUMENT',
          `the user "${name}" has ${ACCESS_KEYS_MAX} access keys, and no more are kept: remove one first`,
        );
      return user;
    });
  }

  setEnabled(name: string, enabled: boolean, accessKeyId?: string): Promise<UserInfo> {
    return this.#change(name, (user) => {
      if (accessKeyId === undefined) return { ...user, enabled };
      checkKey(user, accessKeyId);
      return { ...user, keys: user.keys.map((key) => (key.id === accessKeyId ? { ...key, enabled } : key)) };
    });
  }

  async remove(name: string, accessKeyId?: string): Promise<void> {
    if (accessKeyId !== undefined) {
      await this.#change(name, (user) => {
        checkKey(user, accessKeyId);
        return { ...user, keys: user.keys.filter(({ id }) => id !== accessKeyId) };
      });
      return;
    }
    await this.#parts.control.submit(({ users }, atMs) => {
      if (!users.has(name)) throw noSuchUser(name);
      return { type: 'UserRemoved', atMs, name };
    });
  }

  async #change(name: string, decide: Decide): Promise<UserInfo> {
    await this.#parts.control.submit(({ users }, atMs) => {
      const before = users.get(name);
      if (before === undefined && name !== ANONYMOUS_USER) throw noSuchUser(name);
      const user =
        before === undefined
          ? { name, enabled: true, createdMs: atMs, keys: [], grants: [] }
          : parseStoredUser(name, before);
      const document = JSON.stringify(decide(user, atMs));
      return document === before ? undefined : { type: 'UserChanged', atMs, name, document };
    });
    return infoOf(this.#stored(name));
  }

  async #withNewKey(
    name: string,
    pair: KeyPair | undefined,
    decide: (users: ReadonlyMap<string, string>, nowMs: number) => StoredUser,
  ): Promise<NewAccessKey> {
    const { control, secrets } = this.#parts;
    if (pair !== undefined) checkKeyPair(pair);
    const { accessKeyId: id, secretAccessKey } = pair ?? newKeyPair(this.#parts.random);
    const seal = await secrets.sealer();
    await control.submit(({ users }, atMs) => {
      const user = decide(users, atMs);
      if (this.#holderOf(id) !== undefined)
        throw new HeadraceError(
          'INVALID_ARGUMENT',
          `the access key "${id}" belongs to the user "${this.#holderOf(id)}" already: an access key has one user`,
        );
      const key = {
        id,
        sealedSecret: seal(secretAccessKey, ownerOf(name, id)),
        enabled: true,
        createdMs: atMs,
      };
      const document = JSON.stringify({ ...user, keys: [...user.keys, key] });
      return { type: 'UserChanged', atMs, name, document };
    });
    return { user: infoOf(this.#stored(name)), accessKeyId: id, secretAccessKey };
  }

  /** Also of a key whose secret cannot be read. */
  #holderOf(accessKeyId: string): string | undefined {
    for (const { name, keys } of this.#byName.values())
      if (keys.some(({ id }) => id === accessKeyId)) return name;
    return undefined;
  }

  #stored(name: string): StoredUser {
    const user = this.#byName.get(name);
    if (user === undefined) throw noSuchUser(name);
    return user;
  }

  /** Takes over what the control stream now says. */
  #refresh(name: string): void {
    for (const { id } of this.#byName.get(name)?.keys ?? []) this.#byKey.delete(id);
    this.#byName.delete(name);
    const document = this.#parts.control.state.users.get(name);
    if (document === undefined) return;
    const user = parseStoredUser(name, document);
    this.#byName.set(name, user);
    for (const key of user.keys) this.#know(user, key);
  }

  #know(user: StoredUser, { id, sealedSecret, enabled }: StoredAccessKey): void {
    const secretAccessKey = this.#parts.secrets.open(sealedSecret, ownerOf(user.name, id));
    if (secretAccessKey !== undefined)
      this.#byKey.set(id, { user: user.name, secretAccessKey, enabled: enabled && user.enabled });
    else
      this.#parts.logger.error(
        { user: user.name, accessKeyId: id },
        'the secret of an access key cannot be read with secrets.key: restore that file, or make a new key with `headrace user rotate`',
      );
  }
}

function ownerOf(name: string, accessKeyId: string): string {
  return `${name}/${accessKeyId}`;
}

function infoOf({ name, enabled, createdMs, keys, grants }: StoredUser): UserInfo {
  return {
    name,
    enabled,
    createdMs,
    keys: keys.map((key) => ({ id: key.id, enabled: key.enabled, createdMs: key.createdMs })),
    grants: grants.map(formatGrant),
  };
}

function checkGrants(name: string, grants: readonly Grant[]): void {
  if (grants.length > GRANTS_MAX)
    throw new HeadraceError(
      'INVALID_ARGUMENT',
      `a user has at most ${GRANTS_MAX} grants, not ${grants.length}`,
    );
  if (name !== ANONYMOUS_USER) return;
  for (const grant of grants)
    if (grant.rights.some((right) => right !== 'read' && right !== 'list'))
      throw new HeadraceError(
        'INVALID_ARGUMENT',
        `"${formatGrant(grant)}" cannot be granted to ${ANONYMOUS_USER}: only read and list can`,
      );
}

function checkKey({ name, keys }: StoredUser, accessKeyId: string): void {
  if (!keys.some(({ id }) => id === accessKeyId))
    throw new HeadraceError('INVALID_ARGUMENT', `the user "${name}" has no access key "${accessKeyId}"`);
}

function noSuchUser(name: string): HeadraceError {
  return new HeadraceError('NO_SUCH_USER', `there is no user "${name}"`);
}
