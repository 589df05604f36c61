/**
 * Caches an object while it is fetched from the UFS for its readers. Best effort: without room, or when the object changes
 * meanwhile, the readers get their bytes all the same and nothing is kept.
 *
 * Invariants: only a whole body whose bytes are what its ETag says is committed, and only while nobody changed the object here;
 * where the ETag is no MD5 the UFS is asked once more whether it still has that version. What is in the segment before that is
 * read back by readers that are behind, never by anybody else.
 */
import type { Md5Stream } from '../core/md5-streams.js';
import type { Extent, ObjectVersion } from '../core/object.js';
import { objectKey } from '../../projections/records.js';
import type { Reservation } from './reservation.js';
import { decideCommit } from './decide.js';
import { partitionOf, type EngineCore } from './engine-core.js';
import { SMALL_BODY_BYTES_MAX } from './object-service.js';
import type { ExtentWriter } from './segment-store.js';
import type { Fill } from './ufs-knowledge.js';

/** The body that is being fetched, as the writer sees it. */
export interface FilledBody {
  /** Bytes from `position` on; undefined when they have not come yet. */
  at(position: number): Uint8Array | undefined;
  whole(): Uint8Array;
  /** `open` while more may come, `whole` at its end, `broken` when it will never be whole. */
  readonly phase: 'open' | 'whole' | 'broken';
  /** Resolves when something has changed. */
  changed(): Promise<void>;
  /** Tells others that something has changed. */
  wake(): void;
}

export interface FillWriterParts {
  readonly bucket: string;
  readonly key: string;
  readonly object: ObjectVersion;
  readonly fill: Fill;
  readonly body: FilledBody;
  /** Asks the UFS whether it still holds this version. */
  readonly isUnchanged: () => Promise<boolean>;
}

/**
 * `reserving`: room is looked for. `opening`: a file is, or the whole of a small body is waited for. `ending`: it is verified and
 * committed. `kept`, `dropped` and `noRoom` (dropped, because there was none) are for good.
 */
export type FillPhase = 'reserving' | 'opening' | 'writing' | 'ending' | 'kept' | 'dropped' | 'noRoom';

const MD5_ETAG = /^[0-9a-f]{32}$/;
/** A fill leaves writers at least this share of what may still be pinned. */
const WRITERS_SHARE = 0.5;

/** Whether an object of that size may be cached at all while writers need room too. */
export function fitsBesideWriters(core: Pick<EngineCore, 'admission'>, size: number): boolean {
  const { pinnedLimitBytes, pinnedBytes } = core.admission;
  return size <= (pinnedLimitBytes - pinnedBytes) * WRITERS_SHARE;
}

export class FillWriter {
  readonly #core: EngineCore;
  readonly #parts: FillWriterParts;
  #phase: FillPhase = 'reserving';
  #writer: ExtentWriter | undefined;
  #readBacks = 0;
  #extents: readonly Extent[] = [];
  #gaveUp = false;

  constructor(core: EngineCore, parts: FillWriterParts) {
    this.#core = core;
    this.#parts = parts;
  }

  get phase(): FillPhase {
    return this.#phase;
  }

  get isActive(): boolean {
    const phase = this.#phase;
    return phase !== 'kept' && phase !== 'dropped' && phase !== 'noRoom';
  }

  /** Where the object is, once it is kept. */
  get extents(): readonly Extent[] {
    return this.#extents;
  }

  /** Bytes from the start that need not be held in memory any more. */
  get readableSize(): number {
    return this.#phase === 'writing' ? (this.#writer?.readableSize ?? 0) : 0;
  }

  /** Undefined while nothing is on its way to the disk: then what has come in memory is what is waited for. */
  flushed(): Promise<void> | undefined {
    return this.#phase === 'writing' && this.#writer?.isWriting === true ? this.#writer.flushed() : undefined;
  }

  async readBack(position: number): Promise<Uint8Array> {
    const writer = this.#writer;
    if (writer === undefined) throw new RangeError('nothing is written');
    this.#readBacks += 1;
    try {
      return await writer.readBack(position);
    } finally {
      this.#readBacks -= 1;
      this.#parts.body.wake();
    }
  }

