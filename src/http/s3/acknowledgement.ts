/**
 * Headrace's own headers about how certain a write is: what a request may ask for, and what answers say.
 *
 * A write that asks for `persisted` and does not get it in time has been made all the same. Its answer is 202 instead of 200, which
 * every SDK takes for success and shows, with `x-headrace-ack: fsynced` and the state that it has reached.
 */
import { HOUR_MS } from '../../core/units.js';
import type { AckLevel, AckReceipt, AckRequest, WriteReceipt } from '../../engine/object-service.js';
import type { ObjectStatus } from '../../engine/object-status.js';
import { formatDuration, parseDuration } from '../../core/quantities.js';
import type { Exchange } from './exchange.js';
import { invalidArgument } from './s3-error.js';
import { formatXmlDate } from './timestamps.js';
import { element } from './xml-writer.js';

const ACK = 'x-headrace-ack';
const TIMEOUT = 'x-headrace-ack-timeout';
const LEVELS: readonly AckLevel[] = ['fsynced', 'persisted'];
/** A longer wait belongs to `headrace flush`: no connection lives for ever. */
const ACK_TIMEOUT_MS_MAX = HOUR_MS;

/** What the request asks for; undefined when it asks for nothing. Throws InvalidArgument. */
export function ackRequest(exchange: Exchange): AckRequest | undefined {
  const { headers } = exchange;
  const text = headers[ACK];
  const timeout = headers[TIMEOUT];
  if (text === undefined && timeout === undefined) return undefined;
  const level = LEVELS.find((name) => name === text);
  if (level === undefined)
    throw text === undefined
      ? invalidArgument(
          `${TIMEOUT} is the deadline of ${ACK}: persisted, which is missing.`,
          TIMEOUT,
          String(timeout),
        )
      : invalidArgument(`${ACK} is one of ${LEVELS.join(', ')}, not "${String(text)}".`, ACK, String(text));
  if (timeout === undefined) return { level, timeoutMs: exchange.context.options.ackTimeoutMs };
  const timeoutMs = parseDuration(String(timeout));
  if (timeoutMs === undefined || timeoutMs < 1 || timeoutMs > ACK_TIMEOUT_MS_MAX)
    throw invalidArgument(
      `${TIMEOUT} is a duration with a unit, such as 500ms or 30s, of at most ${formatDuration(ACK_TIMEOUT_MS_MAX)}, not "${String(timeout)}".`,
      TIMEOUT,
      String(timeout),
    );
  return { level, timeoutMs };
}

/** 202 for a write that was made and is not as certain as was asked for; else 200. */
export function statusOfWrite(receipt: WriteReceipt): number {
  return receipt.ack?.state === undefined || receipt.ack.level === 'persisted' ? 200 : 202;
}

/** Adds what an answer says about the level that was asked for. */
export function addAck(into: string[], ack: AckReceipt | undefined): void {
  if (ack === undefined) return;
  into.push(ACK, ack.level);
  if (ack.state !== undefined) into.push('x-headrace-state', ack.state);
  if (ack.cause !== undefined) into.push('x-headrace-cause', ack.cause);
}

/** The same in a document, whose status and headers may have been sent long before. */
export function ackElement(ack: AckReceipt | undefined): string {
  return ack === undefined ? '' : element('HeadraceAck', ack.level);
}

/** Adds what HEAD tells of an object's way to the UFS. */
export function addStatus(into: string[], status: ObjectStatus): void {
  const { offset, policy, state, ack, attempt, nextAttemptAtMs, cause, ufsEtag } = status;
  into.push('x-headrace-state', state, 'x-headrace-policy', policy, ACK, ack);
  if (offset !== undefined) into.push('x-headrace-offset', offset);
  if (attempt > 0) into.push('x-headrace-attempts', String(attempt));
  if (nextAttemptAtMs !== undefined) into.push('x-headrace-next-attempt', formatXmlDate(nextAttemptAtMs));
  if (cause !== undefined) into.push('x-headrace-cause', cause);
  if (ufsEtag !== undefined) into.push('x-headrace-ufs-etag', `"${ufsEtag}"`);
  into.push('x-headrace-location', locationOf(status));
}

/** `segment;id=3;position=128;size=10240, ufs`: a list of places, the fastest first. */
function locationOf({ extents, inUfs }: ObjectStatus): string {
  const [first] = extents;
  const places: string[] = [];
  if (first !== undefined) {
    const more = extents.length > 1 ? `;extents=${extents.length}` : '';
    places.push(`segment;id=${first.segment};position=${first.position};size=${first.size}${more}`);
  }
  if (inUfs) places.push('ufs');
  return places.length === 0 ? 'none' : places.join(', ');
}
