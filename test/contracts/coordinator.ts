/** What every `Coordinator` does, whatever its records are kept in. */
import t, { type Test } from 'tap';
import type { Coordinator, Lease } from '../../src/core/coordinator.js';
import { HeadraceError } from '../../src/core/errors.js';
import type { Clock } from '../../src/core/ports.js';
import { range } from '../log/log-world.js';

export interface CoordinatorWorker {
  readonly coordinator: Coordinator;
  readonly clock: Clock;
}

export interface CoordinatorSubject {
  readonly ttlMs: number;
  /** Another process, with a coordinator of its own, over the same records: none at first. */
  readonly join: (workerId: string) => CoordinatorWorker;
  /** Lets `work` come to its end: in virtual time where the records live in it. */
  readonly run: <Value>(work: () => Promise<Value>) => Promise<Value>;
}

type Claim = (what: string, work: (t: Test, subject: CoordinatorSubject) => Promise<void>) => void;

const PARTITION = 5;

export function coordinatorContract(name: string, makeSubject: (t: Test) => CoordinatorSubject): void {
  const claim: Claim = (what, work) => {
    void t.test(`${name}: ${what}`, async (t) => {
      const subject = makeSubject(t);
      const joined: CoordinatorWorker[] = [];
      const join = (workerId: string): CoordinatorWorker => {
        const worker = subject.join(workerId);
        joined.push(worker);
        return worker;
      };
      try {
        await subject.run(() => work(t, { ...subject, join }));
      } finally {
        for (const { coordinator } of joined) coordinator.close();
      }
    });
  };
  membershipClaims(claim);
  leaseClaims(claim);
  expiryClaims(claim);
  fencingClaims(claim);
}

/** Asks again and again, as a worker that wants a partition does. */
async function acquireInTime(
  { coordinator, clock }: CoordinatorWorker,
  partition: number,
  withinMs: number,
): Promise<Lease | undefined> {
  const startedMs = clock.monotonicTimeMs();
  for (;;) {
    const lease = await coordinator.acquire(partition);
    if (lease !== undefined || clock.monotonicTimeMs() - startedMs > withinMs) return lease;
    await clock.sleep(withinMs / 40);
  }
}

async function acquired(worker: CoordinatorWorker, partition = PARTITION): Promise<Lease> {
  const lease = await worker.coordinator.acquire(partition);
  if (lease === undefined) throw new Error(`partition ${partition} was refused`);
  return lease;
}

/** Renews until the returned function is called; resolves with what was lost. */
function keepRenewing({ coordinator, clock }: CoordinatorWorker, everyMs: number): () => Promise<number[]> {
  let stopped = false;
  const lost: number[] = [];
  const renewing = (async () => {
    while (!stopped) {
      lost.push(...(await coordinator.renew()));
      await clock.sleep(everyMs);
    }
  })();
  return async () => {
    stopped = true;
    await renewing;
    return lost;
  };
}

function membershipClaims(claim: Claim): void {
  claim('who registers is seen by all with the address, until they leave', async (t, { join }) => {
    const [a, b] = [join('worker-a'), join('worker-b')];
    await a.coordinator.register('10.0.0.1:29998');
    await b.coordinator.register('10.0.0.2:29998');
    const addresses = async (worker: CoordinatorWorker): Promise<string[]> =>
      (await worker.coordinator.observe()).workers.map(({ workerId, address }) => `${workerId} ${address}`);
    t.same(await addresses(a), ['worker-a 10.0.0.1:29998', 'worker-b 10.0.0.2:29998']);
    await a.coordinator.register('10.0.0.9:29998');
    t.same(await addresses(b), ['worker-a 10.0.0.9:29998', 'worker-b 10.0.0.2:29998']);
    await a.coordinator.leave();
    t.same(await addresses(b), ['worker-b 10.0.0.2:29998']);
  });

  claim('who renews is live; who stops is not, a TTL after it was seen last', async (t, { join, ttlMs }) => {
    const [a, b, c] = [join('a'), join('b'), join('c')];
    await a.coordinator.register('a:1');
    await b.coordinator.register('b:1');
    const stop = keepRenewing(a, ttlMs / 5);
    const live = async (): Promise<string[]> =>
      (await c.coordinator.observe()).workers.filter(({ isLive }) => isLive).map(({ workerId }) => workerId);
    t.same(await live(), ['a', 'b'], 'nobody is dead at the first look');
    await c.clock.sleep(ttlMs / 2);
    t.same(await live(), ['a', 'b']);
    await c.clock.sleep(ttlMs);
    t.same(await live(), ['a']);
    await b.coordinator.renew();
    t.same(await live(), ['a', 'b'], 'and back');
    await stop();
  });

  claim('ids and addresses that cannot be kept are refused', async (t, { join }) => {
    for (const workerId of ['', 'a b', '../a', 'ä', 'x'.repeat(129)])
      t.throws(() => join(workerId), { code: 'INVALID_ARGUMENT' });
    const { coordinator } = join('a');
    await t.rejects(coordinator.register(''), { code: 'INVALID_ARGUMENT' });
    await t.rejects(coordinator.register('x'.repeat(1025)), { code: 'INVALID_ARGUMENT' });
  });

  claim('a closed coordinator refuses, and holds nothing', async (t, { join }) => {
    const a = join('a');
    const lease = await acquired(a);
    a.coordinator.close();
    t.equal(lease.isValid, false);
    await t.rejects(a.coordinator.observe(), { code: 'CLOSED' });
    await t.rejects(a.coordinator.acquire(1), { code: 'CLOSED' });
  });
}

