/**
 * Puts plain requests past node:http.
 *
 * node:http takes twice the time of a bare socket for a small request: it allocates what it reads into, makes a stream of each
 * request and each answer, and its objects outlive the garbage collector's young generation while the disk works. Here a request
 * is what was read. Everything unusual goes to node:http with the bytes as they came (`plain-head.ts`), and its connection stays
 * there.
 */
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../../core/ports.js';
import { SECOND_MS } from '../../core/units.js';
import type { S3Error } from '../s3/s3-error.js';
import { BodyMemory } from './body-memory.js';
import {
  PlainConnection,
  type PlainHandler,
  type PlainLimits,
  type PlainServer,
} from './plain-connection.js';
import { ReadBuffer } from './read-buffer.js';

/** How often connections that wait are looked at. */
const SWEEP_INTERVAL_MS = SECOND_MS;

export interface PlainConnectionsParts {
  readonly clock: Clock;
  readonly limits: PlainLimits;
  /** Gives the last answer on a connection and ends it. */
  readonly refuse: (error: S3Error, socket: Socket) => void;
}

type ConnectionListener = (this: Server, socket: Socket) => void;

export class PlainConnections implements PlainServer {
  readonly reads = new ReadBuffer();
  readonly memory = new BodyMemory();
  readonly #server: Server;
  readonly #parts: PlainConnectionsParts;
  readonly #takeOver: ConnectionListener[];
  readonly #open = new Set<PlainConnection>();
  readonly #sweepMs: number;
  #second = -1;
  #keeping = '';
  #closing = '';
  #isSweeping = false;

  /** Takes the place of the server's own listeners for connections, which get what is not plain. */
  constructor(server: Server, parts: PlainConnectionsParts) {
    this.#server = server;
    this.#parts = parts;
    this.#takeOver = server.listeners('connection') as ConnectionListener[];
    server.removeAllListeners('connection');
    const { idleTimeoutMs, headersTimeoutMs, keepAliveTimeoutMs } = parts.limits;
    this.#sweepMs = Math.min(SWEEP_INTERVAL_MS, idleTimeoutMs, headersTimeoutMs, keepAliveTimeoutMs);
  }

  /** A new connection. */
  add(socket: Socket, handler: PlainHandler): void {
    const connection = new PlainConnection(this, socket, handler);
    this.#open.add(connection);
    socket.once('close', () => this.#open.delete(connection));
    if (!this.#isSweeping) this.#scheduleSweep();
  }

  get limits(): PlainLimits {
    return this.#parts.limits;
  }

  /** Ends the connections that wait for a request now, and the others after their answers. */
  close(): void {
    for (const connection of this.#open) connection.endSoon();
  }

  takeOver(socket: Socket): void {
    for (const listener of this.#takeOver) listener.call(this.#server, socket);
  }

  refuse(error: S3Error, socket: Socket): void {
    this.#parts.refuse(error, socket);
  }

  lastLines(closing: boolean): string {
    const nowMs = this.#parts.clock.wallTimeMs();
    const second = Math.floor(nowMs / SECOND_MS);
    if (second !== this.#second) {
      this.#second = second;
      const date = `Date: ${new Date(nowMs).toUTCString()}\r\n`;
      const seconds = Math.floor(this.#parts.limits.keepAliveTimeoutMs / SECOND_MS);
      this.#keeping = `${date}Connection: keep-alive\r\nKeep-Alive: timeout=${seconds}\r\n`;
      this.#closing = `${date}Connection: close\r\n`;
    }
    return closing ? this.#closing : this.#keeping;
  }

  readonly #sweep = (): void => {
    for (const connection of this.#open) connection.sweep(this.#sweepMs);
    this.#isSweeping = false;
    if (this.#open.size > 0) this.#scheduleSweep();
  };

  #scheduleSweep(): void {
    this.#isSweeping = true;
    this.#parts.clock.schedule(this.#sweepMs, this.#sweep);
  }
}
