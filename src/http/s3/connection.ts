/**
 * One connection: its requests run one after the other, in the order they came.
 *
 * node:http hands out pipelined requests at once; a GET behind a PUT of the same key has to see it, so they wait here. Only a
 * bounded number may wait, since nothing holds back requests without bodies.
 */
import type { Socket } from 'node:net';
import { dispatch } from './dispatcher.js';
import type { Exchange } from './exchange.js';
import type { S3Error } from './s3-error.js';

const WAITING_MAX = 1000;

export class Connection {
  readonly #socket: Socket;
  #current: Exchange | undefined;
  #waiting: Exchange[] | undefined;
  #used = false;
  #broken = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** The request that is being answered. */
  get current(): Exchange | undefined {
    return this.#current;
  }

  /** Whether a request was ever begun on it. */
  get used(): boolean {
    return this.#used;
  }

  accept(exchange: Exchange): void {
    this.#used = true;
    if (this.#current === undefined) {
      this.#current = exchange;
      dispatch(exchange);
      return;
    }
    this.#waiting ??= [];
    this.#waiting.push(exchange);
    if (this.#waiting.length > WAITING_MAX) this.#socket.destroy();
  }

  /** The current request is answered: the next one begins, in a call that does not nest. */
  readonly next = (): void => {
    this.#current = undefined;
    const next = this.#waiting?.shift();
    if (next !== undefined && !this.#socket.destroyed) {
      this.#current = next;
      queueMicrotask(() => dispatch(next));
    } else if (this.#broken) this.#socket.destroySoon();
  };

  /** What comes on the connection can no longer be understood. False when nobody is there to be told with an answer. */
  broken(error: S3Error): boolean {
    this.#broken = true;
    this.#current?.broken(error);
    return this.#current !== undefined;
  }

  idle(): void {
    if (this.#current === undefined) this.#socket.destroy();
    else this.#current.idle();
  }

  closed(): void {
    this.#waiting = undefined;
    this.#current?.disconnected();
  }
}
