/**
 * The S3 endpoint, on node:http, with a shorter way for plain requests (`../plain`).
 *
 * No framework: a router costs 8 to 10 microseconds a request, a third of what node:http takes in all, and normalises
 * paths, while an S3 key may contain `//`, `..` and a trailing `/`. What a framework would do is in `dispatcher.ts`.
 *
 * Limits: connections, size of a request's head, time for it to arrive, time without progress, pipelined requests, bytes
 * of small bodies in memory, size of XML. A client that goes away is noticed by its connection, once for all that it had asked for.
 */
import { createServer, STATUS_CODES } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer as createTlsServer, Server as TlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { assert } from '../../core/assert.js';
import type { Logger } from '../../core/logger.js';
import type { Clock, Random } from '../../core/ports.js';
import { KIB, SECOND_MS } from '../../core/units.js';
import type { ObjectService } from '../../engine/object-service.js';
import { OPEN_ACCESS, type AccessControl } from '../auth/access-control.js';
import { ANONYMOUS_AUTHENTICATOR } from '../auth/anonymous-authenticator.js';
import type { Authenticator } from '../auth/authenticator.js';
import { PlainConnections } from '../plain/plain-connections.js';
import { BodyBudget } from './body-collector.js';
import { Connection } from './connection.js';
import type { AnswerObserver, S3Context } from './context.js';
import { errorDocument } from './error-document.js';
import { Exchange } from './exchange.js';
import { NOWHERE } from './request-target.js';
import { S3_SERVER_DEFAULTS } from './options.js';
import type { S3ServerOptions } from './options.js';
import { RequestIds } from './request-ids.js';
import { S3Error } from './s3-error.js';

export interface S3ServerParts {
  readonly objects: ObjectService;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly options?: Partial<S3ServerOptions>;
  /** Without one everybody is let in. */
  readonly authenticator?: Authenticator;
  /** Without one everybody who was let in may do everything. */
  readonly access?: AccessControl;
  /** Told of every answer, for metrics. */
  readonly observer?: AnswerObserver;
  /** PEM texts of the certificate chain and its key; without them it is plain HTTP. */
  readonly tls?: CertificatePair;
}

export interface CertificatePair {
  readonly certificate: string;
  readonly key: string;
}

export interface S3Server {
  /** Port 0 takes a free one. Rejects with the system's error when the address cannot be had. */
  listen(host: string, port: number): Promise<{ port: number }>;
  /** Takes no more requests, lets those that have begun end for up to `graceMs`, then cuts what is left. */
  close(graceMs: number): Promise<void>;
  /** New connections of a TLS endpoint get this certificate; those that are open keep theirs. */
  useCertificate(pair: CertificatePair): void;
}

/** What one read of a socket may queue before it is paused: the size of node's read buffer, twice. */
const STREAM_HIGH_WATER_BYTES = 128 * KIB;
const HANDSHAKE_TIMEOUT_MS = 10 * SECOND_MS;
/** How often node:http looks for heads that take too long; its own default would let them take twice the time. */
const HEADS_CHECK_INTERVAL_MS = 5 * SECOND_MS;

export function createS3Server(parts: S3ServerParts): S3Server {
  return new NodeS3Server(parts);
}

class NodeS3Server implements S3Server {
  readonly #context: S3Context;
  readonly #server: Server;
  /** Undefined for a TLS endpoint. */
  #plain: PlainConnections | undefined;
  readonly #connections = new Map<Socket, Connection>();
  /** Connections of a TLS endpoint that are not encrypted yet, by the other side's address. */
  readonly #handshakes = new Map<string, Socket>();

  constructor(parts: S3ServerParts) {
    const options: S3ServerOptions = { ...S3_SERVER_DEFAULTS, ...parts.options };
    this.#context = {
      objects: parts.objects,
      clock: parts.clock,
      logger: parts.logger,
      options,
      authenticator: parts.authenticator ?? ANONYMOUS_AUTHENTICATOR,
      access: parts.access ?? OPEN_ACCESS,
      requestIds: new RequestIds(parts.random),
      bodies: new BodyBudget(options.smallBodiesBytesMax),
      observer: parts.observer,
      closing: false,
    };
    const serverOptions = {
      maxHeaderSize: options.headerBytesMax,
      // The dispatcher looks for it: node:http would refuse without a word of S3.
      requireHostHeader: false,
      keepAliveTimeout: options.keepAliveTimeoutMs,
      headersTimeout: options.headersTimeoutMs,
      connectionsCheckingInterval: Math.min(HEADS_CHECK_INTERVAL_MS, options.headersTimeoutMs),
      // A body may take as long as it keeps moving.
      requestTimeout: 0,
      highWaterMark: STREAM_HIGH_WATER_BYTES,
      noDelay: true,
    };
    const { tls } = parts;
    this.#server =
      tls === undefined
        ? createServer(serverOptions)
        : createTlsServer({
            ...serverOptions,
            cert: tls.certificate,
            key: tls.key,
            handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
          });
    this.#server.maxConnections = options.connectionsMax;
    this.#server.timeout = options.idleTimeoutMs;
    // A client that has said all and closed its side still gets its answer. Node has this switch and no type for it.
    Object.assign(this.#server, { httpAllowHalfOpen: true });
    this.#listenToServer();
  }

