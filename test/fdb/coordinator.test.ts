/** The coordinator on a real FoundationDB. */
import { CoordinatorKeys } from '../../log/fdb/coordinator-schema.js';
import { FdbCoordinator } from '../../log/fdb/coordinator.js';
import { coordinatorContract } from '../contracts/coordinator.js';
import { fdbSuite } from './fdb-server.js';

/** A fifth of it is long beside what a transaction takes on a busy machine. */
const TTL_MS = 3000;

await fdbSuite('FoundationDB coordinator', (server) => {
  const { clock, database, random } = server;
  coordinatorContract('FoundationDB coordinator', () => {
    const keys = new CoordinatorKeys(server.prefix(), 1n);
    return {
      ttlMs: TTL_MS,
      join: (workerId) => ({
        clock,
        // On one connection, as a new one takes part of a TTL to come about: what agrees are transactions.
        coordinator: new FdbCoordinator({ database, clock, random, keys, workerId, ttlMs: TTL_MS }),
      }),
      run: (work) => work(),
    };
  });
});
