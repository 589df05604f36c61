/**
 * The entry of a process that simulates: it is sent tasks, one after the other, and answers each. Its first message may name a
 * mutant, which is made before any module of the engine is loaded.
 */
import { register } from 'node:module';
import type { SimTask } from '../../simulations/tasks.js';
import type { MutantPatch } from './sim-mutant-hooks.js';

export type ToWorker =
  | { readonly type: 'begin'; readonly mutant: MutantPatch | undefined }
  | { readonly type: 'task'; readonly id: number; readonly task: SimTask };

export type FromWorker =
  /** `cpuMs`: processor time that the task took. `isLast`: the process ends behind it. */
  | {
      readonly type: 'answer';
      readonly id: number;
      readonly answer: unknown;
      readonly cpuMs: number;
      readonly isLast?: boolean;
    }
  /** The simulation itself broke: an error that nobody in it awaited, or a mutant that does not fit. */
  | { readonly type: 'broken'; readonly id: number | undefined; readonly message: string };

/** Of an error in a run whose trace is asked for. */
const STACK_FRAMES_TRACED = 50;

let current: number | undefined;
/** What the current task found, while errors are waited for that nobody awaited. */
let found: unknown;
let begunCpuMs = 0;
let ready: Promise<(task: SimTask) => Promise<unknown>> | undefined;

function send(message: FromWorker): void {
  process.send?.(message);
}

function broken(error: unknown): void {
  // An invariant says more than the error that followed from its violation.
  if (current !== undefined && hasViolation(found))
    return send({ type: 'answer', id: current, answer: found, cpuMs: cpuMs() - begunCpuMs, isLast: true });
  send({
    type: 'broken',
    id: current,
    message: error instanceof Error ? (error.stack ?? error.message) : String(error),
  });
}

/** Of all threads of this process. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function hasViolation(answer: unknown): boolean {
  return typeof answer === 'object' && answer !== null && Reflect.get(answer, 'violation') !== undefined;
}

async function begin(mutant: MutantPatch | undefined): Promise<(task: SimTask) => Promise<unknown>> {
  if (mutant !== undefined) register('./sim-mutant-hooks.js', { parentURL: import.meta.url, data: mutant });
  const { openIndexStore } = await import('../adapters/index-store/open-index-store.js');
  const { performTask } = await import('../../simulations/tasks.js');
  return (task) => performTask({ openIndex: openIndexStore }, task);
}

async function answer(id: number, task: SimTask): Promise<void> {
  current = id;
  // Short ones unless somebody looks closely (`sim-pool.ts`).
  if (task.kind === 'run' && task.keepsTrace) Error.stackTraceLimit = STACK_FRAMES_TRACED;
  found = undefined;
  const perform = await ready;
  begunCpuMs = cpuMs();
  found = await perform?.(task);
  // An error that nobody awaited is told in a later turn: it belongs to this task.
  await new Promise((resolve) => setImmediate(resolve));
  if (current !== id) return;
  current = undefined;
  send({ type: 'answer', id, answer: found, cpuMs: cpuMs() - begunCpuMs });
}

process.on('message', (message: ToWorker) => {
  if (message.type === 'begin') {
    ready = begin(message.mutant);
    ready.catch(() => undefined);
  } else answer(message.id, message.task).catch(broken);
});
for (const event of ['unhandledRejection', 'uncaughtException'] as const)
  process.on(event, (error: unknown) => {
    broken(error);
    // Its state is not to be trusted any more; whoever sent the task starts another process.
    process.exit(1);
  });
// The parent is gone: nobody waits for an answer.
process.on('disconnect', () => process.exit(0));
// As for an interactive program: Ctrl-C is for the parent, which ends this process.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
