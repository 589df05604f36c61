/** The coordinator on a real FoundationDB. */
import { CoordinatorKeys } from '../../log/fdb/coordinator-schema.js';
import { FdbCoordinator } from '../../log/fdb/coordinator.js';
import { coordinatorContract } from '../contracts/coordinator.js';
import { fdbSuite } from './fdb-server.js';

/** Long beside what a transaction takes on a busy machine. */
const TTL_MS = 2000;

await fdbSuite('FoundationDB coordinator', (server) => {
  const { clock, random } = server;
  coordinatorContract('FoundationDB coordinator', () => {
    const keys = new CoordinatorKeys(server.prefix(), 1n);
    return {
      ttlMs: TTL_MS,
      join: (workerId) => ({
        clock,
        coordinator: new FdbCoordinator({
          database: server.connect(),
          clock,
          random,
          keys,
          workerId,
          ttlMs: TTL_MS,
        }),
      }),
      run: (work) => work(),
    };
  });
});
