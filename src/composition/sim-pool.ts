/** Processes that simulate side by side: each has one task at a time, and one that breaks is replaced. */
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { HeadraceError } from '../core/errors.js';
import type { SimAnswers, SimTask } from '../../simulations/tasks.js';
import type { MutantPatch } from './sim-mutant-hooks.js';
import type { FromWorker, ToWorker } from './sim-worker.js';

const WORKER = fileURLToPath(new URL('./sim-worker.js', import.meta.url));
/**
 * A simulation keeps little, but makes much, and each process has one core. Rooms that are large from the start let the collector
 * come rarely. The optimizing compiler begins after twice the usual work: at once it compiles what is cold in the next seed, and
 * with a bar five times as high most of the code was still waiting after a hundred seeds, for a tenth more time in each. Measured
 * over 60 to 150 seeds of the swarm and in fresh processes. Errors are many, and their stacks are looked at when something broke:
 * `sim-worker.ts` asks for whole ones with a trace. The first option bounds what a process holds.
 */
const EXEC_ARGV = [
  '--max-old-space-size=1024',
  '--initial-old-space-size=512',
  '--max-semi-space-size=64',
  '--min-semi-space-size=64',
  '--single-threaded-gc',
  '--interrupt-budget=132000',
  '--stack-trace-limit=3',
];

/** A task that broke its process, with what it said. */
export class BrokenSimulation extends Error {
  override readonly name = 'BrokenSimulation';
}

interface Job {
  readonly task: SimTask;
  readonly resolve: (answer: never) => void;
  readonly reject: (error: Error) => void;
}

export class SimPool {
  readonly #mutant: MutantPatch | undefined;
  readonly #queue: Job[] = [];
  readonly #workers = new Set<Worker>();
  readonly #size: number;
  #closed = false;
  #cpuMs = 0;

  /** At most `size` processes, started when there is something to do. */
  constructor(size: number, mutant?: MutantPatch) {
    this.#size = size;
    this.#mutant = mutant;
  }

  /** Processor time of all tasks that were answered. */
  get cpuMs(): number {
    return this.#cpuMs;
  }

  /** Rejects with `BrokenSimulation` when the task broke its process, `CLOSED` after `close`. */
  perform<Task extends SimTask>(task: Task): Promise<SimAnswers[Task['kind']]> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ task, resolve, reject });
      this.#next();
    });
  }

  /** Ends all processes; what is not done is rejected. */
  close(): void {
    this.#closed = true;
    for (const worker of this.#workers) worker.end();
    for (const { reject } of this.#queue.splice(0)) reject(closedError());
  }

  #next(): void {
    if (this.#closed) {
      for (const { reject } of this.#queue.splice(0)) reject(closedError());
      return;
    }
    for (const worker of this.#workers) if (worker.isIdle) this.#give(worker);
    while (this.#queue.length > 0 && this.#workers.size < this.#size) {
      const worker: Worker = new Worker(this.#mutant, {
        answered: (cpuMs) => {
          this.#cpuMs += cpuMs;
        },
        idle: () => this.#next(),
        gone: () => {
          this.#workers.delete(worker);
          this.#next();
        },
      });
      this.#workers.add(worker);
      this.#give(worker);
    }
  }

  #give(worker: Worker): void {
    const job = this.#queue.shift();
    if (job !== undefined) worker.take(job);
  }
}

interface WorkerListener {
  readonly answered: (cpuMs: number) => void;
  readonly idle: () => void;
  readonly gone: () => void;
}

class Worker {
  readonly #process: ChildProcess;
  readonly #on: WorkerListener;
  #job: Job | undefined;
  #jobs = 0;
  #said = '';
  #isEnding = false;

  constructor(mutant: MutantPatch | undefined, on: WorkerListener) {
    this.#on = on;
    this.#process = fork(WORKER, [], {
      execArgv: EXEC_ARGV,
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#process.stderr?.on('data', (text: Buffer) => {
      this.#said = `${this.#said}${text.toString()}`.slice(-4000);
    });
    this.#process.on('message', (message) => this.#heard(message as FromWorker));
    this.#process.on('exit', (code, signal) => {
      const why = this.#said === '' ? `exit code ${code ?? signal ?? ''}` : this.#said;
      const ended = this.#isEnding
        ? closedError()
        : new BrokenSimulation(`the simulating process ended: ${why}`);
      this.#finish()?.reject(ended);
      this.#on.gone();
    });
    this.#send({ type: 'begin', mutant });
  }

  get isIdle(): boolean {
    return this.#job === undefined && !this.#isEnding;
  }

  take(job: Job): void {
    this.#job = job;
    this.#send({ type: 'task', id: ++this.#jobs, task: job.task });
  }

  end(): void {
    this.#isEnding = true;
    this.#process.kill('SIGKILL');
  }

  #heard(message: FromWorker): void {
    switch (message.type) {
      case 'answer':
        this.#on.answered(message.cpuMs);
        this.#finish()?.resolve(message.answer as never);
        return message.isLast === true ? this.end() : this.#on.idle();
      case 'broken':
        this.#finish()?.reject(new BrokenSimulation(message.message));
        // What a broken simulation left behind must not reach the next one.
        return this.end();
    }
  }

  #finish(): Job | undefined {
    const job = this.#job;
    this.#job = undefined;
    return job;
  }

  #send(message: ToWorker): void {
    this.#process.send(message);
  }
}

function closedError(): HeadraceError {
  return new HeadraceError('CLOSED', 'the simulation was stopped');
}
