/** An export of a made-up log (`event-stream.ts`), as `headrace log export` writes one of a log that is kept from its beginning. */
import { writeSync, openSync, closeSync } from 'node:fs';
import { eventsOf, verifyFrame } from '../log/frame.js';
import { emptyPartitionState, encodeSnapshot, foldPartition } from '../projections/partition-state.js';
import { isControlEvent } from '../projections/control.js';
import { encodeFileHeader, encodeJsonRecord, encodeRecord } from '../src/engine/inspection/export-format.js';
import { ReplayRecords } from '../src/engine/inspection/replay-records.js';
import { StateHash } from '../src/engine/inspection/state-hash.js';
import { RECORDS_END } from '../src/engine/inspection/tracked-records.js';
import { EventStream, framesOf } from './event-stream.js';

export const EXPORTED_PARTITION = 1;

/** Writes one of so many events, with the hash of the state half-way and at the end. Returns its bytes. */
export function writeExportedLog(path: string, events: number): number {
  const file = openSync(path, 'w');
  let fileBytes = 0;
  const write = (bytes: Uint8Array): void => {
    fileBytes += writeSync(file, bytes);
  };
  const partition = EXPORTED_PARTITION;
  write(encodeFileHeader());
  write(
    encodeJsonRecord('DESCRIPTION', {
      headrace: 'bench',
      createdMs: 0,
      hashed: false,
      partitions: [{ partition, from: 0, to: events }],
    }),
  );
  const records = new ReplayRecords();
  const state = emptyPartitionState(records);
  const done = { frames: 0, events: 0, records: 0 };
  const checks = [Math.floor(events / 2), events];
  for (const frame of framesOf(new EventStream(), events, partition)) {
    write(encodeRecord('FRAME', frame));
    done.frames += 1;
    const header = verifyFrame(frame);
    if (header === undefined) throw new Error('a frame of the bench is damaged');
    for (const event of eventsOf(frame, header)) {
      if (!isControlEvent(event)) foldPartition(state, event, done.events);
      done.events += 1;
    }
    const check = checks[0];
    if (check === undefined || done.events < check) continue;
    checks.shift();
    const hash = new StateHash();
    for (const [key, record] of records.scan('', RECORDS_END)) hash.add(key, record);
    const checkpoint = { partition, offset: done.events, hash: hash.finish(encodeSnapshot(state)) };
    write(encodeJsonRecord('CHECKPOINT', checkpoint));
  }
  write(encodeJsonRecord('END', done));
  closeSync(file);
  return fileBytes;
}
