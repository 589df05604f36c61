/** What every `LogStore` does, whatever it keeps its frames in. */
import t, { type Test } from 'tap';
import type { DurableBatch, LogStore, PartitionLog } from '../../log/log-store.js';
import { readAll, readNumbers, range } from '../log/log-world.js';
import { FULL_EVENTS, numberedEvent, numberedEvents } from '../log/sample-events.js';

export interface LogSubject {
  /**
   * A store over the same data as the ones before it, which were closed: empty at first. Keeps no history,
   * and trims in steps of at most 256 KiB.
   */
  open(): LogStore;
  /** Lets `work` come to its end: in virtual time where the log lives in it. */
  run<Value>(work: () => Promise<Value>): Promise<Value>;
}

type Claim = (what: string, work: (t: Test, subject: LogSubject) => Promise<void>) => void;

const PARTITION = 3;
/** Events of one S3 DeleteObjects request. */
const LARGE_APPEND_EVENTS = 1000;
const FRAMES = 10_000;

export function logStoreContract(name: string, makeSubject: (t: Test) => LogSubject): void {
  const claim: Claim = (what, work) => {
    void t.test(`${name}: ${what}`, async (t) => {
      const subject = makeSubject(t);
      await subject.run(() => work(t, subject));
    });
  };
  appendClaims(claim);
  batchClaims(claim);
  readClaims(claim);
  reopenClaims(claim);
  trimClaims(claim);
  refusalClaims(claim);
}

function appendClaims(claim: Claim): void {
  claim('a new partition is empty', async (t, subject) => {
    const store = subject.open();
    const log = await store.openPartition(PARTITION);
    t.equal(log.partition, PARTITION);
    t.equal(log.epoch, 1);
    t.strictSame([log.oldestOffset, log.durableOffset, log.nextOffset], [0, 0, 0]);
    t.strictSame(await readAll(log, 0), []);
    t.equal(log.recovery.cutBytes, 0);
    await store.close();
  });

  claim('offsets are dense, in the order of the calls', async (t, subject) => {
    const store = subject.open();
    const log = await store.openPartition(PARTITION);
    const offsets = [
      log.append(numberedEvents(0, 1)),
      log.append(numberedEvents(1, 3)),
      log.append(numberedEvents(4, 2)),
    ];
    t.equal(log.nextOffset, 6, 'queued events have their offsets at once');
    t.strictSame(await Promise.all(offsets), [0, 1, 4]);
    t.equal(log.durableOffset, 6);
    t.equal(await log.append(numberedEvents(6, 1)), 6);
    t.strictSame(await readNumbers(log, 0), range(0, 7));
    await store.close();
  });

  claim('appends made together share frames and resolve in order', async (t, subject) => {
    const store = subject.open();
    const log = await store.openPartition(PARTITION);
    const before = log.statistics.frames;
    const resolved: number[] = [];
    await Promise.all(
      range(0, 500).map((number) => log.append([numberedEvent(number)]).then((at) => resolved.push(at))),
    );
    t.strictSame(resolved, range(0, 500));
    t.ok(log.statistics.frames - before <= 20, `${log.statistics.frames - before} frames for 500 appends`);
    t.equal(log.statistics.events, 500);
    await store.close();
  });

  claim('every type of event is kept as it was', async (t, subject) => {
    const store = subject.open();
    const log = await store.openPartition(PARTITION);
    const events = Object.values(FULL_EVENTS);
    await log.append(events);
    t.strictSame(
      (await readAll(log, 0)).flatMap((batch) => batch.events),
      events,
    );
    await store.close();
  });

  claim('one append may hold the events of a large request', async (t, subject) => {
    const store = subject.open();
    const log = await store.openPartition(PARTITION);
    t.equal(await log.append(numberedEvents(0, LARGE_APPEND_EVENTS, 100)), 0);
    t.strictSame(await readNumbers(log, 0), range(0, LARGE_APPEND_EVENTS));
    await store.close();
  });

  claim('partitions have their own offsets and epochs', async (t, subject) => {
    const store = subject.open();
    const [first, second] = [await store.openPartition(0), await store.openPartition(PARTITION)];
    await Promise.all([first.append(numberedEvents(0, 2)), second.append(numberedEvents(10, 3))]);
    t.strictSame(await readNumbers(first, 0), [0, 1]);
    t.strictSame(await readNumbers(second, 0), [10, 11, 12]);
    await store.close();
  });
}

