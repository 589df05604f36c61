/**
 * Puts the state of an incident into a world before its process starts: bytes into segments, events into the log, and into the
 * under-store what was persisted. The process then recovers it as it would after a kill at the incident's last event.
 *
 * | in the incident                     | in the world                                                                 |
 * |-------------------------------------|------------------------------------------------------------------------------|
 * | an object that is not persisted     | `ObjectCommitted` at its time, with new bytes of its size                    |
 * | failed attempts, quarantine         | `PersistFailed` with their number, cause and time of the next one            |
 * | an object that is persisted         | the same bytes here and in the under-store that its path leads to            |
 * | a pending delete                    | `ObjectDeleted`, and an object in the under-store that is to go              |
 * | a conditional base                  | `UfsBaseNoted`, and in the under-store the object that was there, if any     |
 * | a conflict                          | over that, an object of somebody else                                        |
 * | an upload in parts at the UFS       | `UfsUploadStarted`, `UfsPartStored`, and the same upload with the same parts |
 * | one that is to be aborted           | the upload, begun by a version that is gone                                  |
 * | a mount                             | `MountAdded`, `MountSettled` unless it was not; a bucket of the under-store  |
 * | an open multipart upload            | `UploadOpened`, `PartStored`                                                 |
 * | an open write                       | `WriteOpened`; a start abandons it, as it does after every crash             |
 *
 * Versions are the offsets of the new log, in the order of the old ones.
 */
import type { DataEvent } from '../log/events.js';
import type { UfsUploadStarted } from '../log/persist-events.js';
import { hexOf, md5 } from '../src/core/hashing.js';
import type { Extent } from '../src/core/object.js';
import type { SegmentStore } from '../src/engine/segment-store.js';
import { SMALL_BODY_BYTES_MAX } from '../src/engine/object-service.js';
import { splitSizes } from '../src/engine/persist-upload.js';
import { objectKey, partKey } from '../projections/records.js';
import { bytesOfContent, multipartContent, singleContent, type Content } from './content.js';
import type { Incident } from './incident.js';
import { INCIDENT_BUCKET } from './incident-places.js';
import {
  isConflict,
  type IncidentBase,
  type IncidentFailure,
  type IncidentLoneBase,
  type IncidentObject,
  type IncidentRecord,
  type IncidentStaleUpload,
  type IncidentUfsUpload,
  type IncidentUpload,
} from './incident-records.js';
import type { HeldObject } from './sim-stored-objects.js';
import type { Simulation } from './simulation.js';

const CONTROL_PARTITION = 0;
const PARTITION = 1;
/** Far below the longest frame. */
const EVENTS_AT_ONCE = 200;
const BUCKET = INCIDENT_BUCKET;
/** Clients count theirs from 0. */
const FIRST_SEED = 5_000_000;
/** Of objects whose size nobody knows. */
const OTHER_BYTES = 1000;
const NO_HEADERS = { system: {}, user: {} };
const EMPTY_ETAG = hexOf(md5([]));

export async function plantIncident(run: Simulation, incident: Incident): Promise<void> {
  const { world, places } = run;
  const planter = new Planter(run);
  for (const bucket of places.buckets) await world.run(world.ufs.createBucket(bucket));
  await world.prepare(async ({ segments, logStore }) => {
    const control = await logStore.openPartition(CONTROL_PARTITION);
    const mounted = places.events(incident.atMs);
    if (mounted.length > 0) await control.append(mounted);
    await control.close();
    const log = await logStore.openPartition(PARTITION);
    const queued: DataEvent[] = [];
    for (const record of incident.records) {
      queued.push(...(await planter.eventsOf(record, segments, log.nextOffset + queued.length)));
      if (queued.length >= EVENTS_AT_ONCE) await log.append(queued.splice(0));
    }
    if (queued.length > 0) await log.append(queued);
    await segments.close();
    await log.close();
    await logStore.close();
  });
}

class Planter {
  readonly #run: Simulation;
  #seeds = FIRST_SEED;

  constructor(run: Simulation) {
    this.#run = run;
  }

