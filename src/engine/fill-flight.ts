/**
 * One fetch of an object from the UFS, for all who read it at the time, and for the cache.
 *
 * The body is pulled into a window of bounded memory. While it is being cached, the fetch goes as fast as UFS and disk allow: a
 * reader that is behind the window reads the segment file that is being written, so nobody waits for it. When it is not cached
 * (no room), the fetch waits for the slowest reader, but for no longer than `STALL_MS` while a faster one waits: then the slow
 * one goes on with a fetch of its own. A body that breaks off is fetched on from there, if the UFS still has the same version.
 *
 * The fetch ends when nobody reads any more, unless little is left of it that is being cached. Invariant: no reader gets a byte of
 * another version, nor an end before the last byte.
 */
import { HeadraceError } from '../core/errors.js';
import type { ByteRange } from '../core/object-store.js';
import type { ObjectVersion } from '../core/object.js';
import { KIB, MIB, SECOND_MS } from '../core/units.js';
import type { EngineCore } from './engine-core.js';
import { FillAudience } from './fill-audience.js';
import { FillReader } from './fill-reader.js';
import { FillSource } from './fill-source.js';
import { FillWindow } from './fill-window.js';
import { FillWriter, type FilledBody, type FillWriterParts } from './fill-writer.js';
import { holdExtents, readObject } from './object-bytes.js';

/** How long a reader may hold up others that are faster. */
const STALL_MS = SECOND_MS;
/** A fetch that nobody waits for any more is still finished when no more is left of it than has come, and at most this. */
const FINISH_BYTES_MAX = 64 * MIB;
/** Whatever has come. */
const FINISH_BYTES_MIN = 256 * KIB;

export interface FillFlightParts {
  readonly bucket: string;
  readonly key: string;
  readonly object: ObjectVersion;
  readonly body: AsyncIterable<Uint8Array>;
  /** Undefined when the body must not be cached. */
  readonly caching: Pick<FillWriterParts, 'fill' | 'isUnchanged'> | undefined;
  /** Bytes that may be held in memory now; more than what the segment writer collects before it writes. */
  readonly windowBytes: () => number;
  /** The bytes of the same version in a range, from the UFS. `SLOW_DOWN` when it has another by now. */
  readonly fetch: (range: ByteRange) => Promise<AsyncIterable<Uint8Array>>;
}

export class FillFlight implements FilledBody {
  readonly object: ObjectVersion;
  readonly #core: EngineCore;
  readonly #parts: FillFlightParts;
  readonly #window = new FillWindow();
  readonly #writer: FillWriter | undefined;
  readonly #audience = new FillAudience<FillReader>();
  readonly #source: FillSource;
  #phase: FilledBody['phase'] = 'open';
  #failure: unknown;
  #waiting: (() => void)[] = [];
  #running: Promise<void> | undefined;
  #isEnded = false;
  /** Whether the fetch waits for room in the window. */
  #isFull = false;
  #releaseExtents: (() => void) | undefined;

  constructor(core: EngineCore, parts: FillFlightParts) {
    this.#core = core;
    this.#parts = parts;
    this.object = parts.object;
    this.#source = new FillSource(parts.body, parts.object.size, parts.fetch);
    const { bucket, key, object, caching } = parts;
    if (caching !== undefined)
      this.#writer = new FillWriter(core, { bucket, key, object, body: this, ...caching });
  }

  get bucket(): string {
    return this.#parts.bucket;
  }

  get key(): string {
    return this.#parts.key;
  }

  /** Whether what it fetches may be no longer the truth for those who begin to read now. */
  get isStale(): boolean {
    return this.#parts.caching?.fill.stale ?? true;
  }

  get phase(): FilledBody['phase'] {
    return this.#phase;
  }

  get failure(): unknown {
    return this.#failure;
  }

  /** Bytes received so far. */
  get received(): number {
    return this.#window.end;
  }

  /** Whether the object was kept; meaningful once `run` has resolved. */
  get outcome(): 'kept' | 'dropped' | 'noRoom' {
    const phase = this.#writer?.phase ?? 'dropped';
    return phase === 'kept' || phase === 'noRoom' ? phase : 'dropped';
  }

