/** A real FoundationDB keeps the contract of `KeyValueDatabase`: everything that the log assumes of it is claimed there. */
import { keyValueDatabaseContract } from '../contracts/key-value-database.js';
import { fdbSuite } from './fdb-server.js';

await fdbSuite('FoundationDB', (server) => {
  keyValueDatabaseContract('FoundationDB', () => ({
    connect: () => server.connect(),
    prefix: server.prefix(),
    clock: server.clock,
    run: (work) => work(),
  }));
});
