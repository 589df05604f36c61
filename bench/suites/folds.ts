/**
 * What it costs to turn a log into state again: folds through all projections, the replay of an export, and the state at an offset that
 * is long past. Each against the least that the same machine needs to look at the same bytes.
 *
 * The log is made up (`event-stream.ts`), so that no server has to write a million events first; for the state at an offset a real
 * server writes one.
 */
import { execFile } from 'node:child_process';
import { createReadStream, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { headrace } from '../../log/events.generated.js';
import { encodeEvent } from '../../log/event-codec.js';
import type { DataEvent } from '../../log/events.js';
import { eventsOf, verifyFrame } from '../../log/frame.js';
import { NumberReader, NumberWriter } from '../../log/protobuf-scalars.js';
import { isControlEvent } from '../../projections/control.js';
import { emptyPartitionState, foldPartition } from '../../projections/partition-state.js';
import { createXxhash64 } from '../../src/core/hashing.js';
import { MIB } from '../../src/core/units.js';
import { ReplayRecords } from '../../src/engine/inspection/replay-records.js';
import type { BenchContext } from '../context.js';
import { EventStream, framesOf } from '../event-stream.js';
import { EXPORTED_PARTITION, writeExportedLog } from '../exported-log.js';
import { HEADRACE_ENTRY } from '../headrace-process.js';
import { measureWork } from '../own-usage.js';
import { measureInTurn, median, medianOf, medianRatio, type Measurement, type Side } from '../measurement.js';
import { atMost, atMostTimes, type Check, type Row } from '../report.js';
import { benchTimeTravel } from './time-travel.js';

const FOLDED_EVENTS_PER_SECOND = 500_000;
const REPLAY_SECONDS_PER_MILLION = 10;
const MILLION = 1_000_000;
/** So many are folded in memory at once: the export is read in pieces and may be longer. */
const FOLDED_EVENTS_MAX = 300_000;
const run = promisify(execFile);

export async function benchFolds(context: BenchContext): Promise<Row[]> {
  return [
    ...(await benchFold(context)),
    ...(await benchReplay(context)),
    ...(await benchTimeTravel(context)),
  ];
}

async function benchFold(context: BenchContext): Promise<Row[]> {
  const events = Math.min(context.scale.manyObjects, FOLDED_EVENTS_MAX);
  const scenario = `Fold of ${events} events through all projections`;
  context.progress(scenario);
  const frames = [...framesOf(new EventStream(), events, EXPORTED_PARTITION)];
  const decoded = frames.map(decode);
  const payloads = decoded.map((some) => payloadOf(some));
  const side = (name: string, work: () => void): Side => ({ name, run: () => measureWork(events, work) });
  const sides = [
    side('floor: protobufjs decodes', () => {
      for (const payload of payloads) headrace.log.FramePayload.decode(new NumberReader(payload));
    }),
    side('events folded', () => {
      const state = emptyPartitionState(new ReplayRecords());
      let offset = 0;
      for (const some of decoded) for (const event of some) foldPartition(state, event, offset++);
    }),
    side('frames checked, decoded, folded', () => {
      const state = emptyPartitionState(new ReplayRecords());
      let offset = 0;
      for (const frame of frames) for (const event of decode(frame)) foldPartition(state, event, offset++);
    }),
  ];
  await warmUp(sides);
  const [floor = [], folded = [], whole = []] = await measureInTurn(sides, context.scale.rounds);
  const rate = median(folded.map(({ cpuUsPerOperation }) => MILLION / cpuUsPerOperation));
  const checks: Check[][] = [
    [],
    [
      {
        what: 'events per second of processor time',
        value: rate.toFixed(0),
        target: `at least ${FOLDED_EVENTS_PER_SECOND}`,
        pass: rate >= FOLDED_EVENTS_PER_SECOND,
      },
    ],
    [cpuOf(whole, floor, 'CPU of protobufjs alone')],
  ];
  return rowsOf(scenario, sides, [floor, folded, whole], checks);
}

async function benchReplay(context: BenchContext): Promise<Row[]> {
  const events = context.scale.manyObjects;
  const scenario = `log replay of ${events} exported events`;
  context.progress(scenario);
  const file = join(context.directory, 'folds.hrlog');
  writeExportedLog(file, events);
  const sides: Side[] = [
    { name: 'floor: file read, xxhash64', run: () => measureWork(events, () => hashFile(file)) },
    {
      name: 'headrace log replay',
      run: () => measureWork(events, () => run(process.execPath, [HEADRACE_ENTRY, 'log', 'replay', file])),
    },
  ];
  const [floor = [], own = []] = await measureInTurn(sides, context.scale.rounds);
  rmSync(file);
  const seconds = median(own.map(({ operationsPerSecond }) => MILLION / operationsPerSecond));
  return rowsOf(
    scenario,
    sides,
    [floor, own],
    [
      [],
      [
        atMost('for 1,000,000 events', seconds, REPLAY_SECONDS_PER_MILLION, 's'),
        cpuOf(own, floor, 'CPU of the floor'),
      ],
    ],
  );
}

function cpuOf(own: Measurement[], floor: Measurement[], what: string): Check {
  return atMostTimes(
    what,
    medianRatio(own, floor, (measurement) => measurement.cpuUsPerOperation),
  );
}

function rowsOf(
  scenario: string,
  sides: readonly Side[],
  measured: readonly Measurement[][],
  checks: readonly Check[][],
): Row[] {
  return sides.map(({ name }, at) => ({
    scenario,
    side: name,
    measurement: medianOf(measured[at] ?? []),
    checks: checks[at] ?? [],
  }));
}

async function warmUp(sides: readonly Side[]): Promise<void> {
  for (const side of sides) await side.run();
}

/** The events as they are in a frame, without what is around them. */
function payloadOf(events: readonly DataEvent[]): Uint8Array {
  const writer = new NumberWriter();
  for (const event of events) encodeEvent(event, writer);
  return writer.buf.slice(0, writer.pos);
}

async function hashFile(path: string): Promise<void> {
  const hash = createXxhash64();
  for await (const chunk of createReadStream(path, { highWaterMark: MIB })) hash.update(chunk as Buffer);
  hash.digest();
}

function decode(frame: Uint8Array): DataEvent[] {
  const header = verifyFrame(frame);
  if (header === undefined) throw new Error('a frame of the bench is damaged');
  return eventsOf(frame, header).filter((event) => !isControlEvent(event));
}
