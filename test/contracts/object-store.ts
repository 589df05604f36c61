/** What every `ObjectStore` does, real or simulated. */
import t, { type Test } from 'tap';
import { abortClaims } from './object-store-aborts.js';
import { conditionClaims } from './object-store-conditions.js';
import { etagClaims, headerClaims } from './object-store-headers.js';
import { keyClaims, listClaims } from './object-store-listing.js';
import { bucketClaims, objectClaims, rangeClaims } from './object-store-objects.js';
import type { Claim, ObjectStoreSubject, ObjectStoreTraits } from './object-store-subject.js';

/** Gives each test a bucket of its own, also where the store outlives the test. */
let subjects = 0;

export function objectStoreContract(
  name: string,
  make: (t: Test) => Promise<ObjectStoreSubject>,
  traits: ObjectStoreTraits,
): void {
  const claim: Claim = (what, work) => {
    void t.test(`${name}: ${what}`, async (t) => {
      const subject = await make(t);
      const bucket = `bucket-${process.pid}-${++subjects}`;
      await subject.run(async () => {
        await subject.store.createBucket(bucket);
        await work(t, subject.store, bucket);
      });
    });
  };
  bucketClaims(claim);
  objectClaims(claim);
  headerClaims(claim);
  etagClaims(claim, traits);
  rangeClaims(claim);
  keyClaims(claim, traits);
  listClaims(claim);
  abortClaims(claim);
  conditionClaims(claim);
}