  #listenToServer(): void {
    const server = this.#server;
    if (server instanceof TlsServer) {
      this.#trackHandshakes(server);
      // Requests come on the encrypted socket, not on the one below it.
      server.on('secureConnection', (socket: Socket) => this.#open(socket));
    } else {
      const plain = new PlainConnections(server, {
        limits: this.#context.options,
        clock: this.#context.clock,
        refuse: (error, socket) => this.#refuse(error, socket),
      });
      this.#plain = plain;
      server.on('connection', (socket: Socket) => this.#openPlain(socket, plain));
    }
    server.on('request', (request, response) => {
      this.#accept(request, response, false);
    });
    server.on('checkContinue', (request, response) => {
      this.#accept(request, response, true);
    });
    // An expectation that nobody knows is no reason to refuse (RFC 9110, section 10.1.1: a server may), and S3 does not.
    server.on('checkExpectation', (request, response) => {
      this.#accept(request, response, false);
    });
    server.on('timeout', (socket: Socket) => this.#connections.get(socket)?.idle());
    server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      this.#clientError(error, socket as Socket);
    });
    // Without a listener node:http would cut the connection.
    server.on('connect', (_request, socket) => {
      socket.on('error', () => socket.destroy());
      this.#refuse(new S3Error('MethodNotAllowed'), socket as Socket);
    });
  }

  #open(socket: Socket): Connection {
    const connection = new Connection(socket);
    this.#connections.set(socket, connection);
    socket.once('close', () => {
      this.#connections.delete(socket);
      connection.closed();
    });
    return connection;
  }

  #openPlain(socket: Socket, plain: PlainConnections): void {
    const connection = this.#open(socket);
    plain.add(socket, {
      serve: (request, response, expectsContinue, onDone) => {
        const exchange = new Exchange(this.#context, request, response, expectsContinue, () => {
          connection.next();
          onDone();
        });
        connection.accept(exchange);
      },
      idle: () => connection.idle(),
    });
  }

  /** node:http knows nothing of a connection before its handshake is done, so that a stop has to end it here. */
  #trackHandshakes(server: TlsServer): void {
    server.on('connection', (socket: Socket) => {
      const address = addressOf(socket);
      this.#handshakes.set(address, socket);
      socket.once('close', () => {
        if (this.#handshakes.get(address) === socket) this.#handshakes.delete(address);
      });
    });
    server.on('secureConnection', (socket) => this.#handshakes.delete(addressOf(socket)));
  }

  #accept(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void {
    const connection = this.#connections.get(request.socket);
    // A connection that is closed has nobody to answer.
    if (connection === undefined) return;
    const exchange = new Exchange(this.#context, request, response, expectsContinue, connection.next);
    connection.accept(exchange);
  }

  /** The parser gave up, or the connection did. */
  #clientError(error: NodeJS.ErrnoException, socket: Socket): void {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    this.#refuse(describeClientError(error), socket);
  }

  /** The last answer on a connection, unless one is being given: then it ends with that. */
  #refuse(failure: S3Error, socket: Socket): void {
    const connection = this.#connections.get(socket);
    if (connection?.broken(failure) === true) return;
    const requestId = this.#context.requestIds.next();
    socket.end(rawAnswer(failure, requestId, this.#context), 'latin1');
  }

  listen(host: string, port: number): Promise<{ port: number }> {
    const server = this.#server;
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, () => {
        server.off('error', reject);
        resolve({ port: (server.address() as AddressInfo).port });
      });
    });
  }

  useCertificate({ certificate, key }: CertificatePair): void {
    assert(this.#server instanceof TlsServer, 'a certificate belongs to a TLS endpoint');
    this.#server.setSecureContext({ cert: certificate, key });
  }

  close(graceMs: number): Promise<void> {
    const server = this.#server;
    if (!server.listening) return Promise.resolve();
    this.#context.closing = true;
    return new Promise((resolve) => {
      const cancel = this.#context.clock.schedule(graceMs, () => {
        for (const socket of this.#connections.keys()) socket.destroy();
      });
      server.close(() => {
        cancel();
        resolve();
      });
      this.#plain?.close();
      // node:http closes those that wait for their next request, and not those that wait for their first.
      for (const [socket, connection] of this.#connections) if (!connection.used) socket.destroy();
      for (const socket of this.#handshakes.values()) socket.destroy();
    });
  }
}

function addressOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

/** What S3 calls what node:http's parser calls it. */
function describeClientError(error: NodeJS.ErrnoException): S3Error {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return new S3Error('RequestHeaderSectionTooLarge');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new S3Error('RequestTimeout');
    case 'HPE_INVALID_EOF_STATE':
      return new S3Error('IncompleteBody');
    default:
      return new S3Error('BadRequest', `An error occurred when parsing the HTTP request: ${error.message}.`);
  }
}

/** An answer to what never became a request. */
function rawAnswer(error: S3Error, requestId: string, context: S3Context): string {
  const body = errorDocument(error, { target: NOWHERE, requestId, context });
  return [
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status] ?? ''}`,
    `x-amz-request-id: ${requestId}`,
    'Server: Headrace',
    'Content-Type: application/xml',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    '',
    body,
  ].join('\r\n');
}
