/** The log in FoundationDB keeps the contract of `LogStore`: on a simulated cluster, with and without faults. */
import { logStoreContract } from '../../contracts/log-store.js';
import { FdbWorld } from './fdb-world.js';

logStoreContract('FoundationDB log on a simulated cluster', () => {
  const world = new FdbWorld();
  return { open: () => world.process().store, run: (work) => world.run(work) };
});

logStoreContract('FoundationDB log on a simulated cluster that is troubled', () => {
  const world = new FdbWorld('troubled');
  world.database.setFaults({
    conflict: 0.02,
    tooOld: 0.02,
    futureVersion: 0.01,
    processBehind: 0.01,
    throttled: 0.01,
    locked: 0.01,
    batchThrottled: 0.01,
    versionChanged: 0.01,
    versionChangedLate: 0.01,
    unknownDone: 0.02,
    unknownLost: 0.02,
    timedOutLate: 0.01,
    timedOutLost: 0.01,
  });
  return { open: () => world.process().store, run: (work) => world.run(work) };
});
