/** The lives of a simulated process: clients at work under faults, an end, a start, and a look at what is there. */
import { isErrorCode } from '../src/core/errors.js';
import { MINUTE_MS, SECOND_MS } from '../src/core/units.js';
import type { Engine } from '../src/engine/engine.js';
import { Calls } from './clients/calls.js';
import { TrainingJob, type CheckpointPlan } from './clients/training-job.js';
import { Client } from './clients/workload.js';
import { bytesOf } from './content.js';
import { databaseFaultsOf, diskFaultsOf, storeFaultsOf } from './fault-plan.js';
import { checkDamageIsReported } from './log-damage.js';
import { plantIncident } from './plant-incident.js';
import type { FoundObject } from './checkers/found-objects.js';
import type { Outage } from './scenario.js';
import type { SimDatabase } from './sim-database.js';
import type { SimRandom } from './sim-random.js';
import type { Simulation } from './simulation.js';
import { Violation } from './violation.js';

/** What was on the network when a process died has arrived by then. */
const NETWORK_MS = 100;
const READ_ATTEMPTS_MAX = 10;
/** Longest that the calls of clients may take to end once no new ones are made. */
const CALLS_END_MS = 5 * MINUTE_MS;
const CLOCK_STEP_MS_MAX = MINUTE_MS;
/** From what a migration takes to what outlasts every deadline of a call. */
const PAUSE_MS_MIN = SECOND_MS / 10;
const PAUSE_MS_MAX = MINUTE_MS;

/** Beyond the deadline of an append, and the time to live of a lease. */
const DATABASE_STALL_MS_MAX = 30 * SECOND_MS;

type Death = 'stop' | 'kill' | 'power cut';

export class Lives {
  readonly #run: Simulation;
  #life = 0;

  constructor(run: Simulation) {
    this.#run = run;
  }