  /** Whether a new reader can begin at `position` without a fetch of its own. */
  canServe(position: number): boolean {
    if (this.#phase === 'broken' || position > this.#window.end) return false;
    if (position >= this.#window.start) return true;
    const phase = this.#writer?.phase;
    return phase === 'kept' || phase === 'writing';
  }

  /** Fetches and caches; resolves when both have ended. Never rejects. Called once. */
  run(): Promise<void> {
    this.#running ??= Promise.all([this.#pump(), this.#writer?.run()]).then(() => {
      this.#isEnded = true;
      if (this.#writer?.phase === 'kept' && !this.#audience.isEmpty)
        this.#releaseExtents = holdExtents(this.#core, this.#writer.extents);
      this.#left();
    });
    return this.#running;
  }

  /** A reader of a range, or of all; its end, or its `return`, must come. */
  reader(range: ByteRange = { first: 0, last: this.object.size - 1 }): FillReader {
    const reader = new FillReader(this, range);
    this.#audience.add(reader);
    this.wake();
    return reader;
  }

  /** Keeps the fetch going until the result is called. */
  keep(): () => void {
    return this.#audience.keep(() => this.#left());
  }

  /** The whole body, once it has come: only of objects that fit into the window. */
  async bytes(): Promise<Uint8Array> {
    const release = this.keep();
    try {
      while (this.#phase === 'open') await this.changed();
      if (this.#phase === 'broken') throw this.#failure;
      return this.#window.whole();
    } finally {
      release();
    }
  }

  at(position: number): Uint8Array | undefined {
    return this.#window.at(position);
  }

  whole(): Uint8Array {
    return this.#window.whole();
  }

  changed(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  wake(): void {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  /** The reader waits for nothing more here. */
  leave(reader: FillReader): void {
    if (this.#audience.delete(reader)) this.#left();
  }

  /**
   * Bytes that the window no longer holds: a piece of them, or, once there is no file to read back from, where the rest of the
   * range is to be read.
   */
  async behind(position: number, last: number): Promise<Uint8Array | AsyncIterator<Uint8Array>> {
    const writer = this.#writer;
    while (writer?.phase === 'ending') await this.changed();
    if (writer?.phase === 'kept') return readObject(this.#core, writer.extents, position, last);
    if (writer?.phase === 'writing' && position < writer.readableSize) {
      try {
        return await writer.readBack(position);
      } catch (error) {
        const { bucket, key } = this.#parts;
        this.#core.logger.warn({ bucket, key, error }, 'a read behind a fetch goes to the UFS instead');
      }
    }
    return (await this.#parts.fetch({ first: position, last }))[Symbol.asyncIterator]();
  }

  /** Ends the fetch, whoever reads. */
  abandon(): void {
    if (this.#phase !== 'open') return;
    this.#break(new HeadraceError('CLOSED', 'the fetch from the UFS was ended'));
    this.#writer?.giveUp();
  }

  get #isWorthFinishing(): boolean {
    const worthBytes = Math.max(Math.min(this.received, FINISH_BYTES_MAX), FINISH_BYTES_MIN);
    return this.object.size - this.received <= worthBytes;
  }

  #left(): void {
    this.wake();
    if (!this.#audience.isEmpty) return;
    if (this.#isEnded) {
      this.#releaseExtents?.();
      this.#releaseExtents = undefined;
    } else if (this.#writer?.isActive !== true || !this.#isWorthFinishing) {
      this.abandon();
    }
  }

  #break(error: unknown): void {
    this.#phase = 'broken';
    this.#failure = error;
    this.#source.end();
    this.wake();
  }

  async #pump(): Promise<void> {
    try {
      while (this.#phase === 'open') {
        await this.#room();
        if (this.#phase !== 'open') return;
        const bytes = await this.#source.next();
        if (this.#phase !== 'open') return;
        if (bytes === undefined) break;
        this.#window.add(bytes);
        this.wake();
      }
      this.#phase = 'whole';
      this.wake();
    } catch (error) {
      if (this.#phase === 'open') this.#break(error);
    }
  }

  /** A reader has taken a piece, which may be all that the fetch waits for. */
  advanced(): void {
    if (this.#isFull) this.wake();
  }

  /** Resolves when the window takes another piece, or nobody wants one. */
  async #room(): Promise<void> {
    let cancel: (() => void) | undefined;
    try {
      while (this.#phase === 'open') {
        this.#trim();
        if (this.#window.bytes < this.#parts.windowBytes()) return;
        this.#isFull = true;
        const writer = this.#writer;
        if (writer?.phase === 'reserving') {
          // Room that is yet to be made is not worth that readers wait for it.
          writer.giveUp();
        } else if (writer?.isActive === true) {
          void writer.flushed()?.then(() => this.wake());
          await this.changed();
        } else {
          if (this.#audience.hasReaderAt(this.#window.end))
            cancel ??= this.#core.clock.schedule(STALL_MS, () => this.#dropLast());
          await this.changed();
        }
      }
    } finally {
      this.#isFull = false;
      cancel?.();
    }
  }

  /** Those who hold up all others are on their own from now on. */
  #dropLast(): void {
    this.#audience.dropBehind(this.#window.firstEnd ?? 0);
    this.wake();
  }

  #trim(): void {
    const limit = this.#parts.windowBytes();
    const needed = this.#neededFrom();
    while (this.#window.bytes >= limit) {
      const end = this.#window.firstEnd;
      if (end === undefined || end > needed) return;
      this.#window.dropFirst();
    }
  }

  /** Everything in front of this can be read elsewhere, or is read by nobody. */
  #neededFrom(): number {
    const writer = this.#writer;
    if (writer?.phase === 'kept') return this.#window.end;
    if (writer?.isActive === true) return Math.min(writer.readableSize, this.#window.end);
    return this.#audience.slowest(this.#window.end);
  }
}
