/**
 * What can go wrong with a call to the simulated FoundationDB.
 *
 * | fault              | effect                       | what the caller hears                       |
 * |--------------------|------------------------------|---------------------------------------------|
 * | conflict           | none                         | 1020                                        |
 * | tooOld             | none                         | 1007                                        |
 * | futureVersion      | none                         | 1009                                        |
 * | processBehind      | none                         | 1037                                        |
 * | locked             | none                         | 1038                                        |
 * | batchThrottled     | none                         | 1051                                        |
 * | throttled          | none                         | 1213                                        |
 * | versionChanged     | none                         | 1039                                        |
 * | versionChangedLate | after the caller has heard   | 1039                                        |
 * | unknownDone        | at once                      | 1021                                        |
 * | unknownLost        | none                         | 1021                                        |
 * | timedOutLate       | after the caller has heard   | 1031                                        |
 * | timedOutLost       | none                         | 1031                                        |
 * | hang               | none                         | nothing, until it is cancelled              |
 */
import { DatabaseError, DATABASE_ERRORS } from '../src/core/key-value-database.js';

export const DATABASE_FAULTS = [
  'conflict',
  'tooOld',
  'futureVersion',
  'processBehind',
  'locked',
  'batchThrottled',
  'throttled',
  'versionChanged',
  'versionChangedLate',
  'unknownDone',
  'unknownLost',
  'timedOutLate',
  'timedOutLost',
  'hang',
] as const;
export type DatabaseFault = (typeof DATABASE_FAULTS)[number];

/** The share of commits, or of reads for those that reads meet, that each fault strikes: 0 to 1. */
export type DatabaseFaults = Readonly<Partial<Record<DatabaseFault, number>>>;

export const READ_FAULTS: readonly DatabaseFault[] = [
  'tooOld',
  'futureVersion',
  'processBehind',
  'locked',
  'batchThrottled',
  'throttled',
  'versionChanged',
  'hang',
];
const CODES: Readonly<Record<Exclude<DatabaseFault, 'hang'>, number>> = {
  conflict: DATABASE_ERRORS.notCommitted,
  tooOld: DATABASE_ERRORS.transactionTooOld,
  futureVersion: DATABASE_ERRORS.futureVersion,
  processBehind: DATABASE_ERRORS.processBehind,
  locked: DATABASE_ERRORS.databaseLocked,
  batchThrottled: DATABASE_ERRORS.batchTransactionThrottled,
  throttled: DATABASE_ERRORS.tagThrottled,
  versionChanged: DATABASE_ERRORS.clusterVersionChanged,
  versionChangedLate: DATABASE_ERRORS.clusterVersionChanged,
  unknownDone: DATABASE_ERRORS.commitUnknownResult,
  unknownLost: DATABASE_ERRORS.commitUnknownResult,
  timedOutLate: DATABASE_ERRORS.transactionTimedOut,
  timedOutLost: DATABASE_ERRORS.transactionTimedOut,
};

export function databaseError(fault: Exclude<DatabaseFault, 'hang'>): DatabaseError {
  return new DatabaseError(CODES[fault], `simulated: ${fault}`);
}