function leaseClaims(claim: Claim): void {
  claim('a partition that nobody has had is taken at once, with epoch 1', async (t, { join }) => {
    const a = join('a');
    const lease = await acquired(a);
    t.match(lease, { partition: PARTITION, epoch: 1, isValid: true });
    t.equal(await a.coordinator.acquire(PARTITION), lease, 'who has it gets it again');
    t.same((await a.coordinator.observe()).leases, [{ partition: PARTITION, epoch: 1, owner: 'a' }]);
    t.match(await acquired(a, 0), { partition: 0, epoch: 1 });
    t.match(await acquired(join('b'), 9999), { partition: 9999, epoch: 1 });
  });

  claim('a partition that was released is taken at once, with the next epoch', async (t, { join }) => {
    const workers = [join('a'), join('b')];
    for (const round of range(0, 6)) {
      const worker = workers[round % 2] as CoordinatorWorker;
      const lease = await acquired(worker);
      t.equal(lease.epoch, round + 1);
      await worker.coordinator.release(PARTITION);
      t.equal(lease.isValid, false);
      t.same((await worker.coordinator.observe()).leases, [
        { partition: PARTITION, epoch: round + 1, owner: undefined },
      ]);
    }
    await workers[0]?.coordinator.release(PARTITION);
  });

  claim('who leaves gives up every lease', async (t, { join }) => {
    const [a, b] = [join('a'), join('b')];
    await a.coordinator.register('a:1');
    for (const partition of [1, 2, 3]) await acquired(a, partition);
    await a.coordinator.leave();
    for (const partition of [1, 2, 3]) t.equal((await acquired(b, partition)).epoch, 2);
    t.same((await b.coordinator.observe()).workers, []);
  });

  claim('of many that want a free partition at once, one gets it', async (t, { join }) => {
    for (const round of range(0, 5)) {
      const workers = range(0, 5).map((number) => join(`r${round}-${number}`));
      const leases = await Promise.all(workers.map(({ coordinator }) => coordinator.acquire(round)));
      t.equal(leases.filter((lease) => lease !== undefined).length, 1);
    }
  });

  claim('a bump is the next epoch of the same owner, and ends the lease before it', async (t, { join }) => {
    const a = join('a');
    const first = await acquired(a);
    const second = await a.coordinator.bump(PARTITION);
    t.equal(second.epoch, first.epoch + 1);
    t.same([first.isValid, second.isValid], [false, true]);
    t.same(await a.coordinator.renew(), []);
    t.equal(await a.coordinator.acquire(PARTITION), second);
    await t.rejects(a.coordinator.bump(7), { code: 'LOG_FENCED' });
  });
}