  /** Nothing will be kept. Ends soon after. */
  giveUp(): void {
    this.#gaveUp = true;
    if (this.#phase === 'reserving') this.#phase = 'noRoom';
    this.#parts.body.wake();
  }

  /** Writes the body as it comes; resolves when it is kept or not. Never rejects. */
  async run(): Promise<void> {
    const { bucket, key, object } = this.#parts;
    let reservation: Reservation | undefined;
    let end: FillPhase = 'dropped';
    try {
      reservation = await this.#reserve(object.size);
      if (reservation === undefined || this.#phase !== 'reserving') end = 'noRoom';
      else if (await this.#write(object.size)) end = 'kept';
    } catch (error) {
      this.#core.logger.warn({ bucket, key, error }, 'an object read from the UFS could not be cached');
    } finally {
      reservation?.release();
      this.#phase = end;
      this.#parts.body.wake();
    }
  }

  async #reserve(size: number): Promise<Reservation | undefined> {
    const { admission } = this.#core;
    if (!fitsBesideWriters(this.#core, size)) return undefined;
    const atOnce = admission.tryReserve(size);
    if (atOnce !== undefined) return atOnce;
    try {
      return await admission.reserveForFill(size);
    } catch {
      return undefined;
    }
  }

  #write(size: number): Promise<boolean> {
    if (this.#isOver) return Promise.resolve(false);
    this.#phase = 'opening';
    return size <= SMALL_BODY_BYTES_MAX ? this.#writeSmall() : this.#writeLarge(size);
  }

  get #isOver(): boolean {
    const { body, fill } = this.#parts;
    return this.#gaveUp || fill.stale || body.phase === 'broken';
  }

  async #writeSmall(): Promise<boolean> {
    const { segments, guard, digests } = this.#core;
    const { bucket, key, object, body } = this.#parts;
    while (body.phase === 'open' && !this.#isOver) await body.changed();
    if (this.#isOver) return false;
    const bytes = body.whole();
    const floor = segments.smallSegment;
    guard.enter(floor);
    try {
      const md5 = Buffer.from(await digests.small([bytes], bytes.length)).toString('hex');
      if (!(await this.#isRight(md5))) return false;
      const extents =
        object.size === 0 ? [] : [await segments.append(objectKey(bucket, key), [bytes], bytes.length)];
      return await this.#commit(extents);
    } finally {
      guard.leave(floor);
    }
  }

  async #writeLarge(size: number): Promise<boolean> {
    const { segments, guard, digests } = this.#core;
    const { bucket, key } = this.#parts;
    const writer = await segments.openWriter(objectKey(bucket, key), size);
    guard.pin(writer.segment);
    this.#writer = writer;
    this.#phase = 'writing';
    this.#parts.body.wake();
    const digest = digests.stream();
    try {
      if (!(await this.#copy(writer, digest))) return false;
      this.#phase = 'ending';
      if (!(await this.#isRight(Buffer.from(await digest.digest()).toString('hex')))) return false;
      await this.#readBacksEnded();
      return await this.#commit([await writer.finish()]);
    } finally {
      digest.abandon();
      this.#phase = 'ending';
      await this.#readBacksEnded();
      await writer.abandon().catch(() => undefined);
      guard.unpin(writer.segment);
      // Unless it was kept, which the sweep sees.
      guard.suspect(writer.segment);
    }
  }

  /** False when the body will not be whole, or is not wanted. */
  async #copy(writer: ExtentWriter, digest: Md5Stream): Promise<boolean> {
    const { body } = this.#parts;
    while (!this.#isOver) {
      const bytes = body.at(writer.size);
      if (bytes === undefined) {
        if (body.phase === 'whole') return true;
        await body.changed();
        continue;
      }
      await digest.update(bytes);
      await writer.write(bytes);
      body.wake();
    }
    return false;
  }

  async #readBacksEnded(): Promise<void> {
    while (this.#readBacks > 0) await this.#parts.body.changed();
  }

  async #isRight(md5: string): Promise<boolean> {
    const { bucket, key, object } = this.#parts;
    if (!MD5_ETAG.test(object.etag)) return this.#parts.isUnchanged();
    if (md5 === object.etag) return true;
    this.#core.logger.warn(
      { bucket, key, etag: object.etag, md5 },
      'the bytes that the UFS sent do not have the MD5 that its ETag names: they are not cached',
    );
    return false;
  }

  async #commit(extents: readonly Extent[]): Promise<boolean> {
    const { bucket, key, object, fill } = this.#parts;
    if (this.#isOver) return false;
    const { result } = await partitionOf(this.#core, bucket, key).submit((view) =>
      fill.stale
        ? { events: [], result: undefined }
        : decideCommit(view, { bucket, key, object: { ...object, extents }, origin: 'FILL' }),
    );
    this.#extents = extents;
    return result !== undefined;
  }
}
