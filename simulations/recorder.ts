/**
 * What clients asked for and were told, checked as it comes: each key against a register, each page of a listing against the model,
 * each body against its ETag. The first violation is kept and ends the simulation.
 */
import { isErrorCode, type HeadraceError } from '../src/core/errors.js';
import type { WriteConditions } from '../src/engine/object-service.js';
import { problemOfObject, problemOfPage, type FoundObject } from './checkers/found-objects.js';
import { ABSENT, READ, Register, type RegisterValue } from './checkers/register.js';
import { describeWrite, effectOf } from './checkers/write-effects.js';
import type { Content } from './content.js';
import { ObjectModel, type Write } from './object-model.js';
import type { Probe } from './probes.js';
import type { Statistics } from './statistics.js';
import type { Trace } from './trace.js';
import { Violation, type Invariant } from './violation.js';

/** A call in progress that may change an object. */
export interface WriteCall {
  readonly id: number;
  readonly name: string;
  readonly key: string;
  readonly write: Write;
  readonly isConditional: boolean;
}

/** A call in progress that changes nothing. */
export interface ReadCall {
  readonly id: number;
  readonly name: string;
  readonly key: string;
  readonly begunAt: number;
}

export class Recorder {
  readonly model = new ObjectModel();
  readonly trace: Trace;
  readonly statistics: Statistics;
  /** Called with each write that found no room. */
  onRefusal: ((error: HeadraceError) => void) | undefined;
  #violation: Violation | undefined;
  readonly #registers = new Map<string, Register>();
  /** Those of the registers, until another one is made. */
  #keys: readonly string[] | undefined;
  /** Everything that was ever sent, by ETag. */
  readonly #contents = new Map<string, Content>();
  /** ETags of what was sent more than once. */
  readonly #repeated = new Set<string>();
  readonly #inFlight = new Map<number, string>();
  /** Where the trace of a key begins to matter: when it last had one value and no call in progress. */
  readonly #quietSince = new Map<string, number>();
  #calls = 0;

  constructor(trace: Trace, statistics: Statistics) {
    this.trace = trace;
    this.statistics = statistics;
  }

  get violation(): Violation | undefined {
    return this.#violation;
  }

  /** Keeps the first one. */
  report(invariant: Invariant, message: string, key?: string, cause?: unknown): void {
    this.fail(new Violation(invariant, message, key, cause));
  }

