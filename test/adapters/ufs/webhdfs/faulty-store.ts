/** A store on a WebHDFS server, with a proxy between them that makes the faults. */
import type { Test } from 'tap';
import { SystemClock } from '../../../../src/adapters/system-clock.js';
import { SystemRandom } from '../../../../src/adapters/system-random.js';
import { WebHdfsObjectStore } from '../../../../src/adapters/ufs/webhdfs/webhdfs-object-store.js';
import { FaultProxy } from '../../../support/fault-proxy.js';

/** Closed when the test ends; the server is not. */
export async function faultyStore(
  t: Pick<Test, 'teardown'>,
  { namenode, user }: { readonly namenode: string; readonly user: string },
): Promise<{ store: WebHdfsObjectStore; proxy: FaultProxy }> {
  const proxy = new FaultProxy(namenode);
  await proxy.start();
  const [clock, random] = [new SystemClock(), new SystemRandom()];
  const namenodes = [proxy.address];
  const store = new WebHdfsObjectStore({ secure: false, namenodes, user, base: '/ufs', clock, random });
  t.teardown(async () => {
    await proxy.close();
    await store.close();
  });
  return { store, proxy };
}
