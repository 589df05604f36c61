/**
 * Which part of a log may be forgotten: a pure decision.
 *
 * A trim says what is no longer needed for recovery; retention keeps some of that as history for operators,
 * up to a number of bytes and an age. Both are limits: what is beyond either of them goes.
 */

export interface Retention {
  /** History is kept while the log from it to the end takes no more than this. */
  readonly bytes: number;
  /** History older than this goes. */
  readonly timeMs: number;
}

/** A stretch of the log that can only be dropped whole. */
export interface Stretch {
  /** Offset of the event after its last. */
  readonly endOffset: number;
  readonly sizeBytes: number;
  /** Wall time by which all of it was written. */
  readonly endTimeMs: number;
}

/**
 * Whether the oldest of `stretches` may be dropped when nothing below `upTo` is needed; `bytesAfter` is what
 * the log takes without it. Never true for a stretch that holds an event at or after `upTo`.
 */
export function isDroppable(
  oldest: Stretch,
  bytesAfter: number,
  upTo: number,
  retention: Retention,
  nowMs: number,
): boolean {
  if (oldest.endOffset > upTo) return false;
  const tooLarge = oldest.sizeBytes + bytesAfter > retention.bytes;
  const tooOld = nowMs - oldest.endTimeMs > retention.timeMs;
  return tooLarge || tooOld;
}
