/**
 * The interface of the segment store: object bytes in append-only files on local NVMe.
 *
 * Invariants: an extent that was returned is durable and never changes; bytes that no event mentions are garbage and go
 * with their segment; a segment's file is removed only after every event that mentions it was superseded durably.
 * The implementation is `segments/segment-files.ts`; the byte layout is in `docs/on-disk-format.md`.
 */
import type { Extent } from '../core/object.js';

export interface SegmentStore {
  /**
   * Copies a small body (at most `SMALL_BODY_BYTES_MAX`) into the open batch; resolves when it is durable. The chunks may be
   * reused as soon as the call returns. One disk write is in flight; all bodies that arrive meanwhile are the next.
   * `owner` is the index key of the record that will refer to the extent, kept in front of the payload.
   * `DISK_FULL`, `IO_FAILED`, `CLOSED`.
   */
  append(owner: string, chunks: readonly Uint8Array[], size: number): Promise<Extent>;
  /** As `append`, for the hot path: `receiver` is told how it went, once, and never within the call. */
  appendThen(owner: string, chunks: readonly Uint8Array[], size: number, receiver: AppendReceiver): void;
  /** Opens a segment of its own for a large body. `sizeExpected` reserves nothing; it only places the file. */
  openWriter(owner: string, sizeExpected: number | undefined): Promise<ExtentWriter>;
  /**
   * As `readSmall`, within the call; undefined when it might wait for the disk, or when there is something wrong with the
   * extent.
   */
  tryReadSmall(extent: Extent): { bytes: Uint8Array; release: () => void } | undefined;
  /** Reads and verifies a whole small extent (at most `SMALL_BODY_BYTES_MAX`). `CORRUPT_EXTENT`. */
  readSmall(extent: Extent): Promise<{ bytes: Uint8Array; release: () => void }>;
  /**
   * Streams payload bytes `first` to `last` (inclusive) of an extent, verifying each chunk they touch before it is
   * yielded. A yielded buffer is valid until the next one is asked for. Throws `CORRUPT_EXTENT`, `IO_FAILED`.
   */
  read(extent: Extent, first: number, last: number): AsyncIterable<Uint8Array>;
  /** Every extent found in a segment file, live or not, with its owner; for eviction, compaction and verification. */
  walk(segment: number): AsyncIterable<{ readonly owner: string; readonly extent: Extent }>;
  /** Closes the segment that small bodies go to, so that it can be compacted or dropped; the next body opens another. */
  seal(): Promise<void>;
  /** Gives a segment's space back to the file system (a few files may be kept for reuse). Waits for its readers. */
  drop(segment: number): Promise<void>;
  /** All segments there are, ascending, with the bytes their files take, and whether bytes are still being appended. */
  segments(): readonly { readonly id: number; readonly fileBytes: number; readonly open: boolean }[];
  /** Small bodies appended from now on go to this segment or to one with a higher id. */
  readonly smallSegment: number;
  /** Bytes all segment files take on disk, those kept for reuse included. */
  readonly fileBytes: number;
  /** Bytes written to disk since the start (headers and tables included), and payload bytes stored. */
  readonly statistics: {
    readonly writtenBytes: number;
    readonly payloadBytes: number;
    readonly writes: number;
  };
  close(): Promise<void>;
}

export interface AppendReceiver {
  /** The body is durable. */
  appended(extent: Extent): void;
  failed(error: unknown): void;
}

export interface ExtentWriter {
  readonly segment: number;
  /** Bytes accepted so far. */
  readonly size: number;
  /** Takes a chunk (copied or hashed before it resolves). Resolves when more is welcome: back-pressure. */
  write(chunk: Uint8Array): Promise<void>;
  /** Bytes from the start that are in the file already, in whole chunks: what `readBack` can give. */
  readonly readableSize: number;
  /** Whether a write is in flight, after which more may be readable. */
  readonly isWriting: boolean;
  /** Resolves when the next write in flight has ended, also when it failed; at once when there is none. */
  flushed(): Promise<void>;
  /**
   * Reads back verified bytes from `position`, which is below `readableSize`, to the end of its chunk. All reads end before
   * `finish` or `abandon` is called. `CORRUPT_EXTENT`, `IO_FAILED`.
   */
  readBack(position: number): Promise<Uint8Array>;
  /** Writes what is left and its checksums; everything is durable when it resolves. */
  finish(): Promise<Extent>;
  /** Gives the segment back. Does nothing after `finish`. */
  abandon(): Promise<void>;
}
