/** Child processes of the bench that talk over IPC: one request at a time, one answer each. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** Answers are `{ kind: 'ready' }` first, then one `done` or `failed` to each request. */
interface Reply<Result> {
  readonly kind: 'ready' | 'done' | 'failed';
  readonly result?: Result;
  readonly message?: string;
}

export class BenchChild<Request extends object, Result> {
  readonly #process: ChildProcess;
  #waiting: { resolve: (reply: Reply<Result>) => void; reject: (error: Error) => void } | undefined;

  private constructor(process: ChildProcess, name: string) {
    this.#process = process;
    process.on('message', (reply: Reply<Result>) => this.#waiting?.resolve(reply));
    process.on('exit', (code, signal) =>
      this.#waiting?.reject(new Error(`${name} ended with ${signal ?? code} while it was asked something`)),
    );
  }

  /** Starts `module` (relative to this one, as compiled) with its name as the only argument, and `flags` for Node itself. */
  static async start<Request extends object, Result>(
    module: string,
    flags: readonly string[] = [],
  ): Promise<BenchChild<Request, Result>> {
    const path = fileURLToPath(new URL(module, import.meta.url));
    const name = path.replace(/^.*\/|\.js$/g, '');
    const child = new BenchChild<Request, Result>(
      fork(path, [name], { serialization: 'advanced', execArgv: [...flags] }),
      name,
    );
    await child.#answer();
    return child;
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  async ask(request: Request): Promise<Result> {
    this.#process.send(request);
    const reply = await this.#answer();
    if (reply.kind === 'failed') throw new Error(reply.message);
    return reply.result as Result;
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exited;
  }

  #answer(): Promise<Reply<Result>> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }
}
