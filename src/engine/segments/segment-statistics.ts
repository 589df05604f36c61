/** Counts what goes to disk. `writtenBytes / payloadBytes` is the write amplification. */
export class SegmentStatistics {
  /** Headers, tables and payloads. */
  writtenBytes = 0;
  /** Payload of extents that are durable. */
  payloadBytes = 0;
  writes = 0;

  wrote(bytes: number): void {
    this.writtenBytes += bytes;
    this.writes++;
  }
}