function batchClaims(claim: Claim): void {
  claim('each batch is announced once, in order, before its append resolves', async (t, subject) => {
    const store = subject.open();
    const log = await store.openPartition(PARTITION);
    const batches: DurableBatch[] = [];
    let completed = false;
    log.batches$.subscribe({ next: (batch) => batches.push(batch), complete: () => (completed = true) });
    const late: number[] = [];
    const append = async (number: number): Promise<void> => {
      const offset = await log.append([numberedEvent(number)]);
      const end = batches.at(-1);
      if (end === undefined || end.firstOffset + end.events.length <= offset) late.push(offset);
    };
    for (let round = 0; round < 20; round++)
      await Promise.all(range(round * 10, round * 10 + 10).map(append));
    t.strictSame(late, []);
    let next = 0;
    for (const batch of batches) {
      t.equal(batch.firstOffset, next);
      t.equal(batch.epoch, log.epoch);
      t.ok(batch.events.length > 0);
      next += batch.events.length;
    }
    t.equal(next, 200);
    await store.close();
    t.ok(completed, 'the stream ends with the log');
  });

  claim('a subscriber sees the offset as durable already, and may append', async (t, subject) => {
    const store = subject.open();
    const log = await store.openPartition(PARTITION);
    const seen: number[] = [];
    const followUp = new Promise<number>((resolve, reject) => {
      log.batches$.subscribe((batch) => {
        seen.push(log.durableOffset - (batch.firstOffset + batch.events.length));
        if (batch.firstOffset === 0) log.append([numberedEvent(1)]).then(resolve, reject);
      });
    });
    t.equal(await log.append([numberedEvent(0)]), 0);
    t.equal(await followUp, 1);
    t.strictSame(seen, [0, 0]);
    await store.close();
  });
}

function readClaims(claim: Claim): void {
  claim('a read may begin inside a frame, which comes whole', async (t, subject) => {
    const store = subject.open();
    const log = await store.openPartition(PARTITION);
    await log.append(numberedEvents(0, 10));
    await log.append(numberedEvents(10, 10));
    const [first, second] = await readAll(log, 5);
    t.equal(first?.firstOffset, 0);
    t.equal(first?.events.length, 10);
    t.equal(second?.firstOffset, 10);
    t.strictSame(await readNumbers(log, 19), [19]);
    t.strictSame(await readNumbers(log, 20), []);
    t.strictSame(await readNumbers(log, 1000), []);
    await store.close();
  });

  claim('a read ends with what was durable when it was asked for', async (t, subject) => {
    const store = subject.open();
    const log = await store.openPartition(PARTITION);
    await log.append(numberedEvents(0, 3));
    const read = log.read(0);
    await log.append(numberedEvents(3, 3));
    const offsets: number[] = [];
    for await (const batch of read) offsets.push(batch.firstOffset + batch.events.length);
    t.strictSame(offsets, [3]);
    await store.close();
  });

  claim(`${FRAMES} frames are read back in order`, async (t, subject) => {
    const store = subject.open();
    const log = await store.openPartition(PARTITION);
    for (let i = 0; i < FRAMES; i++) await log.append([numberedEvent(i)]);
    t.ok(log.statistics.frames >= FRAMES);
    t.strictSame(await readNumbers(log, 0), range(0, FRAMES));
    t.strictSame(await readNumbers(log, FRAMES - 3), range(FRAMES - 3, FRAMES));
    await store.close();
  });

  claim('appends go on while a read is under way', async (t, subject) => {
    const store = subject.open();
    const log = await store.openPartition(PARTITION);
    for (let i = 0; i < 50; i++) await log.append(numberedEvents(i * 10, 10, 200));
    let next = 0;
    for await (const batch of log.read(0)) {
      t.equal(batch.firstOffset, next);
      next += batch.events.length;
      await log.append(numberedEvents(500 + next, 1));
    }
    t.equal(next, 500);
    await store.close();
  });
}