  fail(violation: Violation): void {
    if (this.#violation !== undefined) return;
    this.trace.line(`VIOLATION ${violation.invariant}: ${violation.message}`, violation.key);
    this.#violation = violation;
  }

  /** The lines of the trace that explain a violation. */
  window({ key }: Violation): string[] {
    return this.trace.window(key, key === undefined ? 0 : (this.#quietSince.get(key) ?? 0));
  }

  /** Every key that a client touched, in order. */
  get keys(): readonly string[] {
    this.#keys ??= [...this.#registers.keys()].sort();
    return this.#keys;
  }

  /** Calls of clients that have not been answered. */
  get inFlight(): string[] {
    return [...this.#inFlight.values()];
  }

  contentOf(etag: string): Content | undefined {
    return this.#contents.get(etag);
  }

  learn(content: Content): void {
    if (this.#contents.has(content.etag)) this.#repeated.add(content.etag);
    this.#contents.set(content.etag, content);
  }

  /** Whether several writes had these bytes: empty ones, or a byte or two. */
  isRepeated(etag: string): boolean {
    return this.#repeated.has(etag);
  }

  beginWrite(
    name: string,
    key: string,
    content: Content | undefined,
    conditions?: WriteConditions,
  ): WriteCall {
    const id = this.#begin(name, key, describeWrite(content, conditions));
    if (content !== undefined) this.learn(content);
    this.#register(key).begin(id, effectOf(content, conditions));
    return {
      id,
      name,
      key,
      write: this.model.begin(key, content),
      isConditional: conditions !== undefined,
    };
  }

  acknowledged(call: WriteCall, told = ''): void {
    this.#end(call, 'ok', told);
    this.model.acknowledge(call.write);
    this.#judge(call, this.#register(call.key).end(call.id, 'ok'), 'ok');
  }

  /** The call failed: a condition did not hold, it was refused, or nobody knows what came of it. */
  failed(call: WriteCall, error: HeadraceError): void {
    this.#end(call, error.code, '');
    const register = this.#register(call.key);
    if (call.isConditional && isErrorCode(error, 'PRECONDITION_FAILED', 'NO_SUCH_KEY')) {
      this.model.refuse(call.write);
      this.#judge(call, register.end(call.id, error.code), error.code);
    } else if (isErrorCode(error, 'OUT_OF_SPACE', 'READ_ONLY_PATH', 'INVALID_PART', 'NO_SUCH_UPLOAD')) {
      this.withoutEffect(call, error.code);
    }
  }

  /** A rare branch was taken. */
  probe(name: Probe | undefined): void {
    if (name !== undefined) this.statistics.count('probes', name);
  }

  /** A write found no room, or none in time. */
  refused(error: HeadraceError): void {
    this.probe(error.code === 'SLOW_DOWN' ? 'slowed down' : 'refused for space');
    this.onRefusal?.(error);
  }

  /** The call cannot have had an effect, whatever it was told. */
  withoutEffect(call: WriteCall, result: string): void {
    this.#inFlight.delete(call.id);
    this.model.refuse(call.write);
    this.#judge(call, this.#register(call.key).cancel(call.id), result);
  }

  beginRead(name: string, key: string): ReadCall {
    const id = this.#begin(name, key, '');
    this.#register(key).begin(id, READ);
    return { id, name, key, begunAt: this.model.moment() };
  }

  beginList(prefix: string): ReadCall {
    return { id: this.#begin('list', prefix, ''), name: 'list', key: prefix, begunAt: this.model.moment() };
  }

  listFailed(call: ReadCall, error: HeadraceError): void {
    this.#end(call, error.code, '');
  }

  readFailed(call: ReadCall, error: HeadraceError): void {
    this.#end(call, error.code, '');
    this.#register(call.key).forget(call.id);
  }

  /** The call found this; `body` where it read one, from byte `first` on. */
  found(call: ReadCall, object: FoundObject | undefined, body?: Uint8Array, first = 0): void {
    const value = object === undefined ? ABSENT : `"${object.etag}"`;
    this.#end(call, 'ok', value);
    if (object !== undefined) this.#checkBytes(call.key, value, object, body, first);
    const register = this.#register(call.key);
    const isExplained = register.end(call.id, value);
    // Too many calls at once for the search: each read by itself must still be one that may be.
    const may = register.isUndecided ? this.#mayHold(call.key, call.begunAt, this.model.moment()) : [value];
    this.#judge(call, isExplained && may.includes(value), value);
  }

  /** After a restart: the key holds this, and nothing that was begun before can change it any more. */
  settle(key: string, object: FoundObject | undefined, body?: Uint8Array): void {
    const value = object === undefined ? ABSENT : `"${object.etag}"`;
    const register = this.#register(key);
    const wasUndecided = register.isUndecided;
    register.retire();
    const values = wasUndecided ? this.#mayHold(key, Infinity, Infinity) : register.values;
    this.trace.line(`holds ${key} ${value}`, key);
    if (object !== undefined) this.#checkBytes(key, value, object, body, 0);
    if (!values.includes(value))
      this.report('acknowledged-readable', `${key} holds ${value} and may hold ${values.join(' or ')}`, key);
    register.settle(value);
    this.model.settle(key, this.#contents.get(value));
    this.#quietSince.set(key, this.trace.length - 1);
  }

  /** One page of a listing, from behind `startAfter` up to `upTo` (to the end when undefined). */
  listed(
    call: ReadCall,
    keys: readonly string[],
    found: ReadonlyMap<string, FoundObject>,
    startAfter: string,
    upTo: string | undefined,
  ): void {
    this.#end(call, 'ok', `${found.size} keys`);
    const { begunAt } = call;
    const page = { keys, found, startAfter, upTo, begunAt, endedAt: this.model.moment() };
    const problem = problemOfPage(this.model, page);
    if (problem !== undefined) this.report('listing-model', problem.message, problem.key);
  }

  /** The process died: its calls are never answered. */
  died(): void {
    this.#inFlight.clear();
  }

  /** Values that intervals alone allow. */
  #mayHold(key: string, begunAt: number, endedAt: number): readonly RegisterValue[] {
    return this.model.candidates(key, begunAt, endedAt).map((content) => content?.etag ?? ABSENT);
  }

  #begin(name: string, key: string, what: string): number {
    const id = ++this.#calls;
    const isQuiet = ![...this.#inFlight.values()].some((call) => call.endsWith(` ${key}`));
    if (isQuiet && this.#registers.get(key)?.isSettled !== false)
      this.#quietSince.set(key, this.trace.length);
    this.#inFlight.set(id, `${name} ${key}`);
    this.trace.line(`call ${id} ${name} ${key}${what === '' ? '' : ` ${what}`}`, key);
    return id;
  }

  #end({ id, name, key }: WriteCall | ReadCall, outcome: string, told: string): void {
    this.#inFlight.delete(id);
    this.statistics.count('operations', `${name} ${outcome}`);
    this.trace.line(`call ${id} ${name} ${key}: ${outcome}${told === '' ? '' : ` ${told}`}`, key);
  }

  #judge({ id, name, key }: WriteCall | ReadCall, isExplained: boolean, told: string): void {
    if (isExplained) {
      if (this.#register(key).isUndecided) this.statistics.count('probes', 'register undecided');
      return;
    }
    const { values } = this.#register(key);
    const message = `${name} ${key} (call ${id}) was told ${told}; no order of the calls explains that (before it: ${values.join(' or ')})`;
    this.report('linearizable', message, key);
  }

  #checkBytes(
    key: string,
    etag: RegisterValue,
    object: FoundObject,
    body: Uint8Array | undefined,
    first: number,
  ): void {
    const read = body === undefined ? undefined : { bytes: body, first };
    const problem = problemOfObject(key, etag, object, this.#contents.get(etag), read);
    if (problem !== undefined) this.report('bytes-match-etag', problem, key);
  }

  #register(key: string): Register {
    const known = this.#registers.get(key);
    if (known !== undefined) return known;
    const register = new Register();
    this.#registers.set(key, register);
    this.#keys = undefined;
    return register;
  }
}
