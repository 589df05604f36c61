/**
 * Requests to the admin API: how they are sent, how an answer is read (one JSON value, lines, or bytes), and what each way
 * to fail means to the user. Every error that leaves here is a `CliFailure`, with the server's code and message where it
 * sent them. `AdminClient` knows the routes.
 */
import { CliFailure } from './context.js';
import { readLines } from './json-lines.js';

/** What ends all requests of a client. */
export interface ClientLimits {
  /** The user's wish to stop. */
  readonly stop?: AbortSignal | undefined;
  /** Aborts when `--timeout` has passed. */
  readonly deadline?: AbortSignal | undefined;
}

export interface RequestOptions {
  readonly method?: 'GET' | 'PUT' | 'POST' | 'DELETE';
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

const LINES_TYPE = 'application/x-ndjson';

export class AdminTransport {
  readonly endpoint: string;
  readonly #fetch: typeof globalThis.fetch;
  readonly #limits: ClientLimits;
  readonly #signal: AbortSignal | undefined;

  /** `endpoint` without a slash at its end. */
  constructor(endpoint: string, fetch: typeof globalThis.fetch, limits: ClientLimits) {
    this.endpoint = endpoint;
    this.#fetch = fetch;
    this.#limits = limits;
    const signals = [limits.stop, limits.deadline].filter((signal) => signal !== undefined);
    this.#signal = signals.length > 1 ? AbortSignal.any(signals) : signals[0];
  }

  /** Runs a long job: progress comes as lines, the result is the last one. */
  async job<Result, Progress>(
    path: string,
    body: object,
    onProgress: (value: Progress) => void,
  ): Promise<Result> {
    return this.lines(path, { method: 'POST', body }, onProgress);
  }

  /** As `job`, for requests that are no plain POST. */
  async lines<Result, Progress>(
    path: string,
    options: RequestOptions,
    onProgress: (value: Progress) => void,
  ): Promise<Result> {
    const response = await this.send(path, { ...options, headers: { accept: LINES_TYPE } });
    try {
      for await (const line of readLines(response)) {
        refuseError(line);
        if (hasMember(line, 'progress')) onProgress(line.progress as Progress);
        if (hasMember(line, 'result')) return line.result as Result;
      }
    } catch (error) {
      throw this.#unreachable(error);
    }
    throw new CliFailure('NO_SERVER', `the server at ${this.endpoint} stopped before the job was done`);
  }

  /**
   * The values of an answer that has no end, as they arrive, until the user stops. The HTTP client gives up on an answer
   * that is idle for minutes; it is then asked for again, with the query of now.
   */
  async *endlessLines(
    path: string,
    queryOfNow: () => RequestOptions['query'] & object,
  ): AsyncGenerator<unknown, void, undefined> {
    for (;;) {
      const response = await this.send(path, { query: queryOfNow() });
      try {
        for await (const line of readLines(response)) {
          refuseError(line);
          yield line;
        }
      } catch (error) {
        if (this.#limits.stop?.aborted === true) return;
        if (causeCode(error) !== 'UND_ERR_BODY_TIMEOUT') throw this.#unreachable(error);
        continue;
      }
      throw new CliFailure('NO_SERVER', `the server at ${this.endpoint} has stopped`);
    }
  }

  /** The bytes of an answer, as they arrive. */
  async *bodyOf(response: Response): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      if (response.body !== null) for await (const chunk of response.body) yield chunk as Uint8Array;
    } catch (error) {
      throw this.#unreachable(error);
    }
  }

  async text(path: string): Promise<string> {
    const response = await this.send(path, {});
    try {
      return await response.text();
    } catch (error) {
      throw this.#unreachable(error);
    }
  }

  async json<Result>(path: string, options: RequestOptions = {}): Promise<Result> {
    return this.parse<Result>(await this.send(path, options));
  }

  /** The answer as JSON. Client and server are of one release, so its shape is what the types say. */
  async parse<Result>(response: Response): Promise<Result> {
    try {
      return (await response.json()) as Result;
    } catch (error) {
      if (error instanceof SyntaxError) throw this.#foreign(response);
      throw this.#unreachable(error);
    }
  }

  /** Resolves with an answer that is no error; its body is still to be read. */
  async send(
    path: string,
    { method = 'GET', query = {}, body, headers = {} }: RequestOptions,
  ): Promise<Response> {
    const url = new URL(this.endpoint + path);
    for (const [name, value] of Object.entries(query))
      if (value !== undefined) url.searchParams.set(name, String(value));
    const hasBody = body !== undefined;
    let response: Response;
    try {
      response = await this.#fetch(url, {
        method,
        redirect: 'error',
        headers: hasBody ? { 'content-type': 'application/json', ...headers } : headers,
        ...(hasBody ? { body: JSON.stringify(body) } : {}),
        ...(this.#signal === undefined ? {} : { signal: this.#signal }),
      });
    } catch (error) {
      throw this.#unreachable(error);
    }
    if (response.ok) return response;
    const answer: unknown = await response.json().catch(() => undefined);
    refuseError(answer);
    throw this.#foreign(response);
  }

  #foreign(response: Response): CliFailure {
    const type = response.headers.get('content-type') ?? 'nothing';
    return new CliFailure(
      'NO_SERVER',
      `what listens at ${this.endpoint} is not a Headrace admin API: it answered ${response.status} with ${type}`,
    );
  }

  #unreachable(error: unknown): Error {
    if (error instanceof CliFailure) return error;
    if (this.#limits.stop?.aborted === true) return new CliFailure('STOPPED', 'stopped');
    if (this.#limits.deadline?.aborted === true)
      return new CliFailure('TIMEOUT', `not done by ${this.endpoint} within --timeout: it may still be done`);
    const code = causeCode(error);
    if (code === 'ECONNREFUSED')
      return new CliFailure('NO_SERVER', `no server at ${this.endpoint}: start one with \`npm start\``);
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const reason = code ?? (cause instanceof Error ? cause.message : String(cause));
    return new CliFailure('NO_SERVER', `the server at ${this.endpoint} cannot be reached: ${reason}`);
  }
}

/** Throws when the server answered with an error. */
function refuseError(answer: unknown): void {
  if (!hasMember(answer, 'error')) return;
  const { error } = answer;
  if (hasMember(error, 'code') && hasMember(error, 'message'))
    throw new CliFailure(String(error.code), String(error.message));
}

function hasMember<Name extends string>(value: unknown, name: Name): value is Record<Name, unknown> {
  return typeof value === 'object' && value !== null && name in value;
}

/** The system's error code behind a failed fetch, which may hold several errors, one per address it tried. */
function causeCode(error: unknown): string | undefined {
  const cause = hasMember(error, 'cause') ? error.cause : error;
  if (hasMember(cause, 'code') && typeof cause.code === 'string') return cause.code;
  return hasMember(cause, 'errors') && Array.isArray(cause.errors) ? causeCode(cause.errors[0]) : undefined;
}