  /** `offset` is that of the first event. */
  async eventsOf(record: IncidentRecord, segments: SegmentStore, offset: number): Promise<DataEvent[]> {
    const { atMs, key } = record;
    switch (record.kind) {
      case 'object':
        return this.#object(record, segments, offset);
      case 'delete': {
        this.#acknowledge(key, undefined);
        const { base } = record;
        const noted = this.#base(key, atMs, base, base?.hadObject ?? true);
        if (isConflict(record)) this.#others(key);
        const deleted: DataEvent = { type: 'ObjectDeleted', atMs, bucket: BUCKET, key, ufsDelete: true };
        const version = offset + noted.length;
        return [...noted, deleted, ...this.#failed(key, version, atMs, record.failure)];
      }
      case 'base':
        return this.#loneBase(record);
      case 'staleUpload':
        return this.#stale(record, offset);
      case 'write': {
        const { writeId, reservedBytes } = record;
        return [{ type: 'WriteOpened', atMs, writeId, bucket: BUCKET, key, reservedBytes }];
      }
      case 'upload':
        return this.#upload(record, segments);
    }
  }

  async #upload(record: IncidentUpload, segments: SegmentStore): Promise<DataEvent[]> {
    const { atMs, key, uploadId, headers, parts } = record;
    const bucket = BUCKET;
    const events: DataEvent[] = [{ type: 'UploadOpened', atMs, bucket, key, uploadId, headers }];
    for (const { number, sizeBytes, storedMs } of parts) {
      const content = this.#content(sizeBytes);
      const extents = await this.#store(segments, partKey(bucket, key, uploadId, number), [content]);
      const etag = etagOf(content);
      const part = { partNumber: number, size: sizeBytes, etag, extents };
      events.push({ type: 'PartStored', atMs: storedMs, bucket, key, uploadId, ...part });
    }
    return events;
  }

  async #object(record: IncidentObject, segments: SegmentStore, offset: number): Promise<DataEvent[]> {
    const { key, atMs, state, sizeBytes, partSizes, policy, headers, lastModifiedMs, base } = record;
    const contents = (partSizes.length > 0 ? partSizes : [sizeBytes]).map((size) => this.#content(size));
    const [first] = contents;
    const content = partSizes.length > 0 || first === undefined ? multipartContent(contents) : first;
    const extents = await this.#store(segments, objectKey(BUCKET, key), contents);
    const held = state === 'PERSISTED' ? this.#persisted(key, content) : undefined;
    if (held === undefined) this.#acknowledge(key, content);
    const noted = this.#base(key, atMs, base, state === 'PENDING' && base?.hadObject === true);
    if (isConflict(record)) this.#others(key);
    const parts = partSizes.map((size, at) => ({ number: at + 1, size }));
    const committed: DataEvent = {
      type: 'ObjectCommitted',
      atMs,
      bucket: BUCKET,
      key,
      origin: 'WRITE',
      object: {
        size: content.size,
        etag: etagOf(content),
        lastModifiedMs,
        extents,
        headers,
        policy,
        state,
        ...(parts.length > 0 ? { parts } : {}),
        ...(held === undefined ? {} : { ufsEtag: held.storeEtag }),
      },
    };
    const version = offset + noted.length;
    const { ufsUpload, failure } = record;
    return [
      ...noted,
      committed,
      ...(ufsUpload === undefined ? [] : this.#ufsUpload(key, version, content, ufsUpload)),
      ...this.#failed(key, version, atMs, failure),
    ];
  }

  /** A copy of a store that is not meant any more is not what the key holds. */
  #persisted(key: string, content: Content): HeldObject {
    const { world, places, recorder } = this.#run;
    recorder.learn(content);
    const bucket = places.bucketOfCopy(key);
    this.#acknowledge(key, bucket === places.bucketOf(key) ? content : undefined);
    return world.ufs.putOutOfBand(bucket, key, bytesOfContent(content), etagOf(content));
  }

