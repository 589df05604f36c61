/**
 * A log as a cache in steady use writes it, made up without a server: new objects, overwrites, uploads to the under-store (some
 * of which fail first), evictions, deletes with their deletes in the under-store, and multipart uploads. The same on every run.
 *
 * Of 100 events about 37 commit an object (a sixth of them over an older version), 35 say that one is in the under-store, and the rest are
 * evictions, deletes, failures and parts.
 */
import type { DataEvent, Event } from '../log/events.js';
import { FrameBuilder } from '../log/frame.js';
import { MIB } from '../src/core/units.js';
import type { Extent, ObjectVersion, PersistState } from '../src/core/object.js';

/** Events that one append brings along when many clients write at once. */
const FRAME_EVENTS = 32;
const FRAME_BYTES_MAX = MIB;
const STARTED_MS = 1_767_225_600_000;
const EVENTS_PER_MS = 8;
const SEGMENT_EXTENTS = 4096;
const SMALL_BYTES = 10 * 1024;
const PART_BYTES = 8 * MIB;
const BUCKET = 'training';
/** Uploads to the under-store that are under way or waiting, and objects that are kept after it. */
const PENDING_MAX = 2000;
const KEPT_OBJECTS_MAX = 200_000;
const PARTS = 4;

interface Held {
  readonly key: string;
  readonly version: number;
  readonly size: number;
  readonly extents: readonly Extent[];
  state: PersistState;
}

export class EventStream {
  readonly #held = new Map<string, Held>();
  readonly #waiting: DataEvent[] = [];
  #pending: Held[] = [];
  #pendingAt = 0;
  #persisted: Held[] = [];
  #persistedAt = 0;
  #offset = 0;
  #turn = 0;
  #named = 0;
  #extents = 0;

  /** The event at the next offset. */
  next(): DataEvent {
    let event = this.#waiting.shift();
    while (event === undefined) {
      this.#takeTurn(this.#turn++);
      event = this.#waiting.shift();
    }
    this.#offset += 1;
    return event;
  }

  #takeTurn(turn: number): void {
    const isBusy = this.#pending.length - this.#pendingAt >= PENDING_MAX;
    if (turn % 97 === 96) this.#multipart();
    else if (turn % 16 === 15) this.#delete();
    else if (turn % 8 === 7) this.#commit(this.#recent());
    else if (turn % 2 === 0 && !isBusy) this.#commit(undefined);
    else this.#persist(turn);
    if (this.#held.size > KEPT_OBJECTS_MAX) this.#evict();
  }

