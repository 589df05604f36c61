/** The simulated cluster keeps the contract of `KeyValueDatabase`, so that what is tested on it holds on a real one. */
import { SimClock } from '../../../simulations/sim-clock.js';
import { keyValueDatabaseContract } from '../../contracts/key-value-database.js';
import { FdbWorld } from './fdb-world.js';

keyValueDatabaseContract('simulated FoundationDB', () => {
  const world = new FdbWorld();
  return {
    connect: () => Promise.resolve(world.database.connect()),
    prefix: Buffer.from('test/'),
    clock: new SimClock(world.scheduler),
    run: (work) => world.run(work),
  };
});
