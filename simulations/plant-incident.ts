/**
 * Puts the state of an incident into a world before its process starts: bytes into segments, events into the log, and into the
 * under-store what was persisted. The process then recovers it as it would after a kill at the incident's last event.
 *
 * | in the incident                     | in the world                                                                 |
 * |-------------------------------------|------------------------------------------------------------------------------|
 * | an object that is not persisted     | `ObjectCommitted` at its time, with new bytes of its size                    |
 * | failed attempts, quarantine         | `PersistFailed` with their number, cause and time of the next one            |
 * | an object that is persisted         | the same bytes here and in the under-store                                   |
 * | a pending delete                    | `ObjectDeleted`, and an object in the under-store that is to go              |
 * | an open multipart upload            | `UploadOpened`, `PartStored`                                                 |
 * | an open write                       | `WriteOpened`; a start abandons it, as it does after every crash             |
 * | an upload in parts at the UFS       | nothing: that store is not this one, and the upload begins anew              |
 *
 * Versions are the offsets of the new log, in the order of the old ones.
 */
import type { DataEvent } from '../log/events.js';
import type { Extent } from '../src/core/object.js';
import type { SegmentStore } from '../src/engine/segment-store.js';
import { SMALL_BODY_BYTES_MAX } from '../src/engine/object-service.js';
import { objectKey, partKey } from '../projections/records.js';
import { bytesOfContent, multipartContent, singleContent, type Content } from './content.js';
import {
  INCIDENT_BUCKET,
  type IncidentFailure,
  type IncidentObject,
  type IncidentRecord,
} from './incident.js';
import type { Simulation } from './simulation.js';

const PARTITION = 1;
/** Far below the longest frame. */
const EVENTS_AT_ONCE = 200;
const OLD_BODY = Buffer.from('what is to be deleted');

export async function plantIncident(run: Simulation, records: readonly IncidentRecord[]): Promise<void> {
  const { world } = run;
  const planter = new Planter(run);
  await world.prepare(async ({ segments, logStore }) => {
    const log = await logStore.openPartition(PARTITION);
    const queued: DataEvent[] = [];
    for (const record of records) {
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
  #seeds = 0;

  constructor(run: Simulation) {
    this.#run = run;
  }

  /** `offset` is that of the first event. */
  async eventsOf(record: IncidentRecord, segments: SegmentStore, offset: number): Promise<DataEvent[]> {
    const { atMs, key } = record;
    const bucket = INCIDENT_BUCKET;
    switch (record.kind) {
      case 'object':
        return this.#object(record, segments, offset);
      case 'delete': {
        const { recorder, world } = this.#run;
        recorder.acknowledged(recorder.beginWrite('incident', key, undefined));
        world.ufs.putOutOfBand(bucket, key, OLD_BODY);
        const deleted: DataEvent = { type: 'ObjectDeleted', atMs, bucket, key, ufsDelete: true };
        return [deleted, ...this.#failed(key, offset, atMs, record.failure)];
      }
      case 'write': {
        const { writeId, reservedBytes } = record;
        return [{ type: 'WriteOpened', atMs, writeId, bucket, key, reservedBytes }];
      }
      case 'upload': {
        const { uploadId, headers, parts } = record;
        const events: DataEvent[] = [{ type: 'UploadOpened', atMs, bucket, key, uploadId, headers }];
        for (const { number, sizeBytes, storedMs } of parts) {
          const content = this.#content(sizeBytes);
          const extents = await this.#store(segments, partKey(bucket, key, uploadId, number), [content]);
          const etag = content.etag.slice(1, -1);
          const part = { partNumber: number, size: sizeBytes, etag, extents };
          events.push({ type: 'PartStored', atMs: storedMs, bucket, key, uploadId, ...part });
        }
        return events;
      }
    }
  }

  async #object(record: IncidentObject, segments: SegmentStore, offset: number): Promise<DataEvent[]> {
    const { recorder, world } = this.#run;
    const { key, atMs, state, sizeBytes, partSizes, policy, headers, lastModifiedMs } = record;
    const bucket = INCIDENT_BUCKET;
    const contents = (partSizes.length > 0 ? partSizes : [sizeBytes]).map((size) => this.#content(size));
    const [first] = contents;
    const content = partSizes.length > 0 || first === undefined ? multipartContent(contents) : first;
    const extents = await this.#store(segments, objectKey(bucket, key), contents);
    recorder.acknowledged(recorder.beginWrite('incident', key, content));
    const etag = content.etag.slice(1, -1);
    const held =
      state === 'PERSISTED' ? world.ufs.putOutOfBand(bucket, key, bytesOfContent(content), etag) : undefined;
    const parts = partSizes.map((size, at) => ({ number: at + 1, size }));
    const committed: DataEvent = {
      type: 'ObjectCommitted',
      atMs,
      bucket,
      key,
      origin: 'WRITE',
      object: {
        size: content.size,
        etag,
        lastModifiedMs,
        extents,
        headers,
        policy,
        state,
        ...(parts.length > 0 ? { parts } : {}),
        ...(held === undefined ? {} : { ufsEtag: held.storeEtag }),
      },
    };
    return [committed, ...this.#failed(key, offset, atMs, record.failure)];
  }

  #failed(key: string, version: number, atMs: number, failure: IncidentFailure | undefined): DataEvent[] {
    if (failure === undefined) return [];
    return [{ type: 'PersistFailed', atMs, bucket: INCIDENT_BUCKET, key, version, ...failure }];
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
