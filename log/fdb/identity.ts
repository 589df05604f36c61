/** Whose store is below a prefix, for those who expect one there: nothing is made. */
import { HeadraceError } from '../../src/core/errors.js';
import { decodeIdentity, metaKey, type StoreIdentity } from './schema.js';
import { transact, type Transacting } from './transact.js';

export interface ExpectedStore extends Transacting {
  readonly prefix: Buffer;
  readonly storeId: bigint;
}

/** `DATA_DIRECTORY_UNUSABLE` when another store is below the prefix or none, `CORRUPT_FRAME`, `UNSUPPORTED_FORMAT`, `IO_FAILED`. */
export async function expectIdentity(options: ExpectedStore): Promise<StoreIdentity> {
  const { prefix, storeId } = options;
  const value = await transact(options, (transaction) => transaction.peek(metaKey(prefix)));
  const identity = value === undefined ? undefined : decodeIdentity(value);
  if (identity?.storeId === storeId) return identity;
  throw new HeadraceError(
    'DATA_DIRECTORY_UNUSABLE',
    `FoundationDB holds ${identity === undefined ? 'no store' : 'the log of another store'} below the prefix ` +
      `${JSON.stringify(prefix.toString())}: name the data directory and the prefix that belong together`,
  );
}
