/**
 * Writes the event of a committed object, and the version that the index keeps of it, straight into a frame: no message of protobufjs
 * is made in between, and its encoder's questions about absent properties are not asked. Two of these are written per PUT.
 *
 * Invariant: the bytes are those that the generated encoder makes: fields in the order of their numbers, none with its default.
 */
import type { Extent, ObjectChecksum, ObjectHeaders, ObjectPart, ObjectVersion } from '../src/core/object.js';
import { checksumAlgorithm, checksumType, commitOrigin, persistState, policyMode } from './event-parts.js';
import type { ObjectCommitted, Replaced } from './object-events.js';
import type { NumberWriter } from './protobuf-scalars.js';
import { F4, N1, N11, N2, N3, N4, N6, N7, N8, P1, P10, P2, P3, P4, P5, P7, P8, P9 } from './wire-tags.js';

export function writeObjectCommitted(event: ObjectCommitted, writer: NumberWriter): void {
  const { object, writeId, reservedBytes, uploadId, uploadBytes, discarded, replaced, replacedDelete } =
    event;
  writeText(writer, P1, event.bucket);
  writeText(writer, P2, event.key);
  writer.uint32(P3).fork();
  writeObject(object, writer);
  writer.ldelim();
  writer.uint32(N4).uint32(commitOrigin.encode(event.origin));
  if (writeId !== undefined) writer.uint32(P5).string(writeId);
  if (reservedBytes !== undefined) writer.uint32(N6).uint64(reservedBytes);
  if (uploadId !== undefined) writer.uint32(P7).string(uploadId);
  if (uploadBytes !== undefined) writer.uint32(N8).uint64(uploadBytes);
  if (discarded !== undefined) writeExtents(writer, P9, discarded);
  if (replaced !== undefined) writeReplaced(writer, P10, replaced);
  if (replacedDelete !== undefined) writer.uint32(N11).uint64(replacedDelete);
}

/** The message `ObjectVersion`, without its length. */
export function writeObject(object: ObjectVersion, writer: NumberWriter): void {
  const { checksum, parts, ufsEtag } = object;
  writeNumber(writer, N1, object.size);
  writeText(writer, P2, object.etag);
  writeNumber(writer, N3, object.lastModifiedMs);
  writeExtents(writer, P4, object.extents);
  writeHeaders(writer, P5, object.headers);
  writer.uint32(N6).uint32(policyMode.encode(object.policy));
  writer.uint32(N7).uint32(persistState.encode(object.state));
  if (checksum !== undefined) writeChecksum(writer, P8, checksum);
  if (parts !== undefined) for (const part of parts) writePart(writer, P9, part);
  if (ufsEtag !== undefined) writer.uint32(P10).string(ufsEtag);
}

function writeReplaced(writer: NumberWriter, tag: number, replaced: Replaced): void {
  writer.uint32(tag).fork();
  writeNumber(writer, N1, replaced.version);
  writeNumber(writer, N2, replaced.size);
  writer.uint32(N3).uint32(persistState.encode(replaced.state));
  writeExtents(writer, P4, replaced.extents);
  writer.ldelim();
}

function writeExtents(writer: NumberWriter, tag: number, extents: readonly Extent[]): void {
  for (const { segment, position, size, checksum } of extents) {
    writer.uint32(tag).fork();
    writeNumber(writer, N1, segment);
    writeNumber(writer, N2, position);
    writeNumber(writer, N3, size);
    // Also a checksum of 0: the generated encoder does not take the bigint for a default.
    writer.uint32(F4).fixed64(checksum);
    writer.ldelim();
  }
}

function writeHeaders(writer: NumberWriter, tag: number, { system, user, tags }: ObjectHeaders): void {
  writer.uint32(tag).fork();
  writeEntries(writer, P1, system);
  writeEntries(writer, P2, user);
  if (tags !== undefined) writeEntries(writer, P3, tags);
  writer.ldelim();
}

/** The entries of a map say both of their fields, whatever they are. */
function writeEntries(writer: NumberWriter, tag: number, entries: Readonly<Record<string, string>>): void {
  for (const name of Object.keys(entries)) {
    writer.uint32(tag).fork();
    writer.uint32(P1).string(name);
    writer.uint32(P2).string(entries[name] ?? '');
    writer.ldelim();
  }
}

function writeChecksum(writer: NumberWriter, tag: number, checksum: ObjectChecksum): void {
  writer.uint32(tag).fork();
  writer.uint32(N1).uint32(checksumAlgorithm.encode(checksum.algorithm));
  writeText(writer, P2, checksum.value);
  writer.uint32(N3).uint32(checksumType.encode(checksum.type));
  writer.ldelim();
}

function writePart(writer: NumberWriter, tag: number, part: ObjectPart): void {
  writer.uint32(tag).fork();
  writeNumber(writer, N1, part.number);
  writeNumber(writer, N2, part.size);
  if (part.checksum !== undefined) writeChecksum(writer, P3, part.checksum);
  writer.ldelim();
}

function writeNumber(writer: NumberWriter, tag: number, value: number): void {
  if (value !== 0) writer.uint32(tag).uint64(value);
}

function writeText(writer: NumberWriter, tag: number, value: string): void {
  if (value !== '') writer.uint32(tag).string(value);
}
