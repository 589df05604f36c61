/**
 * Gives a store in FoundationDB a new incarnation: for a log that was restored from a backup, so that nothing of the history that was
 * given up is ever taken for part of the one that begins here: no process that still runs on it, no data directory that was folded
 * from it, and no transaction of it that is on its way.
 *
 * | step                                                              | a crash behind it leaves                                     |
 * |-------------------------------------------------------------------|--------------------------------------------------------------|
 * | 1. the epoch of every partition is claimed                        | the old incarnation; who owned it is fenced                  |
 * | 2. what earlier attempts left is cleared                          | the same                                                     |
 * | 3. every key is copied, some hundreds of kilobytes a transaction  | the same, and copies that step 2 of the next attempt clears  |
 * | 4. the identity names the new incarnation, in one transaction     | the new incarnation, and the keys of the old one             |
 * | 5. the keys of the old one are cleared                            | the new incarnation                                          |
 *
 * Invariant: the identity names an incarnation that is whole, at every step. Nobody may own the store meanwhile
 * (`src/engine/ownership.ts`); who does so all the same is fenced by step 1, and ends the copying by claiming an epoch itself.
 */
import { HeadraceError } from '../../src/core/errors.js';
import type { DatabaseTransaction, KeyValue } from '../../src/core/key-value-database.js';
import type { Random } from '../../src/core/ports.js';
import { expectIdentity, type ExpectedStore } from './identity.js';
import {
  BATCH_ID_BYTES,
  decodeClaim,
  encodeClaim,
  encodeIdentity,
  headRange,
  incarnationRange,
  metaKey,
  otherIncarnations,
  PartitionKeys,
} from './schema.js';
import { transact, type Transacting } from './transact.js';

export interface IncarnateOptions extends ExpectedStore {
  readonly random: Random;
}

/** What goes along; workers and leases are those of processes that are gone. */
const COPIED_KINDS = ['log', 'head', 'epoch', 'oldest', 'check', 'chunk'] as const;
/** At most 900 kB with the longest values. */
const PAGE_KEYS = 10;

/**
 * The new incarnation, which counts and is durable on return. `DATA_DIRECTORY_UNUSABLE` when another store is below the prefix or
 * none, `LOG_FENCED` when somebody else took the store over meanwhile, `IO_FAILED`.
 */
export async function incarnate(options: IncarnateOptions): Promise<bigint> {
  const { prefix, random } = options;
  const found = await expectIdentity(options);
  const fresh = Buffer.from(random.bytes(8)).readBigUInt64LE();
  const before = encodeIdentity(found);
  // A copy that comes late conflicts with the identity, which step 4 writes, so that it changes nothing of the new owner's.
  const claims = [...(await claimAll(options, found.incarnation)), { key: metaKey(prefix), value: before }];
  await transact(options, async (transaction) => clearOthers(transaction, prefix, found.incarnation));
  for (const kind of COPIED_KINDS) await copyKind(options, kind, found.incarnation, fresh, claims);
  const after = encodeIdentity({ ...found, incarnation: fresh });
  await transact(options, async (transaction) => {
    const value = await transaction.get(metaKey(prefix));
    // An attempt whose outcome was unknown took effect.
    if (value?.equals(after) === true) return;
    await checkClaims(transaction, claims);
    transaction.set(metaKey(prefix), after);
  });
  await transact(options, async (transaction) => clearOthers(transaction, prefix, fresh));
  return fresh;
}

interface Claimed {
  readonly key: Buffer;
  readonly value: Buffer;
}

/** Whoever owned a partition is fenced on return. */
async function claimAll(options: IncarnateOptions, incarnation: bigint): Promise<Claimed[]> {
  const { prefix, random } = options;
  const { begin, end, partitionOf } = headRange(prefix, incarnation);
  const claims: Claimed[] = [];
  for await (const { key } of eachRow(options, begin, end)) {
    const { epoch: epochKey } = new PartitionKeys(prefix, incarnation, partitionOf(key));
    const claimId = Buffer.from(random.bytes(BATCH_ID_BYTES));
    const value = await transact(options, async (transaction) => {
      const held = await transaction.get(epochKey);
      const claim = held === undefined ? undefined : decodeClaim(held);
      if (held !== undefined && claim?.claimId.equals(claimId) === true) return held;
      const next = encodeClaim({ epoch: (claim?.epoch ?? 0) + 1, claimId });
      transaction.set(epochKey, next);
      return next;
    });
    claims.push({ key: epochKey, value });
  }
  return claims;
}

async function copyKind(
  options: IncarnateOptions,
  kind: (typeof COPIED_KINDS)[number],
  from: bigint,
  to: bigint,
  claims: readonly Claimed[],
): Promise<void> {
  const source = incarnationRange(options.prefix, kind, from);
  const target = incarnationRange(options.prefix, kind, to);
  for await (const page of pages(options, source.begin, source.end))
    await transact(options, async (transaction) => {
      await checkClaims(transaction, claims);
      for (const { key, value } of page)
        transaction.set(Buffer.concat([target.begin, key.subarray(source.begin.length)]), value);
    });
}

/** Conflicts with whoever claims an epoch, and with another incarnation. `LOG_FENCED`. */
async function checkClaims(transaction: DatabaseTransaction, claims: readonly Claimed[]): Promise<void> {
  const values = await Promise.all(claims.map(({ key }) => transaction.get(key)));
  if (claims.some(({ value }, at) => values[at]?.equals(value) !== true)) throw takenOver();
}

function clearOthers(transaction: DatabaseTransaction, prefix: Buffer, incarnation: bigint): void {
  for (const { begin, end } of otherIncarnations(prefix, incarnation)) transaction.clearRange(begin, end);
}

async function* eachRow(
  options: Transacting,
  begin: Buffer,
  end: Buffer,
): AsyncGenerator<KeyValue, void, undefined> {
  for await (const page of pages(options, begin, end)) yield* page;
}

async function* pages(
  options: Transacting,
  begin: Buffer,
  end: Buffer,
): AsyncGenerator<readonly KeyValue[], void, undefined> {
  for (let from = begin; ;) {
    const page = await transact(options, (transaction) =>
      transaction.range({ begin: from, end, limit: PAGE_KEYS }),
    );
    const last = page.at(-1);
    if (last === undefined) return;
    yield page;
    from = Buffer.concat([last.key, Buffer.alloc(1)]);
  }
}

function takenOver(): HeadraceError {
  return new HeadraceError(
    'LOG_FENCED',
    'somebody else took the store over while its log was given a new incarnation: stop that server, and do it again',
  );
}