  /** What the under-store had before the first of our versions: `hasObject` when it still has it. */
  #base(key: string, atMs: number, base: IncidentBase | undefined, hasObject: boolean): DataEvent[] {
    const old = hasObject ? this.#others(key) : undefined;
    if (base === undefined) return [];
    const noted = { type: 'UfsBaseNoted', atMs, bucket: BUCKET, key } as const;
    return [old === undefined ? noted : { ...noted, ufsEtag: old.storeEtag }];
  }

  #loneBase({ key, atMs, hadObject }: IncidentLoneBase): DataEvent[] {
    const content = hadObject ? this.#content(OTHER_BYTES) : undefined;
    this.#acknowledge(key, content);
    const noted = { type: 'UfsBaseNoted', atMs, bucket: BUCKET, key } as const;
    return [content === undefined ? noted : { ...noted, ufsEtag: this.#put(key, content).storeEtag }];
  }

  /** An object that is not one of our versions, in the place of what is there. */
  #others(key: string): HeldObject {
    return this.#put(key, this.#content(OTHER_BYTES));
  }

  #put(key: string, content: Content): HeldObject {
    const { world, places } = this.#run;
    return world.ufs.putOutOfBand(places.bucketOf(key), key, bytesOfContent(content), etagOf(content));
  }

  #ufsUpload(
    key: string,
    version: number,
    content: Content,
    { isNamed, sinceMs, parts }: IncidentUfsUpload,
  ): DataEvent[] {
    const bytes = bytesOfContent(content);
    const sizes = content.parts?.map(({ size }) => size) ?? splitSizes(content.size);
    const events = this.#begun(key, version, sinceMs, isNamed);
    const upload = this.#run.world.ufs.uploads.open.get(events.at(-1)?.ufsUpload ?? '');
    const stored: DataEvent[] = [];
    let position = 0;
    for (const [at, size] of sizes.entries()) {
      const piece = Uint8Array.from(bytes.subarray(position, position + size));
      position += size;
      const number = at + 1;
      if (!parts.includes(number)) continue;
      const etag = hexOf(md5([piece]));
      upload?.parts.set(number, { number, size, etag, bytes: piece });
      const place = { bucket: BUCKET, key, version, partNumber: number };
      stored.push({ type: 'UfsPartStored', atMs: sinceMs, ...place, size, ufsEtag: etag });
    }
    return [...events, ...stored];
  }

  /** What says that an upload begins, and the upload; the name of one without a name was not learned. */
  #begun(key: string, version: number, atMs: number, isNamed: boolean): UfsUploadStarted[] {
    const { world, places } = this.#run;
    const { uploads } = world.ufs;
    const bucket = places.bucketOf(key);
    const id = uploads.begin(bucket, key);
    uploads.open.set(id, { bucket, key, startedMs: atMs, parts: new Map() });
    const started = { type: 'UfsUploadStarted', atMs, bucket: BUCKET, key, version } as const;
    const about = { ...started, ufsUpload: '' };
    return isNamed ? [about, { ...started, ufsUpload: id }] : [about];
  }

  /** A version that an upload was begun for, and that was deleted before anybody heard of it. */
  #stale({ key, atMs, isNamed }: IncidentStaleUpload, version: number): DataEvent[] {
    this.#acknowledge(key, undefined);
    const place = { bucket: BUCKET, key, atMs };
    const object = {
      size: 0,
      etag: EMPTY_ETAG,
      lastModifiedMs: atMs,
      extents: [],
      headers: NO_HEADERS,
      policy: 'WRITE_BACK',
      state: 'PENDING',
    } as const;
    const replaced = { version, size: 0, state: 'PENDING', extents: [] } as const;
    return [
      { ...place, type: 'ObjectCommitted', origin: 'WRITE', object },
      ...this.#begun(key, version, atMs, isNamed),
      { ...place, type: 'ObjectDeleted', ufsDelete: false, replaced },
    ];
  }

  #acknowledge(key: string, content: Content | undefined): void {
    const { recorder } = this.#run;
    recorder.acknowledged(recorder.beginWrite('incident', key, content));
  }

  #failed(key: string, version: number, atMs: number, failure: IncidentFailure | undefined): DataEvent[] {
    if (failure === undefined) return [];
    return [{ type: 'PersistFailed', atMs, bucket: BUCKET, key, version, ...failure }];
  }

  #content(sizeBytes: number): Content {
    return singleContent(++this.#seeds, sizeBytes);
  }

  async #store(segments: SegmentStore, owner: string, contents: readonly Content[]): Promise<Extent[]> {
    const extents: Extent[] = [];
    for (const content of contents) {
      const bytes = bytesOfContent(content);
      if (bytes.length === 0) continue;
      if (bytes.length <= SMALL_BODY_BYTES_MAX) {
        extents.push(await segments.append(owner, [bytes], bytes.length));
        continue;
      }
      const writer = await segments.openWriter(owner, bytes.length);
      await writer.write(bytes);
      extents.push(await writer.finish());
    }
    return extents;
  }
}

/** Unquoted. */
function etagOf({ etag }: Content): string {
  return etag.slice(1, -1);
}