  #commit(replaced: Held | undefined): void {
    const key = replaced?.key ?? this.#newKey();
    this.#push({
      type: 'ObjectCommitted',
      ...this.#subject(key),
      object: this.#object(SMALL_BYTES, [this.#extent(SMALL_BYTES)]),
      origin: 'WRITE',
      ...(replaced === undefined ? {} : { replaced: this.#replace(replaced) }),
    });
  }

  #multipart(): void {
    const key = this.#newKey();
    const uploadId = this.#digits(this.#named);
    const subject = this.#subject(key);
    this.#push({ type: 'UploadOpened', ...subject, uploadId, headers: { system: {}, user: {} } });
    const extents: Extent[] = [];
    for (let partNumber = 1; partNumber <= PARTS; partNumber++) {
      const writeId = `${uploadId}-${partNumber}`;
      const extent = this.#extent(PART_BYTES);
      extents.push(extent);
      this.#push({ type: 'WriteOpened', ...subject, writeId, reservedBytes: PART_BYTES });
      this.#push({
        type: 'PartStored',
        ...subject,
        uploadId,
        partNumber,
        size: PART_BYTES,
        etag: this.#digits(partNumber),
        extents: [extent],
        writeId,
        reservedBytes: PART_BYTES,
      });
    }
    const size = PARTS * PART_BYTES;
    const object = {
      ...this.#object(size, extents),
      parts: extents.map((_, i) => ({ number: i + 1, size: PART_BYTES })),
    };
    this.#push({ type: 'ObjectCommitted', ...subject, object, origin: 'WRITE', uploadId, uploadBytes: size });
  }

  #persist(turn: number): void {
    const held = this.#pending[this.#pendingAt];
    if (held === undefined) return;
    const { key, version, size, extents } = held;
    const subject = this.#subject(key);
    if (turn % 61 === 0) {
      const failure = { cause: 'UFS_UNAVAILABLE', message: 'the store answered 503 Slow Down' };
      const nextAttemptAtMs = subject.atMs + 1000;
      this.#push({
        type: 'PersistFailed',
        ...subject,
        version,
        attempt: 1,
        ...failure,
        nextAttemptAtMs,
        quarantined: false,
      });
      return;
    }
    this.#pendingAt += 1;
    if (this.#held.get(key) !== held) return;
    held.state = 'PERSISTED';
    this.#persisted.push(held);
    this.#push({
      type: 'ObjectPersisted',
      ...subject,
      version,
      size,
      extents,
      ufsEtag: this.#digits(version),
    });
    if (this.#pendingAt < PENDING_MAX) return;
    this.#pending = this.#pending.slice(this.#pendingAt);
    this.#pendingAt = 0;
  }

  #delete(): void {
    const held = this.#oldest();
    if (held === undefined) return;
    const version = this.#offset + this.#waiting.length;
    const subject = this.#subject(held.key);
    this.#push({ type: 'ObjectDeleted', ...subject, ufsDelete: true, replaced: this.#replace(held) });
    this.#held.delete(held.key);
    this.#push({ type: 'DeletePersisted', ...subject, version });
  }

  #evict(): void {
    const held = this.#oldest();
    if (held === undefined) return;
    const { key, version, size, extents } = held;
    this.#held.delete(key);
    this.#push({ type: 'ObjectEvicted', ...this.#subject(key), version, size, extents, reason: 'PRESSURE' });
  }

  /** The object that has been in the under-store for longest. */
  #oldest(): Held | undefined {
    for (;;) {
      const held = this.#persisted[this.#persistedAt];
      if (held === undefined) return undefined;
      this.#persistedAt += 1;
      if (this.#persistedAt >= KEPT_OBJECTS_MAX) {
        this.#persisted = this.#persisted.slice(this.#persistedAt);
        this.#persistedAt = 0;
      }
      if (this.#held.get(held.key) === held) return held;
    }
  }

  #recent(): Held | undefined {
    const held = this.#persisted.at(-1 - (this.#turn % 256));
    return held !== undefined && this.#held.get(held.key) === held ? held : undefined;
  }

  #replace({ version, size, state, extents }: Held): {
    version: number;
    size: number;
    state: PersistState;
    extents: readonly Extent[];
  } {
    return { version, size, state, extents };
  }

  #push(event: DataEvent): void {
    if (event.type === 'ObjectCommitted') {
      const { key, object } = event;
      const version = this.#offset + this.#waiting.length;
      const held: Held = { key, version, size: object.size, extents: object.extents, state: object.state };
      this.#held.set(key, held);
      this.#pending.push(held);
    }
    this.#waiting.push(event);
  }

  #subject(key: string): { atMs: number; bucket: string; key: string } {
    return { atMs: STARTED_MS + Math.floor(this.#offset / EVENTS_PER_MS), bucket: BUCKET, key };
  }

  #object(size: number, extents: readonly Extent[]): ObjectVersion {
    return {
      size,
      etag: this.#digits(this.#extents),
      lastModifiedMs: STARTED_MS + Math.floor(this.#offset / EVENTS_PER_MS),
      extents,
      headers: { system: { 'content-type': 'application/octet-stream' }, user: {} },
      policy: 'WRITE_BACK',
      state: 'PENDING',
    };
  }

  #extent(size: number): Extent {
    const number = this.#extents++;
    const position = 4096 + (number % SEGMENT_EXTENTS) * (SMALL_BYTES + 64);
    return {
      segment: Math.floor(number / SEGMENT_EXTENTS),
      position,
      size,
      checksum: BigInt(scatter(number)) << 31n,
    };
  }

  /** In no order, as hashes in names are. */
  #newKey(): string {
    const number = this.#named++;
    return `datasets/run-${number % 16}/part-${String(scatter(number)).padStart(10, '0')}.bin`;
  }

  #digits(seed: number): string {
    return scatter(seed + 1)
      .toString(16)
      .padStart(8, '0')
      .repeat(4);
  }
}

/** Frames of so many events, as a log has them, and what they hold. */
export function* framesOf(
  stream: Pick<EventStream, 'next'>,
  events: number,
  partition: number,
): Generator<Uint8Array, void, undefined> {
  const builder = new FrameBuilder();
  for (let firstOffset = 0; firstOffset < events;) {
    const frame: Event[] = [];
    while (frame.length < FRAME_EVENTS && firstOffset + frame.length < events) frame.push(stream.next());
    builder.add(frame, FRAME_BYTES_MAX);
    const wallTimeMs = frame[0]?.atMs ?? STARTED_MS;
    yield Uint8Array.from(builder.finish({ partition, epoch: 1, firstOffset, wallTimeMs, storeId: 1n }));
    builder.reset();
    firstOffset += frame.length;
  }
}

/** A number that looks random and is never repeated below 2^32. */
function scatter(number: number): number {
  return Math.imul(number, 0x9e3779b1) >>> 0;
}
