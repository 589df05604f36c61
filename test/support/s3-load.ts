/**
 * A random load of concurrent PUTs, multipart uploads, DELETEs and GETs on a small set of keys, which notes in an
 * `ObjectModel` what was begun and what was acknowledged, and checks each read at once.
 *
 * All choices come from one seed; their interleaving does not, as the server is a real process.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import {
  matchContent,
  multipartContent,
  singleContent,
  makeBody,
  ObjectModel,
  type Content,
} from './object-model.js';
import { NoAnswerError, S3Client, xmlText } from './s3-client.js';

const KIB = 1024;
const MIB = 1024 ** 2;
const PART_BYTES = 5 * MIB;

/** A multipart upload that was not completed. */
export interface OpenUpload {
  readonly target: string;
  readonly uploadId: string;
  /** Acknowledged parts, in order. */
  readonly parts: Content[];
  /** Complete or abort was sent: whether it still exists is unknown. */
  ending: boolean;
}

/** Seeded numbers (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface LoadOptions {
  readonly model: ObjectModel;
  readonly port: number;
  readonly seed: number;
  /** Paths of the keys that are written, with the leading slash. */
  readonly keys: readonly string[];
  readonly workers: number;
  /** Few large bodies: for a load that goes on for long. */
  readonly small?: boolean;
  /** Each worker's pause between two requests. */
  readonly pauseMs?: number;
  /** Headers that go with the content of this seed; none unless given. */
  readonly headersOf?: (seed: number) => Record<string, string>;
  /** The UFS may not answer: a read of what only it could know may be refused. */
  readonly refusesMisses?: boolean;
  readonly onWrite?: (write: AcknowledgedWrite) => void;
}

export interface AcknowledgedWrite {
  readonly key: string;
  readonly content: Content;
  /** From the first byte of the request to the last of the answer; of a multipart upload, of its completion. */
  readonly latencyMs: number;
  readonly headers: IncomingHttpHeaders;
}

export class S3Load {
  readonly #options: LoadOptions;
  readonly #client: S3Client;
  readonly #random: () => number;
  readonly #workers: Promise<void>[] = [];
  #stopping = false;
  #nextSeed: number;
  readonly openUploads: OpenUpload[] = [];
  /** What went wrong, one line each; empty in the end if all is well. */
  readonly problems: string[] = [];
  acknowledged = 0;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#client = new S3Client(options.port);
    this.#random = seededRandom(options.seed);
    this.#nextSeed = options.seed * 1_000_000;
  }

  start(): void {
    for (let i = 0; i < this.#options.workers; i++) this.#workers.push(this.#work());
  }

  /** From here on a request may go without an answer: the server is about to be killed. */
  expectDeath(): void {
    this.#stopping = true;
  }

  /** Resolves when no request is in flight any more. */
  async finished(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#workers);
    this.#client.close();
  }

  async #work(): Promise<void> {
    while (!this.#stopping) {
      const key = this.#pick(this.#options.keys);
      try {
        await this.#act(key);
        if (this.#options.pauseMs !== undefined) await delay(this.#options.pauseMs);
      } catch (error) {
        if (error instanceof NoAnswerError && this.#stopping) return;
        this.problems.push(`${key}: ${(error as Error).message}`);
        return;
      }
    }
  }

  async #act(key: string): Promise<void> {
    const choice = this.#random();
    if (choice < 0.6) await this.#put(key);
    else if (choice < 0.7) await this.#delete(key);
    else if (choice < 0.76) await this.#multipart(key);
    else await this.#get(key);
  }

  #pick<T>(values: readonly T[]): T {
    return values[Math.floor(this.#random() * values.length)] as T;
  }

  #size(): number {
    const choice = this.#random();
    if (choice < 0.06) return this.#pick([0, 1, 4095, 4096]);
    if (choice < (this.#options.small === true ? 0.98 : 0.8)) return 10 * KIB;
    if (this.#options.small === true) return 300 * KIB;
    return choice < 0.97 ? 300 * KIB : 6 * MIB;
  }

  #content(size: number): { content: Content; body: Buffer } {
    const seed = this.#nextSeed++;
    return { content: singleContent(seed, size), body: makeBody(seed, size) };
  }

  async #put(key: string): Promise<void> {
    const { content, body } = this.#content(this.#size());
    const write = this.#options.model.begin(key, content);
    const sentMs = performance.now();
    const response = await this.#client.request('PUT', key, body, this.#options.headersOf?.(content.seed));
    const latencyMs = performance.now() - sentMs;
    this.#require(response.status === 200, `PUT answered ${response.status} ${response.body.toString()}`);
    this.#options.model.acknowledge(write);
    this.acknowledged++;
    this.#options.onWrite?.({ key, content, latencyMs, headers: response.headers });
    this.#require(response.headers.etag === content.etag, `PUT answered the ETag ${response.headers.etag}`);
  }

  async #delete(key: string): Promise<void> {
    const write = this.#options.model.begin(key, undefined);
    const response = await this.#client.request('DELETE', key);
    this.#require(response.status === 204, `DELETE answered ${response.status} ${response.body.toString()}`);
    this.#options.model.acknowledge(write);
    this.acknowledged++;
  }

  async #multipart(key: string): Promise<void> {
    const sizes = this.#random() < this.#largeShare ? [PART_BYTES, 300 * KIB] : [10 * KIB];
    const parts = sizes.map((size) => this.#content(size));
    const headers = this.#options.headersOf?.(parts[0]?.content.seed ?? 0);
    const created = await this.#client.expect('POST', `${key}?uploads`, undefined, headers);
    const uploadId = xmlText(created.body.toString(), 'UploadId') ?? '';
    const upload: OpenUpload = { target: key, uploadId, parts: [], ending: false };
    this.openUploads.push(upload);
    for (const [i, { content, body }] of parts.entries()) {
      const target = `${key}?partNumber=${i + 1}&uploadId=${encodeURIComponent(uploadId)}`;
      const answer = await this.#client.expect('PUT', target, body);
      this.#require(answer.headers.etag === content.etag, `a part has the ETag ${answer.headers.etag}`);
      upload.parts.push(content);
    }
    // Some are left open, as by a client that went away.
    if (this.#random() < 0.25) return;
    await this.#end(upload, this.#random() < 0.2);
  }

  async #end(upload: OpenUpload, abort: boolean): Promise<void> {
    upload.ending = true;
    if (abort) await abortUpload(this.#client, upload);
    else await this.#complete(upload);
    this.acknowledged++;
    this.openUploads.splice(this.openUploads.indexOf(upload), 1);
  }

  async #complete(upload: OpenUpload): Promise<void> {
    const sentMs = performance.now();
    const { content, headers } = await completeUpload(this.#client, this.#options.model, upload);
    this.#options.onWrite?.({
      key: upload.target,
      content,
      latencyMs: performance.now() - sentMs,
      headers,
    });
  }

  async #get(key: string): Promise<void> {
    const { model, refusesMisses } = this.#options;
    const begunAt = model.moment();
    const candidates = () => model.candidates(key, begunAt, model.moment());
    const problem = await checkKey(this.#client, key, candidates, refusesMisses);
    if (typeof problem === 'string') throw new Error(problem);
  }

  get #largeShare(): number {
    return this.#options.small === true ? 0.05 : 0.5;
  }

  #require(condition: boolean, problem: string): asserts condition {
    if (!condition) throw new Error(problem);
  }
}

