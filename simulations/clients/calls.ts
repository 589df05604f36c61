/**
 * The calls of simulated clients: each goes to the engine as the S3 endpoint makes it, and to the recorder. A call that fails
 * in a way that the faults of its world explain is an outcome; any other failure is a violation.
 */
import { HeadraceError, type ErrorKind } from '../../src/core/errors.js';
import { KIB } from '../../src/core/units.js';
import type { Body, WriteConditions } from '../../src/engine/object-service.js';
import { bytesOf, bytesOfContent, multipartContent, type Content } from '../content.js';
import type { Recorder, WriteCall } from '../recorder.js';
import type { SimRandom } from '../sim-random.js';
import type { SimWorld } from '../world.js';
import { ClientGone, pacedBody, sentBody } from './sent-bodies.js';

const HEADERS = { system: {}, user: {} };
const EXPECTED_KINDS: ReadonlySet<ErrorKind> = new Set(['RETRY', 'UNKNOWN_OUTCOME', 'OUT_OF_SPACE']);
const EXPECTED_CODES: ReadonlySet<string> = new Set(['UFS_DENIED', 'REQUEST_TIMEOUT', 'READ_ONLY_PATH']);
/** What a busy and healthy store may answer. */
const HEALTHY_CODES: ReadonlySet<string> = new Set(['OUT_OF_SPACE', 'SLOW_DOWN', 'READ_ONLY_PATH']);

export interface CallsSetup {
  readonly world: SimWorld;
  readonly recorder: Recorder;
  readonly random: SimRandom;
  readonly bucket: string;
  /** Whether anything goes wrong in this world that a call may fail by. */
  readonly hasFaults: () => boolean;
  /** Whether reads of the disk may give wrong bits: then a call may fail, but never with wrong bytes. */
  readonly mayFlip: () => boolean;
}

export class Calls {
  readonly #setup: CallsSetup;

  constructor(setup: CallsSetup) {
    this.#setup = setup;
  }