  /** Formats the store and makes the bucket. */
  async begin(): Promise<void> {
    const { world, scenario, recorder } = this.#run;
    await world.start();
    await world.run(world.admin.setPathConfig(scenario.pathConfig));
    await world.run(world.objects.createBucket(scenario.bucket));
    await this.#run.foreign?.mount();
    const { incident } = scenario;
    if (incident === undefined) return;
    await world.stop();
    recorder.trace.line('the state of the incident is put in place');
    await plantIncident(this.#run, incident);
    await this.start();
  }

  /** Clients at work until the process ends, by `death` unless that is drawn; then the next process, and a look at each key. */
  async live(number: number): Promise<void> {
    this.#life = number;
    const { world, scenario, recorder } = this.#run;
    const random = this.#run.random.fork(`life ${number}`);
    recorder.trace.line(`life ${number} begins`);
    const { clients, done } = this.#clients(random);
    this.#arm(random);
    const { min, max } = scenario.lifeMs;
    const endMs = world.scheduler.nowMs + random.between(min, max);
    const wasCut = await this.#workUntil(endMs);
    const death = wasCut ? 'power cut' : this.#death(random);
    if (death === 'stop') {
      for (const client of clients) client.stop();
      this.#run.foreign?.stop();
      await this.#settled(done);
    }
    await this.#end(death);
    this.#heal();
    await this.#restart(random);
    await this.lookAtEveryKey();
  }

  /** Reads every object that a client ever touched, as if by a client that has all the time it needs. */
  async lookAtEveryKey(): Promise<void> {
    const { world, recorder } = this.#run;
    await world.sleep(NETWORK_MS);
    for (const key of recorder.keys) {
      const read = await world.run(this.#readSurely(key));
      recorder.settle(key, read?.object, read?.body);
    }
  }

  #clients(random: SimRandom): { clients: (Client | TrainingJob)[]; done: Promise<unknown> } {
    const { world, scenario, recorder, faults } = this.#run;
    const { checkpoints: plan, prefixes } = scenario;
    const partsOf = (own: SimRandom) => ({
      world,
      recorder,
      random: own,
      calls: new Calls({
        world,
        recorder,
        random: own,
        bucket: scenario.bucket,
        hasFaults: () => Object.keys(faults).length > 0 || scenario.ufs.outages.length > 0,
        mayFlip: () => (faults.readFlip ?? 0) > 0,
      }),
    });
    const clients: (Client | TrainingJob)[] = Array.from({ length: scenario.clients }, (_, at) => {
      const parts = partsOf(random.fork(`client ${at}`));
      return new Client(parts, { ...scenario, readFlips: faults.readFlip ?? 0 });
    });
    if (plan !== undefined)
      for (let number = 0; number < plan.jobs; number++) {
        const prefix = prefixes[number % prefixes.length] ?? '';
        clients.push(new TrainingJob({ ...partsOf(random.fork(`job ${number}`)), plan, prefix, number }));
      }
    const { foreign } = this.#run;
    const done = Promise.all([
      ...clients.map((client) => client.run()),
      ...(foreign === undefined ? [] : [foreign.work(random.fork('foreign'), faults.ufsForeign ?? 0)]),
    ]);
    done.catch((error: unknown) => recorder.report('expected-errors', String(error), undefined, error));
    return { clients, done };
  }

  /** Arms the faults of one life. */
  #arm(random: SimRandom): void {
    const { world, faults, scenario, recorder } = this.#run;
    const note = (what: string): void => {
      recorder.trace.line(`fault ${what}`);
      this.#run.observer.fault?.(what);
      recorder.statistics.count('faults', what.replace(/ .*/, ''));
    };
    world.ufs.setFaults(storeFaultsOf(faults));
    world.disk.setFaults(diskFaultsOf(faults));
    if (world.databaseLog !== undefined) this.#armDatabase(world.databaseLog.database, random, note);
    const outages = [...scenario.ufs.outages];
    const lifeMs = scenario.lifeMs.max;
    if (random.chance(faults.ufsOutage ?? 0))
      outages.push({ atMs: random.between(0, lifeMs / 2), forMs: random.between(0, lifeMs) });
    for (const outage of outages) this.#outage(outage, note);
    if (random.chance(faults.logWriteLie ?? 0))
      this.#later(random.between(0, lifeMs), () => {
        note('logWriteLie');
        world.faults.lieOnNextWrite('log/');
      });
    if (random.chance(faults.clockStep ?? 0)) {
      const stepMs = Math.round(random.between(-CLOCK_STEP_MS_MAX, CLOCK_STEP_MS_MAX));
      this.#later(random.between(0, lifeMs), () => {
        note(`clockStep ${stepMs} ms`);
        world.stepWallTime(stepMs);
      });
    }
    if (random.chance(faults.pause ?? 0)) {
      const pauseMs = Math.round(random.between(PAUSE_MS_MIN, PAUSE_MS_MAX));
      this.#later(random.between(0, lifeMs), () => {
        note(`pause ${pauseMs} ms`);
        world.scheduler.stall(pauseMs);
      });
    }
  }

  #armDatabase(database: SimDatabase, random: SimRandom, note: (what: string) => void): void {
    const { faults, scenario } = this.#run;
    database.setFaults(databaseFaultsOf(faults));
    if (!random.chance(faults.dbStall ?? 0)) return;
    const stallMs = Math.round(random.between(PAUSE_MS_MIN, DATABASE_STALL_MS_MAX));
    this.#later(random.between(0, scenario.lifeMs.max), () => {
      note(`dbStall ${stallMs} ms`);
      database.stall(stallMs);
    });
  }

  #outage({ atMs, forMs }: Outage, note: (what: string) => void): void {
    const { world, faults } = this.#run;
    this.#later(atMs, () => {
      note('ufsOutage begins');
      world.ufs.setFaults({ ...storeFaultsOf(faults), unavailable: 1 });
    });
    this.#later(atMs + forMs, () => {
      note('ufsOutage ends');
      world.ufs.setFaults(storeFaultsOf(faults));
    });
  }

  /** In this life only. */
  #later(delayMs: number, action: () => void): void {
    const life = this.#life;
    const { generation } = this.#run.world;
    this.#run.world.scheduler.schedule(delayMs, () => {
      if (this.#life === life && this.#run.world.generation === generation) action();
    });
  }

  /** Lets time pass; true when the power is to fail before its end. */
  async #workUntil(endMs: number): Promise<boolean> {
    const { world, portCalls } = this.#run;
    portCalls.begin(this.#life === 0 ? 'life' : undefined);
    await world.scheduler.runUntil(endMs, () => portCalls.isReached);
    const isCut = portCalls.isReached;
    portCalls.begin(undefined);
    return isCut;
  }

  #death(random: SimRandom): Death {
    const { kill = 0, powerCut = 0 } = this.#run.faults;
    if (random.chance(powerCut)) return 'power cut';
    return random.chance(kill) ? 'kill' : 'stop';
  }

  async #settled(done: Promise<unknown>): Promise<void> {
    const { world, recorder, scenario } = this.#run;
    try {
      await world.run(done, CALLS_END_MS + checkpointMs(scenario.checkpoints));
    } catch (error) {
      if (error instanceof Violation) throw error;
      const calls = recorder.inFlight.slice(0, 5).join(', ');
      throw new Violation(
        'call-ends',
        `after ${CALLS_END_MS} ms there is no answer to ${calls}`,
        undefined,
        error,
      );
    }
  }

  async #end(death: Death): Promise<void> {
    const { world, recorder } = this.#run;
    recorder.trace.line(`process ends: ${death}`);
    recorder.statistics.count('faults', death);
    if (death === 'stop') await world.stop();
    else if (death === 'kill') world.kill();
    else world.crash();
    recorder.died();
  }

  #heal(): void {
    const { world } = this.#run;
    this.#run.observer.fault?.('ufsOutage ends');
    world.faults.clear();
    world.disk.setFaults({});
    world.ufs.setFaults({});
    world.databaseLog?.database.setFaults({});
  }

  /** Starts the next process; some are cut off in their recovery, at a moment that is drawn. */
  async #restart(random: SimRandom): Promise<void> {
    const { world, recorder, faults, portCalls } = this.#run;
    if (random.chance(faults.logDamage ?? 0)) await checkDamageIsReported(this.#run, random);
    portCalls.begin(this.#life === 0 ? 'recovery' : undefined);
    const againAt = this.#life === 0 ? portCalls.crashAt.recovery : undefined;
    while (againAt !== undefined || random.chance(faults.crashInRecovery ?? 0)) {
      const engine = await this.#openUntil(againAt === undefined ? random.between(0, 5) : undefined);
      portCalls.begin(undefined);
      if (engine !== undefined) return world.opened(engine);
      recorder.trace.line('process ends: power cut in recovery');
      recorder.statistics.count('faults', 'crashInRecovery');
      world.crash();
      if (againAt !== undefined) break;
    }
    await this.start();
    portCalls.begin(undefined);
  }

  /** Starts a process; what keeps it from starting is a violation. */
  async start(): Promise<void> {
    const { world, recorder } = this.#run;
    try {
      await world.start();
    } catch (error) {
      if (error instanceof Violation) throw error;
      throw new Violation('recovers', `the process does not start: ${String(error)}`, undefined, error);
    }
    recorder.trace.line('process is up');
  }

  /** Undefined when it was not up after so long, or when the call was reached at which the power is to fail. */
  async #openUntil(delayMs: number | undefined): Promise<Engine | undefined> {
    const { world, portCalls } = this.#run;
    let engine: Engine | undefined;
    let failure: Error | undefined;
    world.open().then(
      (opened) => (engine = opened),
      (error: Error) => (failure = error),
    );
    const endMs = world.scheduler.nowMs + (delayMs ?? CALLS_END_MS);
    const isOver = (): boolean =>
      portCalls.isReached || failure !== undefined || (delayMs === undefined && engine !== undefined);
    await world.scheduler.runUntil(endMs, isOver);
    if (failure !== undefined)
      throw new Violation('recovers', `the process does not start: ${failure.message}`, undefined, failure);
    return engine;
  }

  /** What is read when it is tried again for as long as it takes; undefined when there is no object. */
  async #readSurely(key: string): Promise<{ object: FoundObject; body: Buffer } | undefined> {
    const { world, scenario } = this.#run;
    for (let attempt = 1; ; attempt++) {
      try {
        const { object, body } = await world.objects.getObject({ bucket: scenario.bucket, key });
        return { object, body: await bytesOf(body) };
      } catch (error) {
        if (isErrorCode(error, 'NO_SUCH_KEY')) return undefined;
        if (attempt === READ_ATTEMPTS_MAX)
          throw new Violation('acknowledged-readable', `${key} cannot be read: ${String(error)}`, key, error);
        await world.clock.sleep(SECOND_MS);
      }
    }
  }
}

/** How long one checkpoint takes to be sent. */
function checkpointMs(plan: CheckpointPlan | undefined): number {
  if (plan?.bytesPerS === undefined) return 0;
  return ((plan.files * plan.sizeBytes) / plan.bytesPerS) * SECOND_MS;
}
