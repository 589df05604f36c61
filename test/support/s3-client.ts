/** A plain S3 client without signatures: says exactly what was sent and what came back, also when the server dies. */
import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http';

export interface S3Response {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** No whole answer came: what was asked may or may not have happened. */
export class NoAnswerError extends Error {
  override readonly name = 'NoAnswerError';
}

export class S3Client {
  readonly #agent = new Agent({ keepAlive: true });
  readonly #port: number;

  constructor(port: number) {
    this.#port = port;
  }

  /** `target` is a path with an optional query, already encoded. Rejects only with `NoAnswerError`. */
  request(
    method: string,
    target: string,
    body?: Uint8Array | string,
    headers: Record<string, string> = {},
  ): Promise<S3Response> {
    return new Promise((resolve, reject) => {
      const fail = (error: Error) => reject(new NoAnswerError(`${method} ${target}: ${error.message}`));
      const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
      const request = httpRequest({
        agent: this.#agent,
        host: '127.0.0.1',
        port: this.#port,
        method,
        path: target,
        headers: { ...length, ...headers },
      });
      request.on('error', fail);
      request.on('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', fail);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks),
          }),
        );
      });
      request.end(body);
    });
  }

  /** As `request`, and throws unless it answers 2xx. */
  async expect(
    method: string,
    target: string,
    body?: Uint8Array | string,
    headers: Record<string, string> = {},
  ): Promise<S3Response> {
    const response = await this.request(method, target, body, headers);
    if (response.status >= 300)
      throw new Error(`${method} ${target}: ${response.status} ${response.body.toString('utf8', 0, 500)}`);
    return response;
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** The text of the first element with this name. */
export function xmlText(xml: string, element: string): string | undefined {
  return new RegExp(`<${element}>([^<]*)</${element}>`).exec(xml)?.[1];
}

/** The texts of all elements with this name. */
export function xmlTexts(xml: string, element: string): string[] {
  return Array.from(
    xml.matchAll(new RegExp(`<${element}>([^<]*)</${element}>`, 'g')),
    (match) => match[1] ?? '',
  );
}