  /** Sent at `bytesPerS`, or now faster and now slower when that is undefined. */
  async put(
    key: string,
    content: Content,
    conditions?: WriteConditions,
    bytesPerS?: number,
  ): Promise<boolean> {
    const { world, recorder, bucket } = this.#setup;
    const call = recorder.beginWrite(conditions === undefined ? 'put' : 'put-if', key, content, conditions);
    return this.#write(call, async () => {
      const bytes = bytesOfContent(content);
      const body = bytesPerS === undefined ? this.#body(bytes) : pacedBody(bytes, bytesPerS, world.clock);
      const receipt = await world.objects.putObject({ bucket, key, body, headers: HEADERS, conditions });
      this.#checkEtag(key, receipt.etag, content);
      return receipt.offset ?? '';
    });
  }

  /** A body that breaks off: nothing of it may ever be seen. */
  async vanish(key: string, content: Content, sentBytes: number): Promise<void> {
    const { world, recorder, bucket } = this.#setup;
    const call = recorder.beginWrite('put-broken', key, content);
    const body = this.#body(bytesOfContent(content), sentBytes);
    try {
      await world.objects.putObject({ bucket, key, body, headers: HEADERS });
      recorder.acknowledged(call);
    } catch (error) {
      if (!(error instanceof ClientGone)) this.#expected('put-broken', key, error);
      recorder.statistics.count('operations', 'put-broken gone');
      recorder.withoutEffect(call, 'gone');
    }
  }

  async delete(key: string, conditions?: WriteConditions): Promise<boolean> {
    const { world, recorder, bucket } = this.#setup;
    const call = recorder.beginWrite(
      conditions === undefined ? 'delete' : 'delete-if',
      key,
      undefined,
      conditions,
    );
    return this.#write(
      call,
      async () => (await world.objects.deleteObject(bucket, key, conditions)).offset ?? '',
    );
  }

  /** Several keys in one request; each is a call of its own to the recorder. */
  async deleteMany(keys: readonly string[]): Promise<void> {
    const { world, recorder, bucket } = this.#setup;
    const calls = keys.map((key) => recorder.beginWrite('delete-many', key, undefined));
    let errors: readonly (Error | undefined)[];
    try {
      ({ errors } = await world.objects.deleteObjects(bucket, keys));
    } catch (error) {
      errors = keys.map(() => error as Error);
    }
    for (const [at, call] of calls.entries()) {
      const error = errors[at];
      if (error === undefined) recorder.acknowledged(call);
      else recorder.failed(call, this.#expected('delete-many', call.key, error));
    }
  }

  /** The ETag, unquoted; undefined when there is no object or no answer. */
  async head(key: string): Promise<string | undefined> {
    const { world, recorder, bucket } = this.#setup;
    const call = recorder.beginRead('head', key);
    try {
      const object = await world.objects.headObject({ bucket, key });
      recorder.found(call, object);
      return object.etag;
    } catch (error) {
      const failure = this.#expected('head', key, error, 'NO_SUCH_KEY');
      if (failure.code === 'NO_SUCH_KEY') recorder.found(call, undefined);
      else recorder.readFailed(call, failure);
      return undefined;
    }
  }

  async get(key: string): Promise<void> {
    const { world, recorder, random, bucket } = this.#setup;
    const call = recorder.beginRead('get', key);
    const first = random.chance(0.2) ? random.below(8 * KIB) : undefined;
    try {
      const range = first === undefined ? undefined : { first };
      const { object, body, range: given } = await world.objects.getObject({ bucket, key, range });
      recorder.found(call, object, await bytesOf(body), given?.first ?? 0);
    } catch (error) {
      const failure = this.#expected('get', key, error, 'NO_SUCH_KEY', 'INVALID_RANGE');
      if (failure.code === 'NO_SUCH_KEY') recorder.found(call, undefined);
      else recorder.readFailed(call, failure);
    }
  }

  /** Walks through a listing, page by page; each is checked. */
  async list(prefix: string, pageKeys: number): Promise<void> {
    const { world, recorder, bucket } = this.#setup;
    let startAfter: string | undefined = '';
    while (startAfter !== undefined) {
      const call = recorder.beginList(prefix);
      try {
        const page: Awaited<ReturnType<SimWorld['objects']['listObjects']>> = await world.objects.listObjects(
          {
            bucket,
            prefix,
            delimiter: '',
            startAfter,
            maxKeys: pageKeys,
          },
        );
        const found = new Map(
          page.entries.flatMap((entry) => (entry.kind === 'object' ? [[entry.key, entry] as const] : [])),
        );
        const keys = recorder.keys.filter((key) => key.startsWith(prefix) && key !== prefix);
        const upTo = page.truncated ? page.nextStartAfter : undefined;
        recorder.listed(call, keys, found, startAfter, upTo);
        if (upTo !== undefined) recorder.probe('listing in pages');
        startAfter = upTo;
      } catch (error) {
        recorder.listFailed(call, this.#expected('list', prefix, error));
        return;
      }
    }
  }

  /** An upload in parts; some are sent twice, some uploads are never completed. */
  async multipart(key: string, contents: readonly Content[], again: () => Content): Promise<void> {
    const { world, recorder, random, bucket } = this.#setup;
    const { objects } = world;
    const parts: { number: number; etag: string }[] = [];
    let uploadId: string;
    try {
      ({ uploadId } = await objects.createUpload({ bucket, key, headers: HEADERS }));
      for (const [at, content] of contents.entries()) {
        const target = { bucket, key, uploadId, partNumber: at + 1 };
        // The last one that is sent counts.
        if (random.chance(0.2))
          await objects.putPart({ ...target, body: this.#body(bytesOfContent(again())) });
        const { etag } = await objects.putPart({ ...target, body: this.#body(bytesOfContent(content)) });
        parts.push({ number: at + 1, etag });
      }
      recorder.statistics.count('operations', 'parts ok');
      if (random.chance(0.15)) return;
      if (random.chance(0.15)) {
        await objects.abortUpload(bucket, key, uploadId);
        return;
      }
    } catch (error) {
      const { code } = this.#expected('parts', key, error, 'NO_SUCH_UPLOAD');
      recorder.statistics.count('operations', `parts ${code}`);
      return;
    }
    const content = multipartContent(contents);
    const call = recorder.beginWrite('complete', key, content);
    await this.#write(call, async () => {
      const receipt = await objects.completeUpload({ bucket, key, uploadId, parts });
      this.#checkEtag(key, receipt.etag, content);
      return receipt.offset ?? '';
    });
  }

  /** A completion that names a part which was never sent: it must be refused, and leave the object as it is. */
  async completeWithMissingPart(key: string, content: Content): Promise<void> {
    const { world, recorder, bucket } = this.#setup;
    const { objects } = world;
    let call: WriteCall | undefined;
    try {
      const { uploadId } = await objects.createUpload({ bucket, key, headers: HEADERS });
      const body = this.#body(bytesOfContent(content));
      const { etag } = await objects.putPart({ bucket, key, uploadId, partNumber: 2, body });
      const claimed = multipartContent([content, content]);
      call = recorder.beginWrite('complete-bad', key, claimed);
      const parts = [1, 2].map((number) => ({ number, etag }));
      await objects.completeUpload({ bucket, key, uploadId, parts });
      recorder.report('linearizable', `${key}: an upload was completed with a part that was never sent`, key);
    } catch (error) {
      const failure = this.#expected(
        'complete-bad',
        key,
        error,
        'INVALID_PART',
        'NO_SUCH_UPLOAD',
        'PART_TOO_SMALL',
      );
      recorder.statistics.count('operations', `complete-bad ${failure.code}`);
      if (call !== undefined) recorder.withoutEffect(call, failure.code);
    }
  }

  async #write(call: WriteCall, action: () => Promise<string>): Promise<boolean> {
    const { recorder } = this.#setup;
    try {
      recorder.acknowledged(call, await action());
      return true;
    } catch (error) {
      const allowed = call.isConditional ? (['PRECONDITION_FAILED', 'NO_SUCH_KEY'] as const) : [];
      recorder.failed(call, this.#expected(call.name, call.key, error, ...allowed));
      return false;
    }
  }

  #checkEtag(key: string, etag: string, content: Content): void {
    if (`"${etag}"` === content.etag) return;
    this.#setup.recorder.report(
      'bytes-match-etag',
      `${key} was acknowledged with the ETag "${etag}" in the place of ${content.etag}`,
      key,
    );
  }

  /** The error as one of the engine's; what nothing explains is reported. */
  #expected(name: string, key: string, error: unknown, ...allowed: string[]): HeadraceError {
    const { recorder, hasFaults, mayFlip } = this.#setup;
    if (!(error instanceof HeadraceError)) {
      const isAssertion = error instanceof Error && error.name === 'AssertionError';
      recorder.report(
        isAssertion ? 'no-assertion' : 'expected-errors',
        `${name} ${key}: ${String(error)}`,
        key,
        error,
      );
      return new HeadraceError('IO_FAILED', String(error));
    }
    const isExplained = hasFaults()
      ? EXPECTED_KINDS.has(error.kind) ||
        EXPECTED_CODES.has(error.code) ||
        (mayFlip() && error.kind === 'CORRUPT')
      : HEALTHY_CODES.has(error.code);
    if (error.code === 'OUT_OF_SPACE' || error.code === 'SLOW_DOWN') recorder.refused(error);
    if (error.kind === 'CORRUPT') recorder.probe('wrong bits found');
    if (error.code === 'PRECONDITION_FAILED') recorder.probe('condition failed');
    if (!isExplained && !allowed.includes(error.code))
      recorder.report(
        'expected-errors',
        `${name} ${key} failed: ${error.code}: ${error.message}`,
        key,
        error,
      );
    return error;
  }

  #body(bytes: Buffer, breakAt?: number): Body {
    const { world, random } = this.#setup;
    return sentBody(bytes, { clock: world.clock, random }, breakAt);
  }
}
