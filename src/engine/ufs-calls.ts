/** Calls to the under-store: each with a deadline, so that a hung call never holds anything for ever. */
import { HeadraceError, isErrorCode } from '../core/errors.js';
import type { StoreGetResult } from '../core/object-store.js';
import type { EngineCore } from './engine-core.js';
import type { UfsLocation } from './mount-table.js';

/** A call that moves a whole object has a deadline that grows with its size, at this lowest useful rate. */
const SLOWEST_BYTES_PER_MS = 256;

/** How long a call may take that moves `bytes`. */
export function ufsTimeoutMs(core: Pick<EngineCore, 'options'>, bytes: number): number {
  return core.options.ufsTimeoutMs + bytes / SLOWEST_BYTES_PER_MS;
}

/** Cuts off every call that was begun with it, at once. One for all calls: an `AbortSignal` would collect their listeners. */
export class CutOff {
  readonly #calls = new Set<() => void>();
  #isCut = false;

  cut(): void {
    this.#isCut = true;
    for (const end of this.#calls) end();
  }

  /** `end` is called when it is cut, unless the result was called before. */
  add(end: () => void): () => void {
    if (this.#isCut) end();
    else this.#calls.add(end);
    return () => void this.#calls.delete(end);
  }
}

/**
 * Runs one call with a deadline, the configured one unless given. `UFS_UNAVAILABLE` when it passes: a write may still take effect
 * (`details.outcomeUnknown`). `CLOSED` when `cutOff` cuts first.
 */
export async function ufsCall<Result>(
  core: Pick<EngineCore, 'clock' | 'options'>,
  call: (signal: AbortSignal) => Promise<Result>,
  { timeoutMs = core.options.ufsTimeoutMs, cutOff }: { timeoutMs?: number; cutOff?: CutOff } = {},
): Promise<Result> {
  const controller = new AbortController();
  let late: (error: Error) => void = () => undefined;
  const deadline = new Promise<never>((_resolve, reject) => {
    late = reject;
  });
  const giveUp = (error: HeadraceError): void => {
    late(error);
    controller.abort(error);
  };
  const cancel = core.clock.schedule(timeoutMs, () => giveUp(noAnswer(timeoutMs)));
  const forget = cutOff?.add(() => giveUp(new HeadraceError('CLOSED', 'the server is stopping')));
  try {
    const running = call(controller.signal);
    running.catch(() => undefined);
    return await Promise.race([running, deadline]);
  } finally {
    cancel();
    forget?.();
  }
}

/**
 * Asks the UFS for an object, with the configured deadline for the answer and again for each piece of its body: a body that
 * stops in the middle rejects with `UFS_UNAVAILABLE` and is ended.
 */
export async function ufsGet(
  core: Pick<EngineCore, 'clock' | 'options'>,
  get: (signal: AbortSignal) => Promise<StoreGetResult | undefined>,
): Promise<StoreGetResult | undefined> {
  const controller = new AbortController();
  const result = await ufsCall(core, (signal) => {
    signal.addEventListener('abort', () => controller.abort(signal.reason), { once: true });
    return get(controller.signal);
  });
  if (result === undefined) return undefined;
  return { object: result.object, body: withIdleDeadline(core, result.body, controller) };
}

function withIdleDeadline(
  { clock, options }: Pick<EngineCore, 'clock' | 'options'>,
  body: AsyncIterable<Uint8Array>,
  controller: AbortController,
): AsyncIterableIterator<Uint8Array> {
  const source = body[Symbol.asyncIterator]();
  let failure: HeadraceError | undefined;
  const iterator: AsyncIterableIterator<Uint8Array> = {
    [Symbol.asyncIterator]: () => iterator,
    next: () => {
      if (failure !== undefined) return Promise.reject(failure);
      return new Promise((resolve, reject) => {
        const cancel = clock.schedule(options.ufsTimeoutMs, () => {
          failure = noAnswer(options.ufsTimeoutMs);
          reject(failure);
          controller.abort(failure);
          // Not waited for: it ends behind the piece that does not come.
          source.return?.(undefined).catch(() => undefined);
        });
        source.next().then(resolve, reject).finally(cancel);
      });
    },
    return: async () => {
      if (failure === undefined) await source.return?.(undefined);
      return { done: true, value: undefined };
    },
  };
  return iterator;
}

export function noAnswer(timeoutMs: number): HeadraceError {
  const message = `the UFS did not answer within ${Math.round(timeoutMs)} ms`;
  return new HeadraceError('UFS_UNAVAILABLE', message, { details: { outcomeUnknown: true } });
}

/** Runs a put; a bucket that was created here while the UFS was away comes into being there with its first object. */
export async function creatingBucket<Result>(
  located: Pick<UfsLocation, 'store' | 'bucket'>,
  put: (signal: AbortSignal) => Promise<Result>,
  signal: AbortSignal,
): Promise<Result> {
  try {
    return await put(signal);
  } catch (error) {
    if (!isErrorCode(error, 'NO_SUCH_BUCKET')) throw error;
    await located.store.createBucket(located.bucket, signal);
    return put(signal);
  }
}

/** A client's own bucket is there: when that behind its mount is gone, the client meets an outage. `UFS_UNAVAILABLE` for it. */
export function throwAsOutage(error: unknown): never {
  if (!isErrorCode(error, 'NO_SUCH_BUCKET')) throw error;
  throw new HeadraceError('UFS_UNAVAILABLE', error.message, { cause: error });
}

const WITHOUT_EFFECT = [
  'UFS_UNAVAILABLE',
  'UFS_THROTTLED',
  'UFS_DENIED',
  'UFS_REJECTED',
  'UFS_CONFLICT',
  'NO_SUCH_BUCKET',
] as const;

/** Whether a write that ended with `error` certainly had no effect in the UFS. */
export function hadNoEffect(error: unknown): boolean {
  return (
    isErrorCode(error, ...WITHOUT_EFFECT) &&
    error.details['outcomeUnknown'] !== true &&
    error.details['aborted'] !== true
  );
}