function expiryClaims(claim: Claim): void {
  claim('nobody takes a partition whose owner renews', async (t, { join, ttlMs }) => {
    const [a, b] = [join('a'), join('b')];
    const lease = await acquired(a);
    const stop = keepRenewing(a, ttlMs / 8);
    t.equal(await acquireInTime(b, PARTITION, 3 * ttlMs), undefined);
    t.same(await stop(), []);
    t.equal(lease.isValid, true);
  });

  claim(
    'a lease is not valid half a TTL after its last renewal, and valid again with the next',
    async (t, { join, ttlMs }) => {
      const a = join('a');
      const lease = await acquired(a);
      t.equal(lease.isValid, true);
      await a.clock.sleep(0.55 * ttlMs);
      t.equal(lease.isValid, false);
      t.same(await a.coordinator.renew(), []);
      t.equal(lease.isValid, true);
    },
  );

  claim(
    'a partition is claimed when its owner has stood still for a TTL of the claimer’s time',
    async (t, { join, ttlMs }) => {
      const [a, b] = [join('a'), join('b')];
      const lease = await acquired(a);
      // However long the owner has been silent: the claimer counts from when it looked first.
      await b.clock.sleep(2 * ttlMs);
      t.equal(lease.isValid, false);
      const lookedMs = b.clock.monotonicTimeMs();
      const taken = await acquireInTime(b, PARTITION, 3 * ttlMs);
      t.equal(taken?.epoch, 2);
      t.ok(b.clock.monotonicTimeMs() - lookedMs >= ttlMs, 'not before');
      t.ok(taken?.isValid);
      t.same(await a.coordinator.renew(), [PARTITION], 'the owner before hears that it lost it');
      t.equal(lease.isValid, false);
      t.equal(await a.coordinator.acquire(PARTITION), undefined);
    },
  );

  claim('a renewal in the last moment makes the claimer wait for another TTL', async (t, { join, ttlMs }) => {
    const [a, b] = [join('a'), join('b')];
    await acquired(a);
    t.equal(await b.coordinator.acquire(PARTITION), undefined);
    await b.clock.sleep(0.8 * ttlMs);
    await a.coordinator.renew();
    await b.clock.sleep(0.3 * ttlMs);
    t.equal(await b.coordinator.acquire(PARTITION), undefined);
    await b.clock.sleep(0.8 * ttlMs);
    t.equal(await b.coordinator.acquire(PARTITION), undefined);
    t.equal((await acquireInTime(b, PARTITION, 2 * ttlMs))?.epoch, 2);
  });

  claim('of many that claim an abandoned partition, one gets it', async (t, { join, ttlMs }) => {
    const gone = join('gone');
    await acquired(gone);
    gone.coordinator.close();
    const workers = range(0, 4).map((number) => join(`worker-${number}`));
    const stops = new Map<CoordinatorWorker, () => Promise<number[]>>();
    const leases = await Promise.all(
      workers.map(async (worker) => {
        const lease = await acquireInTime(worker, PARTITION, 1.8 * ttlMs);
        if (lease !== undefined) stops.set(worker, keepRenewing(worker, ttlMs / 8));
        return lease;
      }),
    );
    t.same(
      leases.filter((lease) => lease !== undefined).map(({ epoch }) => epoch),
      [2],
    );
    for (const stop of stops.values()) t.same(await stop(), []);
  });
}

function fencingClaims(claim: Claim): void {
  claim(
    'a worker that starts again takes its own leases at once, and its last process loses them',
    async (t, { join }) => {
      const before = join('a');
      await before.coordinator.register('a:1');
      const old = await acquired(before);
      const after = join('a');
      await after.coordinator.register('a:2');
      t.equal((await acquired(after)).epoch, 2);
      t.same(await before.coordinator.renew(), [PARTITION]);
      t.equal(old.isValid, false);
      t.same(await after.coordinator.renew(), []);
      t.match((await after.coordinator.observe()).workers, [{ workerId: 'a', address: 'a:2' }]);
      await before.coordinator.leave();
      t.equal((await after.coordinator.observe()).workers.length, 1, 'the old process takes nothing with it');
    },
  );

  claim('who lost a lease can neither bump nor release it', async (t, { join, ttlMs }) => {
    const [a, b] = [join('a'), join('b')];
    await acquired(a);
    await acquired(a, 6);
    const taken = await acquireInTime(b, PARTITION, 3 * ttlMs);
    await t.rejects(a.coordinator.bump(PARTITION), { code: 'LOG_FENCED' });
    t.equal((await acquireInTime(b, 6, 3 * ttlMs))?.epoch, 2);
    await a.coordinator.release(6);
    const { leases } = await a.coordinator.observe();
    t.same(leases, [
      { partition: PARTITION, epoch: taken?.epoch, owner: 'b' },
      { partition: 6, epoch: 2, owner: 'b' },
    ]);
  });

  claim(
    'while workers come and go no two leases are valid at once, and epochs rise',
    async (t, { join, ttlMs }) => {
      const workers = range(0, 3).map((number) => join(`worker-${number}`));
      const leases: Lease[] = [];
      const wrong: string[] = [];
      const epochs: number[] = [];
      await Promise.all(
        workers.map(async (worker, at) => {
          for (const round of range(0, 3)) {
            const lease = await acquireInTime(worker, PARTITION, 20 * ttlMs);
            if (lease === undefined) continue;
            const others = leases.filter((other) => other !== lease && other.isValid);
            if (others.length > 0)
              wrong.push(`epochs ${others.map(({ epoch }) => epoch).join()} and ${lease.epoch}`);
            leases.push(lease);
            epochs.push(lease.epoch);
            for (let i = 0; i < 3; i++) {
              await worker.clock.sleep(ttlMs / 10);
              await worker.coordinator.renew();
            }
            // Sometimes handed over, sometimes abandoned.
            if ((round + at) % 2 === 0) await worker.coordinator.release(PARTITION);
            else await worker.clock.sleep(2.5 * ttlMs);
          }
        }),
      );
      t.same(wrong, []);
      t.same(
        epochs,
        [...epochs].sort((a, b) => a - b),
      );
      t.equal(epochs.length, 9);
    },
  );

  claim('an error is one of its own', async (t, { join }) => {
    const { coordinator } = join('a');
    const error = await coordinator.bump(1).catch((failure: unknown) => failure);
    t.ok(error instanceof HeadraceError);
  });
}