function reopenClaims(claim: Claim): void {
  claim('a log that is opened again goes on where it ended, with the next epoch', async (t, subject) => {
    for (let round = 0; round < 4; round++) {
      const store = subject.open();
      const log = await store.openPartition(PARTITION);
      t.equal(log.epoch, round + 1);
      t.equal(log.nextOffset, round * 5);
      t.equal(log.durableOffset, round * 5);
      t.equal(log.recovery.cutBytes, 0, 'a clean stop leaves nothing to cut');
      t.strictSame(await readNumbers(log, 0), range(0, round * 5));
      await log.append(numberedEvents(round * 5, 5));
      await store.close();
    }
    const store = subject.open();
    const epochs = (await readAll(await store.openPartition(PARTITION), 0)).map(({ epoch }) => epoch);
    t.strictSame(epochs, [1, 2, 3, 4]);
    await store.close();
  });

  claim('close makes the queue durable', async (t, subject) => {
    const store = subject.open();
    const log = await store.openPartition(PARTITION);
    const appends = range(0, 100).map((number) => log.append([numberedEvent(number)]));
    await store.close();
    t.strictSame(await Promise.all(appends), range(0, 100));
    const next = subject.open();
    t.strictSame(await readNumbers(await next.openPartition(PARTITION), 0), range(0, 100));
    await next.close();
  });
}

function trimClaims(claim: Claim): void {
  const fill = async (log: PartitionLog): Promise<void> => {
    for (let i = 0; i < 100; i++) await log.append(numberedEvents(i * 10, 10, 1000));
  };

  claim('a trim forgets old events and never one at or after its offset', async (t, subject) => {
    const store = subject.open();
    const log = await store.openPartition(PARTITION);
    await fill(log);
    await log.trim(0);
    t.equal(log.oldestOffset, 0);
    await log.trim(605);
    const { oldestOffset } = log;
    t.ok(oldestOffset > 0 && oldestOffset <= 605, `the oldest offset is ${oldestOffset}`);
    t.strictSame(await readNumbers(log, 605), range(605, 1000));
    t.strictSame(await readNumbers(log, oldestOffset), range(oldestOffset, 1000));
    await log.trim(300);
    t.equal(log.oldestOffset, oldestOffset, 'an older trim changes nothing');
    t.equal(await log.append([numberedEvent(1000)]), 1000);
    await store.close();
  });

  claim('what was trimmed cannot be read: LOG_TRIMMED', async (t, subject) => {
    const store = subject.open();
    const log = await store.openPartition(PARTITION);
    await fill(log);
    await log.trim(900);
    await t.rejects(readAll(log, 0), { code: 'LOG_TRIMMED' });
    await t.rejects(readAll(log, log.oldestOffset - 1), { code: 'LOG_TRIMMED' });
    await store.close();
  });

  claim('a trim of everything keeps offsets and epoch going', async (t, subject) => {
    let store = subject.open();
    let log = await store.openPartition(PARTITION);
    await fill(log);
    await log.trim(log.durableOffset);
    const { oldestOffset } = log;
    await store.close();
    store = subject.open();
    log = await store.openPartition(PARTITION);
    t.equal(log.epoch, 2);
    t.equal(log.nextOffset, 1000);
    t.equal(log.oldestOffset, oldestOffset);
    t.equal(await log.append([numberedEvent(1000)]), 1000);
    t.strictSame(await readNumbers(log, oldestOffset), range(oldestOffset, 1001));
    await store.close();
  });
}

function refusalClaims(claim: Claim): void {
  claim('text that is not well-formed is refused and takes no offset', async (t, subject) => {
    const store = subject.open();
    const log = await store.openPartition(PARTITION);
    const bad = { ...FULL_EVENTS.DeletePersisted, key: 'a\ud800' };
    const appends = [log.append([numberedEvent(0)]), log.append([numberedEvent(7), bad])];
    await t.rejects(appends[1] as Promise<number>, { code: 'INVALID_ARGUMENT' });
    t.equal(await log.append([numberedEvent(1)]), 1);
    t.strictSame(await readNumbers(log, 0), [0, 1]);
    await store.close();
  });

  claim('a closed log and a closed store refuse everything: CLOSED', async (t, subject) => {
    const store = subject.open();
    const log = await store.openPartition(PARTITION);
    await log.append([numberedEvent(0)]);
    await log.close();
    await log.close();
    await t.rejects(log.append([numberedEvent(1)]), { code: 'CLOSED' });
    await t.rejects(log.trim(1), { code: 'CLOSED' });
    await t.rejects(
      (async () => await readAll(log, 0))(),
      { code: 'CLOSED' },
      'a read is refused when it is asked for or when it begins',
    );
    await store.close();
    await t.rejects(store.openPartition(PARTITION), { code: 'CLOSED' });
  });
}