/** Completes an upload from its acknowledged parts, notes it in the model and returns what is stored, with the answer's headers. */
export async function completeUpload(
  client: S3Client,
  model: ObjectModel,
  upload: OpenUpload,
): Promise<{ readonly content: Content; readonly headers: IncomingHttpHeaders }> {
  const content = multipartContent(upload.parts);
  const parts = upload.parts.map(
    (part, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${part.etag}</ETag></Part>`,
  );
  const write = model.begin(upload.target, content);
  const response = await client.expect(
    'POST',
    `${upload.target}?uploadId=${encodeURIComponent(upload.uploadId)}`,
    `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`,
  );
  const answer = response.body.toString().replaceAll('&quot;', '"').replaceAll('&#34;', '"');
  if (!answer.includes(content.etag)) throw new Error(`completing did not answer ${content.etag}: ${answer}`);
  model.acknowledge(write);
  return { content, headers: response.headers };
}

/** Aborts an upload that may be gone already. */
export async function abortUpload(client: S3Client, upload: OpenUpload): Promise<void> {
  const target = `${upload.target}?uploadId=${encodeURIComponent(upload.uploadId)}`;
  const response = await client.request('DELETE', target);
  if (response.status !== 204 && response.status !== 404)
    throw new Error(`aborting answered ${response.status} ${response.body.toString()}`);
}

/**
 * Reads a key; returns what it holds, or a message when that is none of the candidates at the end of the read. With
 * `refusesMisses` a 503 or 403 stands for no object: the cache does not hold it, and the UFS could not be asked.
 */
export async function checkKey(
  client: S3Client,
  key: string,
  candidates: () => readonly (Content | undefined)[],
  refusesMisses = false,
): Promise<{ content: Content | undefined } | string> {
  const response = await client.request('GET', key);
  const isAbsent =
    response.status === 404 || (refusesMisses && (response.status === 503 || response.status === 403));
  if (response.status !== 200 && !isAbsent)
    return `GET ${key} answered ${response.status} ${response.body.toString('utf8', 0, 500)}`;
  const found = isAbsent ? undefined : { body: response.body, etag: response.headers.etag ?? '' };
  const match = matchContent(candidates(), found);
  return 'problem' in match ? `GET ${key}: ${match.problem}` : match;
}
