/**
 * Rare branches that a long run has to reach: a simulator that never gets there proves nothing about them.
 *
 * A probe is counted where a simulation sees that the branch was taken, from outside the engine: in events, answers, warnings and
 * calls to ports. `headrace sim run --require-coverage` fails when one stays at zero.
 */
import type { Event } from '../log/events.js';

export const PROBES = {
  'bytes moved out of a segment': 'compaction re-appended live bytes',
  'evicted under pressure': 'an object was evicted because a write needed its room',
  'cached on a read': 'an object was fetched from the under-store and kept',
  'write over a pending delete': 'an object was written again before the under-store had deleted it',
  'write given up by a crash': 'a start abandoned a write that its process had not ended',
  'write given up while running': 'a body broke off or a write failed, and its reservation was given back',
  'part sent again': 'a part of an upload took the place of one with its number',
  quarantined: 'the under-store refused something for good',
  'quarantine lifted': 'an operator had it tried again',
  'several failures in a row': 'an upload failed again',
  'upload in parts resumed': 'the parts of an upload were looked up after a failure or a crash',
  'upload in parts aborted': 'an upload that nobody would complete was aborted at the under-store',
  'durable and not acknowledged': 'events were durable, and their process died before it knew',
  'torn tail cut': 'a start cut what a crash had left of an append',
  'damage of the log reported': 'a start met a bad frame inside the log and refused it',
  'log recovered while running': 'an append failed, and the log was read again',
  'started from a checkpoint': 'a start folded only what came after a checkpoint',
  'refused for space': 'a write found no room',
  'slowed down': 'a write waited for room and was sent away',
  'wrong bits found': 'a read met bytes that are not what their checksum says',
  'condition failed': 'a conditional write met another version',
  'listing in pages': 'a listing had more than one page',
} as const;

export type Probe = keyof typeof PROBES;

/** Failed attempts in a row that are rare. */
const FAILURES = 2;

/** What an event shows to have happened. */
export function probeOf(event: Event): Probe | undefined {
  switch (event.type) {
    case 'ExtentsMoved':
      return 'bytes moved out of a segment';
    case 'ObjectEvicted':
      return event.reason === 'PRESSURE' ? 'evicted under pressure' : undefined;
    case 'ObjectCommitted':
      if (event.replacedDelete !== undefined) return 'write over a pending delete';
      return event.origin === 'FILL' ? 'cached on a read' : undefined;
    case 'WriteAbandoned':
      return event.reason === 'RESTART' ? 'write given up by a crash' : 'write given up while running';
    case 'PartStored':
      return event.replacedSize === undefined ? undefined : 'part sent again';
    case 'PersistFailed':
      if (event.quarantined) return 'quarantined';
      return event.attempt >= FAILURES ? 'several failures in a row' : undefined;
    case 'PersistRetried':
      return 'quarantine lifted';
    default:
      return undefined;
  }
}

/** What the engine warns of, by the beginning of the message. */
const WARNINGS: readonly (readonly [start: string, probe: Probe])[] = [
  ['the torn end of an append', 'torn tail cut'],
  ['the log refused an append', 'log recovered while running'],
];

export function probeOfWarning(message: string): Probe | undefined {
  return WARNINGS.find(([start]) => message.startsWith(start))?.[1];
}
